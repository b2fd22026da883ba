"""The queue for events that could not be forwarded: nothing is lost silently while the other region is away."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from drctl.engine.run import Run
from drctl.engine.step import Finding, Resource, Step
from drctl.steps.event_rule import FORWARDING, rule_arn
from drctl.steps.key import Key
from drctl.steps.queue import (
    QueueOut,
    delete_queue,
    differences,
    ensure_queue,
    find_queue,
    queue_arn,
    wanted_attributes,
)

#: Seconds that SQS keeps a message at most: two weeks.
RETENTION_S = 14 * 24 * 3600

#: The queue as it stands.
DeadLettersOut = QueueOut


@dataclass(frozen=True, eq=False)
class DeadLetters(Step[DeadLettersOut]):
    """A standard queue in the rule's own region, as EventBridge demands of dead-letter queues."""

    encryption_key: Key

    def _name(self, run: Run) -> str:
        return run.name("queue", "dead-letters", self.site)

    def _wanted(self, run: Run) -> dict[str, str]:
        return wanted_attributes(run, self.site, self._name(run), key_arn=run.output(self.encryption_key).arn,
                                 retention_s=RETENTION_S, rule_arn=rule_arn(run, self.site, FORWARDING))

    def find(self, run: Run) -> DeadLettersOut | None:
        return find_queue(run, self.site, self._name(run))

    def ensure(self, run: Run) -> DeadLettersOut:
        return ensure_queue(run, self.site, self._name(run), self._wanted(run), run.found(self))

    def verify(self, run: Run, out: DeadLettersOut) -> Iterable[Finding]:
        return differences(out, self._name(run), self._wanted(run))

    def destroy(self, run: Run) -> None:
        delete_queue(run, self.site, self._name(run))

    def foreseen(self, run: Run, out: DeadLettersOut | None) -> Mapping[str, Any]:
        return {"arn": queue_arn(run, self.site, self._name(run))}

    def resources(self, out: DeadLettersOut) -> Iterable[Resource]:
        yield Resource("sqs:queue", out.arn, self.region)
