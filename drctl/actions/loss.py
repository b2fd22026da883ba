"""What a failover has lost and nobody has brought in order yet: by its note, by what somebody says, or by its traces.

The note may be missing: its control bucket was silent, or a person has failed over by hand. Then nothing of what a
failback does about a lost region may be left out in silence.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from drctl.actions.aftermath import Aftermath, aftermath_in, note_of_lost, put_by_hand, put_note
from drctl.actions.fencing import is_fenced
from drctl.aws.commands import Command
from drctl.engine.run import Run
from drctl.engine.runbook import Change
from drctl.errors import Refused
from drctl.settings import Both, Site
from drctl.steps.global_cluster import GlobalClusterOut
from drctl.steps.rescue_snapshot import RescueSnapshots


@dataclass(frozen=True)
class Loss:
    """The region that was lost, None for none; its note, if there is one; and what says so, in words."""

    site: Site | None
    note: Aftermath | None
    because: str


def open_loss(run: Run, rescue: Both[RescueSnapshots], active: Site, named: Site | None = None) -> Loss:
    """What is open while `active` writes; `named` is the region that somebody says was lost, and who is believed.

    A note lies where its failover went to: in the region that writes or, when an earlier failback has moved the
    database home and no more, in the other one.
    """
    notes = [note for site in (active, run.settings.other(active)) if (note := aftermath_in(run, site)) is not None]
    if named is not None:
        note = next((one for one in notes if one.lost == named.region), None)
        return Loss(named, note, f"{named.region} was lost, as --lost says{'' if note else '; there is no note of it'}")
    for note in notes:
        site = next((one for one in run.settings.sites if one.region == note.lost), None)
        by = f"of run {note.run}" if note.run else "that was put by hand"
        return Loss(site, note, f"{note.lost} was lost, as the note {by} says")
    return _by_its_traces(run, rescue, active)


def refuse_without_a_sign(run: Run, loss: Loss, rescue: Both[RescueSnapshots], active: Site,
                          database: GlobalClusterOut) -> None:
    """Refused where somebody says what nothing else does, and the region is in its place: its app would be stopped for
    nothing. Where the database writes away from home something has happened: whoever says what, is believed then."""
    site = loss.site
    if site is None or loss.note is not None or is_fenced(run, site) or rescue.at(site).unkept(run):
        return
    if site == active:
        sees = f"{site.region} writes"
    elif active == run.settings.primary and database.is_copy(site.region):
        sees = f"{active.region} writes, as it does at home, and {site.region} holds a connected copy"
    else:
        return
    raise Refused(f"nothing shows that {site.region} was lost: {sees}, the app there is not stopped, and there is "
                  "neither a note nor a rescue snapshot that nobody has kept; nothing was changed",
                  next_step="drctl status; without --lost, drctl failback puts in order what it can see")


def _by_its_traces(run: Run, rescue: Both[RescueSnapshots], active: Site) -> Loss:
    returned = run.settings.other(active)
    if is_fenced(run, returned):
        return Loss(returned, None, f"no failover is noted, but the app in {returned.region} is stopped: "
                    f"{returned.region} is taken for lost")
    for site in (returned, active):
        if saved := rescue.at(site).unkept(run):
            return Loss(site, None, f"no failover is noted, but Aurora has saved {saved[-1]} and nobody has kept it: "
                        f"{site.region} is taken for lost")
    return Loss(None, None, "no failover is noted and none has left traces: no app is stopped, no rescue snapshot "
                f"kept, nothing listed as lost. Was there one: drctl failback --lost {returned.region}")


@dataclass(frozen=True, eq=False)
class NoteLoss(Change):
    """Note a loss that no failover has noted: whoever goes on with this must know of it once its traces are gone."""

    lost: Site
    to: Site
    why = "the traces go one by one; should this process die, whoever goes on still fences, keeps and lists"
    typical_minutes = 0.1
    if_stuck = "the line below notes it by hand"
    phase: ClassVar[str] = "prepare"

    @property
    def title(self) -> str:
        return f"note that {self.lost.region} was lost"

    @property
    def region(self) -> str:
        return self.to.region

    def by_hand(self, run: Run) -> Iterable[Command]:
        yield put_by_hand(run, self.to, self._note)

    @property
    def _note(self) -> Aftermath:
        return Aftermath("", self.lost.region, self.to.region, at=0.0)

    def done(self, run: Run) -> bool:
        return note_of_lost(run, self.lost) is not None

    def do(self, run: Run) -> None:
        put_note(run, self.to, self._note).send(run.aws)
