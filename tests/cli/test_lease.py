"""The lease, held and fought for by real processes: one goes on, the others say who has it; a lost one ends a run."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from drctl.aws.calls import is_mutating
from drctl.engine.lease import LEASE_KEY, Terms
from drctl.engine.owner import Owner, myself
from drctl.lab.clock import CLOCK
from drctl.lab.faults import FAULTS
from drctl.lab.server import Lab
from drctl.steps.switch_bucket import SWITCH_KEY
from tests.cli.between import Reply, Request
from tests.cli.conftest import DRCTL, Result, at
from tests.cli.test_trouble import EAST, REGIONS, SWITCH_BUCKET, WEST, Place, at_home, journal, named, place_in, until
from tests.conftest import SPEED
from tests.forking import Forked, Parent, warmed

DRILL = ("failover", "--drill", "--yes", "--json")
PROVISION = ("provision", "--json")
#: AWS seconds in a second: an hour is seconds long, which a busy machine needs; and half way through a drill.
PACE, SLOW = 1_000.0, 60.0
#: Seconds in which what was under way, or about to leave, when a lease was lost arrives at AWS on a busy machine.
UNDER_WAY_S = 0.5
#: Somebody on a machine that nobody here knows anything about.
ANN = Owner("ann@elsewhere", "elsewhere", "another machine", 4711, "1")


@dataclass
class Stage:
    """A stack, whoever wants to change it, and the leases."""

    place: Place
    forks: Parent
    raced: list[Result]

    def begin(self, name: str, *arguments: str) -> Forked:
        """A process that goes on."""
        folder = self.place.drctl.home
        return self.forks.begin(list(arguments), self.place.drctl.environment, folder, folder / f"{name}.out",
                                folder / f"{name}.err")

    def run(self, *arguments: str) -> Result:
        """A process that is waited for."""
        return ended(self.begin("one", *arguments))

    def lease(self, region: str = EAST) -> dict[str, Any]:
        """What the lease says."""
        answer = self.place.aws[region].s3.get_object(Bucket=bucket(region), Key=LEASE_KEY)
        told: dict[str, Any] = json.loads(answer["Body"].read())
        return told

    def held_by(self, owner: Owner, lasts_s: float = 600.0, **unfinished: str) -> None:
        """Both leases are this owner's, put there by hand."""
        terms = Terms(owner, "20260101-000000-provision-aaaa", "provision", "2026-01-01T00:00:00Z", lasts_s,
                      unfinished=unfinished)
        for region in REGIONS:
            self.place.aws[region].s3.put_object(Bucket=bucket(region), Key=LEASE_KEY, Body=terms.as_json())

    def since(self, begin: int) -> list[Request]:
        """The changes of the stack among the requests that passed since number `begin`, in order."""
        return [request for request in self.place.line.seen[begin:] if changes_the_stack(request)]

    def pace(self, speed: float) -> None:
        """The lab and drctl go at this speed."""
        CLOCK.set_speed(speed)
        at(self.place.drctl, self.place.lab, speed)

    @contextmanager
    def slowly(self) -> Iterator[None]:
        """So slow that a drill can be met half way."""
        self.pace(SLOW)
        try:
            yield
        finally:
            self.pace(PACE)

    @contextmanager
    def holding(self, operation: str) -> Iterator[Held]:
        """The first such call waits until it is let go; the others, too."""
        held = Held()

        def hold(request: Request) -> Reply | None:
            if request.operation == operation:
                held.arrived.set()
                held.go_on.wait(55)
            return None

        try:
            with self.place.deciding(hold):
                yield held
        finally:
            held.go_on.set()


class Held:
    """A call that waits."""

    def __init__(self) -> None:
        self.arrived, self.go_on = threading.Event(), threading.Event()


def bucket(region: str) -> str:
    """The control bucket of a region."""
    return f"s3-control-{region}-lab-123456789012"


def changes_the_stack(request: Request) -> bool:
    """Whether a request can change something, rows of heartbeats too; leases, evidence of runs and messages about them
    are no part of it."""
    method, _, path = request.operation.partition(" ")
    if not path:
        return is_mutating(method) and method != "Publish"
    return method not in {"GET", "HEAD"} and not path.startswith("/s3-control-")


def ended(process: Forked) -> Result:
    """How a process ended."""
    code = process.wait()
    return Result(code, process.out.read_text(), process.err.read_text())


@pytest.fixture(scope="module")
def stage(lab_server: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Twenty processes are told at once to build the stack; the one that may waits until the others have ended."""
    with place_in(tmp_path_factory.mktemp("lease"), lab_server) as place:
        stage = Stage(place, warmed(), [])
        stage.pace(PACE)
        with stage.holding("CreateVpc") as held:
            processes = [stage.begin(f"racer-{number}", *PROVISION) for number in range(20)]
            assert held.arrived.wait(60)
            until(lambda: sum(Path(f"/proc/{process.pid}").exists() for process in processes) == 1,
                  "all others have ended")
        stage.raced = [ended(process) for process in processes]
        try:
            yield stage
        finally:
            CLOCK.set_speed(SPEED)


def test_of_twenty_provisions_at_once_exactly_one_goes_on(stage: Stage) -> None:
    assert Counter(end.code for end in stage.raced) == {0: 1, 3: 19}, [
        end.err for end in stage.raced if end.code not in {0, 3}]
    assert [thing for thing, count in Counter(named(stage.place.aws)).items() if count > 1] == []


def test_every_refused_one_says_who_holds_the_lease_where_since_and_until_when(stage: Stage) -> None:
    winner = next(end.json for end in stage.raced if end.code == 0)
    for end in stage.raced:
        if end.code == 3:
            findings = end.json["error"]["findings"]
            assert end.json["error"]["message"] == f"{myself().name} holds the lease in us-east-1; nothing was changed"
            assert re.fullmatch(rf"who: {myself().name}, process \d+ on {myself().host}", findings[0])
            assert findings[1:3] == [f"what: provision, run {winner['run']}", "where: control bucket of us-east-1"]
            assert re.fullmatch(r"since: \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", findings[3])
            assert re.match(r"until: \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ unless renewed", findings[4])
            assert all(finding in end.err for finding in findings)
            assert end.json["outcome"] == "refused"


def test_a_finished_run_gives_both_leases_back(stage: Stage) -> None:
    assert [stage.lease(region)["released"] for region in REGIONS] == [True, True]


def test_of_two_drills_at_once_exactly_one_moves_the_traffic(stage: Stage) -> None:
    with stage.holding("SwitchoverGlobalCluster") as held:
        first, second = stage.begin("first", *DRILL), stage.begin("second", *DRILL)
        assert held.arrived.wait(60)
        until(lambda: len([one for one in (first, second) if Path(f"/proc/{one.pid}").exists()]) == 1, "one has ended")
        held.go_on.set()
        ends = [ended(first), ended(second)]
    assert sorted(end.code for end in ends) == [0, 3], [end.err for end in ends]
    assert "what: drill, run" in next(end.err for end in ends if end.code == 3)
    at_home(stage.place)


def test_a_lease_of_another_machine_is_waited_for_until_it_runs_out(stage: Stage) -> None:
    stage.held_by(ANN, lasts_s=6)
    put = time.monotonic()
    refused = stage.run(*PROVISION)
    assert refused.code == 3, refused.err
    assert f"who: {ANN.name}, process 4711 on elsewhere" in refused.err
    assert f"--take-over {ANN.name}" in refused.err
    assert stage.lease()["owner"] == asdict(ANN)
    until(lambda: time.monotonic() - put > 8, "the lease has run out")
    end = stage.run(*PROVISION)
    assert end.code == 0, end.err
    assert any(f"lease taken over from {ANN.name}, process 4711" in note for note in end.json["notes"])


def test_the_right_name_takes_it_over_at_once_and_a_wrong_one_does_not(stage: Stage) -> None:
    stage.held_by(ANN)
    wrong = stage.run(*PROVISION, "--take-over", "bob@elsewhere")
    assert wrong.code == 3
    assert stage.lease()["owner"] == asdict(ANN)
    assert stage.run(*PROVISION, "--take-over", ANN.name).code == 0


@pytest.mark.parametrize(("typed", "code"), [(f"{ANN.name}\n", 0), ("bob@elsewhere\n", 3), ("", 3)])
def test_without_a_name_it_is_asked_for(stage: Stage, typed: str, code: int) -> None:
    stage.held_by(ANN)
    end = subprocess.run([DRCTL, "provision", "--take-over"], env=stage.place.drctl.environment, input=typed, text=True,
                         capture_output=True, check=False, cwd=stage.place.drctl.home)
    assert end.returncode == code, end.stderr
    assert "ann@elsewhere holds the lease since 2026-01-01T00:00:00Z: provision, run" in end.stderr
    assert "Take it over only if that process is dead" in end.stderr
    stage.held_by(replace(ANN, name="nobody@nowhere"), lasts_s=-10)


def test_a_lease_that_cannot_be_read_is_told_and_left_alone(stage: Stage) -> None:
    stage.place.aws[EAST].s3.put_object(Bucket=bucket(EAST), Key=LEASE_KEY, Body=b'{"owner": "ann"}')
    end = stage.run(*PROVISION, "--take-over", "ann")
    assert end.code == 3, end.err
    assert "the lease in us-east-1 cannot be read" in end.err
    assert f"s3://{bucket(EAST)}/lease.json" in end.err
    stage.place.aws[EAST].s3.delete_object(Bucket=bucket(EAST), Key=LEASE_KEY)


def test_a_killed_owner_of_this_machine_is_followed_at_once(stage: Stage) -> None:
    with stage.holding("DescribeVpcs") as held:
        process = stage.begin("killed", *PROVISION)
        assert held.arrived.wait(60)
        os.kill(process.pid, signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    assert stage.lease()["owner"]["pid"] == process.pid
    end = stage.run(*PROVISION)
    assert end.code == 0, end.err
    assert any(f"process {process.pid}, whose provision did not come to its end" in note for note in end.json["notes"])


def test_a_drill_that_its_gate_refuses_leaves_nothing_for_the_next_one_to_put_back(stage: Stage) -> None:
    """Else a drill after a change of regions by hand would begin by undoing it, before any gate."""
    west = stage.place.aws[WEST].s3
    west.put_object(Bucket=SWITCH_BUCKET, Key=SWITCH_KEY, Body=b"an operator")
    try:
        until(lambda: stage.place.status()["dns"]["region"] == WEST, "users are sent to the standby")
        assert stage.run(*DRILL).code == 3
    finally:
        west.delete_object(Bucket=SWITCH_BUCKET, Key=SWITCH_KEY)
    assert [(stage.lease(region)["released"], stage.lease(region)["unfinished"]) for region in REGIONS] == [
        (True, {})] * 2
    until(lambda: stage.place.status()["dns"]["region"] == EAST, "users are home again")


def test_a_run_whose_lease_was_taken_stops_and_neither_goes_on_nor_puts_back(stage: Stage) -> None:
    with stage.slowly():
        begin = len(stage.place.line.seen)
        process = stage.begin("robbed", *DRILL)
        until(lambda: "SwitchoverGlobalCluster" in operations(stage.place.line.seen[begin:]), "it moves the database")
        stage.held_by(ANN, command="drill", home=EAST)
        taken = len(stage.place.line.seen)
        end = ended(process)
    assert end.code == 3, end.err
    assert f"the lease in us-east-1 is {ANN.name}'s (provision, run" in end.err
    assert "everything is put back" not in end.err
    lost = next(record for record in journal(stage.place.drctl, end.json["run"]) if record["event"] == "note"
                and ANN.name in record["text"])
    assert [one.operation for one in stage.since(taken) if one.at > lost["at"] + UNDER_WAY_S] == []
    assert operations(stage.place.line.seen[begin:])["SwitchoverGlobalCluster"] == 1
    assert stage.lease()["owner"] == asdict(ANN)
    home = stage.run(*DRILL, "--take-over", ANN.name)
    assert home.code == 0, home.err
    assert "everything is put back to us-east-1 first" in home.err
    at_home(stage.place)


def test_a_machine_that_slept_through_its_lease_wakes_up_to_change_nothing(stage: Stage) -> None:
    with stage.slowly():
        begin = len(stage.place.line.seen)
        sleeper = stage.begin("sleeper", *DRILL)
        until(lambda: "SwitchoverGlobalCluster" in operations(stage.place.line.seen[begin:]), "it moves the database")
        os.kill(sleeper.pid, signal.SIGSTOP)
        slept = time.monotonic()
    try:
        assert stage.run(*DRILL).code == 3  # it may be alive
        until(lambda: time.monotonic() - slept > 12, "the lease has run out")
        other = stage.run(*DRILL)
        assert other.code == 0, other.err
        assert "everything is put back to us-east-1 first" in other.err
        at_home(stage.place)
        woken = len(stage.place.line.seen)
    finally:
        os.kill(sleeper.pid, signal.SIGCONT)
    end = ended(sleeper)
    assert end.code == 3, end.err
    assert "this run has stopped" in end.err
    assert stage.since(woken) == []
    at_home(stage.place)


@pytest.mark.parametrize("seed", [3, 4])
def test_one_goes_on_although_every_fifth_call_ends_badly(stage: Stage, seed: int) -> None:
    FAULTS.start(0.2, seed)
    try:
        with stage.holding("DescribeVpcs") as held:
            racers = [stage.begin(f"faulty-{number}", *PROVISION) for number in range(3)]
            assert held.arrived.wait(60)
            until(lambda: len([one for one in racers if Path(f"/proc/{one.pid}").exists()]) == 1, "the others ended")
            held.go_on.set()
            ends = [ended(racer) for racer in racers]
    finally:
        FAULTS.stop()
    assert sorted(end.code for end in ends) == [0, 3, 3], [end.err for end in ends]


def operations(requests: list[Request]) -> Counter[str]:
    """How often what was asked for."""
    return Counter(request.operation for request in requests)
