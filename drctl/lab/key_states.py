"""What KMS refuses: keys that are disabled or wait for their deletion, windows, aliases, policies that lock out."""

from __future__ import annotations

import json
from typing import Any

from moto.core.exceptions import JsonRESTError
from moto.kms.exceptions import NotAuthorizedException, ValidationException
from moto.kms.models import Key, KmsBackend
from moto.kms.responses import KmsResponse

from drctl.lab.policies import Request, key_arn, key_by_arn, resource_verdict
from drctl.lab.rules import rule

#: Characters of a key policy (AWS KMS Developer Guide, "Quotas": 32 KB).
POLICY_LIMIT = 32_768


def _refuse_doomed(key: Key) -> None:
    if key.key_state == "PendingDeletion":
        raise JsonRESTError("KMSInvalidStateException", f"{key.arn} is pending deletion.")


def _refuse_disabled(key: Key) -> None:
    if key.key_state == "Disabled":
        raise JsonRESTError("DisabledException", f"{key.arn} is disabled.")


def _named(self: KmsResponse, parameter: str = "KeyId") -> Key | None:
    """The key that the request names."""
    return key_by_arn(key_arn(self._get_param(parameter) or "", self.region, self.current_account))


@rule("key-doomed", KmsResponse, "enable_key", "disable_key", "enable_key_rotation", "disable_key_rotation",
      "tag_resource", "untag_resource", "schedule_key_deletion", "update_key_description", "create_grant", "encrypt",
      "re_encrypt", "generate_data_key")
def key_doomed(proceed: Any, self: KmsResponse) -> Any:
    """A key that waits for its deletion is neither used nor changed. Refuses with KMSInvalidStateException.

    Source: AWS KMS Developer Guide, "Key states of AWS KMS keys".
    """
    key = _named(self) or _named(self, "DestinationKeyId")
    if key is not None:
        _refuse_doomed(key)
    return proceed()


@rule("key-doomed-decrypt", KmsBackend, "decrypt")
def key_doomed_decrypt(proceed: Any, _self: KmsBackend, *args: Any, **kwargs: Any) -> Any:
    """What a doomed or disabled key encrypted cannot be read. Refuses with KMSInvalidStateException, DisabledException.

    Source: AWS KMS Developer Guide, "Key states of AWS KMS keys".
    """
    answer = proceed(*args, **kwargs)
    key = key_by_arn(answer[1])
    if key is not None:
        _refuse_doomed(key)
        _refuse_disabled(key)
    return answer


@rule("key-disabled", KmsResponse, "encrypt", "re_encrypt", "generate_data_key", "enable_key_rotation",
      "disable_key_rotation", "create_grant")
def key_disabled(proceed: Any, self: KmsResponse) -> Any:
    """A disabled key encrypts nothing and its rotation is not switched. Refuses with DisabledException.

    Source: AWS KMS Developer Guide, "Key states of AWS KMS keys"; Terraform provider: rotation, 10 min.
    """
    key = _named(self) or _named(self, "DestinationKeyId")
    if key is not None:
        _refuse_disabled(key)
    return proceed()


@rule("key-deletion-cancelled", KmsResponse, "cancel_key_deletion")
def key_deletion_cancelled(proceed: Any, self: KmsResponse) -> Any:
    """Only a deletion that was scheduled is cancelled. Refuses with KMSInvalidStateException.

    Source: KMS API Reference, CancelKeyDeletion.
    """
    key = _named(self)
    if key is not None and key.key_state != "PendingDeletion":
        raise JsonRESTError("KMSInvalidStateException", f"{key.arn} is not pending deletion.")
    return proceed()


@rule("key-window", KmsBackend, "schedule_key_deletion")
def key_window(proceed: Any, _self: KmsBackend, key_id: str, pending_window_in_days: int) -> Any:
    """A deletion waits for 7 to 30 days. Refuses with ValidationException.

    Source: KMS API Reference, ScheduleKeyDeletion.
    """
    if not 7 <= pending_window_in_days <= 30:
        raise ValidationException(f"1 validation error detected: Value '{pending_window_in_days}' at "
                                  "'pendingWindowInDays' failed to satisfy constraint: Member must have value between "
                                  "7 and 30")
    return proceed(key_id, pending_window_in_days)


@rule("alias-name", KmsResponse, "_set_alias")
def alias_name(proceed: Any, self: KmsResponse, update: bool = False) -> Any:
    """Aliases of 256 characters at most (ValidationException); alias/aws/ is AWS's own (NotAuthorizedException).

    Source: KMS API Reference, CreateAlias.
    """
    name = self._get_param("AliasName")
    if name.startswith("alias/aws/"):
        raise NotAuthorizedException
    if len(name) > 256:
        raise ValidationException(f"1 validation error detected: Value '{name}' at 'aliasName' failed to satisfy "
                                  "constraint: Member must have length less than or equal to 256")
    return proceed(update)


@rule("alias-of-a-doomed-key", KmsResponse, "_set_alias")
def alias_of_doomed(proceed: Any, self: KmsResponse, update: bool = False) -> Any:
    """A key that waits for its deletion gets no alias. Refuses with KMSInvalidStateException.

    Source: AWS KMS Developer Guide, "Key states of AWS KMS keys".
    """
    key = _named(self, "TargetKeyId")
    if key is not None:
        _refuse_doomed(key)
    return proceed(update)


@rule("key-policy-document", KmsResponse, "create_key", "put_key_policy")
def key_policy_document(proceed: Any, self: KmsResponse) -> Any:
    """A key policy is JSON of statements (MalformedPolicyDocumentException) of 32 KB at most (LimitExceededException).

    Source: KMS API Reference, PutKeyPolicy; AWS KMS Developer Guide, "Quotas".
    """
    text = self._get_param("Policy")
    if text is not None:
        if len(text) > POLICY_LIMIT:
            raise JsonRESTError("LimitExceededException", "The policy is too long.")
        try:
            sound = bool(json.loads(text).get("Statement"))
        except (ValueError, AttributeError):
            sound = False
        if not sound:
            raise JsonRESTError("MalformedPolicyDocumentException", "The policy is not valid.")
    return proceed()


@rule("key-policy-lockout", KmsResponse, "create_key", "put_key_policy")
def key_policy_lockout(proceed: Any, self: KmsResponse) -> Any:
    """Who puts a key policy can put the next one, unless told otherwise. Refuses with MalformedPolicyDocumentException.

    Source: KMS API Reference, PutKeyPolicy: BypassPolicyLockoutSafetyCheck.
    """
    text = self._get_param("Policy")
    asked = Request(f"arn:aws:iam::{self.current_account}:root", "kms:PutKeyPolicy", "*", {})
    if (text is not None and not self._get_param("BypassPolicyLockoutSafetyCheck")
            and resource_verdict(text, asked) != "Allow"):
        raise JsonRESTError("MalformedPolicyDocumentException",
                            "The new key policy will not allow you to update the key policy in the future.")
    return proceed()
