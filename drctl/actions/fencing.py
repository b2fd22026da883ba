"""Fencing: the old primary's app stops writing, so that never two writers have traffic.

The app function of the old region gets a reserved concurrency of zero, which stops it whatever code it runs (Lambda
Developer Guide, "Configuring reserved concurrency for a function"): the balancer answers with an error, its health
check turns red, and users who still come there are not served from a database that is no longer the writer.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from drctl.actions.aftermath import NoteAftermath
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


def fence_command(run: Run, site: Site) -> Command:
    """Stops the app in a region."""
    return Command(site.region, "lambda_", "PutFunctionConcurrency", {
        "FunctionName": run.name("lambda", "app", site), "ReservedConcurrentExecutions": 0})


def is_fenced(run: Run, site: Site) -> bool:
    """Whether the app in a region is stopped, as AWS shows it."""
    return _reserved(run, site) == 0


def _reserved(run: Run, site: Site) -> int | None:
    """The reserved concurrency of the app, None without one; NO_APP where there is no such function."""
    look = Command(site.region, "lambda_", "GetFunctionConcurrency", {
        "FunctionName": run.name("lambda", "app", site)})
    try:
        found: int | None = look.send(run.aws).get("ReservedConcurrentExecutions")
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
        return f"stop the app in {self.source.region}, if that region answers"

    @property
    def region(self) -> str:
        return self.source.region

    def by_hand(self, run: Run) -> Iterable[Command]:
        yield fence_command(run, self.source)

    def do(self, run: Run) -> None:
        if run.aside is not None:
            there: Aws = run.aside.aws
            run.aside.fencing = Pending("fence", lambda: fence_command(run, self.source).send(there))
            run.aside.fencing.wait(ANSWERS_S if run.aside.answers else 0.0)


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
        yield fence_command(run, self.site)

    def done(self, run: Run) -> bool:
        """A function that is not there serves nobody either."""
        return _reserved(run, self.site) in {0, NO_APP}

    def do(self, run: Run) -> None:
        fence_command(run, self.site).send(run.aws)


@dataclass(frozen=True, eq=False)
class Unfence(Change):
    """The app in `site` serves again."""

    site: Site
    why = "its database writes, or is a copy of the writer again; a stopped app would keep its health check red"
    typical_minutes = 0.1
    if_stuck = "aws lambda delete-function-concurrency has the same effect"
    phase: ClassVar[str] = "prepare"

    @property
    def title(self) -> str:
        return f"the app in {self.site.region} serves again"

    @property
    def region(self) -> str:
        return self.site.region

    def by_hand(self, run: Run) -> Iterable[Command]:
        yield self._command(run)

    def _command(self, run: Run) -> Command:
        return Command(self.site.region, "lambda_", "DeleteFunctionConcurrency", {
            "FunctionName": run.name("lambda", "app", self.site)})

    def done(self, run: Run) -> bool:
        return not is_fenced(run, self.site)

    def do(self, run: Run) -> None:
        self._command(run).send(run.aws)
