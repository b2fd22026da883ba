"""A runbook is a list of actions, printable without running, played from top to bottom.

An action is a verb: one change of state or one proof. Each reads AWS anew, so that any line can be started on a fresh
laptop; nothing is handed from one to the next.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar

from drctl.aws.commands import Command
from drctl.engine.lost import knowing_every_answer
from drctl.engine.run import Run
from drctl.engine.runner import failure_of
from drctl.errors import ConfigurationError, DrctlError, Failure, Interrupted, Refused, RunFailed

AGAIN, BEGINS_ANEW = "the same command again goes on from there", "the same command begins anew"


@dataclass(frozen=True, eq=False)
class Action(ABC):
    """One line of a runbook."""

    #: Why this line is there, for whoever reads the runbook aloud.
    why: ClassVar[str]
    #: What it usually takes, in minutes.
    typical_minutes: ClassVar[float]
    #: What a person does when it does not get done.
    if_stuck: ClassVar[str]
    #: Phase of the report this line's time belongs to.
    phase: ClassVar[str] = "prepare"
    #: Whether somebody decides here: no start at a later line skips that.
    decides: ClassVar[bool] = False

    @property
    @abstractmethod
    def title(self) -> str:
        """What is done, in words a tired person understands."""

    @property
    def region(self) -> str:
        """Region the line works in; empty for both."""
        return ""

    @property
    def parts(self) -> tuple[Action, ...]:
        """The lines that this one plays, if it is made of others."""
        return ()

    def with_parts(self, parts: tuple[Action, ...]) -> Action:
        """The same line made of other ones; only for a line that has parts."""
        raise NotImplementedError(self.title)

    def by_hand(self, run: Run) -> Iterable[Command | str]:
        """What a person types who goes on without drctl: AWS calls, or lines for a shell; known without asking AWS.

        Those among them that change AWS are the calls that `do` makes, in its order.
        """
        return ()

    @abstractmethod
    def do(self, run: Run) -> None:
        """Change the state or prove something, or raise."""

    def needless(self, run: Run) -> bool:
        """Whether the line can be skipped: it is done already, or earlier evidence still holds."""
        return False


@dataclass(frozen=True, eq=False)
class Change(Action):
    """A line that changes a state which AWS can be asked for."""

    @abstractmethod
    def done(self, run: Run) -> bool:
        """Whether AWS shows it done; asked before (to skip) and after (to prove)."""

    def needless(self, run: Run) -> bool:
        return self.done(run)


@dataclass(frozen=True, eq=False)
class SideBySide(Action):
    """Actions that run at the same time; the line is done when all are."""

    actions: tuple[Action, ...]
    why = "none of these waits for another"
    typical_minutes = 0.0
    if_stuck = "see the line that is not done"

    @property
    def title(self) -> str:
        return " · ".join(action.title for action in self.actions)

    @property
    def parts(self) -> tuple[Action, ...]:
        return self.actions

    def with_parts(self, parts: tuple[Action, ...]) -> SideBySide:
        return SideBySide(parts)

    def do(self, run: Run) -> None:
        """All of them come to their end, whatever becomes of the others; then what failed is raised."""
        with ThreadPoolExecutor(max_workers=len(self.actions)) as pool:
            ends = [pool.submit(copy_context().run, perform, run, action) for action in self.actions]
        if errors := [error for end in ends if (error := end.exception())]:
            raise _together(errors)


def _together(errors: list[BaseException]) -> BaseException:
    """One error for several: a stop or a refusal as it is, for it says what to do; else all failures in one."""
    single = next((error for error in errors if isinstance(error, Interrupted | Refused)), None)
    if single is not None or len(errors) == 1 or not all(isinstance(error, DrctlError) for error in errors):
        return single or errors[0]
    failures = tuple(failure for error in errors for failure in getattr(error, "failures", ()))
    return RunFailed("; ".join(str(error) for error in errors), failures=failures,
                     next_step=getattr(errors[0], "next_step", ""))


@dataclass(frozen=True)
class Numbered:
    """A line as people count it; `beside` are the numbers of the lines that are done at the same time."""

    number: int
    action: Action
    beside: tuple[int, ...] = ()


class NotPutBack(RunFailed):
    """Things are neither where they were nor where they were to be: whatever refused, the run has failed."""

    def __init__(self, error: DrctlError, ended: DrctlError | None, *, next_step: str) -> None:
        after = f" (after: {ended.message})" if ended else ""
        super().__init__(f"NOT PUT BACK: {error.message}{after}", failures=getattr(error, "failures", ()),
                         next_step=next_step)
        self.findings = getattr(error, "findings", ())


@dataclass(frozen=True)
class Runbook:
    """A name, the lines, and the lines that put things back whatever happened; a gate that refuses moves nothing."""

    name: str
    lines: tuple[Action, ...]
    put_back: tuple[Action, ...] = ()
    gate: tuple[Action, ...] = ()
    #: Whether the end of the lines is where things stay: then only what went wrong is put back.
    stays: bool = False
    #: What to do when putting back fails; `{run}` stands for the run's id.
    if_not_put_back: str = "drctl resume {run} puts it back"

    def numbered(self) -> list[Numbered]:
        """Gate and lines, numbered from one; lines made of others count by their parts."""
        found: list[Numbered] = []
        for action in (*self.gate, *self.lines):
            _number(action, found)
        return found

    def starting_at(self, number: int) -> Runbook:
        """The runbook without the lines before `number`, but for a decision; ConfigurationError: no such line."""
        numbered = self.numbered()
        if not 1 <= number <= len(numbered):
            raise ConfigurationError(f"there is no line {number}; the lines are 1 to {len(numbered)}",
                                     next_step="--show lists them")
        skipped = {one.action for one in numbered[:number - 1] if not one.action.decides}
        return replace(self, gate=_without(skipped, self.gate), lines=_without(skipped, self.lines))


def _number(action: Action, found: list[Numbered]) -> None:
    if not action.parts:
        found.append(Numbered(len(found) + 1, action))
        return
    first, own = len(found), []
    for part in action.parts:
        begin = len(found)
        _number(part, found)
        own.append(range(begin, len(found)))
    if isinstance(action, SideBySide):
        every = set(range(first, len(found)))
        for places in own:
            for place in places:
                beside = {*found[place].beside, *(other + 1 for other in every.difference(places))}
                found[place] = replace(found[place], beside=tuple(sorted(beside)))


def _without(skipped: set[Action], actions: tuple[Action, ...]) -> tuple[Action, ...]:
    kept = []
    for action in actions:
        if not action.parts:
            kept += [action] if action not in skipped else []
        elif parts := _without(skipped, action.parts):
            kept.append(action.with_parts(parts))
    return tuple(kept)


def play(run: Run, runbook: Runbook) -> None:
    """Do each line that is not done yet; on any end but success the put-back lines are played too.

    Raises RunFailed, Interrupted, or a guard's Refused.
    """
    _play(run, runbook.gate)
    ended: DrctlError | None = None
    try:
        _play(run, runbook.lines)
    except DrctlError as error:
        ended = error
        raise
    finally:
        if runbook.put_back and not (runbook.stays and ended is None):
            _put_back(run, runbook, ended)


def _play(run: Run, lines: tuple[Action, ...]) -> None:
    for action in lines:
        if run.clock.stopped:
            raise Interrupted(f"stopped before: {action.title}", next_step=AGAIN)
        perform(run, action)


def _put_back(run: Run, runbook: Runbook, ended: DrctlError | None) -> None:
    """Putting back waits although the operator stopped the run; what it was put back from is told with it."""
    run.clock.resume()
    try:
        for action in runbook.put_back:
            perform(run, action)
    except DrctlError as error:
        raise NotPutBack(error, ended, next_step=runbook.if_not_put_back.format(run=run.id)) from error
    if ended:
        ended.message += "; everything is put back"
        ended.next_step = BEGINS_ANEW if isinstance(ended, Interrupted) else ended.next_step


def perform(run: Run, action: Action) -> None:
    """One line: skipped when done, recorded, proven; what it raises tells which line it was."""
    if isinstance(action, SideBySide):
        action.do(run)
        return
    with run.events.at(action.title, action.region):
        began = run.clock.now()
        run.events.emit("action-started", phase=action.phase)
        outcome = "failed"
        try:
            outcome = knowing_every_answer(run, action.title, partial(_do_and_prove, run, action))
        except DrctlError as error:
            error.next_step = error.next_step or (AGAIN if isinstance(error, Interrupted) else action.if_stuck)
            raise
        except Exception as error:
            failure: Failure = failure_of(action.title, action.region, error)
            raise RunFailed(f"{action.title}: {error}", failures=(failure,), next_step=action.if_stuck) from error
        finally:
            run.events.emit("action-ended", outcome=outcome, phase=action.phase,
                            aws_seconds=round(run.clock.now() - began, 1))


def _do_and_prove(run: Run, action: Action) -> str:
    if action.needless(run):
        return "skipped"
    action.do(run)
    if isinstance(action, Change) and not action.done(run):
        raise RunFailed(f"{action.title}: AWS does not show it done", next_step=action.if_stuck)
    return "done"
