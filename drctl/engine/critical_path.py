"""The critical path of a build: the longest chain of waits, each at its usual duration."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from graphlib import TopologicalSorter
from typing import Any

from drctl.aws import durations
from drctl.engine.step import Step, dependencies


@dataclass(frozen=True)
class CriticalPath:
    """The chain and its sum in AWS seconds."""

    seconds: float
    steps: tuple[Step[Any], ...]


def usual_seconds(step: Step[Any]) -> float:
    """What a first build of `step` waits for, added up."""
    return sum(durations.seconds(key) for key in step.waits)


def usual_seconds_to_change(step: Step[Any]) -> float:
    """What a change of `step` waits for at its longest, added up."""
    return sum(durations.seconds(key) for key in step.waits_to_change)


def critical_path(steps: Iterable[Step[Any]],
                  seconds: Callable[[Step[Any]], float] = usual_seconds) -> CriticalPath:
    """The longest chain through `steps`; each takes that many AWS `seconds`."""
    chosen = list(steps)
    needs: Mapping[Step[Any], list[Step[Any]]] = {
        step: [need for need in dependencies(step) if need in chosen] for step in chosen}
    best: dict[Step[Any], CriticalPath] = {}
    for step in TopologicalSorter(needs).static_order():
        before = max((best[need] for need in needs[step]), key=lambda path: path.seconds, default=CriticalPath(0, ()))
        best[step] = CriticalPath(before.seconds + seconds(step), (*before.steps, step))
    return max(best.values(), key=lambda path: path.seconds, default=CriticalPath(0, ()))
