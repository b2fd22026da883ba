"""AWS error codes, each spelled once and asked through a question."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, PartialCredentialsError

from drctl.errors import DrctlError

Answer = TypeVar("Answer")

#: What botocore and AWS raise; nothing else is taken for an answer of AWS.
AwsError = (ClientError, BotoCoreError)

#: Codes that say "there is no such thing" (API references; field notes on which services use which spelling).
GONE = frozenset({
    "404", "NotFound", "NotFoundException", "NoSuchBucket", "NoSuchBucketPolicy", "NoSuchEntity", "NoSuchHealthCheck",
    "NoSuchHostedZone", "NoSuchKey", "NoSuchLifecycleConfiguration", "NoSuchTagSet",
    "NoSuchPublicAccessBlockConfiguration",
    "ReplicationConfigurationNotFoundError", "ServerSideEncryptionConfigurationNotFoundError",
    "OwnershipControlsNotFoundError", "ResourceNotFound",
    "ResourceNotFoundException", "ParameterNotFound", "ParameterNotFoundException",
    "AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist",
    "DBClusterNotFoundFault", "DBClusterSnapshotNotFoundFault", "DBInstanceNotFound", "DBSubnetGroupNotFoundFault",
    "DBParameterGroupNotFound",
    "DBClusterParameterGroupNotFound", "GlobalClusterNotFoundFault",
    "LoadBalancerNotFound", "TargetGroupNotFound", "ListenerNotFound", "RuleNotFound",
    "TrailNotFoundException", "WAFNonexistentItemException", "DashboardNotFoundError", "FilterNotFound",
    "InvalidVpcID.NotFound", "InvalidSubnetID.NotFound", "InvalidGroup.NotFound", "InvalidRouteTableID.NotFound",
    "InvalidRoute.NotFound", "InvalidAssociationID.NotFound", "InvalidInternetGatewayID.NotFound",
    "Gateway.NotAttached",
    "InvalidAllocationID.NotFound", "InvalidAddress.NotFound", "NatGatewayNotFound", "InvalidFlowLogId.NotFound",
    "InvalidVpcEndpointId.NotFound", "InvalidVpcEndpoint.NotFound", "InvalidVpcPeeringConnectionID.NotFound",
    "InvalidPermission.NotFound", "InvalidSecurityGroupRuleId.NotFound",
})


@dataclass(frozen=True)
class Refusal:
    """One answer of AWS: its code and, where the code alone is too wide, a fragment of the message."""

    code: str
    fragment: str = ""

    def matches(self, error: BaseException) -> bool:
        """Whether `error` is this answer; the fragment is sought without regard to case."""
        return code_of(error) == self.code and self.fragment.lower() in message_of(error).lower()


def code_of(error: BaseException) -> str:
    """AWS's error code, or the botocore exception's name when no answer came."""
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Code", ""))
    return type(error).__name__


def message_of(error: BaseException) -> str:
    """AWS's own words."""
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Message", ""))
    return str(error)


def request_id_of(error: BaseException) -> str:
    """The id AWS support asks for; empty when no answer came."""
    if isinstance(error, ClientError):
        return str(error.response.get("ResponseMetadata", {}).get("RequestId", ""))
    return ""


def call_of(error: BaseException) -> str:
    """The operation that failed, as AWS names it; empty when unknown."""
    return str(getattr(error, "operation_name", "") or "")


def is_gone(error: BaseException) -> bool:
    """Whether AWS says that there is no such thing."""
    return isinstance(error, ClientError) and code_of(error) in GONE


def is_one_of(error: BaseException, *refusals: Refusal) -> bool:
    """Whether `error` is one of these answers."""
    return any(refusal.matches(error) for refusal in refusals)


def or_none(look: Callable[[], Answer]) -> Answer | None:
    """What a describe call answers, or None when AWS says that there is no such thing."""
    try:
        return look()
    except ClientError as error:
        if is_gone(error):
            return None
        raise


@contextmanager
def absent_is_fine() -> Iterator[None]:
    """Deleting what is not there is done already."""
    try:
        yield
    except ClientError as error:
        if not is_gone(error):
            raise


@contextmanager
def already(*refusals: Refusal) -> Iterator[None]:
    """An answer that says "it is so already" is success."""
    try:
        yield
    except ClientError as error:
        if not is_one_of(error, *refusals):
            raise


class PartialFailure(DrctlError):
    """A batch call answered 200 and listed failures in its body."""


def refuse_partial(operation: str, failures: list[Any]) -> None:
    """Raise PartialFailure when a batch reply lists failures (PutTargets, DeleteObjects, DeleteVpcEndpoints, …)."""
    if failures:
        raise PartialFailure(f"{operation} answered with success but failed for {len(failures)} item(s): {failures[0]}")


def is_credentials_error(error: BaseException) -> bool:
    """Whether the request could not be signed, or AWS does not accept the signature's owner."""
    if isinstance(error, NoCredentialsError | PartialCredentialsError):
        return True
    return code_of(error) in {
        "AuthFailure", "ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "InvalidAccessKeyId",
        "SignatureDoesNotMatch", "UnrecognizedClientException", "IncompleteSignature", "TokenRefreshRequired",
        "SSOTokenLoadError", "UnauthorizedSSOTokenError", "ProfileNotFound", "CredentialRetrievalError",
    }
