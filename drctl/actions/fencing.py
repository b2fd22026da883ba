"""Fencing: the old primary's app stops writing, so that never two writers have traffic.

The app function of the old region gets a reserved concurrency of zero, which stops it whatever code it runs (Lambda
Developer Guide, "Configuring reserved concurrency for a function"): the balancer answers with an error, its health
check turns red, and users who still come there are not served from a database that is no longer the writer.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import ClassVar

from drctl.actions.aftermath import NoteAftermath, note_of_lost, note_reserved
from drctl.aws.clients import Aws
from drctl.aws.commands import Command
from drctl.aws.errors import AwsError, is_gone
from drctl.engine.looks import Pending, Unanswered
from drctl.engine.run import Run
from drctl.engine.runbook import Action, Change
from drctl.settings import Site

#: Real seconds for the old region's answer, when its functions have answered in this run; otherwise none. An answer
#: usually takes a fifth of a second; while it is waited for nothing is promoted.
ANSWERS_S = 1.0
#: What stands for the concurrency of a function that does not exist.
NO_APP = -1


def fence_command(run: Run, site: Site, reserved: int = 0) -> Command:
    """Stops the app in a region, or gives it back what was reserved for it."""
    return Command(site.region, "lambda_", "PutFunctionConcurrency", {
        "FunctionName": run.name("lambda", "app", site), "ReservedConcurrentExecutions": reserved})


def is_fenced(run: Run, site: Site) -> bool:
    """Whether the app in a region is stopped, as AWS shows it."""
    return reserved_for_app(run, site) == 0


def look_command(run: Run, site: Site) -> Command:
    """Tells what is reserved for the app in a region: zero stops it, and anything else is an operator's."""
    return Command(site.region, "lambda_", "GetFunctionConcurrency", {
        "FunctionName": run.name("lambda", "app", site)})


def reserved_for_app(run: Run, site: Site, aws: Aws | None = None) -> int | None:
    """The reserved concurrency of the app, asked with one call; None without one, NO_APP where there is no such
    function."""
    try:
        found: int | None = look_command(run, site).send(aws or run.aws).get("ReservedConcurrentExecutions")
    except AwsError as error:
        if is_gone(error):
            return NO_APP
        raise
    return found


@dataclass(frozen=True, eq=False)
class FenceIfItAnswers(Action):
    """Stops the old primary's app if its region answers; a region that is silent is tried aside and not waited for."""

    source: Site
    why = "a region that is only cut off could go on writing what nobody will ever see again"
    typical_minutes = 0.1
    if_stuck = "nothing waits for it: drctl failback does it once the region is back"
    phase: ClassVar[str] = "promote"

    @property
    def title(self) -> str:
        return f"ask {self.source.region} to stop its app, without waiting for a silent region"

    @property
    def region(self) -> str:
        return self.source.region

    def by_hand(self, run: Run) -> Iterable[Command]:
        yield look_command(run, self.source)
        yield fence_command(run, self.source)

    def do(self, run: Run) -> None:
        if run.aside is not None:
            there: Aws = run.aside.aws
            run.aside.fencing = Pending("fence", lambda: self._stop(run, there))
            run.aside.fencing.wait(ANSWERS_S if run.aside.answers else 0.0)

    def _stop(self, run: Run, there: Aws) -> int | None:
        """What was reserved for the app before; where that cannot be read it is stopped all the same."""
        reserved = None
        with suppress(*AwsError):
            reserved = reserved_for_app(run, self.source, there)
        fence_command(run, self.source).send(there)
        return reserved


@dataclass(frozen=True, eq=False)
class NoteFencing(Action):
    """Tell what became of the attempt to stop the old primary's app, and of the note that it may have to be stopped."""

    source: Site
    note: NoteAftermath | None = None
    why = "an app that could not be stopped has to be stopped when its region is back"
    typical_minutes = 0.0
    if_stuck = "nothing depends on it"
    phase: ClassVar[str] = "report"

    @property
    def title(self) -> str:
        return f"note whether the app in {self.source.region} is stopped"

    def do(self, run: Run) -> None:
        answer = Unanswered("it was not tried")
        if run.aside is not None and run.aside.fencing is not None:
            answer = run.aside.fencing.answer
        fenced = not isinstance(answer, Unanswered)
        run.measure("fenced", fenced)
        run.say(f"the app in {self.source.region} is stopped: nothing writes there" if fenced else
                f"the app in {self.source.region} could not be stopped ({answer.why}): pending, failback does it once "
                "the region is back")
        if self.note is not None:
            self.note.end(run)


@dataclass(frozen=True, eq=False)
class Fence(Change):
    """The app in `site` is stopped: a failover could not do it, or has done it already."""

    site: Site
    why = "until its database is a copy of the new writer, nobody may be served there"
    typical_minutes = 0.1
    if_stuck = "aws lambda put-function-concurrency with zero has the same effect"
    phase: ClassVar[str] = "prepare"

    @property
    def title(self) -> str:
        return f"the app in {self.site.region} is stopped"

    @property
    def region(self) -> str:
        return self.site.region

    def by_hand(self, run: Run) -> Iterable[Command]:
        yield look_command(run, self.site)
        yield fence_command(run, self.site)

    def done(self, run: Run) -> bool:
        """A function that is not there serves nobody either."""
        return reserved_for_app(run, self.site) in {0, NO_APP}

    def do(self, run: Run) -> None:
        """What was reserved is noted first: afterwards nothing tells it any more."""
        if reserved := reserved_for_app(run, self.site):
            note_reserved(run, self.site, reserved)
        fence_command(run, self.site).send(run.aws)


@dataclass(frozen=True, eq=False)
class Unfence(Change):
    """The app in `site` serves again, with the concurrency that was reserved for it before, as the note tells it.

    A lost region is not asked for the note: to serve comes first.
    """

    site: Site
    why = "its database writes, or is a copy of the writer again; a stopped app would keep its health check red"
    typical_minutes = 0.1
    if_stuck = "aws lambda delete-function-concurrency has the same effect, but for what was reserved before"
    phase: ClassVar[str] = "prepare"

    @property
    def title(self) -> str:
        return f"the app in {self.site.region} serves again"

    @property
    def region(self) -> str:
        return self.site.region

    def by_hand(self, run: Run) -> Iterable[Command | str]:
        yield self._release(run)
        told = str(fence_command(run, self.site)).replace("executions 0", "executions RESERVED")
        yield (f"# where aftermath.json in the control bucket of {run.settings.other(self.site).region} tells what was "
               f'"reserved" before, instead: {told}')

    def _release(self, run: Run) -> Command:
        return Command(self.site.region, "lambda_", "DeleteFunctionConcurrency", {
            "FunctionName": run.name("lambda", "app", self.site)})

    def done(self, run: Run) -> bool:
        return not is_fenced(run, self.site)

    def do(self, run: Run) -> None:
        reserved = self._reserved_before(run)
        (fence_command(run, self.site, reserved) if reserved else self._release(run)).send(run.aws)

    def _reserved_before(self, run: Run) -> int | None:
        other = run.settings.other(self.site).region
        if run.lost == other:
            run.say(f"the app in {self.site.region} serves again without a reserved concurrency: what it had before it "
                    f"was stopped, if anything, is noted in {other}, which is lost")
            return None
        note = note_of_lost(run, self.site)
        return note.reserved if note is not None else None
