"""The proof by mutation: a ready stack is broken, judged, put back, and judged again; and ready stacks are judged."""

from __future__ import annotations

import random
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from drctl.lab import extensions
from drctl.lab.clock import CLOCK
from drctl.settings import Settings
from tests.actions.plan_world import CHOICES, changed
from tests.readiness import data_breakages, front_breakages, watch_breakages
from tests.readiness.breakages import Breakage, Here, named
from tests.readiness.world import BASE, QUIET_S, World, amiss

BREAKAGES = named(data_breakages.DATABASE, data_breakages.OBJECTS, data_breakages.EVENTS, front_breakages.NETWORK,
                  front_breakages.FUNCTIONS, front_breakages.BALANCERS, front_breakages.NAMES, watch_breakages.WATCH)
#: What is wished: share of breakages that the right rule finds, and seconds of a core that a run may take.
RIGHT, SECONDS = 0.97, 10.0
#: After so many breakages the whole stack is judged: nothing else may have been left.
WHOLE_EVERY = 20
#: Other stacks than the usual one, built anew: another name, other regions, other addresses.
OTHERS: tuple[dict[str, Any], ...] = (
    {"environment": "prod-eu", "regions": {"primary": "eu-west-1", "standby": "eu-central-1"}},
    {"environment": "x", "network": {"primary_cidr": "10.8.0.0/20", "standby_cidr": "10.9.0.0/20",
                                     "availability_zones": 2}},
    {"environment": "back-to-front", "regions": {"primary": "us-west-2", "standby": "us-east-1"}},
)


@dataclass
class Told:
    """What came of one breakage."""

    kind: Breakage
    region: str
    away: bool
    found: dict[str, list[str]] = field(default_factory=dict)
    left: dict[str, list[str]] = field(default_factory=dict)
    seconds: float = 0.0
    failed: str = ""

    @property
    def is_right(self) -> bool:
        """Whether the rule that has to find it did, by a finding and not by what it could not see."""
        return any(not text.startswith("not seen: ") for text in self.found.get(self.kind.rule, []))

    def __str__(self) -> str:
        place = f"{self.kind.name} ({self.region}{', roles swapped' if self.away else ''})"
        others = sorted(set(self.found) - {self.kind.rule})
        more = f"; beside it {', '.join(others)}" if others else ""
        if self.failed:
            return f"ERROR {place}: {self.failed}"
        if not self.is_right:
            return f"MISS  {place}: not {self.kind.rule}, but {self.found or 'nothing'}"
        left = f"; NOT PUT BACK: {self.left}" if self.left else ""
        return f"ok    {place}: {self.kind.rule} {self.found[self.kind.rule][0]}{more}; {self.seconds:.1f} s{left}"


def drawn(count: int, seed: int) -> list[tuple[Breakage, int]]:
    """So many breakages, each kind as often as any other, each with a number that chooses its region."""
    chance = random.Random(seed)  # noqa: S311  # repeatable, not secret
    kinds = list(BREAKAGES.values())
    chosen: list[Breakage] = []
    while len(chosen) < count:
        chosen += chance.sample(kinds, min(len(kinds), count - len(chosen)))
    return [(kind, chance.randrange(1000)) for kind in chosen]


def broken(world: World, kind: Breakage, number: int, *, away: bool) -> Told:
    """One breakage of a ready stack, judged and put back, which is looked at too."""
    here = Here(world, _place(world.settings, kind, number, away=away))
    told = Told(kind, here.site.region, away)
    try:
        kind.act(here)
        CLOCK.skip(QUIET_S)
        found, told.seconds = world.judged()
        told.found = amiss(found)
        put_back(here, kind)
        told.left = amiss(world.judged()[0]) if kind.back else world.wrong_with(*kind.kinds)
    except Exception as error:  # what cannot be broken is told and counts as missed
        failures = [str(one.error) for one in getattr(error, "failures", ())]
        told.failed = f"{type(error).__name__}: {error} {'; '.join(failures)}"
        world.by_hand()
    return told


def put_back(here: Here, kind: Breakage) -> None:
    """As it was before: by its own way, or by converging the steps that are concerned."""
    if kind.back is not None:
        kind.back(here)
    if kind.back is None or kind.also:
        here.world.build(*kind.kinds)
    CLOCK.skip(QUIET_S)


def _place(settings: Settings, kind: Breakage, number: int, *, away: bool) -> Any:
    active, follower = (settings.standby, settings.primary) if away else settings.sites
    return {"primary": settings.primary, "standby": settings.standby, "active": active, "follower": follower,
            "either": settings.sites[number % 2]}[kind.where]


def breakages(world: World, cases: Sequence[tuple[Breakage, int]], *, swapped: int) -> Iterator[Told]:
    """Each case on the ready stack; the last `swapped` of them after a switchover."""
    home = len(cases) - swapped
    for index, (kind, number) in enumerate(cases):
        if index == home:
            world.move(world.settings.standby)
            assert amiss(world.judged()[0]) == {}, "the roles are swapped, and nothing else is"
        told = broken(world, kind, number, away=index >= home)
        if index % WHOLE_EVERY == WHOLE_EVERY - 1 or index == len(cases) - 1:
            told.left |= amiss(world.judged()[0])
        yield told
        if told.left or told.failed:  # what comes next must begin on a ready stack
            extensions.reset()
            world.make_ready(world.settings)
            if index >= home:
                world.move(world.settings.standby)


def ready_stacks(world: World, count: int, seed: int, others: Sequence[dict[str, Any]] = OTHERS) -> Iterator[
        tuple[str, dict[str, list[str]], float]]:
    """Ready stacks of random settings: what was found in each, which should be nothing, and how long it took."""
    chance = random.Random(seed)  # noqa: S311  # repeatable, not secret
    for index in range(count):
        settings, said = BASE, "as it is packaged"
        if index < len(others):
            extensions.reset()
            settings, said = changed(Settings(), others[index]), str(others[index])
        elif index:
            chosen = chance.sample(CHOICES, chance.choice((1, 2, 3)))
            for choice in chosen:
                settings = changed(settings, choice)
            said = str(chosen)
        if index == len(others):
            extensions.reset()
        world.make_ready(settings)
        found, seconds = world.judged()
        yield said, amiss(found), seconds


def tell(every: Sequence[Told], ready: Sequence[tuple[str, dict[str, list[str]], float]]) -> int:
    """The sum of it; the exit code."""
    right = sum(one.is_right for one in every)
    seconds = [one.seconds for one in every] + [one[2] for one in ready]
    false = [one for one in ready if one[1]]
    beside = Counter(rule for one in every for rule in one.found if rule != one.kind.rule)
    holds = (right >= RIGHT * len(every) and not false and max(seconds, default=0.0) <= SECONDS
             and not any(one.left for one in every))
    sys.stdout.write(
        f"{right} of {len(every)} breakages of {len({one.kind.name for one in every})} kinds found by the right rule, "
        f"of {len({one.kind.rule for one in every})} rules; {sum(1 for one in every if one.left)} not put back; "
        f"{len(false)} of {len(ready)} ready stacks with a finding; a run took {max(seconds, default=0.0):.1f} s of "
        f"a core at most (in this process, with its lab)\nfound beside the right one: "
        f"{', '.join(f'{rule} {count}' for rule, count in beside.most_common(12)) or 'nothing'}\n")
    return 0 if holds else 1
