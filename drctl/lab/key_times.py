"""KMS in time: a key, its alias and its policy reach KMS's own readers and other services seconds late."""

from __future__ import annotations

from typing import Any

from moto.kms.exceptions import NotFoundException
from moto.kms.models import Key, KmsBackend
from moto.kms.responses import KmsResponse

from drctl.aws.durations import seconds
from drctl.lab.clock import CLOCK
from drctl.lab.rules import hide, is_hidden, rule

_USABLE, _BEFORE = "_lab_usable_at", "_lab_policy_before"


def is_known_to_services(key: Key) -> bool:
    """Whether services beside KMS know the key by now."""
    return bool(CLOCK.now() >= key.__dict__.get(_USABLE, 0.0))


def seen_policy(key: Key) -> str:
    """The key's policy as it is applied and read by now."""
    until, before = key.__dict__.get(_BEFORE, (0.0, ""))
    return str(before if CLOCK.now() < until else key.policy)


@rule("key-age", KmsBackend, "create_key")
def key_age(proceed: Any, _self: KmsBackend, *args: Any, **kwargs: Any) -> Any:
    """A new key is unknown to other services for some seconds; each has its own error.

    Source: AWS KMS Developer Guide, "Eventual consistency"; Terraform provider: aws_kms_key, 10 min.
    """
    key = proceed(*args, **kwargs)
    key.__dict__[_USABLE] = CLOCK.now() + seconds("key-usable")
    hide(key, seconds("key-visible"))
    return key


@rule("key-unseen", KmsResponse, "_validate_cmk_id")
def key_unseen(proceed: Any, self: KmsResponse, key_id: str) -> None:
    """KMS's own calls miss a key just made. Refuses with NotFoundException.

    Source: AWS KMS Developer Guide, "Eventual consistency".
    """
    key = self.kms_backend.keys.get(self.kms_backend.get_key_id(key_id))
    if key is not None and is_hidden(key):
        raise NotFoundException(f"Key '{key.arn}' does not exist")
    proceed(key_id)


@rule("alias-age", KmsBackend, "create_alias")
def alias_age(proceed: Any, _self: KmsBackend, target_key_id: str, alias_name: str) -> Any:
    """A new alias leads nowhere for some seconds, while its name is taken. Refuses with NotFoundException.

    Source: AWS KMS Developer Guide, "Eventual consistency".
    """
    alias = proceed(target_key_id, alias_name)
    hide(alias, seconds("key-visible"))
    return alias


@rule("alias-unseen", KmsResponse, "_validate_alias")
def alias_unseen(proceed: Any, self: KmsResponse, key_id: str) -> None:
    """What asks by an alias just made misses its key. Refuses with NotFoundException.

    Source: AWS KMS Developer Guide, "Eventual consistency".
    """
    name = self.kms_backend.get_alias_name(key_id)
    if any(is_hidden(key.aliases[name]) for key in self.kms_backend.keys.values() if name in key.aliases):
        raise NotFoundException(f"Alias {self._display_arn(key_id)} is not found.")
    proceed(key_id)


@rule("key-policy-spread", KmsBackend, "put_key_policy")
def key_policy_spread(proceed: Any, self: KmsBackend, key_id: str, policy: str) -> None:
    """A changed key policy is applied, and read, some seconds late.

    Source: AWS KMS Developer Guide, "Eventual consistency"; Terraform provider: aws_kms_key, policy, 10 min.
    """
    key = self.keys[self.get_key_id(key_id)]
    before = seen_policy(key)
    proceed(key_id, policy)
    key.__dict__[_BEFORE] = (CLOCK.now() + seconds("key-policy-visible"), before)


@rule("key-policy-read", KmsBackend, "get_key_policy")
def key_policy_read(_proceed: Any, self: KmsBackend, key_id: str) -> str:
    """GetKeyPolicy shows a changed policy some seconds late.

    Source: Terraform provider: aws_kms_key, reads the policy until it is the one that was put.
    """
    return seen_policy(self.keys[self.get_key_id(key_id)])
