"""The control plane of Lambda: states of functions and versions, updates that must not overlap, permissions, aliases.

Running the code is lab/compute.py's.
"""

from __future__ import annotations

import copy
import json
from typing import Any

from moto.awslambda.exceptions import InvalidParameterValueException, LambdaClientError, UnknownFunctionException
from moto.awslambda.models import LambdaBackend, LambdaFunction, LambdaStorage
from moto.awslambda.policy import Policy
from moto.awslambda.responses import LambdaResponse
from moto.awslambda.utils import get_backend
from moto.core import DEFAULT_ACCOUNT_ID
from moto.core.config import default_user_config

from drctl.aws.durations import seconds
from drctl.lab.clock import CLOCK
from drctl.lab.function_interfaces import settle_interfaces, vpc_of
from drctl.lab.policies import trusts
from drctl.lab.rules import Pending, is_due, rule, take

# the lab runs the deployed code itself, without containers
default_user_config["lambda"] = {"use_docker": False}
Pending.install(LambdaFunction, "state", "Pending")


class ResourceConflict(LambdaClientError):
    """409: something with that name exists, or the function is busy."""

    code = 409

    def __init__(self, message: str) -> None:
        super().__init__("ResourceConflictException", message)


def is_active(region: str, name: str) -> bool:
    """Whether a function (name, ARN, or either with a qualifier) exists there and is Active."""
    try:
        function = get_backend(DEFAULT_ACCOUNT_ID, region).get_function(name)
    except (UnknownFunctionException, KeyError):
        return False
    return str(function.state) == "Active"


def is_updating(function: LambdaFunction) -> bool:
    """Whether an update of the function is in progress."""
    return bool(CLOCK.now() < function.__dict__.get("_lab_updated_at", 0.0))


def _refuse_when_busy(function: LambdaFunction) -> None:
    if function.state != "Active":
        raise ResourceConflict("The operation cannot be performed at this time. The function is currently in the "
                               f"following state: {function.state}")
    if is_updating(function):
        raise ResourceConflict("The operation cannot be performed at this time. An update is in progress for resource: "
                               f"{function.function_arn}")


def _begin_update(function: LambdaFunction) -> None:
    function.__dict__["_lab_updated_at"] = CLOCK.now() + seconds("function-update")


@rule("function-role", LambdaStorage, "put_function")
def function_role(proceed: Any, self: LambdaStorage, function: LambdaFunction) -> Any:
    """The role must be old enough and trust Lambda. Refuses with InvalidParameterValueException.

    Source: Lambda Developer Guide, Defining Lambda function permissions with an execution role; Terraform provider:
    aws_lambda_function, retries "cannot be assumed by Lambda" for 5 min.
    """
    answer = proceed(function)
    if not trusts(function.role, "lambda.amazonaws.com"):
        del self._functions[function.function_name]
        raise InvalidParameterValueException("The role defined for the function cannot be assumed by Lambda.")
    return answer


@rule("function-pending", LambdaBackend, "create_function")
def function_pending(proceed: Any, self: LambdaBackend, spec: dict[str, Any]) -> Any:
    """A function is Pending at first: for about a minute in a VPC, where interfaces are made for it.

    Source: Lambda Developer Guide, Lambda function states.
    """
    function = proceed({**spec, "Publish": False})
    take(function, seconds("function-create" if vpc_of(function) else "function-update"))
    settle_interfaces(self)
    return _publish(self._lambdas, function) if spec.get("Publish") else function


@rule("function-update", LambdaBackend, "update_function_code", "update_function_configuration")
def function_update(proceed: Any, self: LambdaBackend, function_name: str, qualifier: str, body: dict[str, Any]) -> Any:
    """One update at a time: ResourceConflictException while another is in progress or the function is Pending.

    Source: Lambda Developer Guide, Lambda function states.
    """
    function = self.get_function(function_name)
    _refuse_when_busy(function)
    if body.get("Role") and not trusts(body["Role"], "lambda.amazonaws.com"):
        raise InvalidParameterValueException("The role defined for the function cannot be assumed by Lambda.")
    if body.get("DryRun"):
        return proceed(function_name, qualifier, body)
    proceed(function_name, None, {**body, "Publish": False})
    _keep_the_rest(function, body)
    _begin_update(function)
    settle_interfaces(self)
    return (_publish(self._lambdas, function) if body.get("Publish") else function).get_configuration()


def _keep_the_rest(function: LambdaFunction, body: dict[str, Any]) -> None:
    """Settings that moto forgets when they are changed."""
    for key, attribute in (("KMSKeyArn", "kms_key_arn"), ("TracingConfig", "tracing_config"),
                           ("Architectures", "architectures")):
        if key in body:
            setattr(function, attribute, body[key])
    if "EphemeralStorage" in body:
        function.ephemeral_storage = body["EphemeralStorage"]["Size"]


@rule("function-states", LambdaFunction, "get_configuration")
def function_states(proceed: Any, self: LambdaFunction, on_create: bool = False) -> Any:
    """State, reason and status of the last update are told, and the VPC is the one of the subnets.

    Source: Lambda API Reference, FunctionConfiguration.
    """
    configuration = proceed(on_create)
    if not is_due(self):
        configuration |= {"StateReason": "The function is being created.", "StateReasonCode": "Creating"}
    configuration["LastUpdateStatus"] = "InProgress" if is_updating(self) else "Successful"
    if is_updating(self):
        configuration |= {"LastUpdateStatusReason": "The function is being created.",
                          "LastUpdateStatusReasonCode": "Creating"}
    if vpc_id := vpc_of(self):
        configuration["VpcConfig"] = {**configuration["VpcConfig"], "VpcId": vpc_id}
    return configuration


#: What makes one version differ from another (Lambda Developer Guide, versions: code and configuration).
_VERSIONED = ("code_sha_256", "handler", "run_time", "role", "environment_vars", "memory_size", "timeout",
              "_vpc_config", "kms_key_arn", "tracing_config", "layers", "architectures", "ephemeral_storage",
              "description")


@rule("version-published", LambdaStorage, "publish_version")
def version_published(_proceed: Any, self: LambdaStorage, name_or_arn: str, description: str = "") -> Any:
    """Publishing without a change gives the last version again; a new one is Pending for a moment; no number returns.

    ResourceConflictException while the function is updated. Source: Lambda Developer Guide, Manage function versions.
    """
    latest = self.get_function_by_name_or_arn_forbid_qualifier(name_or_arn)
    _refuse_when_busy(latest)
    return _publish(self, latest, description)


def _publish(storage: LambdaStorage, latest: LambdaFunction, description: str = "") -> LambdaFunction:
    kept = storage._functions[latest.function_name]
    versions = kept["versions"]
    fingerprint = json.dumps([getattr(latest, attribute, None) for attribute in _VERSIONED], default=str)
    if versions and versions[-1].__dict__.get("_lab_fingerprint") == fingerprint:
        return versions[-1]
    kept["published"] = kept.get("published", 0) + 1
    version = copy.copy(latest)
    version.set_version(kept["published"])
    version.description = description or version.description
    version.__dict__["_lab_fingerprint"] = fingerprint
    version.__dict__.pop("_lab_updated_at", None)
    take(version, max(seconds("function-update"), latest.__dict__.get("_lab_due_at", 0.0) - CLOCK.now()))
    versions.append(version)
    storage._arns[version.function_arn] = version
    return version


@rule("function-deleted", LambdaBackend, "delete_function")
def function_deleted(proceed: Any, self: LambdaBackend, function_name: str, qualifier: str | None = None) -> Any:
    """A version that an alias names cannot be deleted: ResourceConflictException. Interfaces go much later.

    Source: Lambda API Reference, DeleteFunction; Lambda Developer Guide, VPC network interfaces.
    """
    if qualifier:
        named = [alias for alias in self.list_aliases(function_name) if alias.function_version == qualifier]
        if named:
            raise ResourceConflict(f"Version {qualifier} is currently referenced by alias {named[0].name}")
    proceed(function_name, qualifier)
    settle_interfaces(self)


@rule("alias-conflict", LambdaStorage, "put_alias")
def alias_conflict(proceed: Any, self: LambdaStorage, name: str, function_name: str, *args: Any, **kwargs: Any) -> Any:
    """An alias exists once: ResourceConflictException.

    Source: Lambda API Reference, CreateAlias.
    """
    for alias in self.list_aliases(function_name):
        if alias.name == name:
            raise ResourceConflict(f"Alias already exists: {alias.arn}")
    return proceed(name, function_name, *args, **kwargs)


def qualified(statements: list[dict[str, Any]], qualifier: str | None) -> list[dict[str, Any]]:
    """The statements of a function's policy that belong to a qualifier, or to the function itself."""
    return [statement for statement in statements if _qualifier_of(statement) == (qualifier or None)]


def _qualifier_of(statement: dict[str, Any]) -> str | None:
    parts = str(statement["Resource"]).split(":function:")[1].split(":")
    return parts[1] if len(parts) > 1 else None


@rule("permission-once", Policy, "add_statement")
def permission_once(proceed: Any, self: Policy, raw: str, qualifier: str | None = None) -> Any:
    """A statement id is used once for a function or qualifier: ResourceConflictException.

    Source: Lambda API Reference, AddPermission.
    """
    statement_id = json.loads(raw).get("StatementId")
    if statement_id in {statement["Sid"] for statement in qualified(self.statements, qualifier)}:
        raise ResourceConflict(f"The statement id ({statement_id}) provided already exists. Please provide a new "
                               "statement id, or remove the existing statement.")
    return proceed(raw, qualifier)


@rule("policy-of-a-qualifier", LambdaBackend, "get_policy")
def policy_of_qualifier(_proceed: Any, self: LambdaBackend, function_name: str, qualifier: str | None = None) -> Any:
    """A policy holds what was granted on exactly that qualifier; none is ResourceNotFoundException.

    Source: Lambda Developer Guide, Using resource-based policies for Lambda.
    """
    policy = self.get_function(function_name, qualifier).policy
    part = copy.copy(policy)
    part.statements = qualified(policy.statements, qualifier)
    return part.wire_format()


@rule("permission-of-a-qualifier", LambdaResponse, "remove_permission")
def permission_of_qualifier(_proceed: Any, self: LambdaResponse) -> Any:
    """Removing a permission takes the statement of exactly that qualifier; none is ResourceNotFoundException.

    Source: Lambda API Reference, RemovePermission.
    """
    function_name, statement_id = self.path.split("/")[-3], self.path.split("/")[-1].split("?")[0]
    qualifier = self.querystring.get("Qualifier", [None])[0]
    policy = self.backend.get_function(function_name.replace("%3A", ":"), qualifier).policy
    for statement in qualified(policy.statements, qualifier):
        if statement["Sid"] == statement_id:
            policy.statements.remove(statement)
            return 204, {"status": 204}, "{}"
    error = LambdaClientError("ResourceNotFoundException", f"Statement {statement_id} is not found in resource policy.")
    error.code = 404
    raise error
