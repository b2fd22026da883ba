"""Runs steps as soon as what they need is there, both regions side by side, and ends in an orderly way.

On a failure nothing new is started, running steps finish, every outcome is recorded, and one error lists them all.
On a stop every wait ends at once and running steps end at their next edge.
"""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from graphlib import TopologicalSorter
from typing import Any

from drctl.aws.errors import AwsError, call_of, code_of, request_id_of
from drctl.engine.lost import knowing_every_answer
from drctl.engine.run import Run
from drctl.engine.step import Finding, Step, dependencies
from drctl.engine.waiting import minutes
from drctl.errors import DrctlError, Failure, Interrupted, RunFailed, WaitTimeout

#: How long AWS's reads may lag behind its writes (Terraform provider: propagation timeouts of EC2, KMS, S3).
SETTLE = minutes(5)
#: More threads than steps that can wait at the same time; waiting threads cost memory only.
THREADS = 32

Work = Callable[[Run, Step[Any]], str]


class NotVerified(DrctlError):
    """A step was made, but AWS does not show it as it must be."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        super().__init__("; ".join(finding.text for finding in findings), next_step=findings[0].mend)


@dataclass(frozen=True)
class Outcome:
    """How one step ended: created / changed / kept / removed / failed / not started."""

    step: Step[Any]
    result: str
    error: BaseException | None = None


def build(run: Run, steps: Iterable[Step[Any]]) -> list[Outcome]:
    """Ensure and verify all steps; raises RunFailed or Interrupted after every running step has ended."""
    return _play(run, _graph(steps), _build_one)


def destroy(run: Run, steps: Iterable[Step[Any]]) -> list[Outcome]:
    """Destroy all steps, dependents first."""
    graph = _graph(steps)
    backwards: dict[Step[Any], set[Step[Any]]] = {step: set() for step in graph}
    for step, needs in graph.items():
        for need in needs:
            backwards[need].add(step)
    return _play(run, backwards, _destroy_one)


def _graph(steps: Iterable[Step[Any]]) -> dict[Step[Any], set[Step[Any]]]:
    chosen = list(steps)
    return {step: {need for need in dependencies(step) if need in chosen} for step in chosen}


def _build_one(run: Run, step: Step[Any]) -> str:
    changes_before = run.events.changes.get(step.key, 0)
    stood = run.found(step) is not None  # ensure asks run.found too: AWS is asked once
    out = step.ensure(run)
    if run.events.changes.get(step.key, 0) == changes_before:
        run.remember(step, out)
        if findings := list(step.verify(run, out)):
            raise NotVerified(findings)
        return "kept"
    run.remember(step, _as_aws_shows_it(run, step))
    return "changed" if stood else "created"


def _as_aws_shows_it(run: Run, step: Step[Any]) -> Any:
    """What stands after a change, judged by AWS's word: its reads lag behind its writes for seconds, at times minutes.

    Raises NotVerified with what is still wrong when the time is over.
    """
    latest: list[tuple[Any, list[Finding]]] = []

    def look() -> int:
        out = step.find(run)
        missing = [Finding(f"{step.key} was made but cannot be found")]
        latest.append((out, missing if out is None else list(step.verify(run, out))))
        return len(latest[-1][1])

    try:
        run.wait_until(f"AWS shows {step.key} as it was made", look, lambda wrong: wrong == 0, within=SETTLE,
                       show=lambda wrong: "; ".join(finding.text for finding in latest[-1][1]) if wrong else "so")
    except WaitTimeout:
        raise NotVerified(latest[-1][1]) from None
    return latest[-1][0]


def _destroy_one(run: Run, step: Step[Any]) -> str:
    changes_before = run.events.changes.get(step.key, 0)
    step.destroy(run)
    run.forget(step)
    return "removed" if run.events.changes.get(step.key, 0) > changes_before else "absent"


def _play(run: Run, graph: dict[Step[Any], set[Step[Any]]], work: Work) -> list[Outcome]:
    order = TopologicalSorter(graph)
    order.prepare()
    running: dict[Future[Outcome | None], Step[Any]] = {}
    outcomes: list[Outcome] = []
    gate = Gate()
    with ThreadPoolExecutor(max_workers=THREADS, thread_name_prefix="step") as pool:
        while order.is_active():
            if not run.clock.stopped and gate.is_open:
                for step in order.get_ready():
                    running[pool.submit(contextvars.copy_context().run, _one, run, step, work, gate)] = step
            if not running:
                break
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                step, outcome = running.pop(future), future.result()
                if outcome is not None:
                    outcomes.append(outcome)
                    order.done(step)
    _raise_for(run, outcomes, len(graph))
    return outcomes


class Gate:
    """Lets steps begin until one has failed."""

    def __init__(self) -> None:
        self.is_open = True
        self._lock = threading.Lock()

    def passes(self, begin: Callable[[], None]) -> bool:
        """Begin, unless a step has failed already."""
        with self._lock:
            if self.is_open:
                begin()
            return self.is_open

    def close(self) -> None:
        """A step has failed."""
        with self._lock:
            self.is_open = False


def _one(run: Run, step: Step[Any], work: Work, gate: Gate) -> Outcome | None:
    """How a step ended; None when another one failed before it could begin."""
    began = run.clock.now()
    with run.events.at(step.key, step.region):
        if not gate.passes(lambda: run.events.emit("step-started")):
            return None
        error: BaseException | None = None
        try:
            result = knowing_every_answer(run, step.key, partial(work, run, step), partial(run.forget, step))
        except Exception as failure:  # whatever a step raises, its siblings must be able to finish
            error, result = failure, "interrupted" if isinstance(failure, Interrupted) else "failed"
            gate.close()
        run.events.emit("step-ended", outcome=result, calls=run.events.calls.get(step.key, 0),
                        changes=run.events.changes.get(step.key, 0), aws_seconds=round(run.clock.now() - began, 1),
                        **({"error": str(error)} if error else {}))
        return Outcome(step, result, error)


def _raise_for(run: Run, outcomes: Sequence[Outcome], total: int) -> None:
    failures = tuple(failure_of(outcome.step.key, outcome.step.region, outcome.error) for outcome in outcomes
                     if outcome.error and not isinstance(outcome.error, Interrupted))
    stands = sum(1 for outcome in outcomes if outcome.error is None)
    if failures:
        raise RunFailed(f"{len(failures)} step(s) failed; {stands} of {total} are done and stand as they are",
                        failures=failures, next_step="the same command again goes on from here")
    if (run.clock.stopped and len(outcomes) < total) or any(outcome.error for outcome in outcomes):
        raise Interrupted(f"stopped; {stands} of {total} steps are done and stand as they are",
                          next_step="the same command again goes on from here")


def failure_of(step: str, region: str, error: BaseException) -> Failure:
    """What a report says of an error: with call, code and request id when AWS gave them."""
    cause = error if isinstance(error, AwsError) else error.__cause__
    if isinstance(cause, AwsError):
        return Failure(step=step, region=region, error=error, call=call_of(cause), code=code_of(cause),
                       request_id=request_id_of(cause))
    return Failure(step=step, region=region, error=error)
