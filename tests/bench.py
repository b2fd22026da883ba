"""`make bench`: the figures drctl promises, measured on the lab by whole processes; a table, and JSON with --json.

Calls are counted at the lab, not by drctl. Times are this machine's; AWS seconds are the lab's and simulated.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from drctl.lab.server import Lab  # isort: skip  # noqa: F401  # sets moto's environment before anything imports it

from drctl.aws import dns
from drctl.configuration import load, packaged_lab
from drctl.engine.critical_path import critical_path
from drctl.engine.journal import read
from drctl.lab import outages
from drctl.stack import stack_of
from tests.blackout_matrix import NAME
from tests.cli.conftest import cli_in
from tests.crash_matrix import ASKED, AWAY, EAST, HOME, WEST, Workshop, workshop

DRCTL = str(Path(sys.executable).parent / "drctl")
#: Slow enough that the machine's own speed weighs little, fast enough to end: a build takes about a minute and a half.
SPEED = 20
PAIRS = 15
#: Failovers from each kind of outage; and how slowly the one goes whose time is measured: a minute in twelve seconds.
RUNS, SLOWLY = 3, 5.0
#: What only looks at a stack that stands, by its name in the table and how it is called.
LOOKS = {name: (name, "--json") for name in ("plan", "verify", "status")}
#: What the machine is worth at a moment: a fresh Python that makes one client takes 0.58 s on the machine for which a
#: start of less than a second is promised, and twice or five times that where others share the cores.
ONE_CLIENT = "import boto3; boto3.client('ec2', region_name='us-east-1')"
ONE_CLIENT_S = 0.58


@dataclass(frozen=True)
class Figure:
    """One row: what was measured, what is promised, and whether it holds."""

    name: str
    measured: float | None
    promised: float
    unit: str
    note: str = ""

    @property
    def holds(self) -> bool:
        return self.measured is not None and self.measured <= self.promised


@contextmanager
def home() -> Iterator[dict[str, str]]:
    """An environment with a home of its own; its lab is ended."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "DRCTL_HOME": folder}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)  # as it is installed: a start reads bytecode
        drctl(environment, "lab", "up", "--speed", str(SPEED))
        try:
            yield environment
        finally:
            drctl(environment, "lab", "down")


def drctl(environment: dict[str, str], *arguments: str, ends: tuple[int, ...] = (0,)) -> str:
    """What a command prints; CalledProcessError when it ends with another code than one of `ends`."""
    end = subprocess.run([DRCTL, *arguments], env=environment, check=False, stdout=subprocess.PIPE, text=True)
    if end.returncode not in ends:
        end.check_returncode()
    return end.stdout


def lab_calls(environment: dict[str, str]) -> dict[str, Any]:
    state = json.loads((Path(environment["DRCTL_HOME"]) / "lab.json").read_text())
    with urllib.request.urlopen(f"{state['endpoint']}/drctl-lab/calls") as reply:  # noqa: S310  # loopback only
        told: dict[str, Any] = json.load(reply)
        return told


def control_writes(calls: dict[str, Any]) -> int:
    """Objects put into the control buckets: leases, and copies of journals."""
    return sum(row["count"] for row in calls["calls"] if row["operation"].startswith("PUT s3-control-")
               and "?" not in row["operation"])


def start_up() -> Iterator[Figure]:
    """`drctl --help` and an argument error against `aws --version`, in turn."""
    aws = shutil.which("aws")
    if aws is None:
        yield Figure("start of drctl --help against aws --version", None, 0.5, "ratio", "the AWS CLI is not installed")
        return
    for name, arguments in (("drctl --help", ["--help"]), ("an argument error", ["provision", "--wrong"])):
        ratios = [wall([DRCTL, *arguments]) / wall([aws, "--version"]) for _ in range(PAIRS)]
        yield Figure(f"start of {name} against aws --version", round(statistics.median(ratios), 3), 0.5, "ratio",
                     f"median of {PAIRS} pairs, in turn")


def wall(command: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=False, capture_output=True)
    return time.perf_counter() - began


def build(environment: dict[str, str]) -> Iterator[Figure]:
    """A first and a second provision."""
    settings = load(packaged_lab())
    path = critical_path(stack_of(settings).steps)
    first = json.loads(drctl(environment, "provision", "--json"))
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    took = next(action["aws_seconds"] for action in first["actions"] if action["action"].startswith("build"))
    yield Figure("build against its critical path", round(took / path.seconds, 3), 1.10, "ratio",
                 f"{took:.0f} s of AWS time, critical path {path.seconds:.0f} s, simulated")
    yield Figure("peak memory of provision", round(peak), 300, "MiB", "largest single process")
    before = lab_calls(environment)
    second = json.loads(drctl(environment, "provision", "--json"))
    after = lab_calls(environment)
    # Leases and copies of the journal are written by every run, and change nothing of the stack: counted by themselves.
    evidence = control_writes(after) - control_writes(before)
    yield Figure("changes of a second provision", after["mutating"] - before["mutating"] - evidence, 0, "calls",
                 "counted at the lab")
    # In each region a lease taken and given back, a journal copied at once and at the end, the report after it, and one
    # of the first two a second.
    yield Figure("lease and journal writes of a second provision", evidence, 10 + 2 * second["wall_seconds"], "calls",
                 f"both regions, in {second['wall_seconds']:.0f} s")
    calls, resources = after["total"] - before["total"], second["resources"]
    yield Figure("calls of a second provision", round(calls / resources, 3), 1.5, "calls a resource",
                 f"{calls} calls, {resources} resources, counted at the lab")
    yield from looks(environment, resources)


def looks(environment: dict[str, str], resources: int) -> Iterator[Figure]:
    """What each command that only looks takes, and what it asks for; and that it changes nothing."""
    for name, arguments in LOOKS.items():
        seconds, before = [], lab_calls(environment)
        for _ in range(RUNS):
            began = time.perf_counter()
            drctl(environment, *arguments, ends=(0, 4))  # what verify finds in a stack that nobody has drilled
            seconds.append(time.perf_counter() - began)
        after = lab_calls(environment)
        calls = (after["total"] - before["total"]) / RUNS
        yield Figure(f"{name} against the lab", round(statistics.median(seconds), 2), 5.0, "s",
                     f"process start included, median of {RUNS}")
        yield Figure(f"calls of {name}", round(calls / resources, 3), 1.2, "calls a resource",
                     f"{calls:.0f} calls, {resources} resources, counted at the lab")
        yield Figure(f"changes of {name}", after["mutating"] - before["mutating"], 0, "calls", f"in {RUNS} runs")


def to_the_switchover(environment: dict[str, str]) -> Iterator[Figure]:
    """From the start of the process to the switchover call leaving; the median of three drills."""
    seconds, counts = [], []
    for _ in range(3):
        began = time.time()
        report = json.loads(drctl(environment, "failover", "--drill", "--yes", "--json"))
        calls = [record for record in read(Path(environment["DRCTL_HOME"]) / "runs" / report["run"] / "journal.jsonl")
                 if record["event"] == "call"]
        index = next(n for n, record in enumerate(calls) if record["operation"] == "SwitchoverGlobalCluster")
        seconds.append(calls[index]["at"] - began)
        counts.append(index)
    yield Figure("start of failover --drill to the switchover call", round(statistics.median(seconds), 2), 1.5, "s",
                 "process start included, median of 3")
    yield Figure("calls before the switchover call", max(counts), 12, "calls", "most of 3")


@dataclass
class Failover:
    """One unplanned failover: when its process was started, in seconds since 1970, its report and its journal."""

    began: float
    report: dict[str, Any]
    journal: list[dict[str, Any]]

    def sent(self, operation: str, bucket: str = "") -> float:
        """When a call of it was sent first."""
        return next(float(record["at"]) for record in self.journal if record["event"] == "call"
                    and record["operation"] == operation and bucket in record["params"].get("Bucket", ""))

    @property
    def promoted(self) -> float:
        return self.sent("FailoverGlobalCluster")

    @property
    def switched(self) -> float:
        return self.sent("PutObject", "s3-switch-")


def failed_over(shop: Workshop, mode: str) -> Failover:
    """A failover by a process of its own, at the pace of the lab as it goes now, while the active region is gone."""
    home = shop.another_home()
    environment = {**cli_in(home).environment, "AWS_ENDPOINT_URL": shop.lab.endpoint}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    outages.start(EAST, "", mode)
    try:
        began = time.time()
        report = json.loads(drctl(environment, *ASKED["failover"]))
    finally:
        outages.end()
    return Failover(began, report, read(home / "home" / "runs" / report["run"] / "journal.jsonl"))


def failovers() -> Iterator[Figure]:
    """While the active region is gone: how soon the calls that end the outage are sent, and how long it takes then."""
    with workshop() as shop:
        for mode in outages.MODES:
            seconds, ratios = [], []
            for _ in range(RUNS):
                shop.bring(HOME)
                one_client = wall([sys.executable, "-c", ONE_CLIENT])
                one = failed_over(shop, mode)
                seconds.append(max(one.promoted, one.switched) - one.began)
                ratios.append(seconds[-1] / one_client)
                shop.stands_now(AWAY)
            load = os.getloadavg()[0]
            yield Figure(f"start of failover to promotion and switch, {mode}", round(statistics.median(seconds), 2),
                         1.0, "s", f"both sent, process start included, median of {RUNS}, load {load:.0f}")
            yield Figure(f"the same against the start of one client, {mode}", round(statistics.median(ratios), 2),
                         round(1.0 / ONE_CLIENT_S, 2), "ratio", f"in turn, median of {RUNS}")
        shop.bring(HOME)
        yield execution(shop)


def execution(shop: Workshop) -> Figure:
    """The time of a failover beside what the lab took for the slower of promotion and DNS, at a pace at which this
    machine's own time weighs little."""
    shop.pace(SLOWLY)
    watch = Watch(shop)
    one = failed_over(shop, "hang")
    watch.join()
    promotion, dns = ((ended - sent) * SLOWLY for ended, sent in (
        (watch.promoted, one.promoted), (watch.answered, one.switched)))
    took = one.report["execution_rto_s"]
    slower = max(promotion, dns)
    return Figure("failover against the slower of promotion and DNS", round(took / slower, 3), 1.05, "ratio",
                  f"{took:.1f} s, promotion {promotion:.1f} s, DNS {dns:.1f} s of AWS time, lab speed {SLOWLY:g}")


class Watch(threading.Thread):
    """Looks at the lab, many times a second, until the other region writes and the name answers with its balancer."""

    def __init__(self, shop: Workshop) -> None:
        super().__init__(daemon=True)
        self._shop = shop
        #: When each was seen first, in seconds since 1970.
        self.promoted = self.answered = 0.0
        self.start()

    def run(self) -> None:
        pause = threading.Event()
        server = ("127.0.0.1", self._shop.lab.dns_port)
        balancers = self._shop.aws[WEST].elbv2.describe_load_balancers()["LoadBalancers"]
        there = {address for one in balancers for address in dns.answers(one["DNSName"], server, 2.0)}
        while not (self.promoted and self.answered):
            if not self.promoted and self._shop.writer() == WEST:
                self.promoted = time.time()
            if not self.answered and there & set(dns.answers(NAME, server, 2.0)):
                self.answered = time.time()
            pause.wait(0.02)


def main() -> int:
    figures = list(start_up())
    with home() as environment:
        figures += [*build(environment), *to_the_switchover(environment)]
    figures += failovers()
    return show(figures)


def show(figures: list[Figure]) -> int:
    """A table, JSON with --json; the exit status."""
    if "--json" in sys.argv:
        sys.stdout.write(json.dumps([{**asdict(figure), "holds": figure.holds} for figure in figures], indent=2) + "\n")
    else:
        for figure in figures:
            mark = "ok  " if figure.holds else "MISS"
            sys.stdout.write(f"{mark} {figure.name:52} {figure.measured!s:>8} of {figure.promised:g} {figure.unit:18}"
                             f" {figure.note}\n")
    return 0 if all(figure.holds for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
