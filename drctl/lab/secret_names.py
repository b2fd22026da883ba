"""Names and values of secrets, and when they are seen: late after they were made, still taken after their deletion."""

from __future__ import annotations

import re
from typing import Any

from moto.secretsmanager.exceptions import InvalidRequestException, SecretNotFoundException, ValidationException
from moto.secretsmanager.models import FakeSecret, SecretsManagerBackend

from drctl.aws.durations import seconds
from drctl.lab.clock import CLOCK
from drctl.lab.rules import hide, is_hidden, rule

#: Bytes of a value (Secrets Manager User Guide, "Quotas").
VALUE_LIMIT = 65_536


def _free_at(self: SecretsManagerBackend) -> dict[str, float]:
    """When the names of secrets deleted by force are free again, in AWS seconds."""
    free_at: dict[str, float] = self.__dict__.setdefault("_lab_free_at", {})
    return free_at


def _scheduled() -> InvalidRequestException:
    return InvalidRequestException("You can't create this secret because a secret with this name is already scheduled "
                                   "for deletion.")


@rule("secret-name", SecretsManagerBackend, "create_secret")
def secret_name(proceed: Any, _self: SecretsManagerBackend, name: str, *args: Any, **kwargs: Any) -> Any:
    """A secret's name has 512 characters at most, of letters, digits and /_+=.@-. Refuses with ValidationException.

    Source: Secrets Manager API Reference, CreateSecret.
    """
    if len(name) > 512 or not re.fullmatch(r"[A-Za-z0-9/_+=.@-]+", name):
        raise ValidationException("Invalid name. Must be a valid name containing alphanumeric characters, or any of "
                                  "the following: -/_+=.@!")
    return proceed(name, *args, **kwargs)


@rule("secret-value", SecretsManagerBackend, "create_secret", "put_secret_value", "update_secret")
def secret_value(proceed: Any, _self: SecretsManagerBackend, named: str, *args: Any, **kwargs: Any) -> Any:
    """A value has 65,536 bytes at most. Refuses with ValidationException.

    Source: Secrets Manager User Guide, Quotas.
    """
    if len((kwargs.get("secret_string") or "").encode()) > VALUE_LIMIT:
        raise ValidationException("1 validation error detected: Value at 'secretString' failed to satisfy constraint: "
                                  f"Member must have length less than or equal to {VALUE_LIMIT}")
    return proceed(named, *args, **kwargs)


@rule("secret-name-in-window", SecretsManagerBackend, "create_secret")
def secret_name_in_window(proceed: Any, self: SecretsManagerBackend, name: str, *args: Any, **kwargs: Any) -> Any:
    """The name of a secret in its recovery window is taken. Refuses with InvalidRequestException.

    Source: Secrets Manager API Reference, DeleteSecret.
    """
    secret = self.secrets.get(name)
    if isinstance(secret, FakeSecret) and secret.is_deleted():
        raise _scheduled()
    return proceed(name, *args, **kwargs)


@rule("secret-write-in-window", SecretsManagerBackend, "put_secret_value")
def secret_write_in_window(proceed: Any, self: SecretsManagerBackend, secret_id: str, *args: Any, **kwargs: Any) -> Any:
    """A secret in its recovery window takes no value. Refuses with InvalidRequestException.

    Source: Secrets Manager API Reference, PutSecretValue.
    """
    secret = self.secrets.get(secret_id)
    if isinstance(secret, FakeSecret) and secret.is_deleted():
        raise InvalidRequestException("You can't perform this operation on the secret because it was marked for "
                                      "deletion.")
    return proceed(secret_id, *args, **kwargs)


@rule("secret-deleted", SecretsManagerBackend, "delete_secret")
def secret_deleted(proceed: Any, self: SecretsManagerBackend, secret_id: str, **how: Any) -> Any:
    """A deletion by force goes on after its answer: the name stays taken for some seconds.

    Source: Secrets Manager API Reference, DeleteSecret: ForceDeleteWithoutRecovery.
    """
    secret = self.secrets.get(secret_id)
    answer = proceed(secret_id, **how)
    if how["force_delete_without_recovery"] and secret is not None:
        _free_at(self)[secret.name] = CLOCK.now() + seconds("secret-name-free")
    return answer


@rule("secret-name-busy", SecretsManagerBackend, "create_secret")
def secret_name_busy(proceed: Any, self: SecretsManagerBackend, name: str, *args: Any, **kwargs: Any) -> Any:
    """A name just deleted by force is taken for a moment. Refuses with InvalidRequestException.

    Source: Terraform provider: aws_secretsmanager_secret, retries "scheduled for deletion" for 2 min.
    """
    if CLOCK.now() < _free_at(self).get(name, 0.0):
        raise _scheduled()
    return proceed(name, *args, **kwargs)


@rule("secret-age", SecretsManagerBackend, "create_secret")
def secret_age(proceed: Any, self: SecretsManagerBackend, name: str, *args: Any, **kwargs: Any) -> Any:
    """A secret just made is not seen for a moment, while its name is taken.

    Source: Terraform provider: aws_secretsmanager_secret, retries ResourceNotFoundException after a create.
    """
    known = name in self.secrets
    answer = proceed(name, *args, **kwargs)
    if not known and (secret := self.secrets.get(name)):
        hide(secret, seconds("secret-visible"))
    return answer


@rule("secret-unseen", SecretsManagerBackend, "get_secret_value", "describe_secret", "update_secret",
      "put_secret_value", "replicate_secret_to_regions")
def secret_unseen(proceed: Any, self: SecretsManagerBackend, secret_id: str, *args: Any, **kwargs: Any) -> Any:
    """A secret just made is missed for a moment. Refuses with ResourceNotFoundException.

    Source: Terraform provider: aws_secretsmanager_secret, retries ResourceNotFoundException after a create.
    """
    secret = self.secrets.get(secret_id)
    if secret is not None and is_hidden(secret):
        raise SecretNotFoundException
    return proceed(secret_id, *args, **kwargs)
