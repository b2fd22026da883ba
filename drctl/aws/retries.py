"""Who repeats a call: the SDK what is surely without harm, the engine what may have happened, nobody what was refused.

- Throttling is repeated by the SDK, whatever the call: nothing happened (AWS SDKs Reference Guide, "Retry behavior").
- A call that got no answer, or a 5xx one, may have taken effect. The SDK repeats it when a second time is the same as
  once: reads, calls with an idempotency token, and those that put a whole value.
- Any other such call is not repeated blindly, for that could build a second VPC: AnswerLost is raised, and the engine
  looks at AWS before it goes on.
"""

from __future__ import annotations

from typing import Any

from botocore.exceptions import (
    BotoCoreError,
    ConnectionError,  # noqa: A004  # botocore's name for "no answer came"
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
)
from botocore.retries import standard

from drctl.aws.calls import is_mutating, is_whole_value
from drctl.aws.fence import goes_to

#: Answers that say nothing about whether the call took effect (AWS General Reference, common errors).
UNKNOWN_STATUS = frozenset({500, 502, 503, 504})
#: Answers of those statuses that do: AWS did not begin with it.
THROTTLED = frozenset({"RequestLimitExceeded", "SlowDown", "Throttling", "ThrottlingException", "EC2ThrottledException",
                       "RequestThrottled", "TooManyRequestsException", "PriorRequestNotComplete"})
#: No connection was made, so nothing was sent.
NOT_SENT = (EndpointConnectionError, ConnectTimeoutError)


class NoAnswer(BotoCoreError):
    """A call got no answer, as often as it was tried; `region` is the one that it needed."""

    fmt = "{operation_name} in {region}: {seen}"

    def __init__(self, operation_name: str, region: str, seen: str) -> None:
        super().__init__(operation_name=operation_name, region=region, seen=seen)
        self.operation_name = operation_name
        self.region = region


class AnswerLost(NoAnswer):
    """A call may have taken effect or not: its answer did not come, or says nothing about it."""

    fmt = "{operation_name} in {region}: {seen}; whether it took effect is not known"


def is_silence(error: BaseException | None) -> bool:
    """Whether nothing came, not even an error; None stands for an answer that nobody has waited for any longer."""
    return error is None or isinstance(error, NoAnswer | ConnectionError | HTTPClientError)


def retry_with_care(client: Any, region: str, attempts: int, speed: float, *, waits_for_endpoint: bool) -> None:
    """Let the SDK's standard retries of `client` follow the rules above; their pauses shrink with a lab's `speed`.

    With `waits_for_endpoint` false a refused connection is raised at once: a lab that has ended does not come back.
    """
    service = client.meta.service_model.service_id.hyphenize()
    place = goes_to(service, region)
    sdk = standard.register_retry_handler(client, attempts)
    # Registered under its own name by the client already; here it is asked by `decide`, which may answer otherwise.
    client.meta.events.unregister(f"needs-retry.{service}", unique_id=f"retry-config-{service}")

    def decide(response: Any = None, caught_exception: BaseException | None = None, operation: Any = None,
               **rest: Any) -> Any:
        if isinstance(caught_exception, EndpointConnectionError) and not waits_for_endpoint:
            raise caught_exception
        if operation is not None and not may_be_repeated(operation) and (
                seen := _unknown(response, caught_exception)):
            raise AnswerLost(operation.name, place, seen) from caught_exception
        pause = sdk.needs_retry(response=response, caught_exception=caught_exception, operation=operation, **rest)
        if caught_exception is not None and operation is not None and (pause is None or pause is False):
            seen = f"no answer ({type(caught_exception).__name__}), tried {rest.get('attempts', 1)} times"
            raise NoAnswer(operation.name, place, seen) from caught_exception
        return pause / speed if pause else pause

    client.meta.events.register_first(f"needs-retry.{service}", decide)


def may_be_repeated(operation: Any) -> bool:
    """Whether twice is the same as once, by the operation's model: it reads, has a token, or puts a whole value."""
    return not is_mutating(operation.name) or bool(operation.idempotent_members) or is_whole_value(operation.name)


def _unknown(response: Any, caught: BaseException | None) -> str:
    """What was seen instead of an answer; empty when it is known how the call ended."""
    if isinstance(caught, NOT_SENT):
        return ""
    if isinstance(caught, ConnectionError | HTTPClientError):
        return f"no answer ({type(caught).__name__})"
    if response is None or response[0].status_code not in UNKNOWN_STATUS:
        return ""
    code = str(response[1].get("Error", {}).get("Code", ""))
    return "" if code in THROTTLED else f"answered {response[0].status_code} {code}".rstrip()
