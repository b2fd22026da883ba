"""drctl's hand inside the VPC: calls to the probe function, which writes numbered heartbeats and reads them back."""

from __future__ import annotations

import json
from typing import Any

from drctl.engine.run import Run
from drctl.errors import DrctlError
from drctl.settings import Site


class ProbeFailed(DrctlError):
    """The probe function itself failed; what the database said is an answer, not this."""


def ask(run: Run, site: Site, /, **request: Any) -> dict[str, Any]:
    """The probe's answer; `ok` false with `error` and `text` when the database refused. ProbeFailed otherwise."""
    return invoke(run, site, "probe", request)


def invoke(run: Run, site: Site, label: str, request: dict[str, Any]) -> dict[str, Any]:
    """A direct invocation of the live version of one of the stack's functions."""
    answer = run.at(site).lambda_.invoke(FunctionName=run.name("lambda", label, site), Qualifier="live",
                                         Payload=json.dumps(request).encode())
    body = json.loads(answer["Payload"].read() or b"{}")
    if answer.get("FunctionError"):
        raise ProbeFailed(f"the {label} function in {site.region} failed: {body.get('errorMessage', body)}",
                          next_step=f"aws logs tail /aws/lambda/{run.name('lambda', label, site)} "
                                    f"--region {site.region}")
    found: dict[str, Any] = body
    return found
