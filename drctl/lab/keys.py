"""KMS keys where moto is kinder than AWS: who may ask about a key is for the key's own policy to say."""

from __future__ import annotations

from typing import Any

from moto.core.exceptions import JsonRESTError
from moto.kms.responses import KmsResponse

from drctl.lab.key_times import seen_policy
from drctl.lab.policies import Request, key_arn, key_by_arn, resource_verdict
from drctl.lab.rules import rule


@rule("key-policy", KmsResponse, "list_resource_tags", "describe_key")
def asked_about(proceed: Any, self: KmsResponse) -> Any:
    """Nobody of the account may ask about a key whose policy does not admit the account: AccessDeniedException.

    Source: AWS KMS Developer Guide, "Key policies in AWS KMS".
    """
    key = key_by_arn(key_arn(self._get_param("KeyId") or "", self.region, self.current_account))
    root = f"arn:aws:iam::{self.current_account}:root"
    action = f"kms:{self._get_action()}"
    if key is not None and resource_verdict(seen_policy(key), Request(root, action, key.arn, {})) != "Allow":
        raise JsonRESTError("AccessDeniedException", f"{root} is not authorized to perform: {action} on resource: "
                                                     f"{key.arn} because no resource-based policy allows it")
    return proceed()
