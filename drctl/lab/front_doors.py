"""What somebody on the internet gets from the lab's load balancers and buckets, asked by host name and path."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Protocol

from moto.elbv2.models import FakeLoadBalancer, elbv2_backends
from moto.s3.models import FakeBucket, FakeKey, s3_backends
from moto.s3.utils import bucket_policy_is_public

from drctl.lab import balancing, outages
from drctl.lab.entrances import Entrance, region_of
from drctl.lab.policies import ANONYMOUS, Request, resource_verdict
from drctl.lab.visits import Reply, Visit, with_status

#: Virtual-hosted and path-style regional host names of S3.
_S3_HOST = re.compile(r"(?:(?P<bucket>.+)\.)?s3\.(?:dualstack\.)?(?P<region>[a-z]{2}(?:-[a-z]+)+-\d)\.amazonaws\.com")


NO_CONNECTION = Reply(None, "The health checker could not establish a connection within the timeout limit.")
NO_NAME = Reply(None, "DNS resolution failed: Rcode NXDomain(3)")


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


def targets_healthy(balancer: FakeLoadBalancer) -> bool:
    """Whether an alias that evaluates target health finds the balancer, its own nodes too, healthy."""
    region = region_of(balancer.arn)
    return (balancer.state == "active" and not outages.is_down(region, "elasticloadbalancing")
            and balancing.targets_healthy(region, balancer.arn))


@dataclass(frozen=True)
class BalancerDoor:
    """A balancer asked on a port by a protocol, as Route 53's health checkers do."""

    balancer: FakeLoadBalancer
    protocol: str
    port: int
    path: str

    def answer(self, cidr: str) -> Reply:
        """Nothing without an active balancer, a listener and a security group that lets the address in.

        All checkers of one look get the answer to the first: its target is asked once.
        """
        if outages.is_down(region_of(self.balancer.arn), "elasticloadbalancing"):
            return NO_CONNECTION
        entrance = Entrance(self.balancer, self.port)
        listener = entrance.listener
        if listener is None or listener.protocol != self.protocol or not entrance.lets_in(cidr):
            return NO_CONNECTION
        if not self._known:
            path, _, query = self.path.partition("?")
            host = {"host": self.balancer.dns_name, "user-agent": "Amazon-Route53-Health-Check-Service"}
            self._known.append(entrance.answer(listener, Visit(cidr, "GET", path, query, host)))
        return self._known[0]

    @cached_property
    def _known(self) -> list[Reply]:
        return []


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
