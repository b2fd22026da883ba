"""The lease: one object in a region's control bucket, so that one operator at a time changes the stack.

S3's conditional writes decide (S3 User Guide, "How to prevent object overwrites with conditional writes"): it is made
with If-None-Match, renewed, taken over and given back with If-Match. Whether it has run out is judged by S3's own
clock, never by that of a laptop: the object's time of change and how long it says that it lasts, against the answer's
date. A given-back lease stays as an object that says so.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from botocore.exceptions import ClientError

from drctl.aws.errors import code_of
from drctl.engine.owner import Owner, is_dead
from drctl.errors import Refused

#: Key of the object in the control bucket.
LEASE_KEY = "lease.json"
#: S3 says that the condition does not hold, or that another request with a condition was faster.
TAKEN, RACED = frozenset({"PreconditionFailed", "412"}), frozenset({"ConditionalRequestConflict", "409"})
#: S3 tells times of change in whole seconds.
RESOLUTION = timedelta(seconds=1)
#: Races with others that are gone into before giving up; each is one request long.
RACES = 10


class LeaseLost(Refused):
    """The lease is somebody else's now, or could not be renewed in time: this run may change nothing any more."""


class NoControlBucket(Refused):
    """The region has no control bucket, so nothing was ever built there."""


@dataclass(frozen=True)
class Terms:
    """What a lease says: who holds it, for which run, since when (ISO 8601), and how many seconds it lasts unrenewed.

    `unfinished` tells what a run has begun that must be brought to its end, should its process die.
    """

    owner: Owner
    run: str
    command: str
    since: str
    lasts_s: float
    beat: int = 0
    released: bool = False
    unfinished: dict[str, str] = field(default_factory=dict)

    def as_json(self) -> bytes:
        """The object's content."""
        return json.dumps(asdict(self), indent=2).encode()


@dataclass(frozen=True)
class Seen:
    """A lease as it lies in the bucket; `until` is when it runs out unless it is renewed, `now` is S3's time."""

    terms: Terms
    etag: str
    until: datetime
    now: datetime

    @property
    def is_free(self) -> bool:
        """Given back, run out, or held by a process of this machine that is no more."""
        return self.terms.released or self.now > self.until or is_dead(self.terms.owner)


@dataclass(frozen=True)
class Lease:
    """The lease of one region: an S3 client of that region, and the control bucket's name and owner."""

    s3: Any
    bucket: str
    account: str
    region: str

    def look(self) -> Seen | None:
        """The lease as it is now; None when nobody ever held it. Raises NoControlBucket."""
        try:
            answer = self.s3.get_object(Bucket=self.bucket, Key=LEASE_KEY, ExpectedBucketOwner=self.account)
        except ClientError as error:
            if code_of(error) == "NoSuchKey":
                return None
            raise self._without_bucket(error) from error
        terms = self._understood(answer["Body"].read())
        now = parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
        until = answer["LastModified"] + timedelta(seconds=terms.lasts_s) + RESOLUTION
        return Seen(terms, answer["ETag"], until, now)

    def _understood(self, content: bytes) -> Terms:
        try:
            fields = json.loads(content)
            return Terms(**{**fields, "owner": Owner(**fields["owner"])})
        except (ValueError, TypeError, KeyError) as error:
            raise Refused(f"the lease in {self.region} cannot be read: {error}; nothing was changed", next_step=(
                f"look at s3://{self.bucket}/{LEASE_KEY}; delete it when nobody is at work")) from error

    def take(self, terms: Terms, take_over: str = "") -> tuple[str, Terms | None]:
        """Hold the lease: its ETag, and whose terms were taken over, None when it was free or given back.

        `take_over` is the owner's name, or the id of a run, said by a person who knows that it is no more. Raises
        Refused with who holds it, where, since and until when; NoControlBucket.
        """
        for _ in range(RACES):
            seen = self.look()
            if seen is None:
                if etag := self._put(terms, IfNoneMatch="*"):
                    return etag, None
                continue
            if is_same(seen.terms, terms):
                return seen.etag, None  # our own write, whose answer was lost
            if not (seen.is_free or take_over in {seen.terms.owner.name, seen.terms.run}):
                raise held_by(seen, self.region)
            carried = replace(terms, unfinished=seen.terms.unfinished or terms.unfinished)
            if etag := self._put(carried, IfMatch=seen.etag):
                return etag, seen.terms
        raise Refused(f"others were faster {RACES} times in taking the lease in {self.region}; nothing was changed",
                      next_step="the same command again")

    def renew(self, terms: Terms, etag: str) -> str:
        """Write `terms` in place of our own lease and return its new ETag; LeaseLost when it is ours no more."""
        for _ in range(RACES):
            if renewed := self._put(terms, IfMatch=etag):
                return renewed
            seen = self.look()
            if seen is None or seen.terms.run != terms.run:
                raise LeaseLost(f"the lease in {self.region} is {_whose(seen)} now; this run has stopped",
                                next_step="drctl runs; ask the other operator before anything else")
            if is_same(seen.terms, terms):
                return seen.etag
            etag = seen.etag  # an earlier renewal whose answer was lost
        raise LeaseLost(f"the lease in {self.region} could not be renewed", next_step="the same command again")

    def _put(self, terms: Terms, **condition: str) -> str:
        """The new ETag, or nothing when the condition does not hold."""
        try:
            answer = self.s3.put_object(Bucket=self.bucket, Key=LEASE_KEY, Body=terms.as_json(),
                                        ContentType="application/json", ExpectedBucketOwner=self.account, **condition)
        except ClientError as error:
            if code_of(error) in TAKEN | RACED or (code_of(error) == "NoSuchKey" and "IfMatch" in condition):
                return ""
            raise self._without_bucket(error) from error
        return str(answer["ETag"])

    def _without_bucket(self, error: ClientError) -> Exception:
        if code_of(error) == "NoSuchBucket":
            return NoControlBucket(f"there is no control bucket {self.bucket}", next_step="drctl provision")
        return error


def is_same(one: Terms, other: Terms) -> bool:
    """Whether two leases are the same write of the same run."""
    return (one.run, one.beat, one.released) == (other.run, other.beat, other.released)


def held_by(seen: Seen, region: str) -> Refused:
    """The refusal that says who holds the lease, where, since when and until when."""
    terms = seen.terms
    return Refused(
        f"{terms.owner.name} holds the lease in {region}; nothing was changed",
        findings=(f"who: {terms.owner.name}, process {terms.owner.pid} on {terms.owner.host}",
                  f"what: {terms.command}, run {terms.run}",
                  f"where: control bucket of {region}",
                  f"since: {terms.since}",
                  f"until: {_iso(seen.until)} unless renewed (S3's clock says {_iso(seen.now)})"),
        next_step=f"wait for it; or, if you know that it is dead: the same command with --take-over {terms.owner.name}")


def _whose(seen: Seen | None) -> str:
    return "gone" if seen is None else f"{seen.terms.owner.name}'s ({seen.terms.command}, run {seen.terms.run})"


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
