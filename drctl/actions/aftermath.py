"""What an unplanned failover leaves to be done, noted in the surviving region's control bucket until it is done.

AWS shows who writes now; that a region was lost, when, and up to which loss it was accepted, it does not show.
"""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, ClassVar

from drctl.aws.clients import Aws
from drctl.aws.commands import Command
from drctl.aws.errors import AwsError, code_of, is_gone
from drctl.engine.looks import Trying, Unanswered
from drctl.engine.run import OUTAGE_BEGAN, Run
from drctl.engine.runbook import Action, Change
from drctl.settings import Site
from drctl.steps.control_bucket import CONTROL
from drctl.steps.global_cluster import GlobalCluster

#: Key of the note, and where notes lie that no longer count, by the run that has put them away.
KEY, DONE = "aftermath.json", "aftermath/"
#: Measure that keeps when a person has noted a loss, who has not noted when it began: it was not later.
NOTED_AT = "noted_at"
#: Real seconds that a control bucket may take for the note before the next line; after that it is tried aside.
NOTED_S = 0.3
#: Real seconds between two tries, for which they go on at most, and for the last one: a get and a put over a long way,
#: each with a new connection, take two to three. Users are served by then, and only the report waits.
PAUSE_S, TRIED_FOR_S, LAST_S = 2.0, 900.0, 3.0
#: File that a person puts by hand.
FILE = "aftermath.json"


@dataclass(frozen=True)
class Aftermath:
    """One unplanned failover; times are seconds since 1970, `lag_s` is what was known when it was decided.

    `at` is zero where nobody knows when it was,
    `run` empty for a failover that was carried out by hand; `reserved` is the concurrency that was reserved for the
    lost region's app before it was stopped.
    """

    run: str
    lost: str
    to: str
    at: float
    lag_s: float | None = None
    outage_began: float | None = None
    allowed_loss_s: float | None = None
    force: str = ""
    reserved: int | None = None

    @property
    def began(self) -> float | None:
        """When the loss began: with a lag that nobody knew the failover itself is what is known of it.

        None for what a person has noted without saying when: that may have been put there long after.
        """
        return self.outage_began or (self.at if self.run else 0.0) or None


def aftermath_in(run: Run, site: Site, aws: Aws | None = None) -> Aftermath | None:
    """The note in a region's control bucket, asked by the run's clients or others; None when there is none, or no
    bucket."""
    try:
        answer = note_command(run, site, "GetObject").send(aws or run.aws)
    except AwsError as error:
        if is_gone(error):
            return None
        raise
    lost = run.settings.other(site).region
    return _read(answer["Body"].read()) or Aftermath("", lost, site.region, answer["LastModified"].timestamp())


def _read(body: bytes) -> Aftermath | None:
    """The note, as far as this version knows its fields; None for one that a person has put there by hand."""
    with suppress(ValueError, TypeError, AttributeError):
        told = json.loads(body)
        return Aftermath(**{one.name: told[one.name] for one in fields(Aftermath) if one.name in told})
    return None


def note_command(run: Run, site: Site, operation: str, key: str = KEY, **more: Any) -> Command:
    """A call about the note, or about an object beside it, in a region's control bucket."""
    return Command(site.region, "s3", operation, {
        "Bucket": run.name("s3", CONTROL, site), "Key": key, "ExpectedBucketOwner": run.settings.account_id, **more})


def put_away(run: Run, site: Site) -> Command:
    """Keeps a note beside the place where it counts, by the run that has put it away."""
    return note_command(run, site, "CopyObject", f"{DONE}{run.id}.json",
                        CopySource=f"{run.name('s3', CONTROL, site)}/{KEY}")


def put_note(run: Run, site: Site, note: Aftermath, **more: Any) -> Command:
    """Puts a note where it counts."""
    return note_command(run, site, "PutObject", Body=json.dumps(asdict(note), indent=2).encode(),
                        ContentType="application/json", **more)


def put_by_hand(run: Run, site: Site, note: Aftermath) -> Command:
    """The same as a person types it, who has not looked whether there is one: it replaces none (S3 User Guide,
    "How to prevent object overwrites with conditional writes")."""
    return put_note(run, site, note, IfNoneMatch="*")


def note_of_lost(run: Run, lost: Site) -> Aftermath | None:
    """The note that a region was lost, in the other one's control bucket."""
    note = aftermath_in(run, run.settings.other(lost))
    return note if note is not None and note.lost == lost.region else None


def note_reserved(run: Run, lost: Site, reserved: int) -> None:
    """Add to the note of a lost region what was reserved for its app, unless that is known already."""
    note = note_of_lost(run, lost)
    if note is not None and note.reserved is None:
        put_note(run, run.settings.other(lost), replace(note, reserved=reserved)).send(run.aws)


@dataclass(frozen=True, eq=False)
class NoteAftermath(Action):
    """Note the failover where whoever cleans up after it will look; a bucket that does not answer delays nothing.

    It is tried aside for as long as the promotion takes; `end` tries once more and tells when all was in vain.
    """

    source: Site
    to: Site
    allowed_loss_s: float | None = None
    force: str = ""
    #: What tells whether somebody has promoted `to` before this run.
    global_cluster: GlobalCluster | None = None
    #: Ids of runs that this one goes on with.
    earlier: frozenset[str] = frozenset()
    pause_s: float = PAUSE_S
    why = "the old region has to be fenced, rejoined and reconciled when it is back, by whoever is on call then"
    typical_minutes = 0.1
    if_stuck = "it is tried again aside; in the end the line to type is told"
    phase: ClassVar[str] = "report"

    @property
    def title(self) -> str:
        return f"note what is left to be done about {self.source.region}"

    @property
    def region(self) -> str:
        return self.to.region

    def by_hand(self, run: Run) -> Iterable[Command]:
        yield put_by_hand(run, self.to, self._told(run))

    def _put(self, run: Run) -> Command:
        return put_note(run, self.to, self._told(run))

    def _told(self, run: Run) -> Aftermath:
        return Aftermath(
            run.id, self.source.region, self.to.region, round(time.time(), 3), run.measures.get("lag_s"),
            run.measures.get(OUTAGE_BEGAN), self.allowed_loss_s, self.force, _reserved(run))

    def do(self, run: Run) -> None:
        self._begin(run).wait(NOTED_S)

    def _begin(self, run: Run) -> Trying:
        run.noting = Trying("aftermath", lambda: self._note(run), AwsError, self.pause_s, TRIED_FOR_S)
        return run.noting

    def end(self, run: Run) -> None:
        """Once more, and no more; what could not be noted is told. Nothing is done where nothing was tried."""
        if run.noting is None:
            return
        run.noting.last()
        noted = run.noting.wait(LAST_S)
        if noted is None and _reserved(run) is not None:  # the lost region has told only after it was noted
            trying = self._begin(run)
            trying.last()
            noted = trying.wait(LAST_S)
        if isinstance(noted, Unanswered):
            self._tell(run, code_of(noted.error) if isinstance(noted.error, AwsError) else noted.why)

    def _tell(self, run: Run, why: str) -> None:
        lost, put = self.source.region, self._put(run)
        told = json.dumps(json.loads(put.params["Body"]))
        run.say(f"NOT NOTED: the control bucket of {self.to.region} has not taken the note of the failover ({why}); "
                f"without it drctl failback may not know that {lost} was lost, and then neither stops the app there, "
                "nor keeps the rescue snapshot, nor lists lost objects and rows. Put it there once the bucket answers, "
                f"or: drctl failback --lost {lost}; by hand: printf %s {shlex.quote(told)} > {FILE} && {put} "
                f"--body {FILE}")

    def _note(self, run: Run) -> int | None:
        """The first note of this failover stays, for it knows best when the loss began; that of another is put away.

        What the note tells to have been reserved for the old app.
        """
        known, reserved = aftermath_in(run, self.to), _reserved(run)
        if known is None or not self._is_of_this_failover(run, known):
            if known is not None:
                put_away(run, self.to).send(run.aws)
            self._put(run).send(run.aws)
        elif known.reserved is None and reserved is not None:
            put_note(run, self.to, replace(known, reserved=reserved)).send(run.aws)
        else:
            reserved = known.reserved
        return reserved

    def _is_of_this_failover(self, run: Run, known: Aftermath) -> bool:
        return bool(known.run) and known.lost == self.source.region and (
            known.run in {run.id, *self.earlier} or self._was_promoted_before(run))

    def _was_promoted_before(self, run: Run) -> bool:
        """The writer is looked at first: what this run promotes beside this, it has asked for before that is seen."""
        seen = None if self.global_cluster is None else run.found(self.global_cluster)
        return seen is not None and seen.writer == self.to.region and run.roles_asked is None


def _reserved(run: Run) -> int | None:
    return run.aside.reserved if run.aside is not None else None


@dataclass(frozen=True, eq=False)
class CloseAftermath(Change):
    """Everything that the failover has left is done: the note is put away."""

    site: Site
    why = "whoever looks must not take it for open"
    typical_minutes = 0.1
    if_stuck = "nothing depends on it; delete aftermath.json in the control bucket by hand"
    phase: ClassVar[str] = "report"

    @property
    def title(self) -> str:
        return "nothing is left of the failover"

    @property
    def region(self) -> str:
        return self.site.region

    def by_hand(self, run: Run) -> Iterable[Command]:
        yield put_away(run, self.site)
        yield note_command(run, self.site, "DeleteObject")

    def done(self, run: Run) -> bool:
        if run.noting is not None:  # a try of this very run, in a drill, must not open again what is closed here
            run.noting.last()
            run.noting.wait(LAST_S)
        return aftermath_in(run, self.site) is None

    def do(self, run: Run) -> None:
        for command in self.by_hand(run):
            command.send(run.aws)
