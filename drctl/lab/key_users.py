"""Services that encrypt with a key: one that is unknown, too young, disabled, doomed or closed to them is refused."""

from __future__ import annotations

from typing import Any

from moto.awslambda.exceptions import InvalidParameterValueException, LambdaClientError
from moto.awslambda.models import LambdaBackend
from moto.awslambda_simple.models import LambdaSimpleBackend
from moto.kms.models import Key
from moto.logs.exceptions import InvalidParameterException
from moto.logs.responses import LogsResponse
from moto.secretsmanager.exceptions import SecretsManagerClientError
from moto.secretsmanager.models import FakeSecret, ReplicaSecret, SecretsManagerBackend, secretsmanager_backends

from drctl.lab import compute, functions, logs_gaps, secrets_gaps  # noqa: F401  # what they install must be there before this
from drctl.lab.key_times import is_known_to_services
from drctl.lab.policies import Request, key_arn, key_by_arn, may_use_key
from drctl.lab.rules import rule


def _usable(named: str, region: str, account: str) -> Key | None:
    """The enabled key of that name as services see it by now."""
    key = key_by_arn(key_arn(named, region, account))
    return key if key is not None and is_known_to_services(key) and key.key_state == "Enabled" else None


def _is_ordered(named: str | None) -> bool:
    """Whether a key of the account is meant; AWS's own keys are made at their first use and never in the way."""
    return bool(named) and "alias/aws/" not in str(named)


@rule("function-key", LambdaBackend, "create_function")
def function_key(proceed: Any, self: LambdaBackend, spec: dict[str, Any]) -> Any:
    """A function's key is known and enabled. Refuses with InvalidParameterValueException.

    Source: Terraform provider: aws_lambda_function, retries "KMS key is invalid for CreateGrant".
    """
    _refuse_function_key(self, spec.get("KMSKeyArn"))
    return proceed(spec)


@rule("function-key-change", LambdaBackend, "update_function_configuration")
def function_key_change(proceed: Any, self: LambdaBackend, name: str, qualifier: str, body: dict[str, Any]) -> Any:
    """A function's key is known and enabled when it is changed. Refuses with InvalidParameterValueException.

    Source: Terraform provider: aws_lambda_function, retries "KMS key is invalid for CreateGrant".
    """
    _refuse_function_key(self, body.get("KMSKeyArn"))
    return proceed(name, qualifier, body)


def _refuse_function_key(self: LambdaBackend, named: str | None) -> None:
    if _is_ordered(named) and _usable(str(named), self.region_name, self.account_id) is None:
        raise InvalidParameterValueException("The provided KMS key is invalid for CreateGrant. Check your KMS key "
                                             "settings.")


@rule("invoke-key", LambdaSimpleBackend, "invoke")
def invoke_key(proceed: Any, self: LambdaSimpleBackend, function_name: str, qualifier: str | None, *args: Any,
               **kwargs: Any) -> Any:
    """A function whose environment cannot be decrypted does not run.

    Refuses with KMSDisabledException, KMSInvalidStateException, KMSNotFoundException, all of status 502.
    Source: Lambda API Reference, Invoke.
    """
    named = self.get_function(function_name, qualifier).kms_key_arn
    key = key_by_arn(key_arn(named, self.region_name, self.account_id)) if _is_ordered(named) else None
    if _is_ordered(named) and (key is None or key.key_state != "Enabled"):
        state = key.key_state if key else "NotFound"
        code = {"NotFound": "KMSNotFoundException", "Disabled": "KMSDisabledException"}.get(
            state, "KMSInvalidStateException")
        error = LambdaClientError(code, "Lambda was unable to decrypt the environment variables because the state of "
                                        f"the KMS key {named} is {state}.")
        error.code = 502
        raise error
    return proceed(function_name, qualifier, *args, **kwargs)


@rule("log-group-key-usable", LogsResponse, "create_log_group", "associate_kms_key")
def log_group_key_usable(proceed: Any, self: LogsResponse) -> Any:
    """A log group's key is known, enabled, and its policy lets CloudWatch Logs use it for that group.

    Refuses with InvalidParameterException. Source: CloudWatch Logs User Guide, "Encrypt log data using AWS KMS".
    """
    named = self._get_param("kmsKeyId")
    group = f"arn:aws:logs:{self.region}:{self.current_account}:log-group:{self._get_param('logGroupName')}"
    asked = [Request(f"logs.{self.region}.amazonaws.com", f"kms:{action}", "",
                     {"kms:EncryptionContext:aws:logs:arn": group}) for action in ("Encrypt", "GenerateDataKey")]
    if named and not ((key := _usable(named, self.region, self.current_account))
                      and all(may_use_key(key.arn, one) for one in asked)):
        raise InvalidParameterException("The specified KMS key does not exist or is not allowed to be used with "
                                        f"LogGroup '{group}'")
    return proceed()


@rule("secret-key", SecretsManagerBackend, "create_secret")
def secret_key(proceed: Any, self: SecretsManagerBackend, name: str, *args: Any, **kwargs: Any) -> Any:
    """A new secret's key is known and enabled. Refuses with EncryptionFailure.

    Source: Secrets Manager API Reference, CreateSecret.
    """
    _refuse_secret_key(self, kwargs.get("kms_key_id"))
    return proceed(name, *args, **kwargs)


@rule("secret-key-change", SecretsManagerBackend, "update_secret", "put_secret_value")
def secret_key_change(proceed: Any, self: SecretsManagerBackend, secret_id: str, *args: Any, **kwargs: Any) -> Any:
    """A secret's key is known and enabled when it or the value is changed. Refuses with EncryptionFailure.

    Source: Secrets Manager API Reference, UpdateSecret and PutSecretValue.
    """
    secret = self.secrets.get(secret_id)
    _refuse_secret_key(self, kwargs.get("kms_key_id") or getattr(secret, "kms_key_id", None))
    return proceed(secret_id, *args, **kwargs)


def _refuse_secret_key(self: SecretsManagerBackend, named: str | None) -> None:
    if _is_ordered(named) and _usable(str(named), self.region_name, self.account_id) is None:
        raise SecretsManagerClientError("EncryptionFailure", "Secrets Manager can't encrypt the protected secret text "
                                        "using the provided KMS key. Check that the KMS key is available, enabled, and "
                                        "not in an invalid state.")


@rule("secret-replica-key-usable", FakeSecret, "create_replicas")
def secret_replica_key_usable(proceed: Any, self: FakeSecret, replica_regions: list[dict[str, str]],
                              force_overwrite: bool) -> Any:
    """A copy whose key its region does not know, or not yet, has the status Failed; the secret is made all the same.

    Source: Secrets Manager User Guide, "Replicate AWS Secrets Manager secrets across Regions": troubleshooting.
    """
    replicas = proceed(replica_regions, force_overwrite)
    for asked, replica in zip(replica_regions or [], replicas, strict=True):
        named = asked.get("KmsKeyId")
        if _is_ordered(named) and _usable(str(named), replica.region, self.account_id) is None:
            replica.status, replica.has_replica = "Failed", False
            replica.config = {**replica.config, "Status": "Failed", "StatusMessage": "Replication failed: the KMS key "
                              f"{named} cannot be used in {replica.region}."}
            there = secretsmanager_backends[self.account_id][replica.region].secrets
            dict.pop(there, replica.arn, None)  # moto's own pop looks for the name
    return replicas


@rule("secret-key-read", SecretsManagerBackend, "get_secret_value")
def secret_key_read(proceed: Any, self: SecretsManagerBackend, secret_id: str, *args: Any, **kwargs: Any) -> Any:
    """What a disabled or doomed key encrypted is not read, in each region with its own key. Refuses: DecryptionFailure.

    Source: Secrets Manager API Reference, GetSecretValue.
    """
    secret = self.secrets.get(secret_id)
    named = (secret.config["KmsKeyId"] if isinstance(secret, ReplicaSecret)
             else secret.kms_key_id if isinstance(secret, FakeSecret) else None)
    if _is_ordered(named):
        key = key_by_arn(key_arn(str(named), self.region_name, self.account_id))
        if key is None or key.key_state != "Enabled":
            raise SecretsManagerClientError("DecryptionFailure", "Secrets Manager can't decrypt the protected secret "
                                                                 "text using the provided KMS key.")
    return proceed(secret_id, *args, **kwargs)
