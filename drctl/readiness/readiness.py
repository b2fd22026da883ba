"""The judgement of a stack: every rule with its evidence, and a score.

The score is the weight of the rules that hold in percent of all that apply: a rule whose breach blocks a failover
weighs three, any other one. While something blocks, or nobody can tell whether it does, it is 49 at most: so 50 or more
means that a failover could begin now, and 100 that there is nothing to mend.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from drctl.engine.step import Step
from drctl.engine.survey import Looking, Seen, survey
from drctl.readiness import database, front, functions, network, operation, parity, wires
from drctl.readiness.looks import looks_of
from drctl.readiness.read import Read
from drctl.readiness.rule import Findings, Found, NotAsked, Note, Rule, Saw, Unseen, by_owner
from drctl.stack import Stack

#: Every rule, in the order in which they are told.
RULES: tuple[Rule, ...] = (*database.RULES, *network.RULES, *wires.RULES, *functions.RULES, *front.RULES,
                           *parity.RULES, *operation.RULES)
#: Weight of a rule that blocks, beside one of any other; and the highest score while one that blocks does not hold.
BLOCKS_WEIGHS, NOT_READY = 3, 49
#: Real seconds after which what has not answered counts as unknown.
WITHIN_S = 20.0

State = Literal["ready", "not ready", "unknown", "not asked"]


@dataclass(frozen=True)
class Verdict:
    """What became of one rule."""

    rule: Rule
    notes: tuple[Note, ...]

    @property
    def found(self) -> list[Found]:
        """What is not as it must be."""
        return [one for one in self.notes if isinstance(one, Found)]

    @property
    def unseen(self) -> list[Unseen]:
        """What could not be judged."""
        return [one for one in self.notes if isinstance(one, Unseen)]

    @property
    def state(self) -> State:
        """A finding counts more than what could not be seen beside it."""
        if self.found:
            return "not ready"
        if self.unseen:
            return "unknown"
        return "ready" if any(isinstance(one, Saw) for one in self.notes) else "not asked"

    def mend(self, found: Found) -> str:
        """What mends a finding: its own way, or the rule's."""
        return found.mend or self.rule.mend

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        rule = self.rule
        return {"id": rule.id, "must": rule.must, "why": rule.why, "severity": rule.severity, "state": self.state,
                "findings": [{"region": one.region, "text": one.text, "mend": self.mend(one)} for one in self.found],
                "not_seen": [{"region": one.region, "what": one.what, "why": one.why} for one in self.unseen],
                "looked_at": [one.text for one in self.notes if isinstance(one, Saw)],
                "not_asked": [one.why for one in self.notes if isinstance(one, NotAsked)]}


@dataclass(frozen=True)
class Readiness:
    """All verdicts, and what follows from them."""

    verdicts: tuple[Verdict, ...]

    def those(self, *states: State) -> list[Verdict]:
        """The verdicts in these states."""
        return [one for one in self.verdicts if one.state in states]

    @cached_property
    def findings(self) -> list[tuple[Verdict, Found]]:
        """Everything that was found, what blocks first."""
        found = [(verdict, one) for verdict in self.verdicts for one in verdict.found]
        return sorted(found, key=lambda pair: not pair[0].rule.blocks)

    @property
    def blocked(self) -> bool:
        """Whether something blocks a failover, or may do so unseen."""
        return any(one.rule.blocks for one in self.those("not ready", "unknown"))

    @property
    def score(self) -> int:
        """From 0 to 100; see the module."""
        apply = self.those("ready", "not ready", "unknown")
        held = sum(_weight(one.rule) for one in apply if one.state == "ready")
        score = 100 * held // max(1, sum(_weight(one.rule) for one in apply))
        return min(score, NOT_READY) if self.blocked else score

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return {"score": self.score, "ready": not self.blocked,
                "counts": {state: len(self.those(state)) for state in ("ready", "not ready", "unknown", "not asked")},
                "findings": len(self.findings), "rules": [one.as_dict() for one in self.verdicts]}


def _weight(rule: Rule) -> int:
    return BLOCKS_WEIGHS if rule.blocks else 1


def readiness(run: Looking, stack: Stack, seen: Mapping[Step[Any], Seen], only: Collection[str] = (),
              within_s: float = WITHIN_S) -> Readiness:
    """Judge a stack of which `seen` is the survey; what no step asks is asked here, once, side by side.

    `only` are the ids of the rules to judge; without any all are. `within_s` are real seconds for those looks.
    """
    looks = looks_of(stack)
    answers = survey(run, looks.values(), within_s)
    return judged(Read(run, stack, {**seen, **answers}, looks), [one for one in RULES if not only or one.id in only])


def judged(read: Read, rules: Sequence[Rule] = RULES) -> Readiness:
    """The verdicts of these rules over one read."""
    findings: Findings = by_owner(RULES, read)
    return Readiness(tuple(Verdict(rule, tuple(rule.notes(read, findings))) for rule in rules))
