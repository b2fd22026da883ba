"""The lease's own rules, on an S3 made by hand: conditions, races, lost answers, and time as S3 tells it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from io import BytesIO
from typing import Any

import pytest
from botocore.exceptions import ClientError

from drctl.engine.lease import RACES, Lease, LeaseLost, NoControlBucket, Terms
from drctl.engine.owner import Owner, myself
from drctl.errors import Refused
from tests.engine.fakes import refusal

ANN = Owner("ann@elsewhere", "elsewhere", "another machine", 4711, "1")
BOB = replace(ANN, name="bob@office", host="office")


@dataclass
class FakeS3:
    """One object with conditional writes, and a clock that has nothing to do with this machine's."""

    now: datetime = datetime(2031, 5, 1, 12, 0, 0, tzinfo=UTC)
    content: bytes | None = None
    changed: datetime = datetime(2031, 5, 1, tzinfo=UTC)
    version: int = 0
    there: bool = True
    #: Called before each look, and what it raises is the answer; `before` the same for each write, `after` once it was
    #: done.
    before_a_look: Callable[[], object] = lambda: None
    before: Callable[[], object] = lambda: None
    after: Callable[[], object] = lambda: None
    writes: list[dict[str, Any]] = field(default_factory=list)

    def put_object(self, Body: bytes, IfMatch: str = "", IfNoneMatch: str = "",  # noqa: N803  # S3's own names
                   **_: Any) -> dict[str, str]:
        self.before()
        if not self.there:
            raise refusal("NoSuchBucket", operation="PutObject")
        missing = self.content is None
        if (IfNoneMatch and not missing) or (IfMatch and (missing or IfMatch != self.etag)):
            raise refusal("NoSuchKey" if missing else "PreconditionFailed", operation="PutObject")
        self.content, self.changed, self.version = Body, self.now.replace(microsecond=0), self.version + 1
        self.writes.append(json.loads(Body))
        self.after()
        return {"ETag": self.etag}

    def get_object(self, **_: Any) -> dict[str, Any]:
        self.before_a_look()
        if not self.there or self.content is None:
            raise refusal("NoSuchKey" if self.there else "NoSuchBucket", operation="GetObject")
        return {"Body": BytesIO(self.content), "ETag": self.etag, "LastModified": self.changed,
                "ResponseMetadata": {"HTTPHeaders": {"date": format_datetime(self.now, usegmt=True)}}}

    @property
    def etag(self) -> str:
        return f'"{self.version}"'

    def later(self, seconds: float) -> None:
        """Time passes at S3."""
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def s3() -> FakeS3:
    return FakeS3()


@pytest.fixture
def lease(s3: FakeS3) -> Lease:
    return Lease(s3, "control", "123456789012", "us-east-1")


def terms(owner: Owner = ANN, run: str = "run-1", **more: Any) -> Terms:
    """A lease of two minutes."""
    return Terms(owner, run, "provision", "2031-05-01T12:00:00Z", 120.0, **more)


def test_the_first_one_has_it_and_the_second_is_told_everything(s3: FakeS3, lease: Lease) -> None:
    assert lease.take(terms()) == ('"1"', None)
    s3.later(30)
    with pytest.raises(Refused) as refused:
        lease.take(terms(BOB, "run-2"))
    assert refused.value.message == "ann@elsewhere holds the lease in us-east-1; nothing was changed"
    assert refused.value.findings == (
        "who: ann@elsewhere, process 4711 on elsewhere", "what: provision, run run-1",
        "where: control bucket of us-east-1", "since: 2031-05-01T12:00:00Z",
        "until: 2031-05-01T12:02:01Z unless renewed (S3's clock says 2031-05-01T12:00:30Z)")
    assert "--take-over ann@elsewhere" in refused.value.next_step
    assert len(s3.writes) == 1


@pytest.mark.parametrize(("seconds", "free"), [(0, False), (119, False), (121, False), (122, True), (100_000, True)])
def test_it_runs_out_by_the_clock_of_s3_whatever_this_machine_thinks(s3: FakeS3, lease: Lease, seconds: float,
                                                                     free: bool) -> None:
    lease.take(terms())
    s3.later(seconds)
    if free:
        etag, before = lease.take(terms(BOB, "run-2"))
        assert (etag, before) == ('"2"', terms())
    else:
        with pytest.raises(Refused):
            lease.take(terms(BOB, "run-2"))


@pytest.mark.parametrize("years", [-50, 0, 50])
def test_a_laptop_whose_clock_is_years_off_neither_steals_nor_waits(lease: Lease, s3: FakeS3, years: int) -> None:
    """Only S3's dates are compared: the fake's lie wherever they are put, this machine's stay what they are."""
    s3.now = datetime(2026 + years, 3, 1, tzinfo=UTC)
    lease.take(terms())
    with pytest.raises(Refused):
        lease.take(terms(BOB, "run-2"))
    s3.later(122)
    assert lease.take(terms(BOB, "run-2"))[1] == terms()


def test_a_renewed_lease_lasts_from_its_renewal(s3: FakeS3, lease: Lease) -> None:
    etag, _ = lease.take(terms())
    s3.later(100)
    lease.renew(terms(beat=1), etag)
    s3.later(100)
    with pytest.raises(Refused):
        lease.take(terms(BOB, "run-2"))


def test_a_given_back_lease_is_free_at_once(lease: Lease) -> None:
    etag, _ = lease.take(terms())
    lease.renew(terms(released=True, beat=1), etag)
    assert lease.take(terms(BOB, "run-2"))[0] == '"3"'


def test_taking_a_lease_is_one_write_whether_there_was_one_before_or_not(s3: FakeS3, lease: Lease) -> None:
    tries = list[str]()
    s3.before = lambda: tries.append("write")
    etag, _ = lease.take(terms())
    lease.renew(terms(released=True), etag)
    lease.take(terms(BOB, "run-2"))
    assert len(tries) == 3


@pytest.mark.parametrize(("name", "free"), [
    ("ann@elsewhere", True), ("run-1", True), ("bob@office", False), ("ann", False), ("run-2", False), ("", False)])
def test_only_the_owners_own_name_or_its_runs_takes_it_over(lease: Lease, name: str, free: bool) -> None:
    lease.take(terms())
    if free:
        assert lease.take(terms(BOB, "run-2"), name)[1] == terms()
    else:
        with pytest.raises(Refused):
            lease.take(terms(BOB, "run-2"), name)


def test_a_dead_process_of_this_machine_is_followed_at_once_and_a_live_one_is_not(lease: Lease) -> None:
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    lease.take(terms(replace(myself(), pid=child)))
    alive, gone = terms(myself(), "run-2"), terms(replace(myself(), pid=child))
    assert lease.take(alive)[1] == gone
    with pytest.raises(Refused):
        lease.take(terms(BOB, "run-3"))


def test_what_was_left_unfinished_stays_in_the_lease_until_it_is_settled(s3: FakeS3, lease: Lease) -> None:
    lease.take(terms(unfinished={"command": "drill", "home": "us-east-1"}))
    s3.later(200)
    _, before = lease.take(terms(BOB, "run-2"))
    assert before is not None
    assert before.unfinished == {"command": "drill", "home": "us-east-1"}
    assert s3.writes[-1]["unfinished"] == {"command": "drill", "home": "us-east-1"}


def test_a_write_that_did_take_effect_and_is_repeated_is_known_as_our_own(s3: FakeS3, lease: Lease) -> None:
    """The SDK repeats a put whose answer was lost; the repetition meets the first one's effect."""
    lease.take(terms())
    assert lease.take(terms()) == ('"1"', None)
    etag = lease.renew(terms(beat=1), '"1"')
    assert lease.renew(terms(beat=1), '"1"') == etag == '"2"'
    assert len(s3.writes) == 2


def test_a_lease_that_is_somebody_elses_now_is_lost(s3: FakeS3, lease: Lease) -> None:
    etag, _ = lease.take(terms())
    s3.later(200)
    lease.take(terms(BOB, "run-2"))
    with pytest.raises(LeaseLost) as lost:
        lease.renew(terms(beat=1), etag)
    assert "bob@office's (provision, run run-2)" in lost.value.message


def test_a_lease_that_is_gone_is_lost_and_not_made_anew(s3: FakeS3, lease: Lease) -> None:
    etag, _ = lease.take(terms())
    s3.content = None
    with pytest.raises(LeaseLost) as lost:
        lease.renew(terms(beat=1), etag)
    assert "is gone now" in lost.value.message
    assert s3.content is None


def test_races_are_gone_into_but_not_for_ever(s3: FakeS3, lease: Lease) -> None:
    races = [0]

    def raced() -> None:
        races[0] += 1
        raise refusal("ConditionalRequestConflict", operation="PutObject")

    s3.before = raced
    with pytest.raises(Refused) as refused:
        lease.take(terms())
    assert races[0] == RACES
    assert "others were faster" in refused.value.message


def test_of_two_that_find_it_run_out_one_takes_it(s3: FakeS3, lease: Lease) -> None:
    lease.take(terms())
    s3.later(200)
    faster = [terms(BOB, "run-2")]

    def somebody_is_faster() -> None:
        if faster and len(s3.writes) == 1 and s3.content is not None:
            other = faster.pop()
            s3.before = lambda: None
            Lease(s3, "control", "123456789012", "us-east-1").take(other)

    s3.before = somebody_is_faster
    with pytest.raises(Refused) as refused:
        lease.take(terms(replace(ANN, name="cid@home"), "run-3"))
    assert "bob@office holds the lease" in refused.value.message


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"owner": "ann"}', b'{"owner": {"name": "ann"}}', b"\xff"])
def test_a_lease_that_cannot_be_read_is_refused_and_left_as_it_is(s3: FakeS3, lease: Lease, content: bytes) -> None:
    s3.content, s3.version = content, 1
    with pytest.raises(Refused) as refused:
        lease.take(terms(), "ann")
    assert "the lease in us-east-1 cannot be read" in refused.value.message
    assert s3.content == content


def test_without_a_control_bucket_it_says_so(s3: FakeS3, lease: Lease) -> None:
    s3.there = False
    for ask in (lease.look, lambda: lease.take(terms())):
        with pytest.raises(NoControlBucket):
            ask()


def test_what_s3_refuses_otherwise_is_not_taken_for_an_answer(s3: FakeS3, lease: Lease) -> None:
    def refused() -> None:
        raise refusal("AccessDenied", operation="PutObject")

    s3.before = refused
    with pytest.raises(ClientError):
        lease.take(terms())
