"""What Lambda refuses in a function: names, environments, principals; and that it shows a new one a moment late."""

from __future__ import annotations

import json
import re
import threading
from typing import Any

from moto.awslambda.exceptions import InvalidParameterValueException, UnknownFunctionException, ValidationException
from moto.awslambda.models import LambdaBackend
from moto.awslambda.policy import Policy
from moto.awslambda.responses import LambdaResponse
from moto.iam.models import IAMBackend

from drctl.aws.durations import seconds
from drctl.lab import function_interfaces
from drctl.lab.clock import CLOCK
from drctl.lab.principals import unknown
from drctl.lab.rules import hide, is_hidden, rule

#: Bytes of all variables (Lambda Developer Guide, "Lambda quotas").
ENVIRONMENT_LIMIT = 4_096
#: Lambda Developer Guide, "Defined runtime environment variables"; TZ and the X-Ray ones may be set.
RESERVED = frozenset({
    "_HANDLER", "_X_AMZN_TRACE_ID", "AWS_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "AWS_DEFAULT_REGION", "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_INITIALIZATION_TYPE", "AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_LAMBDA_RUNTIME_API", "AWS_REGION", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "LAMBDA_RUNTIME_DIR",
    "LAMBDA_TASK_ROOT"})
_UNABLE = ("Lambda was unable to configure your environment variables because the environment variables you have "
           "provided ")


@rule("function-name", LambdaBackend, "create_function")
def function_name(proceed: Any, _self: LambdaBackend, spec: dict[str, Any]) -> Any:
    """A function's name has 64 characters at most, of letters, digits, - and _. Refuses with ValidationException.

    Source: Lambda API Reference, CreateFunction.
    """
    name = str(spec["FunctionName"]).rpartition(":")[2]
    if len(name) > 64 or not re.fullmatch("[a-zA-Z0-9-_]+", name):
        raise ValidationException(name, "functionName", "Member must satisfy regular expression pattern: "
                                                        "[a-zA-Z0-9-_]+ and have length less than or equal to 64")
    return proceed(spec)


def _check_size(body: dict[str, Any]) -> None:
    variables = (body.get("Environment") or {}).get("Variables") or {}
    if len(json.dumps(variables, separators=(",", ":")).encode()) > ENVIRONMENT_LIMIT:
        raise InvalidParameterValueException(f"{_UNABLE}exceeded the 4KB limit.")


def _check_names(body: dict[str, Any]) -> None:
    variables = (body.get("Environment") or {}).get("Variables") or {}
    if reserved := sorted(RESERVED & set(variables)):
        raise InvalidParameterValueException(
            f"{_UNABLE}contains reserved keys that are currently not supported for modification. Reserved keys used in "
            f"this request: {', '.join(reserved)}")
    for name in variables:
        if not re.fullmatch("[a-zA-Z]([a-zA-Z0-9_])+", name):
            raise ValidationException(str(variables), "environment.variables", "Map keys must satisfy constraint: "
                                      "[Member must satisfy regular expression pattern: [a-zA-Z]([a-zA-Z0-9_])+]")


@rule("environment-size", LambdaBackend, "create_function")
def environment_size(proceed: Any, _self: LambdaBackend, spec: dict[str, Any]) -> Any:
    """All variables together have 4 KB at most. Refuses with InvalidParameterValueException.

    Source: Lambda Developer Guide, Lambda quotas.
    """
    _check_size(spec)
    return proceed(spec)


@rule("environment-names", LambdaBackend, "create_function")
def environment_names(proceed: Any, _self: LambdaBackend, spec: dict[str, Any]) -> Any:
    """Lambda's own variables cannot be set: InvalidParameterValueException; odd names: ValidationException.

    Source: Lambda Developer Guide, Defined runtime environment variables; API Reference, Environment.
    """
    _check_names(spec)
    return proceed(spec)


@rule("environment-change", LambdaBackend, "update_function_configuration")
def environment_change(proceed: Any, _self: LambdaBackend, name: str, qualifier: str, body: dict[str, Any]) -> Any:
    """What a new function may not have in its environment a changed one may not. Refuses with the same codes.

    Source: Lambda API Reference, UpdateFunctionConfiguration.
    """
    _check_size(body)
    _check_names(body)
    return proceed(name, qualifier, body)


@rule("function-age", LambdaBackend, "create_function")
def function_age(proceed: Any, self: LambdaBackend, spec: dict[str, Any]) -> Any:
    """A function just made is not seen for a moment, while its name is taken.

    Source: Terraform provider: aws_lambda_function, retries ResourceNotFoundException after a create.
    """
    function = proceed(spec)
    hide(self.get_function(spec["FunctionName"]), seconds("function-visible"))
    return function


@rule("function-unseen", LambdaResponse, "get_function", "get_function_configuration", "add_permission", "get_policy")
def function_unseen(proceed: Any, self: LambdaResponse) -> Any:
    """Calls miss a function just made. Refuses with ResourceNotFoundException.

    Source: Terraform provider: aws_lambda_function and aws_lambda_permission, retry ResourceNotFoundException.
    """
    name = self.path.split("/functions/")[1].split("/")[0].replace("%3A", ":")
    try:
        function = self.backend.get_function(name)
    except UnknownFunctionException:
        return proceed()
    if is_hidden(function):
        raise UnknownFunctionException(function.function_arn)
    return proceed()


@rule("permission-principal", Policy, "add_statement")
def permission_principal(proceed: Any, _self: Policy, raw: str, qualifier: str | None = None) -> Any:
    """A permission names nobody unknown, or made seconds ago. Refuses with InvalidParameterValueException.

    Source: Lambda API Reference, AddPermission.
    """
    if unknown({"Statement": {"Principal": {"AWS": json.loads(raw).get("Principal")}}}):
        raise InvalidParameterValueException("The provided principal was invalid. Please check the principal and try "
                                             "again.")
    return proceed(raw, qualifier)


@rule("permission-lost", Policy, "add_statement")
def permission_lost(proceed: Any, self: Policy, raw: str, qualifier: str | None = None) -> Any:
    """Permissions that are given to one function at the same moment overwrite each other without a word.

    Source: Terraform provider: aws_lambda_permission, gives the permissions of a function one after the other.
    """
    before = list(self.statements)
    threading.Event().wait(seconds("permission-write") / CLOCK.speed)
    answer = proceed(raw, qualifier)
    self.statements = [*before, answer[0]]
    return answer


@rule("interfaces-need-their-role", IAMBackend, "delete_role")
def interfaces_need_their_role(proceed: Any, self: IAMBackend, role_name: str) -> None:
    """Lambda removes interfaces with the rights of the role they were made with: without it they stay for good.

    Source: Lambda Developer Guide, Giving Lambda functions access to resources in an Amazon VPC.
    """
    arn = self.get_role(role_name).arn
    proceed(role_name)
    function_interfaces.strand(arn)
