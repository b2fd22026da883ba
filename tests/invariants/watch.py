"""Watches the world while a schedule runs, and notes what must never be; `test_invariants` says what that means."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from drctl.engine import journal
from drctl.engine.holding import BEATS, LASTS_S
from drctl.lab import outages
from drctl.lab.clock import CLOCK
from drctl.settings import LAB_ACCOUNT
from drctl.steps.switch_bucket import PIN_KEY, SWITCH_KEY
from tests.invariants.desk import Accepted, Desk, Process
from tests.invariants.world import HOME, REGIONS, SETTINGS, STEP_S, TTL_S, World

#: AWS seconds in which somebody may not know yet that a person has taken the lease over by name: a beat, and a step.
UNAWARE_S = LASTS_S / BEATS + 2 * STEP_S


@dataclass
class Watch:
    """One schedule's watch."""

    world: World
    desk: Desk
    wrong: list[str] = field(default_factory=list)
    #: The region that an operator, or a latch, has sent users to; empty when nobody has, or it is not known.
    belong: str = HOME.region
    answered: dict[str, float] = field(default_factory=dict)
    request_ids: Counter[str] = field(default_factory=Counter)
    accepted: list[Accepted] = field(default_factory=list)
    taken_over: dict[str, float] = field(default_factory=dict)
    visits: int = 0

    def begin(self) -> None:
        """Watch from now on."""
        self.world.watches.append(self.look)
        self.desk.on_accepted = self.change_accepted
        self.desk.on_ended = self.run_ended

    def say(self, what: str) -> None:
        """Note what must not be, once."""
        if what not in self.wrong:
            self.wrong.append(what)

    # Users -----------------------------------------------------------------------------------------------------------

    def look(self) -> None:
        """After each step of time."""
        world, sent = self.world, self.world.users_are_sent_to
        if sent:
            self.answered[sent] = CLOCK.now()
        self._visit([region for region in REGIONS if CLOCK.now() - self.answered.get(region, -1e9) <= TTL_S
                     and world.serves(region)])
        healthy = [region for region in REGIONS if world.serves(region)]
        if healthy and not sent:
            self.say("no answer: the name has none although a region is healthy")
        if world.is_noticed and healthy and sent:
            self._users_are_well(sent, healthy)

    def _visit(self, visited: list[str]) -> None:
        """Users come by the answers of the last minute, and write where they are served."""
        writers = [region for region in visited if self.world.takes_writes(region)]
        if len(writers) > 1:
            self.say("two writers: users write in both regions")
        for region in writers:
            self.visits += 1
            if region == self.world.writer:
                self.world.rows.write(("users", self.visits))
            elif region != self.world.role:
                self.say(f"two writers: users write into the old primary in {region}, which has lost its role")

    def _users_are_well(self, sent: str, healthy: list[str]) -> None:
        if sent not in healthy and not self._holds_users_in_a_dead_region():
            self.say(f"no answer: users are sent to {sent}, which does not serve, although {healthy[0]} does")
        if self.belong in healthy and sent != self.belong and self._is_seen(self.belong):
            self.say(f"latch: users belong in {self.belong}, which serves, and are sent to {sent}")

    def _is_seen(self, region: str) -> bool:
        """Whether health checkers can see the object that says where users belong, and no older pin outvotes it."""
        holders = REGIONS if region == HOME.region else (region,)
        older = region != HOME.region and self.world.is_turned(HOME.region)
        return not older and not any(outages.is_down(holder, "s3") for holder in holders)

    def _holds_users_in_a_dead_region(self) -> bool:
        """The one bad row: a pin lies there, and the switch does not, or cannot be read."""
        away = self.world.other(HOME.region).region
        return self.world.is_turned(HOME.region) and (
            outages.is_down(away, "s3") or not self.world.is_turned(away))

    def latched(self, region: str) -> None:
        """The latch of a region has put its object: users belong there."""
        self.belong = region

    # Leases and journals ---------------------------------------------------------------------------------------------

    def change_accepted(self, process: Process, one: Accepted) -> None:
        """AWS has accepted a change of a run: it must hold its leases."""
        self.accepted.append(one)
        self.request_ids[one.request_id] += 1
        what = f"{one.operation} of {process.id}"
        if not process.claims and not any("NO LEASE" in str(record.get("text")) for record in process.records):
            self.say(f"lease: {what} without any lease")
        for region in process.claims:
            terms = self._lease(region)
            if terms is None or (terms["run"] == process.id and not terms["released"]):
                continue
            if not self._was_just_taken_over(process, terms["run"]):
                self.say(f"lease: {what} although the lease of {region} is {terms['run']}'s")
        if one.key in {SWITCH_KEY, PIN_KEY}:
            self.belong = ""

    def _was_just_taken_over(self, process: Process, by: str) -> bool:
        other = next((each for each in self.desk.processes if each.id == by), None)
        if other is None or other.request.get("take_over") != process.owner_name:
            return False
        return CLOCK.now() - self.taken_over.setdefault(process.id, CLOCK.now()) <= UNAWARE_S

    def _lease(self, region: str) -> Any:
        bucket = self.world._buckets()[f"s3-control-{region}-{SETTINGS.environment}-{LAB_ACCOUNT}"]
        found = bucket.keys.get("lease.json")
        return json.loads(found.value) if found is not None else None

    def run_ended(self, process: Process) -> None:
        """The journal of a run that has ended, however it did."""
        broken = journal.first_broken_line(process.path)
        if broken is not None:
            self.say(f"journal: line {broken} of {process.id} does not follow from the one before")
        records = journal.read(process.path)
        told = Counter((one["service"], one["operation"], one["to"]) for one in records
                       if one["event"] == "call" and one["mutating"])
        if told != Counter(process.attempts):
            self.say(f"journal: {process.id} tells of {dict(told)} and has sent {dict(Counter(process.attempts))}")
        answers = Counter(one["request_id"] for one in records if one["event"] == "answer" and one["request_id"])
        mine = [one for one in self.accepted if one.run == process.id]
        unheard = [one for one in mine if answers[one.request_id] != 1]
        if len(unheard) > (process.disturbance is not None):
            self.say(f"journal: {process.id} does not know of {unheard[0].operation}")
        if process.outcome == "done":
            self._agree(process, records)
        text = str(process.error)
        moved = [one for one in mine if one.key in {SWITCH_KEY, PIN_KEY} or "GlobalCluster" in one.operation]
        if (mine and "nothing was changed" in text) or (moved and "nothing was moved" in text):
            self.say(f"journal: {process.id} says {text!r} and has sent {(moved or mine)[0].operation}")
        if "everything is put back" in text and "NOT" not in text:
            self._agree(process, records)

    def _agree(self, process: Process, records: list[dict[str, Any]]) -> None:
        """What a run says at its end is so; unless somebody else has been there since it slept through its lease."""
        if any((self._lease(region) or {}).get("run") != process.id for region in process.took):
            return
        figures = {one["name"]: one["value"] for one in records if one["event"] == "measure"}
        comes_back = process.command == "drill" and (process.error or not process.request.get("stay"))
        wanted = figures["from_region" if comes_back else "to_region"]
        if self.world.role != wanted:
            self.say(f"journal: {process.id} is done and says {wanted}; {self.world.role} writes")
        self.belong = wanted

    # Rows ------------------------------------------------------------------------------------------------------------

    def role_changed(self, kind: str) -> None:
        """The writer has changed."""
        rows = self.world.rows
        if lost := [key for key, how in rows.lost.items() if how == "switchover"]:
            self.say(f"rows: a switchover has lost {len(lost)} acknowledged rows")
        self._stays_within_what_was_decided(kind)
        asked = {process.command for process in self.desk.processes if process.outcome == "under way"}
        if kind == "failover" and rows.lost and "failover" not in asked:
            self.say(f"rows: {', '.join(asked) or 'nobody'} has lost {len(rows.lost)} acknowledged rows")

    def _stays_within_what_was_decided(self, kind: str) -> None:
        """What a failover loses was acknowledged before it was decided."""
        for process in self.desk.processes:
            if kind == "failover" and process.command == "failover" and process.outcome == "under way":
                zero = CLOCK.now() - process.run.clock.now()
                decided = max((one["aws"] + zero for one in process.records if one["event"] == "approved"), default=0.0)
                rows = self.world.rows
                late = [key for key in rows.lost if rows.acknowledged[key] > decided + STEP_S]
                if late and decided:
                    self.say(f"rows: {len(late)} rows were acknowledged after the failover was decided, and are lost")
