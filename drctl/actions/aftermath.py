"""What an unplanned failover leaves to be done, noted in the surviving region's control bucket until it is done.

AWS shows who writes now; that a region was lost, when, and up to which loss it was accepted, it does not show.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar

from drctl.aws.clients import Aws
from drctl.aws.commands import Command
from drctl.aws.errors import AwsError, code_of, is_gone
from drctl.engine.looks import Pending, Unanswered
from drctl.engine.run import Run
from drctl.engine.runbook import Action, Change
from drctl.settings import Site
from drctl.steps.control_bucket import CONTROL
from drctl.steps.rescue_snapshot import OUTAGE_BEGAN as OUTAGE_BEGAN  # noqa: PLC0414  # for other actions

#: Key of the note, and where notes lie whose work is done, by the run that has done it.
KEY, DONE = "aftermath.json", "aftermath/"
#: Real seconds that a control bucket may take for the note.
NOTED_S = 0.5


@dataclass(frozen=True)
class Aftermath:
    """One unplanned failover; times are seconds since 1970, `lag_s` is what was known when it was decided.

    `run` is empty for a failover that was carried out by hand.
    """

    run: str
    lost: str
    to: str
    at: float
    lag_s: float | None = None
    outage_began: float | None = None
    allowed_loss_s: float | None = None
    force: str = ""


def aftermath_in(run: Run, site: Site, aws: Aws | None = None) -> Aftermath | None:
    """The note in a region's control bucket, asked by the run's clients or others; None when there is none, or no
    bucket."""
    try:
        answer = _command(run, site, "GetObject", KEY).send(aws or run.aws)
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


def _command(run: Run, site: Site, operation: str, key: str, **more: Any) -> Command:
    return Command(site.region, "s3", operation, {
        "Bucket": run.name("s3", CONTROL, site), "Key": key, "ExpectedBucketOwner": run.settings.account_id, **more})


@dataclass(frozen=True, eq=False)
class NoteAftermath(Action):
    """Note the failover where whoever cleans up after it will look; a bucket that does not answer delays nothing."""

    source: Site
    to: Site
    allowed_loss_s: float | None = None
    force: str = ""
    why = "the old region has to be fenced, rejoined and reconciled when it is back, by whoever is on call then"
    typical_minutes = 0.1
    if_stuck = "write it down by hand: from which region, when, and the lag"
    phase: ClassVar[str] = "report"

    @property
    def title(self) -> str:
        return f"note what is left to be done about {self.source.region}"

    @property
    def region(self) -> str:
        return self.to.region

    def by_hand(self, run: Run) -> Iterable[Command]:
        yield self._put(run)

    def _put(self, run: Run) -> Command:
        note = Aftermath(run.id, self.source.region, self.to.region, round(time.time(), 3), run.measures.get("lag_s"),
                         run.measures.get(OUTAGE_BEGAN), self.allowed_loss_s, self.force)
        return _command(run, self.to, "PutObject", KEY, Body=json.dumps(asdict(note), indent=2).encode(),
                        ContentType="application/json")

    def do(self, run: Run) -> None:
        """Aside: while it is promoted there is time for it, and no more than that."""
        noted = Pending("aftermath", lambda: self._note(run)).wait(NOTED_S)
        if isinstance(noted, Unanswered):
            why = code_of(noted.error) if isinstance(noted.error, AwsError) else noted.why
            run.say(f"the failover could not be noted in the control bucket of {self.to.region} ({why}): drctl "
                    "failback will not know how much was accepted as lost")

    def _note(self, run: Run) -> None:
        known = aftermath_in(run, self.to)
        if known is None or not known.run or known.lost != self.source.region:
            self._put(run).send(run.aws)


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
        yield _command(run, self.site, "CopyObject", f"{DONE}{run.id}.json",
                       CopySource=f"{run.name('s3', CONTROL, self.site)}/{KEY}")
        yield _command(run, self.site, "DeleteObject", KEY)

    def done(self, run: Run) -> bool:
        return aftermath_in(run, self.site) is None

    def do(self, run: Run) -> None:
        for command in self.by_hand(run):
            command.send(run.aws)
