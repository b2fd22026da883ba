"""`drctl lab traffic`: a process beside the lab, started once, looked at, stopped, and never left behind."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from drctl.processes import lives
from tests.cli.conftest import DRCTL, Cli, cli_in
from tests.forking import warmed
from tests.lab.conftest import eventually
from tests.lab.traffic_world import World, world

TRAFFIC = ("lab", "traffic")


@dataclass
class Place:
    """drctl with a lab that is played by a world, and a process that stands for the lab's."""

    cli: Cli
    there: World
    lab: subprocess.Popen[bytes]

    @property
    def home(self) -> Path:
        return Path(self.cli.environment["DRCTL_HOME"])

    def start(self, *arguments: str) -> Any:
        """The document of a traffic that was started."""
        result = self.cli(*TRAFFIC, "start", *arguments, "--json")
        assert result.code == 0, result.err
        return result.json

    def status(self) -> Any:
        return self.cli(*TRAFFIC, "status", "--json").json


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    """How commands begin is not looked at here."""
    return cli_in(tmp_path, warmed())


@pytest.fixture
def place(cli: Cli) -> Iterator[Place]:
    command = [sys.executable, "-c", "import signal; signal.pause()"]
    with world(speed=600) as there, subprocess.Popen(command) as lab:
        made = Place(cli, there, lab)
        made.home.mkdir()
        (made.home / "lab.json").write_text(json.dumps(
            {"endpoint": f"http://{there.url('page')}", "speed": 600, "pid": lab.pid, "dns": there.url("dns")}))
        yield made
        cli(*TRAFFIC, "stop")
        lab.kill()


def test_traffic_is_started_looked_at_and_stopped_and_its_record_stays(place: Place) -> None:
    started = place.start("--rate", "100")
    assert (started["label"], started["clients"], started["rate"]) == ("traffic-1", 4, 100)
    assert started["name"] == "app.dr.example.com"
    assert eventually(lambda: len(place.there.rows) >= 24)  # more than four clients write before one reads
    seen = place.status()
    assert seen["acknowledged"] >= 24
    assert seen["reads"] >= 1
    assert (seen["missing"], seen["refused"], seen["unanswered"], seen["region"]) == (0, 0, 0, "us-east-1")
    assert seen["last_acknowledged_ago_s"] < 60
    assert "acknowledged " in place.cli(*TRAFFIC, "status").out
    stopped = place.cli(*TRAFFIC, "stop", "--json").json
    assert stopped["stopped"] == "traffic-1"
    assert stopped["acknowledged"] == len(place.there.rows)
    assert not lives(started["pid"])
    assert sorted(one.name for one in place.home.iterdir()) == ["lab.json", "traffic"]
    rows = {json.loads(line)["row"] for line in Path(started["record"]).read_text().splitlines()}
    assert rows == set(place.there.rows.values())
    assert place.start()["label"] == "traffic-2"


def test_by_default_there_is_a_request_per_client_and_aws_second_but_no_more_than_twenty(place: Place) -> None:
    assert (place.start()["rate"], place.start()["clients"]) == (20, 4)
    place.cli(*TRAFFIC, "stop")
    state = json.loads((place.home / "lab.json").read_text())
    (place.home / "lab.json").write_text(json.dumps({**state, "speed": 2}))
    assert place.start("--clients", "3")["rate"] == 6


def test_a_traffic_that_runs_is_told_again_and_not_replaced(place: Place) -> None:
    first = place.start("--label", "one", "--clients", "2")
    assert place.start()["pid"] == place.start("--label", "one")["pid"] == first["pid"]
    for other in (("--label", "two"), ("--clients", "3"), ("--rate", "7")):
        refused = place.cli(*TRAFFIC, "start", *other)
        assert refused.code == 3
        assert "traffic 'one' with other settings runs already: 2 clients" in refused.err
    place.cli(*TRAFFIC, "stop")
    again = place.cli(*TRAFFIC, "start", "--label", "one")
    assert again.code == 3
    assert "there is a record of traffic 'one' already" in again.err


def test_a_label_that_cannot_name_a_file_is_bad_usage(place: Place) -> None:
    refused = place.cli(*TRAFFIC, "start", "--label", "../x")
    assert refused.code == 2
    assert "'../x' cannot be a label" in refused.err


def test_a_users_own_app_is_driven_as_the_configuration_says(place: Place) -> None:
    path = place.cli.home / "own.yaml"
    path.write_text("network: {admit_cidrs: [192.0.2.0/24]}\ntls: {mode: 'off'}\n"
                    "lab: {traffic: {write: {path: /orders, body: {name: 'order {row}'}}}}\n")
    place.start("-c", str(path), "--label", "own")
    assert eventually(lambda: bool(place.there.rows))
    assert place.there.rows["id-1"] == "order own-1-1"
    assert place.there.connections[0] == ("203.0.113.1", "192.0.2.1")
    assert place.there.requests[0][1:3] == ("POST", "/orders")


def test_without_a_lab_nothing_is_started_and_without_traffic_there_is_nothing_to_see(cli: Cli) -> None:
    refused = cli(*TRAFFIC, "start")
    assert refused.code == 1
    assert "next: drctl lab up" in refused.err
    status = cli(*TRAFFIC, "status")
    assert status.code == 1
    assert "no traffic runs" in status.err
    assert "next: drctl lab traffic start" in status.err
    assert cli(*TRAFFIC, "stop", "--json").json == {"stopped": None}


def test_a_lab_that_has_no_way_in_for_clients_is_told(place: Place) -> None:
    place.there.lets_clients_in = False
    refused = place.cli(*TRAFFIC, "start")
    assert refused.code == 1
    assert "the traffic did not start: the lab has no page" in refused.err
    assert place.cli(*TRAFFIC, "status").code == 1


def test_watching_tells_line_by_line_until_the_traffic_ends(place: Place) -> None:
    place.start("--rate", "100")
    watching = place.cli.start(*TRAFFIC, "status", "--watch")
    assert watching.stdout is not None
    assert watching.stdout.readline().startswith("acknowledged ")
    place.cli(*TRAFFIC, "stop")
    out, _ = watching.communicate(timeout=30)
    assert watching.returncode == 0
    assert f"acknowledged {len(place.there.rows)}, refused 0" in out.splitlines()[-1]
    assert place.cli(*TRAFFIC, "status", "--watch", "--json").code == 2


def test_on_a_terminal_watching_keeps_to_one_line(place: Place) -> None:
    pid = place.start()["pid"]
    near, far = pty.openpty()
    with subprocess.Popen([DRCTL, *TRAFFIC, "status", "--watch"], env=place.cli.environment, stdout=far,
                          stdin=subprocess.DEVNULL, cwd=place.cli.home) as watching:
        os.close(far)
        shown = os.read(near, 4096)
        os.kill(pid, signal.SIGTERM)
        assert watching.wait(30) == 0
    os.close(near)
    assert shown.startswith(b"\r\x1b[Kacknowledged ")
    assert b"\n" not in shown


def test_lab_down_ends_the_traffic_and_its_records_go_too(place: Place) -> None:
    pid = place.start()["pid"]
    assert place.cli("lab", "down").code == 0
    assert not lives(pid)
    assert list(place.home.iterdir()) == []


def test_traffic_ends_by_itself_when_the_lab_is_gone(place: Place) -> None:
    pid = place.start("--label", "one")["pid"]
    assert eventually(lambda: bool(place.there.rows))
    page = place.there.servers.pop("page")
    page.shutdown()
    page.server_close()
    assert gone(pid)
    assert not (place.home / "traffic.json").exists()
    assert (place.home / "traffic/one.jsonl").exists()


def test_traffic_ends_by_itself_when_its_file_is_gone(place: Place) -> None:
    pid = place.start()["pid"]
    (place.home / "traffic.json").unlink()
    assert gone(pid)


def gone(pid: int) -> bool:
    """Whether a process ends within ten seconds."""
    end = time.monotonic() + 10
    while lives(pid) and time.monotonic() < end:
        eventually(lambda: not lives(pid))
    return not lives(pid)


def test_a_killed_traffic_is_not_taken_for_one_that_runs(place: Place) -> None:
    pid = place.start("--label", "one")["pid"]
    os.kill(pid, signal.SIGKILL)
    assert gone(pid)
    assert place.cli(*TRAFFIC, "status").code == 1
    assert place.start("--label", "two")["label"] == "two"


def test_another_process_with_the_number_of_the_traffic_is_left_alone(place: Place) -> None:
    place.start()
    place.cli(*TRAFFIC, "stop")
    (place.home / "traffic.json").write_text(json.dumps(
        {"pid": place.lab.pid, "began": "1", "label": "one", "record": "", "name": "", "since": 0, "clients": 1,
         "rate": 1}))
    assert place.cli(*TRAFFIC, "stop", "--json").json == {"stopped": None}
    assert lives(place.lab.pid)


def test_what_a_traffic_that_came_to_a_bad_end_said_last_is_told(place: Place) -> None:
    (place.home / "traffic.log").write_text("Traceback\nOSError: no space left on device\n")
    assert "no traffic runs: OSError: no space left on device" in place.cli(*TRAFFIC, "status").err
