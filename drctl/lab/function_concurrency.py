"""Reserved concurrency of Lambda functions: how much may be reserved, and what is refused when it is used up.

A reservation of 0 stops a function: whoever invokes it is throttled, and a balancer answers 502 for it.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from moto.awslambda import urls
from moto.awslambda.exceptions import InvalidParameterValueException, LambdaClientError
from moto.awslambda.models import LambdaBackend, LambdaFunction
from moto.awslambda.responses import LambdaResponse
from moto.awslambda.utils import get_backend
from moto.core.responses import ActionResult

from drctl.lab.rules import is_on, layer_rule, operation, rule

#: Concurrent executions of an account in a region, and those that must stay for functions without a reservation
#: (Lambda Developer Guide, "Lambda quotas" and "Configuring reserved concurrency for a function").
ACCOUNT_LIMIT, UNRESERVED = 1_000, 100

urls.url_paths[r"{0}/2016-08-19/account-settings/?$"] = LambdaResponse.dispatch

_lock = threading.Lock()
_running: Counter[tuple[str, str]] = Counter()


class TooManyRequests(LambdaClientError):
    """429: the function has no execution left of what is reserved for it."""

    code = 429

    def __init__(self) -> None:
        super().__init__("TooManyRequestsException", "Rate Exceeded.")
        self.description = json.dumps({
            "__type": self.error_type, "message": self.message, "Type": "User",
            "Reason": "ReservedFunctionConcurrentInvocationLimitExceeded"})


@rule("concurrency-unreserved", LambdaBackend, "put_function_concurrency")
def concurrency_unreserved(proceed: Any, self: LambdaBackend, function_name: str, reserved: Any) -> Any:
    """100 of the account's 1,000 concurrent executions cannot be reserved; reserving none takes none of them.

    Refuses with InvalidParameterValueException. Source: Lambda Developer Guide, "Configuring reserved concurrency for
    a function"; Lambda API Reference, PutFunctionConcurrency.
    """
    wanted = int(reserved)
    others = sum(int(one.reserved_concurrency or 0) for one in self.list_functions()
                 if one.function_name != self.get_function(function_name).function_name)
    if wanted and ACCOUNT_LIMIT - others - wanted < UNRESERVED:
        raise InvalidParameterValueException(
            "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution "
            f"below its minimum value of [{UNRESERVED}].")
    return proceed(function_name, wanted)


@operation("account-settings", LambdaResponse, "get_account_settings")
def get_account_settings(self: LambdaResponse) -> ActionResult:
    """What the account may run at once in the region, and what of it no function has reserved.

    Source: Lambda API Reference, GetAccountSettings: AccountLimit.
    """
    backend = get_backend(self.current_account, self.region)
    reserved = sum(int(one.reserved_concurrency or 0) for one in backend.list_functions())
    return ActionResult({"AccountLimit": {
        "ConcurrentExecutions": ACCOUNT_LIMIT, "UnreservedConcurrentExecutions": ACCOUNT_LIMIT - reserved}})


@rule("concurrency-shown", LambdaFunction, "get_code")
def concurrency_shown(proceed: Any, self: LambdaFunction) -> Any:
    """The function is shown with its reservation, 0 too; it is the function's, whatever version is asked for.

    Source: Lambda API Reference, GetFunction.
    """
    shown = {key: value for key, value in proceed().items() if key != "Concurrency"}
    reserved = _reserved(self)
    return shown if reserved is None else {**shown, "Concurrency": {"ReservedConcurrentExecutions": reserved}}


@layer_rule("concurrency-reserved")
@contextmanager
def execution(function: LambdaFunction) -> Iterator[None]:
    """A function runs as often at a time as is reserved for it, all versions together; with 0 reserved, never.

    Refuses with TooManyRequestsException, reason ReservedFunctionConcurrentInvocationLimitExceeded; a balancer, which
    gets no answer, sends 502. Source: Lambda Developer Guide, "Configuring reserved concurrency for a function" and
    "Troubleshoot invocation issues in Lambda"; Lambda API Reference, Invoke; Application Load Balancers, "Troubleshoot
    your Application Load Balancers": HTTP 502.
    """
    place = (function.region, function.function_name)
    reserved = _reserved(function) if is_on("concurrency-reserved") else None
    with _lock:
        if reserved is not None and _running[place] >= reserved:
            raise TooManyRequests
        _running[place] += 1
    try:
        yield
    finally:
        with _lock:
            _running[place] -= 1


def _reserved(function: LambdaFunction) -> int | None:
    """The reservation of the function of which this may be a version; None without one."""
    latest = get_backend(function.account_id, function.region).get_function(function.function_name)
    return None if latest.reserved_concurrency is None else int(latest.reserved_concurrency)
