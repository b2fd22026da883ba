"""drctl's hand inside the VPC: calls to the probe function, which writes numbered heartbeats and reads them back."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from drctl.aws.commands import Command
from drctl.aws.errors import AwsError, Refusal
from drctl.engine.run import Run
from drctl.engine.waiting import minutes
from drctl.errors import DrctlError
from drctl.settings import Site

#: How the probe is asked: `ask`, or a test's own.
Ask = Callable[..., dict[str, Any]]
#: A function in a VPC that nobody called for 14 days has lost its interfaces: the first call fails and wakes it (Lambda
#: Developer Guide, "Giving Lambda functions access to resources in an Amazon VPC").
ASLEEP = (Refusal("ResourceNotReadyException"), Refusal("ENINotReadyException"),
          Refusal("ResourceConflictException", "Pending"), Refusal("ResourceConflictException", "Inactive"))


class ProbeFailed(DrctlError):
    """The probe function itself failed; what the database said is an answer, not this."""


def ask(run: Run, site: Site, /, **request: Any) -> dict[str, Any]:
    """The probe's answer; `ok` false with `error` and `text` when the database refused. ProbeFailed otherwise."""
    return invoke(run, site, "probe", request)


def invoke(run: Run, site: Site, label: str, request: dict[str, Any]) -> dict[str, Any]:
    """A direct invocation of the live version of one of the stack's functions."""
    call = invocation(run, site, label, request)
    answer = run.retry(f"function {call.params['FunctionName']} is awake", lambda: call.send(run.aws), ASLEEP,
                       within=minutes(10))
    return told(run, site, label, answer)


def invocation(run: Run, site: Site, label: str, request: dict[str, Any]) -> Command:
    """The call that asks one of the stack's functions."""
    return Command(site.region, "lambda_", "Invoke", {
        "FunctionName": run.name("lambda", label, site), "Qualifier": "live",
        "Payload": json.dumps(request).encode()})


def told(run: Run, site: Site, label: str, answer: Any) -> dict[str, Any]:
    """What a function has answered; ProbeFailed when it failed itself."""
    body = json.loads(answer["Payload"].read() or b"{}")
    if answer.get("FunctionError"):
        raise ProbeFailed(f"the {label} function in {site.region} failed: {body.get('errorMessage', body)}",
                          next_step=f"aws logs tail /aws/lambda/{run.name('lambda', label, site)} "
                                    f"--region {site.region}")
    found: dict[str, Any] = body
    return found


def attempt(ask: Ask, run: Run, site: Site, /, **request: Any) -> dict[str, Any]:
    """What the probe says; what keeps it from answering is an answer too, with `ok` false."""
    try:
        return ask(run, site, **request)
    except (DrctlError, *AwsError) as error:
        return {"ok": False, "error": type(error).__name__, "text": str(error)}


def in_words(answer: dict[str, Any]) -> str:
    """An answer as a wait shows it."""
    return "done" if answer.get("ok") else f"{answer.get('error')}: {answer.get('text')}"
