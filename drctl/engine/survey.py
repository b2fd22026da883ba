"""One concurrent read of the stack: what stands of every step, and what is wrong with it; nothing is changed.

`plan`, `verify` and `status` share it. A look that fails is told with its reason in the place of its answer.
"""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextvars import copy_context
from dataclasses import dataclass, field
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from drctl.aws.errors import Refusal
from drctl.aws.fence import goes_to
from drctl.aws.hooks import Call
from drctl.aws.retries import NoAnswer
from drctl.engine.run import NotBuilt, Run
from drctl.engine.step import Finding, Step
from drctl.errors import DrctlError

T = TypeVar("T")
#: Looks at a time. More do not make it faster: signing and parsing fill a core, and AWS throttles who asks much.
LOOKS = 12
#: Real seconds after which what has not answered counts as unknown.
WITHIN_S = 120.0
#: Stands for a value that AWS has yet to make up, in front of what says which.
UNKNOWN = "(known once "


class WouldChange(Exception):  # no error: it is the answer to what would be done
    """A call that can change AWS was about to leave, and did not."""

    def __init__(self, call: Call) -> None:
        super().__init__(f"{call.operation} in {call.region}")
        self.call = call


class NotKnownYet(DrctlError):
    """AWS would have to be asked about something that it has yet to make."""


class Silent(DrctlError):
    """A region has left another call unanswered: it is not asked again."""


@dataclass(frozen=True)
class Answer:
    """What came of one look: what stands, or why that is not known."""

    out: Any = None
    error: Exception | None = None


@dataclass(frozen=True)
class Seen:
    """What the survey saw of one step."""

    #: How it stands, None when any part of it is missing, and when it is not known.
    out: Any = None
    findings: tuple[Finding, ...] = ()
    #: Why it is not known how it stands; empty when it is.
    unknown: str = ""
    #: The step that has to stand before it can be said what is wrong with this one.
    lacks: str = ""


@dataclass
class Looking(Run):
    """A run that only looks: no call that can change AWS leaves, nothing is waited for, and nobody is asked twice.

    Where a step would wait, what is to become so is noted in `waits` and taken to be so.
    """

    waits: list[str] = field(default_factory=list)
    _answers: dict[Step[Any], Answer] = field(default_factory=dict)
    _silent: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, run: Run) -> Looking:
        """The same run, from now on only looking."""
        return cls(**{one.name: getattr(run, one.name) for one in dataclasses.fields(run)
                      if not one.name.startswith("_")})

    def __post_init__(self) -> None:
        super().__post_init__()
        self.events.guard = self._judge

    def take_for_silent(self, regions: Iterable[str]) -> None:
        """Ask these regions nothing: others have found out that they do not answer."""
        self._silent |= set(regions)

    def _judge(self, call: Call) -> None:
        if call.mutating:
            raise WouldChange(call)
        if (place := goes_to(call.service, call.region)) in self._silent:
            raise Silent(f"{place} does not answer")
        if UNKNOWN in (told := repr(call.params)):
            raise NotKnownYet(f"once {told.partition(UNKNOWN)[2].partition(' is there')[0]} is there")

    def found(self, step: Step[T]) -> T | None:
        """What stands of `step`, asked once also where nothing stands, and where the question failed."""
        with self._guard:
            lock = self._locks.setdefault(step, threading.Lock())
        with lock:
            answer = self._answers.get(step)
            if answer is None:
                answer = self._answers[step] = self._ask(step)
        if answer.error is not None:
            raise answer.error
        return answer.out  # type: ignore[no-any-return]  # as in Run.found

    def _ask(self, step: Step[Any]) -> Answer:
        try:
            return Answer(step.find(self))
        except Exception as error:  # whatever it is, it is told in the place of the answer
            if isinstance(error, NoAnswer):
                self._silent.add(error.region)
            return Answer(None, error)

    def remember(self, step: Step[T], out: T) -> None:
        """Take `out` for how `step` stands."""
        self._answers[step] = Answer(out)

    def forget(self, step: Step[Any]) -> None:
        """Nothing changes while it is only looked at."""

    def wait_until(self, sentence: str, look: Callable[[], T], ready: Callable[[T], bool], *, within: float,
                   every: float = 10.0, failed: Callable[[T], str | None] = lambda _: None,
                   show: Callable[[T], str] = str) -> T:
        """One look; a state that is still to come is noted."""
        seen = look()
        if not ready(seen):
            self.waits.append(f"{sentence} (now: {show(seen)})")
        return seen

    def retry(self, sentence: str, call: Callable[[], T], on: tuple[Refusal, ...], *, within: float,
              every: float = 10.0) -> T:
        """One try."""
        return call()


def survey(run: Looking, steps: Iterable[Step[Any]], within_s: float = WITHIN_S,
           looks: int = LOOKS) -> Mapping[Step[Any], Seen]:
    """How each of `steps` stands, so many `looks` at a time; the order is theirs, as far as one needs another's answer.

    Makes no call that can change AWS. Ends after `within_s` real seconds: what has not answered by then is unknown.
    """
    waiting: SimpleQueue[Step[Any]] = SimpleQueue()
    chosen = list(steps)
    for step in chosen:
        waiting.put(step)
    seen: dict[Step[Any], Seen] = {}
    workers = [threading.Thread(target=copy_context().run, args=(partial(_look_on, run, waiting, seen),), daemon=True,
                                name=f"survey-{number}") for number in range(min(looks, len(chosen)))]
    until = time.monotonic() + within_s
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(max(0.0, until - time.monotonic()))
    late = Seen(unknown=f"no answer within {within_s:g} s")
    return {step: seen.get(step, late) for step in chosen}


def _look_on(run: Looking, waiting: SimpleQueue[Step[Any]], seen: dict[Step[Any], Seen]) -> None:
    while True:
        try:
            step = waiting.get_nowait()
        except Empty:
            return
        with run.events.at(step.key, step.region):
            seen[step] = look_at(run, step)


def look_at(run: Looking, step: Step[Any]) -> Seen:
    """How one step stands; never raises for what AWS answers."""
    try:
        out = run.found(step)
        if out is None:
            return Seen()
    except Exception as error:  # the survey goes on, and tells it
        return Seen(unknown=words_of(error))
    try:
        return Seen(out, tuple(step.verify(run, out)))
    except NotBuilt as lack:
        return Seen(out, lacks=lack.message)
    except Exception as error:  # it stands, but nobody can say how well
        return Seen(out, unknown=words_of(error))


def words_of(error: Exception) -> str:
    """An error as the reason why something is not known."""
    return str(error) or type(error).__name__
