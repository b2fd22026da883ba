"""Policies on resources that name a role: nobody unknown may be named, and a role just made is unknown for a while.

Every service has its own words for it. Accounts, services, `*` and roles of other accounts are taken as they come.
"""

from __future__ import annotations

import json
import re
from typing import Any

from moto.core.exceptions import JsonRESTError
from moto.events.exceptions import ValidationException
from moto.events.models import EventsBackend
from moto.kms.models import KmsBackend
from moto.s3.exceptions import S3ClientError
from moto.s3.models import S3Backend
from moto.secretsmanager.exceptions import SecretsManagerClientError
from moto.secretsmanager.models import SecretsManagerBackend
from moto.sns.exceptions import SNSInvalidParameter
from moto.sns.models import SNSBackend
from moto.sqs.exceptions import InvalidAttributeValue
from moto.sqs.models import SQSBackend

from drctl.lab.policies import document, several
from drctl.lab.roles import is_assumable
from drctl.lab.rules import rule
from drctl.settings import LAB_ACCOUNT

#: A principal that is gone is kept by its id (IAM User Guide, "IAM identifiers"), which no new policy may name.
_BY_ID = re.compile(r"(AROA|AIDA)[A-Z0-9]{16,}")


def unknown(policy: Any) -> str | None:
    """The first principal of a policy (JSON or mapping) that nobody is by now; None when all are known."""
    for statement in several(document(policy).get("Statement")):
        for part in ("Principal", "NotPrincipal"):
            said = statement.get(part)
            for one in several(said.get("AWS")) if isinstance(said, dict) else []:
                if _BY_ID.fullmatch(str(one)) or (f"::{LAB_ACCOUNT}:role/" in str(one) and not is_assumable(str(one))):
                    return str(one)
    return None


@rule("key-policy-principals", KmsBackend, "create_key")
def key_policy_principals(proceed: Any, _self: KmsBackend, policy: str | None, *args: Any, **kwargs: Any) -> Any:
    """The policy of a new key names nobody unknown. Refuses with MalformedPolicyDocumentException.

    Source: KMS API Reference, CreateKey; Terraform provider: aws_kms_key, 2 min.
    """
    _refuse_key_policy(policy)
    return proceed(policy, *args, **kwargs)


@rule("key-policy-change-principals", KmsBackend, "put_key_policy")
def key_policy_change_principals(proceed: Any, _self: KmsBackend, key_id: str, policy: str) -> Any:
    """A key's policy names nobody unknown when it is changed. Refuses with MalformedPolicyDocumentException.

    Source: KMS API Reference, PutKeyPolicy; Terraform provider: aws_kms_key_policy, 2 min.
    """
    _refuse_key_policy(policy)
    return proceed(key_id, policy)


def _refuse_key_policy(policy: Any) -> None:
    if unknown(policy):
        raise JsonRESTError("MalformedPolicyDocumentException", "Policy contains a statement with one or more invalid "
                                                                "principals.")


@rule("bucket-policy-principals", S3Backend, "put_bucket_policy")
def bucket_policy_principals(proceed: Any, _self: S3Backend, bucket_name: str, policy: bytes) -> Any:
    """A bucket policy names nobody unknown. Refuses with MalformedPolicy.

    Source: Terraform provider: aws_s3_bucket_policy, retries "Invalid principal in policy" for 2 min.
    """
    if unknown(policy):
        raise S3ClientError("MalformedPolicy", "Invalid principal in policy")
    return proceed(bucket_name, policy)


@rule("queue-policy-principals", SQSBackend, "create_queue")
def queue_policy_principals(proceed: Any, _self: SQSBackend, name: str, tags: Any = None, **attributes: Any) -> Any:
    """The policy of a new queue names nobody unknown. Refuses with InvalidAttributeValue.

    Source: Terraform provider: aws_sqs_queue, retries "Invalid value for the parameter Policy" for 2 min.
    """
    _refuse_queue_policy(attributes)
    return proceed(name, tags, **attributes)


@rule("queue-policy-change-principals", SQSBackend, "set_queue_attributes")
def queue_policy_change_principals(proceed: Any, _self: SQSBackend, queue_name: str, attributes: Any) -> Any:
    """A queue's policy names nobody unknown when it is changed. Refuses with InvalidAttributeValue.

    Source: Terraform provider: aws_sqs_queue_policy, retries "Invalid value for the parameter Policy" for 2 min.
    """
    _refuse_queue_policy(attributes)
    return proceed(queue_name, attributes)


def _refuse_queue_policy(attributes: Any) -> None:
    if attributes and unknown(attributes.get("Policy")):
        raise InvalidAttributeValue("Policy")


@rule("topic-policy-principals", SNSBackend, "create_topic")
def topic_policy_principals(proceed: Any, _self: SNSBackend, name: str, attributes: Any = None,
                            tags: Any = None) -> Any:
    """The policy of a new topic names nobody unknown. Refuses with InvalidParameter.

    Source: Terraform provider: aws_sns_topic, retries InvalidParameter for 2 min.
    """
    _refuse_topic_policy((attributes or {}).get("Policy"))
    return proceed(name, attributes, tags)


@rule("topic-policy-change-principals", SNSBackend, "set_topic_attribute")
def topic_policy_change_principals(proceed: Any, _self: SNSBackend, arn: str, name: str, value: str) -> Any:
    """A topic's policy names nobody unknown when it is changed. Refuses with InvalidParameter.

    Source: Terraform provider: aws_sns_topic_policy, retries InvalidParameter for 2 min.
    """
    # moto has its own name for the attribute
    if name.lower() == "policy":
        _refuse_topic_policy(value)
    return proceed(arn, name, value)


def _refuse_topic_policy(policy: Any) -> None:
    if unknown(policy):
        raise SNSInvalidParameter("Invalid parameter: Policy Error: PrincipalNotFound")


@rule("secret-policy-principals", SecretsManagerBackend, "put_resource_policy")
def secret_policy_principals(proceed: Any, _self: SecretsManagerBackend, secret_id: str, policy: str) -> Any:
    """The policy of a secret names nobody unknown. Refuses with MalformedPolicyDocumentException.

    Source: Terraform provider: aws_secretsmanager_secret_policy, retries "unsupported principal" for 2 min.
    """
    if unknown(policy):
        raise SecretsManagerClientError("MalformedPolicyDocumentException", "This resource policy contains an "
                                                                            "unsupported principal.")
    return proceed(secret_id, policy)


@rule("bus-policy-principals", EventsBackend, "put_permission")
def bus_policy_principals(proceed: Any, _self: EventsBackend, *args: Any) -> Any:
    """The policy of a bus names nobody unknown. Refuses with ValidationException.

    Source: EventBridge API Reference, PutPermission and Common Errors.
    """
    if unknown(args[-1]):
        raise ValidationException(f"Invalid principal in policy: {json.dumps(unknown(args[-1]))}")
    return proceed(*args)
