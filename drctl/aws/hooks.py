"""botocore event hooks: everything that leaves this process is seen here, with secrets already taken out.

botocore marks secret members of its service models `sensitive`; that mark decides what is redacted.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Protocol

from drctl.aws.calls import is_mutating

REDACTED = "(redacted)"


@dataclass(frozen=True)
class Call:
    """One API call as it is about to be sent; `params` carry no secret."""

    region: str
    service: str
    operation: str
    params: dict[str, Any]

    @property
    def mutating(self) -> bool:
        """Whether it can change AWS."""
        return is_mutating(self.operation)


@dataclass(frozen=True)
class Answer:
    """How a call ended: HTTP status, AWS's code when it refused, request id, wall seconds, tries."""

    status: int
    code: str
    request_id: str
    seconds: float
    retries: int = 0


class Listener(Protocol):
    """Whoever wants to see the calls, and may keep them from being sent by raising."""

    def sending(self, call: Call) -> None:
        """Before a call is made ready."""

    def leaving(self, call: Call) -> None:
        """Before each try of it: minutes may lie between the SDK's tries. The call carries no parameters here."""

    def answered(self, call: Call, answer: Answer) -> None:
        """After its last try."""


class Unheard:
    """Hears nothing: for calls that are none of the run's, such as those of leases, copies and notices."""

    def sending(self, call: Call) -> None:
        return

    def leaving(self, call: Call) -> None:
        return

    def answered(self, call: Call, answer: Answer) -> None:
        return


def redact(value: Any, shape: Any) -> Any:
    """`value` with every member that botocore's model marks sensitive replaced, and blobs by their length."""
    if shape is not None and shape.metadata.get("sensitive"):
        return REDACTED
    match getattr(shape, "type_name", ""), value:
        case "structure", dict():
            return {key: redact(item, shape.members.get(key)) for key, item in value.items()}
        case "map", dict():
            return {key: redact(item, shape.value) for key, item in value.items()}
        case "list", list() | tuple():
            return [redact(item, shape.member) for item in value]
        case "blob", _:
            return "(content)"
        case _:
            return value


def listen(client: Any, region: str, listener: Listener) -> None:
    """Let `listener` see every call of `client`, before it is sent and after it was answered."""
    events = client.meta.events
    service = client.meta.service_model.service_name

    def sending(params: dict[str, Any], model: Any, context: dict[str, Any], **_: Any) -> None:
        call = Call(region, service, model.name, redact(params, model.input_shape) if params else {})
        context["drctl"] = (call, time.monotonic())
        listener.sending(call)

    def answered(context: dict[str, Any], parsed: dict[str, Any], **_: Any) -> None:
        call, since = context["drctl"]
        meta = parsed.get("ResponseMetadata", {})
        status = int(meta.get("HTTPStatusCode", 0))
        code = str(parsed.get("Error", {}).get("Code", "")) if status >= 300 else ""
        listener.answered(call, Answer(status, code, str(meta.get("RequestId", "")), time.monotonic() - since,
                                       int(meta.get("RetryAttempts", 0))))

    def failed(context: dict[str, Any], exception: Exception, **_: Any) -> None:
        call, since = context["drctl"]
        listener.answered(call, Answer(0, type(exception).__name__, "", time.monotonic() - since))

    def leaving(operation_name: str, **_: Any) -> None:
        listener.leaving(Call(region, service, operation_name, {}))

    events.register_last("before-parameter-build.*.*", sending)
    events.register_first("request-created.*.*", leaving)
    events.register("after-call.*.*", answered)
    events.register("after-call-error.*.*", failed)
