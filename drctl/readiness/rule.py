"""Rules: what must be so for a failover, why, and who judges it. A rule owns findings of steps, or asks for itself."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from drctl.engine.step import Finding, Step
from drctl.readiness.read import NotSeen, Read
from drctl.settings import Site

PROVISION = "drctl provision"


@dataclass(frozen=True)
class Found:
    """Something that is not as it must be, where, and what mends it."""

    text: str
    region: str = ""
    mend: str = ""


@dataclass(frozen=True)
class Unseen:
    """Something that could not be judged, and why."""

    why: str
    region: str = ""
    #: What was looked at, where that is one thing.
    what: str = ""


@dataclass(frozen=True)
class Saw:
    """What was looked at and is as it must be."""

    text: str


@dataclass(frozen=True)
class NotAsked:
    """The configuration does not choose what the rule is about."""

    why: str


Note = Found | Unseen | Saw | NotAsked
#: A finding with the step that it is about; and all of them by the id of the rule that owns them.
Owned = tuple[Step[Any], Finding]
Findings = Mapping[str, Sequence[Owned]]


@dataclass(frozen=True, kw_only=True)
class Rule(ABC):
    """What must be so; `blocks` when a failover fails, loses more, or serves nobody where it is not."""

    id: str
    must: str
    why: str
    blocks: bool = False
    mend: str = PROVISION

    @property
    def area(self) -> str:
        """The letters in front of its number."""
        return self.id.partition("-")[0]

    @property
    def severity(self) -> str:
        """In one word."""
        return "blocks" if self.blocks else "mend"

    @abstractmethod
    def notes(self, read: Read, findings: Findings) -> Iterator[Note]:
        """The judgement of what was read; `findings` are those of the stack's steps."""


@dataclass(frozen=True, kw_only=True)
class Owns(Rule):
    """Findings of steps of these classes.

    With `words`, a pattern, those whose text has them; without, that the step stands at all, and whatever no other
    rule of its class takes: so no finding of a step is nobody's, and a class that no rule knows is told by a test.
    """

    of: tuple[type[Step[Any]], ...]
    words: str = ""
    #: Only steps of these purposes; of a role or a function that says what it is for.
    purposes: tuple[str, ...] = ()

    def is_of(self, step: Step[Any]) -> bool:
        """Whether the step is one of its own."""
        return type(step) in self.of and (not self.purposes or step.purpose in self.purposes)

    def takes(self, finding: Finding) -> bool:
        """Whether it is about what this finding says."""
        return re.search(self.words, finding.text) is not None

    def notes(self, read: Read, findings: Findings) -> Iterator[Note]:
        steps = [step for step in read.stack.steps if self.is_of(step)]
        if not steps:
            yield NotAsked("the configuration does not choose it")
        for step in steps:
            yield from self._of_step(read, step, [one for whose, one in findings.get(self.id, ()) if whose is step])

    def _of_step(self, read: Read, step: Step[Any], own: list[Finding]) -> Iterator[Note]:
        seen = read.seen[step]
        yield from (Found(one.text, step.region, one.mend) for one in own)
        if seen.unknown:
            yield Unseen(seen.unknown, step.region, step.key)
        elif seen.out is None:
            yield self._absent(read, step)
        elif seen.lacks:
            yield Unseen(seen.lacks, step.region, step.key)
        elif not own:
            yield Saw(step.key)

    def _absent(self, read: Read, step: Step[Any]) -> Note:
        below = read.missing_below(step)
        if below is not None:
            return Unseen(f"{below.key} does not stand", step.region, step.key)
        return Unseen(f"{step.key} does not stand", step.region, step.key) if self.words else Found(
            f"{step.key} is absent", step.region, PROVISION)


@dataclass(frozen=True, kw_only=True)
class Asks(Rule):
    """Judged by a function of its own, in each region or once; a region that cannot be judged hides no other."""

    judge: Callable[[Read, Site], Iterable[Note]]
    everywhere: bool = True

    def notes(self, read: Read, findings: Findings) -> Iterator[Note]:
        for site in read.settings.sites if self.everywhere else [read.settings.primary]:
            yield from judged(lambda site=site: self.judge(read, site),  # type: ignore[misc]  # bound now
                              site.region if self.everywhere else "")


def judged(ask: Callable[[], Iterable[Note]], region: str = "") -> Iterator[Note]:
    """The notes, and that no more is known where the judgement failed."""
    try:
        yield from ask()
    except NotSeen as lack:
        yield Unseen(str(lack), region)
    except Exception as error:  # one rule that cannot judge what it was told hides no other
        yield Unseen(f"{type(error).__name__}: {error}", region)


def owner_of(rules: Iterable[Rule], step: Step[Any], finding: Finding) -> Owns:
    """The rule that a step's finding belongs to: the first whose words it has, else the one of its class without.

    Raises LookupError for a class that no rule knows.
    """
    own = [rule for rule in rules if isinstance(rule, Owns) and rule.is_of(step)]
    for rule in sorted(own, key=lambda one: not one.words):
        if rule.takes(finding):
            return rule
    raise LookupError(f"no rule of readiness knows {type(step).__name__} ({step.purpose})")


def by_owner(rules: Iterable[Rule], read: Read) -> Findings:
    """What the survey found wrong with the stack's steps, by the id of the rule that it belongs to."""
    chosen, found = list(rules), defaultdict[str, list[Owned]](list)
    for step in read.stack.steps:
        for finding in read.seen[step].findings:
            found[owner_of(chosen, step, finding).id].append((step, finding))
    return found
