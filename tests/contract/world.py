"""The world in which every step is tried: one lab of this process in which what the step needs stands already.

It is built once, step by step in the stack's order, and kept from test to test; a lab that was emptied in between is
noticed and built anew. Its time is that of the runs: it passes when they wait, and at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from moto.acm.models import acm_backends
from moto.kms.models import kms_backends

from drctl.engine import runner
from drctl.engine.clock import Clock
from drctl.engine.events import Events
from drctl.engine.step import Step, dependencies
from drctl.errors import RunFailed
from drctl.lab import extensions
from drctl.lab.clock import CLOCK
from drctl.lab.server import Lab
from drctl.settings import LAB_ACCOUNT, Settings
from drctl.steps.cluster import Cluster
from drctl.steps.database_instances import DatabaseInstances
from tests.contract.inventory import KINDS, Inventory, difference, take
from tests.contract.sentences import Attention, AttentiveRun, Sentence
from tests.contract.wire import PowerCut, Sent, Still, Where, Wire
from tests.steps.test_certificate import brought_along

#: A parameter that is there as long as nobody has emptied the lab.
SENTINEL = "/contract/world"
#: AWS seconds after which everything that is only shown late is shown.
QUIET_S = 600.0
#: AWS seconds from a power cut to the first look of the process that is started after it.
RESTART_S = 15.0
#: A wait that has looked this often looks less often: the tries of one wait, and how much longer each pause is then.
MANY_LOOKS, LONGER = 6, 24.0
#: AWS seconds from a wait in vain to the next try.
AN_HOUR = 3600.0
REGIONS = ("us-east-1", "us-west-2")
#: Changes that concern all there is.
EVERY_KIND = [Sent(region, kind.service, "".join(kind.words)) for kind in KINDS for region in REGIONS]


#: With one of these a wait that was given up tells what it saw last.
LAST_SEEN = ("last seen: ", "AWS said last: ", "there is still ")


def given_certificate(region: str) -> str:
    """ARN of the certificate that somebody else brought along."""
    return f"arn:aws:acm:{region}:{LAB_ACCOUNT}:certificate/11111111-1111-4111-8111-111111111111"


class OneTime(Clock):
    """The run's clock and the lab's are one, and no real second passes: whoever sleeps lets time pass for both."""

    def __init__(self, wire: Wire) -> None:
        super().__init__(speed=1e-9)  # so that no wait lasts longer for the sake of a slow machine
        self._wire, self._since, self._looks = wire, CLOCK.now(), (0, 0)
        #: Seconds that have passed for the run alone: AWS stays as it is.
        self._alone = 0.0

    def now(self) -> float:
        return CLOCK.now() - self._since + self._alone

    def sleep(self, aws_seconds: float) -> None:
        changes, looks = self._looks
        self._looks = (len(self._wire.changes), looks + 1 if changes == len(self._wire.changes) else 0)
        pause = max(0.0, aws_seconds) * (LONGER if looks > MANY_LOOKS else 1.0)
        if self._wire.still:
            self._alone += pause * LONGER
        else:
            CLOCK.skip(pause)


@dataclass(frozen=True, eq=False)
class Case:
    """A step to be tried, under the settings that choose it."""

    step: Step[Any]
    settings: Settings
    #: What tells the settings apart; empty for the packaged configuration.
    under: str = ""
    #: Settings under which the step stood before.
    former: Settings | None = None
    #: The same step as another stack knows it that does not choose it any more, and removes it.
    retired: Case | None = None

    def __str__(self) -> str:
        return f"{self.step.key}{f', {self.under}' if self.under else ''}"


@dataclass(frozen=True)
class Point:
    """Where a run is disturbed: at a change (its number from 0), or in a wait that does not end."""

    where: Where | None = None
    number: int = 0
    waits: Sentence | None = None
    #: How that wait is kept from its end.
    still: Still = "time"

    def told(self, changes: list[Sent]) -> str:
        """For a report."""
        at = f"{self.where} change {self.number + 1} of {len(changes)}" if self.where else ""
        operation = f" ({changes[self.number].operation})" if self.where and self.number < len(changes) else ""
        return f"{at}{operation}{f' waiting in vain: {self.waits}' if self.waits else ''}"


@dataclass
class Known:
    """What an undisturbed life of a step was like."""

    made_by: list[Sent]
    removed_by: list[Sent]
    stands: Inventory
    gone: Inventory
    #: Changes of a second process that made it, and of one that removed it when it was gone.
    made_again_by: list[Sent]
    removed_again_by: list[Sent]
    #: How an account differs after it from what it was before, in all kinds of things; None where nobody looked.
    left: str | None

    @property
    def changes(self) -> list[Sent]:
        """Every change in its life."""
        return [*self.made_by, *self.removed_by]


@dataclass
class World:
    """The lab of this process, its wire, and what stands in it, in the order in which it was built."""

    lab: Lab
    wire: Wire
    #: Whether the whole account is looked at before and after the life of a step, which takes long.
    thorough: Callable[[Case], bool]
    standing: dict[str, Case] = field(default_factory=dict)
    known: dict[str, Known] = field(default_factory=dict)
    attention: Attention = field(default_factory=Attention)
    #: How each sentence can be met: by which command (True: made), of which step, disturbed where.
    encounters: dict[Sentence, tuple[Case, bool, Point | None]] = field(default_factory=dict)
    #: Sentences whose wait was seen to end, with what the run then told.
    ended: dict[Sentence, str] = field(default_factory=dict)
    #: Steps whose life is known, or was until the lab was emptied.
    lived: set[str] = field(default_factory=set)
    runs: int = 0
    #: What ended the process before the one of the moment.
    _after: Point | None = None

    # Runs --------------------------------------------------------------------------------------------------------

    def build(self, case: Case, point: Point | None = None) -> list[Sent]:
        """Build the step in a new process and return its changes; PowerCut is an end like any other."""
        return self._play(case, point, make=True)

    def destroy(self, case: Case, point: Point | None = None) -> list[Sent]:
        """Destroy the step in a new process, which may know it as retired, and return its changes."""
        return self._play(case, point, make=False)

    def _play(self, case: Case, point: Point | None, *, make: bool) -> list[Sent]:
        acting = case if make or case.retired is None else case.retired
        run, where = self._run(acting.settings), point.where if point else None
        with self.wire.noting(where, point.number if point else 0) as changes:
            try:
                (runner.build if make else runner.destroy)(run, [acting.step])
            except PowerCut:
                CLOCK.skip(RESTART_S)
            else:
                assert where not in {"before", "after"} or self.wire.struck is None, "a dead process went on"
        for sentence in self.attention.met:
            self.encounters.setdefault(sentence, (case, make, point or self._after))
        return list(changes)

    def _run(self, settings: Settings) -> AttentiveRun:
        """A run as a new process would make it: it remembers nothing."""
        clock = OneTime(self.wire)
        events = Events(clock)
        self.wire.relay.to = events
        self.wire.forget()
        self.attention.met.clear()
        self.runs += 1
        return AttentiveRun(f"contract-{self.runs}", settings, self.wire.aws, clock, events, attention=self.attention)

    def wait_in_vain(self, case: Case, point: Point, *, make: bool) -> str:
        """Play until the sentence's wait has ended in vain; returns what is wrong with how it ended."""
        attention, self.attention.target = self.attention, point.waits
        attention.said, attention.became_so = "", False
        attention.standing_still = partial(self._standing_still, point.still)
        try:
            self._play(case, point, make=make)
        except RunFailed as end:
            told = str(end.failures[0].error)
            if attention.said in told and any(seen in told for seen in LAST_SEEN):
                self.ended[point.waits] = told  # type: ignore[index]  # there is one where a wait is disturbed
            elif point.still != "first":  # what was true before the step began may be an error to one who waits
                return f"{point.waits}: a run that waited in vain told only: {told}"
        finally:
            attention.target = None
            CLOCK.skip(AN_HOUR)
        if point.still == "denied" and attention.said and point.waits not in self.ended:
            return f"{point.waits}: a run that waited in vain went on"
        return ""

    @contextmanager
    def _standing_still(self, still: Still) -> Iterator[Still]:
        self.wire.still = still
        try:
            yield still
        finally:
            self.wire.still = None

    def inventory(self, changes: list[Sent]) -> Inventory:
        """What stands of all kinds that these changes concern."""
        self.wire.relay.to = None
        self.wire.forget()
        CLOCK.skip(QUIET_S)
        return take(self.wire.aws, changes)

    # What stands -------------------------------------------------------------------------------------------------

    def prepare(self, case: Case) -> None:
        """Let everything stand that the step needs, and neither the step nor what needs it."""
        self._notice_an_emptied_lab()
        self._take_away(case.step)
        for need in _needs_in_order(case.step):
            there = self.standing.get(need.key)
            if there is None or there.settings is not case.settings:
                self.standing[need.key] = one = Case(need, case.settings)
                self.build(one)
        self._forget_doomed_keys()

    def _take_away(self, step: Step[Any]) -> None:
        """Destroy the step and what needs it, if they stand."""
        for key, other in reversed(list(self.standing.items())):
            if key == step.key or step.key in {need.key for need in _needs_in_order(other.step)}:
                del self.standing[key]
                self.destroy(other)

    def start_over(self) -> None:
        """Empty the lab: a step left it in a state that no step gets out of."""
        extensions.reset()

    def _put_back(self, case: Case) -> None:
        """Let what the step needs stand again: a member that goes takes the global database apart for good."""
        if isinstance(case.step, Cluster | DatabaseInstances):
            self._take_away(case.step.global_cluster)
            self.prepare(case)
        self._forget_doomed_keys()

    def _notice_an_emptied_lab(self) -> None:
        ssm = self.wire.aws["us-east-1"].ssm
        self.wire.relay.to = None
        if not ssm.get_parameters(Names=[SENTINEL])["Parameters"]:
            extensions.reset()
            CLOCK.hold()
            self.standing.clear()
            self.known.clear()
            ssm.put_parameter(Name=SENTINEL, Value="stands", Type="String")
            for region in REGIONS:
                self._bring_along_a_certificate(region)

    def _bring_along_a_certificate(self, region: str) -> None:
        """One of somebody else's, whose ARN is known beforehand."""
        held = acm_backends[LAB_ACCOUNT][region]._certificates
        bundle = held.pop(brought_along(self.wire.aws, Settings().dns.name, region))
        bundle.arn = given_certificate(region)
        held[bundle.arn] = bundle

    def _forget_doomed_keys(self) -> None:
        """Let the days of their waiting pass: a list of keys that grows with every try only costs time."""
        for backend in kms_backends[LAB_ACCOUNT].values():
            for key_id in [one.id for one in backend.keys.values() if one.key_state == "PendingDeletion"]:
                del backend.keys[key_id]

    # Lives -------------------------------------------------------------------------------------------------------

    def know(self, case: Case) -> Known:
        """The undisturbed life of the step, lived once: made twice, removed three times, and made again."""
        self._notice_an_emptied_lab()
        if str(case) not in self.known:
            self.prepare(case)
            # a member that goes takes the global database apart
            looks = self.thorough(case) and not isinstance(case.step, Cluster | DatabaseInstances)
            before = self.inventory(EVERY_KIND) if looks else Inventory()
            self._stood_otherwise(case)
            made, again = self.build(case), self.build(case)
            removed = self.destroy(case)
            self.destroy(case)
            gone = self.inventory([*made, *removed])
            not_there = self.destroy(case)
            left = difference(self.inventory(EVERY_KIND), before) if looks else None
            self._put_back(case)
            self._stood_otherwise(case)
            self.build(case)
            stands = self.inventory([*made, *removed])
            self.known[str(case)] = Known(made, removed, stands, gone, again, not_there, left)
            self.standing[case.step.key] = case
            self.lived.add(str(case))
        elif self.standing.get(case.step.key) is not case:
            self.prepare(case)
            self.build(case)
            self.standing[case.step.key] = case
        return self.known[str(case)]

    def live(self, case: Case, made: Point | None, gone: Point | None) -> Iterable[str]:
        """One life of a step that stands: removed and made again, each disturbed once; yields what was wrong."""
        known = self.know(case)
        yield from self._disturbed(case, gone, make=False)
        if gone and (left := difference(self.inventory(known.changes), known.gone)):
            yield f"removed, {gone.told(known.removed_by)}: {left}"
        self._put_back(case)
        self._stood_otherwise(case)
        yield from self._disturbed(case, made, make=True)
        if made and (differs := difference(self.inventory(known.changes), known.stands)):
            yield f"made, {made.told(known.made_by)}: {differs}"
        self.standing[case.step.key] = case

    def _stood_otherwise(self, case: Case) -> None:
        """Let the step stand as it did under former settings."""
        if case.former:
            self._play(Case(case.step, case.former), None, make=True)

    def _disturbed(self, case: Case, point: Point | None, *, make: bool) -> Iterable[str]:
        """Do it with one disturbance, and once more where that was the end of the process."""
        if point is None:
            self._play(case, None, make=make)
            return
        cut = point.where in {"before", "after"}
        if cut or point.waits is None:
            self._play(case, point, make=make)
        if point.waits is not None:
            yield from filter(None, [self.wait_in_vain(case, point if not cut else replace(point, where=None),
                                                       make=make)])
        if cut or point.waits is not None:
            self._after = point
            try:
                self._play(case, None, make=make)
            finally:
                self._after = None


def _needs_in_order(step: Step[Any]) -> list[Step[Any]]:
    seen: dict[str, Step[Any]] = {}

    def visit(one: Step[Any]) -> None:
        for need in dependencies(one):
            if need.key not in seen:
                visit(need)
                seen[need.key] = need

    visit(step)
    return list(seen.values())
