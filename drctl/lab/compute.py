"""Lambda's data plane: an invocation runs the code that is deployed, with the configuration that is deployed."""

from __future__ import annotations

import logging
import os
import threading
import time
from typing import Any
from uuid import uuid4

from moto.awslambda.exceptions import LambdaClientError
from moto.awslambda.models import LambdaFunction
from moto.awslambda.responses import LambdaResponse
from moto.awslambda.utils import get_backend
from moto.awslambda_simple.models import LambdaSimpleBackend
from moto.core.utils import unix_time_millis, utcnow

from drctl.errors import DrctlError
from drctl.lab import outages
from drctl.lab.databases import DATABASES
from drctl.lab.endpoint_names import reached_by
from drctl.lab.execution import Deployed, Fleet, Outcome
from drctl.lab.function_concurrency import execution
from drctl.lab.functions import ResourceConflict
from drctl.lab.rules import rule
from drctl.settings import LAB_ACCOUNT

log = logging.getLogger(__name__)
_lock, _log_lock = threading.Lock(), threading.Lock()
_fleet: list[Fleet] = []
#: Lines of a version's log that are kept at least.
KEPT_LINES = 20_000
#: Real seconds that the last invocation of a function took, by region and name.
TOOK: dict[tuple[str, str], float] = {}


def invoke(region: str, function_name: str, payload: bytes, qualifier: str | None = None) -> bytes:
    """The answer of a function (name, ARN, either with a qualifier), also when it is an error's description.

    Raises moto's UnknownFunctionException, and ResourceConflict while the function is Pending.
    """
    return run(get_backend(LAB_ACCOUNT, region).get_function(function_name, qualifier), payload).payload


def run(function: LambdaFunction, payload: bytes) -> Outcome:
    """One invocation of a deployed version.

    Raises ResourceConflict while it is Pending, ServiceException while Lambda is out in its region, also when that
    begins while it runs, and TooManyRequests when what is reserved for it is used up.
    """
    _require_lambda(function)
    if function.state != "Active":
        raise ResourceConflict("The operation cannot be performed at this time. The function is currently in the "
                               f"following state: {function.state}")
    extra = _trust(function) | reached_by(function, function.environment_vars, _address())
    began = time.monotonic()
    with execution(function):
        outcome = fleet().run(deployed_as(function), payload, _port_of, extra)
    _require_lambda(function)
    TOOK[function.region, function.function_name] = time.monotonic() - began
    _log(function, outcome)
    return outcome


def _require_lambda(function: LambdaFunction) -> None:
    if outages.is_down(function.region, "lambda"):
        raise LambdaClientError("ServiceException", f"Lambda is out in {function.region}")


def run_later(function: LambdaFunction, payload: bytes) -> None:
    """An asynchronous invocation: nobody waits for the answer. What is throttled is dropped; AWS tries it for hours."""
    try:
        run(function, payload)
    except LambdaClientError:
        log.info("an asynchronous invocation of %s was not run", function.function_name, exc_info=True)


def _trust(function: LambdaFunction) -> dict[str, str]:
    """What Lambda's managed runtimes carry for Amazon RDS, the lab gives for its own databases."""
    if "DATABASE_HOST" not in function.environment_vars:
        return {}
    try:
        return {"DATABASE_CA_BUNDLE": DATABASES.ca_bundle}
    except DrctlError as error:
        log.warning("functions run without a database: %s", error)
        return {}


def _port_of(host: str) -> int | None:
    """Port of the database behind a name; a database that cannot be started is one that does not answer."""
    try:
        return DATABASES.port_of(host)
    except Exception:
        log.exception("no database behind %s", host)
        return None


def deployed_as(function: LambdaFunction) -> Deployed:
    """Code and configuration of one version as moto holds them."""
    return Deployed(function.region, function.function_name, str(function.version), function.function_arn,
                    str(function.handler), float(function.timeout), int(function.memory_size),
                    tuple(sorted(function.environment_vars.items())), function.code_bytes, function.code_sha_256)


def _address() -> str:
    """Where the lab answers."""
    return f"http://127.0.0.1:{os.environ['MOTO_PORT']}"


def fleet() -> Fleet:
    """The environments of this lab process; made at first need."""
    with _lock:
        if not _fleet:
            _fleet.append(Fleet(_address()))
        return _fleet[0]


def empty() -> None:
    """End every function's environments and every database: the lab is emptied, and goes on."""
    with _lock:
        for one in _fleet:
            one.empty()
    DATABASES.stop()


def stop() -> None:
    """End every process of functions and every database: the lab goes down."""
    with _lock:
        ending = list(_fleet)
        _fleet.clear()
    for one in ending:
        one.stop()
    DATABASES.stop()


def _log(function: LambdaFunction, outcome: Outcome) -> None:
    """The function's log group gets the lines, as Lambda writes them; the group is made if nobody did.

    A version has one stream here, of which the oldest lines are forgotten: the lab keeps everything in memory.
    """
    logs, group = function.logs_backend, str(function.logs_group_name)
    with _log_lock:
        logs.ensure_log_group(group)
        name = function.__dict__.setdefault("_lab_log_stream", f"{utcnow():%Y/%m/%d}/[{function.version}]{uuid4().hex}")
        if name not in logs.groups[group].streams:
            logs.create_log_stream(group, name)
        now = int(unix_time_millis())
        logs.put_log_events(group, name, [{"timestamp": now, "message": line} for line in outcome.log.splitlines()])
        events = logs.groups[group].streams[name].events
        if len(events) > 2 * KEPT_LINES:
            del events[:-KEPT_LINES]


@rule("invoke-runs-the-code", LambdaSimpleBackend, "invoke")
def invoke_runs_the_code(_: Any, self: LambdaSimpleBackend, function_name: str, qualifier: str | None,
                         body: Any, headers: Any, response_headers: Any) -> bytes | None:
    """An invocation runs the deployed package: its answer, or an error's description with X-Amz-Function-Error.

    A function that is Pending answers ResourceConflictException; an asynchronous invocation answers at once.
    Source: Lambda API Reference, Invoke; Lambda Developer Guide, Lambda function states.
    """
    function = self.get_function(function_name, qualifier)
    kind = headers.get("X-Amz-Invocation-Type", "RequestResponse")
    payload = body.encode() if isinstance(body, str) else body or b"{}"
    response_headers["X-Amz-Executed-Version"] = str(function.version)
    if kind == "DryRun":
        return b""
    if kind == "Event":
        threading.Thread(target=run_later, args=(function, payload), name="asynchronous-invocation",
                         daemon=True).start()
        return b""
    outcome = run(function, payload)
    if outcome.failed:
        response_headers["x-amz-function-error"] = "Unhandled"
    response_headers["x-amz-log-result"] = outcome.log_result
    return outcome.payload


@rule("invoke-qualifier", LambdaResponse, "invoke")
def invoke_qualifier(proceed: Any, self: LambdaResponse) -> Any:
    """An invocation with a qualifier runs that version or the alias' version (moto looks for it under another name).

    Source: Lambda API Reference, Invoke.
    """
    if qualifier := self._get_param("Qualifier"):
        self.querystring["qualifier"] = [qualifier]
    return proceed()
