"""The latches of both regions, minute by minute: the decision is drctl's own function, what it sees is the lab's."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field

from drctl.lab import outages
from drctl.lambdas.latch.decision import Act, Latch, Lies, Seen, State
from tests.invariants.short_wire import lies_since, moment, put
from tests.invariants.world import HOME, REGIONS, SETTINGS, Pulse, World

#: AWS seconds between two minutes of a latch.
EVERY_S = 60.0
_events = itertools.count(1)


@dataclass
class Latches:
    """Both latches, and what each remembers."""

    world: World
    #: Told the region whose latch has put its object.
    on_put: Callable[[str], None] = lambda _: None
    states: dict[str, State] = field(default_factory=dict)

    def begin(self) -> None:
        """Tick once a minute from now on."""
        self.states = {region: State() for region in REGIONS}
        self.world.pulses.append(Pulse(EVERY_S, self.tick))

    def tick(self) -> None:
        """A minute of both."""
        for region in REGIONS:
            if not outages.is_down(region, "lambda") and not outages.is_down(region, "s3"):
                self._tick(region)

    def _tick(self, region: str) -> None:
        latch = Latch("primary" if region == HOME.region else "standby", SETTINGS.dns.latch_minutes)
        sent = self.world.users_are_sent_to
        seen = Seen(sent == region if sent else None, self._lies(region), self._lies_elsewhere(region))
        act, self.states[region] = latch.decide(seen, self.states[region], moment().timestamp(),
                                                f"event-{next(_events)}")
        bucket, key = self.world.switch(region)
        if act is Act.PUT:
            put(bucket, key)
            self.on_put(region)
        elif act is Act.DELETE:
            self.world.delete(bucket, key)

    def _lies_elsewhere(self, region: str) -> Lies:
        other = self.world.other(region).region
        return Lies() if outages.is_down(other, "s3") else self._lies(other)

    def _lies(self, region: str) -> Lies:
        since = lies_since(*self.world.switch(region))
        return Lies(known=True, since=since.timestamp() if since else None)
