"""The objects that the latch knows: the switch objects of both regions, and its own state beside its own switch.

A region that does not answer is not waited for: short time-outs, one try.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from .decision import Lies, State

CONNECT_S, READ_S = 2, 3
STATE_KEY = "latch/state.json"


@dataclass(frozen=True)
class Place:
    """Where a region's switch object lies."""

    region: str
    bucket: str
    key: str

    @classmethod
    def of(cls, environment: Mapping[str, str], prefix: str) -> Place:
        """As the function's configuration names it."""
        return cls(*(environment[f"{prefix}_{part}"] for part in ("REGION", "BUCKET", "KEY")))


def client(region: str) -> Any:
    """S3 of a region, asked once for each question."""
    # botocore is part of Lambda's Python runtime.
    import botocore.session
    from botocore.config import Config

    return botocore.session.get_session().create_client("s3", region_name=region, config=Config(
        connect_timeout=CONNECT_S, read_timeout=READ_S, retries={"total_max_attempts": 1, "mode": "standard"},
        s3={"us_east_1_regional_endpoint": "regional"}))


@dataclass
class Objects:
    """Reads and writes them; `make` makes a client for a region."""

    own: Place
    other: Place
    _clients: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Objects:
        """As the function's configuration names them."""
        return cls(Place.of(environment, "OWN"), Place.of(environment, "OTHER"))

    def _at(self, place: Place) -> Any:
        if place.region not in self._clients:
            self._clients[place.region] = client(place.region)
        return self._clients[place.region]

    def own_lies(self) -> Lies:
        """The region's own object; raises what S3 answers when it cannot say."""
        return self._lies(self.own)

    def other_lies(self) -> Lies:
        """The other region's object; unknown when that region does not say."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return self._lies(self.other)
        except (BotoCoreError, ClientError):
            return Lies()

    def _lies(self, place: Place) -> Lies:
        """Only 404 says that it is not there; without the right to list the bucket S3 would say 403."""
        from botocore.exceptions import ClientError

        try:
            head = self._at(place).head_object(Bucket=place.bucket, Key=place.key)
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
                return Lies(known=True)
            raise
        return Lies(known=True, since=head["LastModified"].timestamp())

    def put(self, event: str) -> None:
        """Put the region's own object, also over one that is older."""
        self._at(self.own).put_object(Bucket=self.own.bucket, Key=self.own.key, Body=b"latch",
                                      ContentType="text/plain", Metadata={"latch": event})

    def delete(self) -> None:
        """Delete the region's own object."""
        self._at(self.own).delete_object(Bucket=self.own.bucket, Key=self.own.key)

    def state(self) -> State:
        """What was remembered; nothing when there is nothing that can be read."""
        from botocore.exceptions import ClientError

        try:
            kept = self._at(self.own).get_object(Bucket=self.own.bucket, Key=STATE_KEY)["Body"].read()
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
                return State()
            raise
        try:
            told = json.loads(kept)
            return State(**{**told, "other": Lies(**told["other"])})
        except (ValueError, TypeError, KeyError):
            return State()

    def keep(self, state: State) -> None:
        """Remember it."""
        self._at(self.own).put_object(Bucket=self.own.bucket, Key=STATE_KEY, ContentType="application/json",
                                      Body=json.dumps(asdict(state)).encode())
