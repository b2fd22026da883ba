"""What provision would do now with each step, what is left of former settings, what it costs and how long it takes.

Nothing is changed: no call that could do that leaves.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from drctl.actions.bill import Bill, bill
from drctl.actions.inventory import inventory
from drctl.aws.prices import Prices
from drctl.engine.critical_path import CriticalPath, critical_path, usual_seconds, usual_seconds_to_change
from drctl.engine.intent import IN_THE_WAY, TO_DO, Intent, intents
from drctl.engine.placeholder import Placeholder
from drctl.engine.step import Resource, Step
from drctl.engine.survey import LOOKS, WITHIN_S, Looking, survey, words_of


@dataclass(frozen=True)
class Plan:
    """What provision would do, in the order of what stands on what."""

    intents: tuple[Intent, ...]
    #: What carries our tag and is no step's: left of former settings, of a copy, or a saved snapshot.
    leftovers: tuple[Resource, ...]
    #: Why nobody knows what is left over; empty when it is known.
    leftovers_unknown: str
    bill: Bill
    path: CriticalPath

    def those(self, kinds: Collection[str]) -> list[Intent]:
        """The intents of these kinds."""
        return [intent for intent in self.intents if intent.what in kinds]

    @property
    def to_do(self) -> list[Intent]:
        """What provision changes."""
        return self.those(TO_DO)

    @property
    def in_the_way(self) -> list[Intent]:
        """What would stop provision, or could not be seen."""
        return self.those(IN_THE_WAY)

    @property
    def is_whole(self) -> bool:
        """Whether everything was seen."""
        return not self.those({"unknown"}) and not self.leftovers_unknown

    def counts(self) -> dict[str, int]:
        """How many intents there are of each kind."""
        return dict(Counter(intent.what for intent in self.intents))

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "counts": self.counts(), "steps": [_as_dict(intent) for intent in self.intents],
            "leftovers": [{"kind": one.kind, "id": one.id, "region": one.region} for one in self.leftovers],
            "leftovers_unknown": self.leftovers_unknown, "monthly": self.bill.as_dict(),
            "duration": {"aws_seconds": self.path.seconds,
                         "path": [{"step": step.key, "aws_seconds": seconds} for step, seconds in self.on_the_way()]}}

    def on_the_way(self) -> list[tuple[Step[Any], float]]:
        """The steps of the critical path that take time, and how long each, in AWS seconds."""
        takes = seconds_of(self.intents)
        return [(step, takes[step]) for step in self.path.steps if takes[step]]


def _as_dict(intent: Intent) -> dict[str, Any]:
    return {"step": intent.step.key, "region": intent.step.region, "what": intent.what, "texts": list(intent.texts),
            "way": intent.way, "waits": list(intent.waits), "after": list(intent.after)}


def plan(run: Looking, steps: Iterable[Step[Any]], prices: Prices, within_s: float = WITHIN_S,
         looks: int = LOOKS) -> Plan:
    """What provision would do with `steps`; makes no call that can change AWS.

    `within_s` and `looks` are those of the survey.
    """
    chosen = list(steps)
    seen = survey(run, chosen, within_s, looks)
    found = tuple(intents(run, chosen, seen))
    stands = {intent.step: seen[intent.step].out for intent in found}
    left, why = _leftovers(run, stands)
    takes = seconds_of(found)
    return Plan(found, left, why, bill(run, stands, prices), critical_path(chosen, takes.__getitem__))


def seconds_of(found: Iterable[Intent]) -> dict[Step[Any], float]:
    """How long what is to be done with each step usually takes, in AWS seconds."""
    return {intent.step: usual_seconds(intent.step) if intent.what == "create"
            else usual_seconds_to_change(intent.step) if intent.what in TO_DO else 0.0 for intent in found}


def _leftovers(run: Looking, stands: Mapping[Step[Any], Any]) -> tuple[tuple[Resource, ...], str]:
    """What is no step's, and why that is not known where it is not.

    What stands of a step that does not stand whole cannot be told from what is left over: its kinds are not told.
    """
    owned = {step: list(step.resources(out)) for step, out in stands.items() if out is not None}
    known = {_named(one.kind, one.id) for resources in owned.values() for one in resources}
    try:
        left = inventory(run, lambda kind, item_id: _named(kind, item_id) in known)
    except Exception as error:  # the plan stands without it, and says so
        return (), words_of(error)
    missing = {step: _kinds(step, owned) for step, out in stands.items() if out is None}
    if left and (vague := [step.key for step, kinds in missing.items() if not kinds]):
        return (), f"what is left over cannot be told before {', '.join(vague)} stand"
    hidden = {kind for kinds in missing.values() for kind in kinds}
    return tuple(one for one in left if one.kind not in hidden), ""


def _named(kind: str, item_id: str) -> tuple[str, str]:
    """A resource by the last word of its id: some look at its name, others at its ARN or address."""
    return kind, item_id.removesuffix(":*").replace(":", "/").rpartition("/")[2]


def _kinds(step: Step[Any], owned: Mapping[Step[Any], list[Resource]]) -> set[str]:
    """What kinds of things a step makes that does not stand, by what others of its class have made, or would make."""
    twins = {one.kind for other, resources in owned.items() if type(other) is type(step) for one in resources}
    try:
        return twins | {one.kind for one in step.resources(Placeholder(step, {}))}
    except Exception:  # a word that stands for an id cannot do what an id can
        return twins
