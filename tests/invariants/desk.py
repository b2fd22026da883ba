"""What an operator does at a machine: the runbooks, played with leases and journal, as drctl/cli carries them out.

`drctl.cli.failing_over`, `failing_back`, `drills` and `control` do the same around a session with its progress, its
report and its real clients; here stands what decides: which region is left, which leases are taken in which order, what
was begun by somebody who died, and what is skipped by whoever goes on. The lines, their actions, the journal, the
leases and everything else below are drctl's own.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from drctl.actions.decide import Decide, Terms
from drctl.actions.loss import open_loss
from drctl.actions.prove import ProveEvents, ProveReplication
from drctl.actions.reconcile import ListDeadLetters, ListObjects
from drctl.actions.rejoin import AwaitRegion
from drctl.actions.rescue import KeepRescueSnapshot, ListRows
from drctl.actions.switchover import active_site
from drctl.aws.errors import AwsError
from drctl.aws.fence import Fence
from drctl.aws.hooks import Call, Unheard
from drctl.cli import failing_over, finding_regions
from drctl.cli.asked import Asked
from drctl.cli.session import take_for_lost
from drctl.engine import lease, runbook
from drctl.engine.events import Events, Record
from drctl.engine.holding import BEATS, LASTS_S, Holding
from drctl.engine.holding_aside import HoldingAside
from drctl.engine.journal import Journal
from drctl.engine.lease import Lease, NoControlBucket
from drctl.engine.lost import SETTLE_S
from drctl.engine.owner import Owner
from drctl.engine.run import OUTAGE_BEGAN, Run
from drctl.engine.runbook import Action, Runbook, SideBySide, perform, play
from drctl.errors import DrctlError
from drctl.lab.clock import CLOCK
from drctl.runbooks import failover as failovers
from drctl.runbooks.drill import drill
from drctl.runbooks.failback import failback
from drctl.settings import LAB_ACCOUNT, Site
from tests.invariants.short_wire import Gone, Killed, Short, moment
from tests.invariants.world import SETTINGS, LabTime, Pulse, World

#: Lines that neither move nor prove writer and users: what they ask for is not in the small stack.
LEFT_OUT = (ProveEvents, ProveReplication, ListDeadLetters, ListObjects, ListRows, KeepRescueSnapshot)
#: Real seconds for what answers at once, so that a busy machine makes no difference.
UNHURRIED_S = 30.0
_ids = itertools.count(1)


@dataclass(frozen=True, eq=False)
class InTurn(SideBySide):
    """What runs side by side, one after the other in a chosen order: each order is a schedule that can be repeated."""

    def with_parts(self, parts: tuple[Action, ...]) -> InTurn:
        return InTurn(parts)

    def do(self, run: Run) -> None:
        errors: list[BaseException] = []
        for action in self.actions:
            try:
                runbook.perform(run, action)
            except Exception as error:
                errors.append(error)
        if errors:
            raise runbook._together(errors)


class HoldingUnhurried(HoldingAside):
    """Answers come at once here, but the threads that bring them share a busy machine."""

    take_s = write_s = UNHURRIED_S


@dataclass(frozen=True)
class Disturbance:
    """What befalls a process at its n-th call: `kind` is kill-before, kill-after, lost-answer, or do (of `what`)."""

    at: int
    kind: str
    what: Callable[[], None] = lambda: None
    said: str = ""

    def __repr__(self) -> str:
        return f"{self.said or self.kind} at call {self.at}"


@dataclass(frozen=True)
class Accepted:
    """A change that AWS has accepted of a run."""

    run: str
    request_id: str
    service: str
    operation: str
    region: str
    #: Key of the object, where it is one.
    key: str = ""


@dataclass
class Process:
    """One process of drctl, from its begin to its end, or to its death; it is the line of its own calls too."""

    desk: Desk
    command: str
    request: dict[str, Any]
    disturbance: Disturbance | None = None
    earlier: Process | None = None
    owner_name: str = "ann@desk"
    outcome: str = "under way"
    error: BaseException | None = None
    calls: int = 0
    dead: bool = False
    #: Whether its beat stands still: a laptop that sleeps while something else happens.
    asleep: bool = False
    #: Whether a request about its leases is under way.
    renewing: bool = False
    #: Regions whose lease it holds; empty before it holds any, or where it had to do without.
    claims: tuple[str, ...] = ()
    #: Regions whose lease it has taken, given back since or not.
    took: tuple[str, ...] = ()
    holding: Holding | None = None
    records: list[Record] = field(default_factory=list)
    attempts: list[tuple[str, str, str]] = field(default_factory=list)
    _thread: threading.Thread = field(default_factory=threading.current_thread)

    def __post_init__(self) -> None:
        self.id = f"run-{next(_ids)}-{self.command}"
        self.path = self.desk.folder / f"{self.id}.jsonl"
        self.journal = Journal(self.path)
        clock = LabTime(self.desk.world, lambda: self.asleep)
        self.events = Events(clock, self._write)
        self.run = Run(self.id, SETTINGS, self.clients(), clock, self.events,
                       ("127.0.0.1", self.desk.world.lab.dns_port), alone={
                           site.region: self.clients(Fence(SETTINGS.other(site).region, site.region))
                           for site in SETTINGS.sites})
        self.events.emit("run-started", command=self.command, request=self.request)

    def _write(self, record: Record) -> None:
        if not self.dead:
            self.records.append(dict(record))
            self.journal(record)

    def clients(self, fence: Fence | None = None) -> Short:
        """Clients of the run; every call of them is in the journal."""
        return Short(self.desk.listening(self), self, self.desk.probe, fence)

    def other_clients(self, fence: Fence | None = None) -> Short:
        """Clients for leases, whose calls are none of the run's (drctl/cli/control.py)."""
        return Short(Unheard(), _Silent(self), self.desk.probe, fence)

    # What befalls its calls ------------------------------------------------------------------------------------------

    def before_call(self, call: Call) -> bool:
        """Die here, or let something happen; whether this is the chosen call."""
        if self.dead:
            raise Killed if threading.current_thread() is self._thread else Gone
        if threading.current_thread() is not self._thread:
            return False
        self.calls += 1
        chosen = self.disturbance is not None and self.calls == self.disturbance.at
        if chosen and self.disturbance is not None and self.disturbance.kind == "kill-before":
            self.die()
        if chosen and self.disturbance is not None and self.disturbance.kind == "do":
            self.disturbance.what()
        return chosen

    def before(self, call: Call) -> None:
        if call.mutating and not self.dead:
            self.attempts.append((call.service, call.operation, call.region))
        chosen = self.before_call(call)
        if threading.current_thread() is self._thread:
            self._chosen = chosen

    def after(self, call: Call, request_id: str) -> None:
        if call.mutating:
            self.desk.accepted(self, Accepted(
                self.id, request_id, call.service, call.operation, call.region, str(call.params.get("Key", ""))))
        if threading.current_thread() is self._thread and self._chosen:
            self._after_the_chosen(call)

    def _after_the_chosen(self, call: Call) -> None:
        from drctl.aws.calls import is_whole_value
        from drctl.aws.retries import AnswerLost

        kind = self.disturbance.kind if self.disturbance else ""
        if kind == "kill-after":
            self.die()
        if kind == "lost-answer" and call.mutating and not is_whole_value(call.operation):
            raise AnswerLost(call.operation, call.region, "no answer (ConnectionClosedError)")

    def die(self) -> None:
        """SIGKILL: from here on nothing of it happens."""
        self.dead = True
        if self.holding is not None:
            self.holding.leave()
        raise Killed

    def end(self) -> None:
        """Its journal is closed; nothing of it goes on."""
        if not self.dead:
            self.events.emit("run-ended", outcome=self.outcome)
        self.journal.close()
        self.desk.ended(self)

    # Leases ----------------------------------------------------------------------------------------------------------

    @contextmanager
    def held(self, sites: tuple[Site, ...], take_over: str = "", fence: Fence | None = None) -> Iterator[Holding]:
        """As `drctl.cli.control.held` and `held_by_survivor`; with a fence a bucket that is silent is done without."""
        aws, run = self.other_clients(fence), self.run
        leases = [Lease(aws[site.region].s3, run.name("s3", "control", site), LAB_ACCOUNT, site.region)
                  for site in sites]
        holding = self._holding(leases, Holding if fence is None else HoldingUnhurried)
        try:
            abandoned = [terms for terms in holding.begin(take_over) if not terms.released]
        except (NoControlBucket, *AwsError) as error:
            if fence is None:
                raise
            run.say(f"NO LEASE: {error}")
            yield self._holding([])
            return
        self.holding, self.claims = holding, tuple(site.region for site in sites)
        self.took = self.claims
        run.events.guard = self.desk.guard_of(holding)
        beat = Pulse(LASTS_S / BEATS, self._beat)
        self.desk.world.pulses.append(beat)
        try:
            if abandoned and fence is None:
                run.clock.sleep(SETTLE_S)
            yield holding
        except DrctlError as error:
            if holding.lost is None:
                raise
            raise holding.lost from error
        finally:
            self.desk.world.pulses.remove(beat)
            run.events.guard = None
            self.claims = ()
            if not self.dead:
                holding.end()

    def _holding(self, leases: list[Lease], kind: type[Holding] = Holding) -> Holding:
        owner = Owner(self.owner_name, "desk", f"machine of {self.owner_name}", 1, "")
        terms = lease.Terms(owner, self.id, self.command, moment().strftime("%Y-%m-%dT%H:%M:%SZ"), LASTS_S)
        return kind(leases, terms, self.run.clock, self.run.say, CLOCK.now)

    def _beat(self) -> None:
        if self.holding is not None and not (self.asleep or self.renewing or self.dead) and self.desk.beats:
            self.holding._renew()

    @property
    def findings(self) -> str:
        """What its refusal lists."""
        return "; ".join(getattr(self.error, "findings", ()))

    @property
    def from_region(self) -> str:
        """What its journal says that it moves away from."""
        return next((str(one["value"]) for one in self.records
                     if one["event"] == "measure" and one["name"] == "from_region"), "")


@dataclass
class _Silent:
    """The line of a process's calls that are not in its journal."""

    process: Process

    def before(self, call: Call) -> None:
        """While one renewal waits for its answer there is no other: whatever happens meanwhile, the beat stands."""
        before, self.process.renewing = self.process.renewing, True
        try:
            self._chosen = self.process.before_call(call)
        finally:
            self.process.renewing = before

    def after(self, call: Call, request_id: str) -> None:
        disturbance = self.process.disturbance
        if getattr(self, "_chosen", False) and disturbance is not None and disturbance.kind == "kill-after":
            self.process.die()


@dataclass
class Desk:
    """Everybody who works with the stack, and what AWS has accepted of them."""

    world: World
    folder: Path
    processes: list[Process] = field(default_factory=list)
    #: Order of what runs side by side.
    order: tuple[int, ...] = (0, 1, 2, 3)
    #: Whether leases are renewed while runs go on.
    beats: ClassVar[bool] = True
    on_accepted: Callable[[Process, Accepted], None] = lambda *_: None
    on_ended: Callable[[Process], None] = lambda _: None

    # Where a broken drctl differs ------------------------------------------------------------------------------------

    def adapt(self, action: Action) -> Action | None:
        """The action that is played for an action of a runbook; None for one that is left out."""
        if isinstance(action, LEFT_OUT):
            return None
        if isinstance(action, SideBySide):
            parts = self._adapted(action.parts)
            return InTurn(tuple(parts[place] for place in self.order if place < len(parts)))
        return action.with_parts(self._adapted(action.parts)) if action.parts else action

    def listening(self, process: Process) -> Any:
        """Who hears the calls of a process."""
        return process.events

    def guard_of(self, holding: Holding) -> Callable[[Call], None] | None:
        """What keeps a process from changing what it has lost the lease of."""
        return holding.refuse_when_lost

    # -----------------------------------------------------------------------------------------------------------------

    def _adapted(self, actions: tuple[Action, ...]) -> tuple[Action, ...]:
        return tuple(one for one in map(self.adapt, actions) if one is not None)

    def play(self, process: Process, book: Runbook) -> None:
        """Play a runbook of drctl."""
        play(process.run, replace(book, gate=self._adapted(book.gate), lines=self._adapted(book.lines),
                                  put_back=self._adapted(book.put_back)))

    def accepted(self, process: Process, one: Accepted) -> None:
        """AWS has accepted a change."""
        self.on_accepted(process, one)

    def ended(self, process: Process) -> None:
        """A process is over."""
        self.on_ended(process)

    def probe(self, region: str, asked: dict[str, Any]) -> dict[str, Any]:
        """What the probe function in a region says of its database."""
        world, rows = self.world, self.world.rows
        if region in _lost():
            return {"ok": False, "error": "UNREACHABLE", "text": "no connection"}
        writes = region == world.writer
        if asked["action"] == "health":
            return {"ok": True, "writer": writes, "lag_s": None if writes else CLOCK.now() - rows.copied_until}
        if asked["action"] == "read":
            kept = [key for _, key in rows.log] if writes else rows.of_the_copy()
            return {"ok": True, "rows": sorted(n for run, n in kept if run == asked["run"] and n > asked["after"])}
        if not writes:
            return {"ok": False, "error": "READ_ONLY", "text": "cannot execute INSERT in a read-only transaction"}
        rows.write((asked["run"], asked["n"]))
        return {"ok": True, "n": asked["n"]}

    # The commands ----------------------------------------------------------------------------------------------------

    def go(self, command: str, disturbance: Disturbance | None = None, earlier: Process | None = None,
           **request: Any) -> Process:
        """Carry a command out until it ends, however it ends."""
        owner = request.pop("owner", "ann@desk")
        process = Process(self, command, request, disturbance, earlier, owner)
        self.processes.append(process)
        work: Callable[[Process], None] = getattr(self, f"_{command}")
        try:
            work(process)
            process.outcome = "done"
        except Killed:
            process.outcome = "killed"
        except (DrctlError, *AwsError) as error:
            process.outcome = "refused" if getattr(error, "exit_code", 1) == 3 else "failed"
            process.error = error
        finally:
            process.end()
        return process

    def _planned(self, process: Process) -> None:
        """`drctl.cli.failing_over.planned`."""
        run, stack = process.run, self.world.stack
        with process.held(SETTINGS.sites, process.request.get("take_over", "")) as holding:
            source = self._site(process.earlier.from_region) if process.earlier else None
            if not process.earlier:
                self._settle_drill(process, holding)
            source = source or active_site(run, stack.database.global_cluster) or SETTINGS.primary
            failing_over.note_move(run, "planned", source)
            begin = partial(holding.begins, command="planned failover", source=source.region, run=run.id)
            book = failovers.planned(stack, source, begin, holding.settle)
            self.play(process, failing_over._going_on(book, run, stack, source) if process.earlier else book)

    def _drill(self, process: Process) -> None:
        """`drctl.cli.drills.live`."""
        run, stack, stay = process.run, self.world.stack, bool(process.request.get("stay"))
        with process.held(SETTINGS.sites, process.request.get("take_over", "")) as holding:
            self._settle_drill(process, holding)
            source = active_site(run, stack.database.global_cluster) or SETTINGS.primary
            failing_over.note_move(run, "live, staying" if stay else "live", source)
            begin = partial(holding.begins, command="drill", home=source.region, run=run.id)
            self.play(process, drill(stack, source, begin, holding.settle, stay=stay))

    def _settle_drill(self, process: Process, holding: Holding) -> None:
        failing_over.settle_drill(process.run, self.world.stack, holding)

    def _failover(self, process: Process) -> None:
        """`drctl.cli.failing_over.unplanned`."""
        run, stack = process.run, self.world.stack
        terms = Terms(process.request["bound"], process.request.get("force", ""))
        source = self._source(process)
        target = SETTINGS.other(source)
        fence = Fence(source.region, target.region)
        take_for_lost(run, source)
        failing_over.note_move(run, "unplanned", source)
        decide = Decide(stack.database.global_cluster, stack.front.balancer.at(target), source, target, terms,
                        grace_s=UNHURRIED_S)
        with process.held((target,), process.request.get("take_over", ""), fence) as holding:
            begin = partial(holding.begins, command="failover", source=source.region, run=run.id)
            earlier = frozenset({process.earlier.id if process.earlier else "", holding.inherited.get("run", "")})
            goes_on = bool(holding.inherited) or process.earlier is not None
            self.play(process, failovers.unplanned(stack, decide, begin, holding.settle, earlier, goes_on=goes_on))

    def _source(self, process: Process) -> Site:
        """`drctl.cli.finding_regions.region_to_leave`."""
        earlier, run, stack = process.earlier, process.run, self.world.stack
        if earlier and earlier.command == "failover" and (named := self._site(earlier.from_region)):
            return named
        if earlier:
            before = {"run": earlier.id, "from_region": earlier.from_region}
            return finding_regions.escalated_from(Asked(SETTINGS, before=before), run, stack)
        writer, answering = finding_regions.writer_and_who_answers(run, stack, UNHURRIED_S)
        if writer.region not in answering:
            return writer
        survivor = Fence(SETTINGS.other(writer).region, writer.region)
        look = Lease(process.other_clients(survivor)[writer.region].s3, process.run.name("s3", "control", writer),
                     LAB_ACCOUNT, writer.region)
        seen = None
        with suppress(DrctlError, *AwsError):
            seen = look.look()
        begun = seen.terms.unfinished if seen else {}
        found = self._site(begun.get("source", "")) if begun.get("command") == "failover" else None
        return found or writer

    def _failback(self, process: Process) -> None:
        """`drctl.cli.failing_back.failback`."""
        run, stack = process.run, self.world.stack
        active = finding_regions.where_it_writes(run, stack)
        returned = SETTINGS.other(active)
        perform(run, AwaitRegion(returned))
        with process.held(SETTINGS.sites, process.request.get("take_over", "")) as holding:
            loss = open_loss(run, stack.database.rescue, active)
            if loss.note is not None and loss.note.began is not None:
                run.measure(OUTAGE_BEGAN, loss.note.began)
            run.measure("from_region", active.region)
            run.measure("to_region", SETTINGS.primary.region)
            begin = partial(holding.begins, command="failback", run=run.id)
            book = failback(stack, active, begin, holding.settle, lost=loss.site)
            self.play(process, book.starting_at(2))

    @staticmethod
    def _site(region: str) -> Site | None:
        return next((site for site in SETTINGS.sites if site.region == region), None)


def _lost() -> Any:
    from drctl.lab.aurora_store import LOST

    return LOST

