"""The fence around a region that is taken for lost: no request to it, or to a control plane living there, is sent.

A request is judged at the last moment before it is sent, once it is signed, and each try of it anew: S3 may have
redirected it, the SDK's own requests for credentials pass here too. Three things tell where a request goes, and any of
them is enough to refuse it: the region it is signed for, the name of the host, and the service, for the control planes
of some live in one region whatever region a client names (AWS Fault Isolation Boundaries, "Global services").
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from drctl.aws.calls import is_mutating
from drctl.errors import DrctlError

#: Region of the global endpoints, which have no region in their names (AWS General Reference, "AWS service endpoints").
GLOBAL = "us-east-1"
#: Where the control planes of services without regions live, by the service's id as the SDK spells it.
CONTROL_PLANES = dict.fromkeys((
    "account", "budgets", "cloudfront", "cost-explorer", "health", "iam", "organizations", "route-53",
    "route-53-domains", "shield", "waf"), GLOBAL) | dict.fromkeys((
        "global-accelerator", "networkmanager", "route53-recovery-control-config"), "us-west-2")
#: Names of those that the SDK spells otherwise than their ids, as far as drctl calls them.
_NAMES = {"route53": "route-53"}
#: Services whom the SDK itself asks for credentials.
CREDENTIALS = frozenset({"signin", "sso", "sso-oidc", "sts"})

_REGION = r"[a-z]{2,4}(?:-[a-z]+)+-\d+"
#: One label of a host name: a region, or one of S3's older forms, `s3-us-west-2` and `s3-website-us-west-2`.
_LABEL = re.compile(rf"(?:s3-(?:website-|fips-)?)?({_REGION})")
_AWS_HOSTS = (".amazonaws.com", ".api.aws", ".on.aws", ".aws.amazon.com")


def goes_to(service: str, region: str) -> str:
    """The region that has to be there for a call: the one that a client names, or where its service's control plane is.

    The service is told by its name or its id.
    """
    return CONTROL_PLANES.get(_NAMES.get(service, service), region)


class Fenced(DrctlError):
    """A request was not sent, because it would have gone to the region that is taken for lost."""

    def __init__(self, operation_name: str, service: str, lost: str, why: str) -> None:
        todo = f"nothing was sent; what {operation_name} is for has to wait until {lost} is back"
        if service in CREDENTIALS:
            todo = (f"get credentials that need nothing of {lost}: the access keys that are kept for such a day "
                    f"(AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY), or a profile whose sign-in is in another region")
        super().__init__(f"{operation_name} ({service}) was not sent: {why}; {lost} is taken for lost", next_step=todo)
        self.operation_name = operation_name
        self.service = service
        self.region = lost


@dataclass(frozen=True)
class Fence:
    """Around `lost`; the SDK gets its credentials in `survivor`."""

    lost: str
    survivor: str

    def enclose(self, session: Any) -> None:
        """Let no request of any client that botocore's `session` will make pass unjudged.

        Must come before the first client: each takes a copy of the session's hooks with it. So do those that the
        session makes for itself to get credentials; their STS is the survivor's.
        """
        # Hooks of an event's first word come after all others: the signature, made in one, is there.
        session.get_component("event_emitter").register_last("request-created", self._judge)
        session.set_config_variable("region", self.survivor)
        session.set_config_variable("sts_regional_endpoints", "regional")

    def _judge(self, request: Any, operation_name: str, event_name: str, **_: Any) -> None:
        service = event_name.split(".")[1]
        if why := self.objection(request.url, request.headers, service, operation_name,
                                 str(request.context.get("client_region") or "")):
            raise Fenced(operation_name, service, self.lost, why)

    def objection(self, url: str, headers: Mapping[str, str], service: str, operation: str,
                  client_region: str = "") -> str:
        """Why a request must not be sent, in words; empty when it may.

        `client_region` counts only where neither signature nor host tells a region.
        """
        host = urlsplit(url).hostname or ""
        home, named, signed = CONTROL_PLANES.get(service), region_of_host(host), signed_regions(url, headers)
        if home == self.lost:
            return f"the control plane of {service} lives in {home}, whatever region it is asked for"
        if service == "s3" and self.lost == GLOBAL and _configures_bucket(operation):
            return f"how buckets are set up is decided in {GLOBAL}, wherever they are"
        if named == self.lost:
            return f"{host} is in {self.lost}"
        if home is None and any(fnmatchcase(self.lost, region) for region in signed):
            return f"it is signed for {', '.join(signed)}"
        if client_region == self.lost and not (home or named or signed):
            return f"its client is one of {client_region}, and nothing else tells where {host} is"
        return ""


def signed_regions(url: str, headers: Mapping[str, str]) -> tuple[str, ...]:
    """The regions a request is signed for, by header or query string; wildcards in those of SigV4A; none if unsigned.

    Source: AWS Signature Version 4 for API requests, "Elements of a request signature".
    """
    query = dict(parse_qsl(urlsplit(url).query))
    several = headers.get("X-Amz-Region-Set") or query.get("X-Amz-Region-Set")
    if several:
        return tuple(region.strip() for region in several.split(","))
    header = re.search(r"Credential=([^,\s]+)", headers.get("Authorization") or "")
    credential = header[1] if header else query.get("X-Amz-Credential", "")
    parts = credential.split("/")  # key / date / region / service / aws4_request
    return (parts[-3],) if len(parts) >= 5 else ()


def region_of_host(host: str) -> str:
    """The region that a host of AWS is in; empty for a host that is not AWS's.

    It is looked for in the name from the right: what stands left of it, such as a bucket's name, may look like a region
    too. An endpoint of AWS without a region in its name is a global one.
    """
    for label in reversed(host.lower().split(".")):
        if found := _LABEL.fullmatch(label):
            return found[1]
    return GLOBAL if host.lower().endswith(_AWS_HOSTS) else ""


def _configures_bucket(operation: str) -> bool:
    """Whether an operation of S3 makes, removes or sets up a bucket.

    Those depend on us-east-1 (AWS Fault Isolation Boundaries, "Global single-Region operations").
    """
    return is_mutating(operation) and ("Bucket" in operation or operation in {
        "DeletePublicAccessBlock", "PutObjectLockConfiguration", "PutPublicAccessBlock"})
