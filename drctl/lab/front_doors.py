"""What somebody on the internet gets from the lab's load balancers and buckets, asked by host name and path."""

from __future__ import annotations

import base64
import json
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache, cached_property, lru_cache
from http import HTTPStatus
from ipaddress import ip_network
from typing import Any, Protocol

from moto.ec2.models import ec2_backends
from moto.elbv2.models import FakeLoadBalancer, elbv2_backends
from moto.s3.models import FakeBucket, FakeKey, s3_backends
from moto.s3.utils import bucket_policy_is_public

from drctl.lab import balancing, compute, gray, outages
from drctl.lab.policies import ANONYMOUS, Request, resource_verdict

log = logging.getLogger(__name__)
#: Virtual-hosted and path-style regional host names of S3.
_S3_HOST = re.compile(r"(?:(?P<bucket>.+)\.)?s3\.(?:dualstack\.)?(?P<region>[a-z]{2}(?:-[a-z]+)+-\d)\.amazonaws\.com")


@dataclass(frozen=True)
class Reply:
    """What came back: HTTP status, or None and the reason why there was no answer."""

    status: int | None
    text: str
    body: bytes = b""

    @property
    def ok(self) -> bool:
        """What a health checker takes for healthy: 2xx or 3xx."""
        return self.status is not None and 200 <= self.status < 400


NO_CONNECTION = Reply(None, "The health checker could not establish a connection within the timeout limit.")
NO_NAME = Reply(None, "DNS resolution failed: Rcode NXDomain(3)")


def with_status(status: int, body: bytes = b"") -> Reply:
    """An answer with the usual phrase of its status."""
    known = status in HTTPStatus._value2member_map_
    return Reply(status, HTTPStatus(status).phrase if known else "", body)


class FrontDoor(Protocol):
    """Something that can be asked from an address range."""

    def answer(self, cidr: str) -> Reply: ...


def front_door(host: str, secure: bool, port: int, path: str) -> FrontDoor | None:
    """The balancer or bucket behind a host name; None when the name is nobody's."""
    host = host.rstrip(".").lower()
    if found := balancer_named(host):
        return BalancerDoor(found, "HTTPS" if secure else "HTTP", port, path or "/")
    if match := _S3_HOST.fullmatch(host):
        bucket, key = match["bucket"] or "", path.lstrip("/")
        if not bucket:
            bucket, _, key = key.partition("/")
        return BucketDoor(bucket, key, match["region"], secure)
    return None


def balancers() -> Iterator[FakeLoadBalancer]:
    """All load balancers of the lab."""
    for account in list(elbv2_backends.values()):
        for backend in list(account.values()):
            yield from list(backend.load_balancers.values())


def balancer_named(host: str) -> FakeLoadBalancer | None:
    """The balancer with this DNS name, with or without `dualstack.` before and a dot behind."""
    plain = host.rstrip(".").lower().removeprefix("dualstack.")
    return next((one for one in balancers() if str(one.dns_name).lower() == plain
                 and not one.__dict__.get("_lab_leaving")), None)


def region_of(arn: str) -> str:
    """The region in an ARN."""
    return arn.split(":")[3]


def targets_healthy(balancer: FakeLoadBalancer) -> bool:
    """Whether an alias that evaluates target health finds the balancer, its own nodes too, healthy."""
    region = region_of(balancer.arn)
    return (balancer.state == "active" and not outages.is_down(region, "elasticloadbalancing")
            and balancing.targets_healthy(region, balancer.arn))


@dataclass(frozen=True)
class BalancerDoor:
    """A balancer asked on a port by a protocol."""

    balancer: FakeLoadBalancer
    protocol: str
    port: int
    path: str

    def answer(self, cidr: str) -> Reply:
        """Nothing without an active balancer, a listener and a security group that lets the address in."""
        if outages.is_down(region_of(self.balancer.arn), "elasticloadbalancing"):
            return NO_CONNECTION
        if self.balancer.state != "active" or self._listener is None or not self._admits(cidr):
            return NO_CONNECTION
        return gray.lied(region_of(self.balancer.arn), self.path, self._reply)

    @cached_property
    def _listener(self) -> Any | None:
        return next((one for one in self.balancer.listeners.values()
                     if int(one.port) == self.port and one.protocol == self.protocol), None)

    def _admits(self, cidr: str) -> bool:
        backend = ec2_backends[self.balancer.arn.split(":")[4]][region_of(self.balancer.arn)]
        groups = [backend.get_security_group_from_id(one) for one in self.balancer.security_groups]
        return any(self._rule_admits(backend, one, cidr) for group in groups if group for one in group.ingress_rules)

    def _rule_admits(self, backend: Any, one: Any, cidr: str) -> bool:
        if one.ip_protocol not in {"tcp", "-1"}:
            return False
        if one.ip_protocol == "tcp" and not int(one.from_port) <= self.port <= int(one.to_port):
            return False
        ranges = [one.ip_range.get("CidrIp")] if one.ip_range.get("CidrIp") else []
        if one.prefix_list_id:
            prefix_list = backend.managed_prefix_lists.get(one.prefix_list_id)
            versions = prefix_list.entries if prefix_list else {}
            ranges += [entry["Cidr"] for entry in (versions[max(versions)] if versions else None) or []]
        return any(_within(cidr, each) for each in ranges)

    @cached_property
    def _reply(self) -> Reply:
        """The action of the first rule whose path fits."""
        listener = self._listener
        for one in _by_priority(listener.rules.values() if listener else ()):
            if _fits(one.conditions, self.path):
                return self._act(one.actions[-1])
        return with_status(503)

    def _act(self, action: Any) -> Reply:
        if action.type == "redirect":
            return with_status(301 if action.data["RedirectConfig"].get("StatusCode") == "HTTP_301" else 302)
        if action.type == "fixed-response":
            config = action.data["FixedResponseConfig"]
            return with_status(int(config["StatusCode"]), str(config.get("MessageBody") or "").encode())
        return self._ask_function(_target_group(action))

    def _ask_function(self, target_group_arn: str | None) -> Reply:
        """The function's own answer; a target that is registered is asked even when it is not healthy.

        Source: Application Load Balancer User Guide, "Health checks for your target groups" and "Lambda functions".
        """
        backend = elbv2_backends[self.balancer.arn.split(":")[4]][region_of(self.balancer.arn)]
        group = backend.target_groups.get(target_group_arn or "")
        names = [str(one) for one in group.targets if ":function:" in str(one)] if group else []
        if not names:
            return with_status(503)
        try:
            said = json.loads(compute.invoke(region_of(self.balancer.arn), names[0],
                                             json.dumps(self._event(group)).encode()))
            body = str(said.get("body") or "").encode()
            return with_status(int(said["statusCode"]), base64.b64decode(body) if said.get("isBase64Encoded") else body)
        except Exception:
            # Whatever goes wrong in or around the function is a 502 to the visitor.
            log.debug("no answer of %s behind %s", names[0], self.balancer.dns_name, exc_info=True)
            return with_status(502)

    def _event(self, group: Any) -> dict[str, Any]:
        return {"requestContext": {"elb": {"targetGroupArn": group.arn}}, "httpMethod": "GET", "path": self.path,
                "queryStringParameters": {}, "body": "", "isBase64Encoded": False,
                "headers": {"host": self.balancer.dns_name, "user-agent": "Amazon-Route53-Health-Check-Service",
                            "x-forwarded-proto": self.protocol.lower(), "x-forwarded-port": str(self.port)}}


def _by_priority(rules: Any) -> list[Any]:
    return sorted(rules, key=lambda one: (one.priority == "default",
                                          int(one.priority) if one.priority != "default" else 0))


def _fits(conditions: list[dict[str, Any]], path: str) -> bool:
    """Whether a rule without conditions, or with one on the path alone, is for this path."""
    return all(one.get("Field") == "path-pattern" and any(
        fnmatchcase(path, pattern)
        for pattern in one.get("Values") or (one.get("PathPatternConfig") or {}).get("Values", []))
        for one in conditions)


def _target_group(action: Any) -> str | None:
    groups = (action.data.get("ForwardConfig") or {}).get("TargetGroups") or []
    found = action.data.get("TargetGroupArn") or (groups[0]["TargetGroupArn"] if groups else None)
    return str(found) if found else None


@cache  # checkers come from the same few ranges, and are asked about all the time
def _within(cidr: str, wider: str) -> bool:
    here, there = ip_network(cidr), ip_network(wider, strict=False)
    return here.version == there.version and here.subnet_of(there)  # type: ignore[arg-type]  # versions are equal


@dataclass(frozen=True)
class BucketDoor:
    """An object asked for without credentials."""

    bucket_name: str
    key: str
    region: str
    secure: bool

    def answer(self, cidr: str) -> Reply:
        """The object, if anybody at that address may have it and S3 can decrypt it by itself.

        Source: Amazon S3 User Guide, "Blocking public access to your Amazon S3 storage"; Amazon S3 API Reference,
        GetObject: without the right to list the bucket an absent object is 403, and SSE-KMS needs a signature.
        """
        return NO_CONNECTION if outages.is_down(self.region, "s3") else self._object(cidr)

    def _object(self, cidr: str) -> Reply:
        bucket = self._bucket
        if bucket is None:
            return with_status(404)
        if bucket.region_name != self.region:
            return with_status(301)
        found = bucket.keys.get(self.key)
        if not self._may(bucket, "s3:GetObject", f"{bucket.arn}/{self.key}", cidr):
            return with_status(403)
        if not isinstance(found, FakeKey):
            return with_status(404 if self._may(bucket, "s3:ListBucket", bucket.arn, cidr) else 403)
        if str(found.encryption or "").startswith("aws:kms"):
            return with_status(400)
        return with_status(200, found.value)

    @cached_property
    def _bucket(self) -> FakeBucket | None:
        if self.bucket_name not in s3_backends.bucket_accounts:
            return None
        partition, account = s3_backends.bucket_accounts[self.bucket_name]
        return s3_backends[account][partition].buckets.get(self.bucket_name)

    def _may(self, bucket: FakeBucket, action: str, resource: str, cidr: str) -> bool:
        block = bucket.public_access_block
        restricted = block is not None and str(block.restrict_public_buckets).lower() == "true"
        if bucket.policy is None or (restricted and _is_public(bucket.policy)):
            return False
        return _allows_anybody(bucket.policy, action, resource, cidr, self.secure)


@lru_cache(256)  # health checkers ask for the same few objects all the time
def _is_public(policy: str | bytes) -> bool:
    return bool(bucket_policy_is_public(policy))


@lru_cache(1024)
def _allows_anybody(policy: str | bytes, action: str, resource: str, cidr: str, secure: bool) -> bool:
    context = {"aws:SourceIp": cidr, "aws:SecureTransport": str(secure).lower()}
    return resource_verdict(policy, Request(ANONYMOUS, action, resource, context)) == "Allow"
