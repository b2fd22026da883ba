"""`make truth`: what reports say of RTO and lost rows, against the clients' own records and the databases' own rows.

Seeded lives of a stack in a lab at which clients write through the users' name all the time: live drills, planned
failovers and back, and unplanned failovers under a lag, with the failback. After each move the rows of the new writer
are read by SQL, past drctl and past the app; the record is read line by line, past the code that reads it for reports.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from drctl.lab.server import Lab  # isort: skip  # sets moto's environment before anything imports it

import pg8000.native

from drctl.aws.clients import Aws, Credentials, Door
from drctl.engine.clock import Clock
from drctl.engine.events import Events
from drctl.lab import extensions, outages
from drctl.lab.databases import DATABASES
from drctl.lab.lag import LAG, USUAL_MS
from drctl.settings import Settings
from tests.cli.conftest import DRCTL, at, cli_in

EAST, WEST = "us-east-1", "us-west-2"
KINDS = ("drill", "planned", "unplanned")
#: AWS seconds in a second.
SPEED = 120.0
#: AWS seconds by which a report's figure may differ from the record's.
TOLERANCE_S = 1.0
#: A day: how slow this machine is must refuse no failover.
BOUND = "24h"
#: Real seconds for a command, and for the copy of a region that was lost.
WITHIN_S = 600.0

Line = dict[str, Any]
Report = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """One life: what moves, under which lag, and how many clients write how much."""

    seed: int
    kind: str
    lag_ms: float
    clients: int
    rate: float
    mode: str

    @property
    def label(self) -> str:
        """Of its traffic."""
        return f"truth-{self.kind}-{self.seed}"


def draw(seed: int, kind: str) -> Case:
    """The case of a seed."""
    chance = random.Random(f"{kind}-{seed}")  # noqa: S311  # repeatable, not secret
    lag_ms = USUAL_MS if kind != "unplanned" else chance.choice((USUAL_MS, 5_000.0, 20_000.0, 60_000.0))
    rate = chance.choice((10.0, 20.0, 40.0) if kind == "unplanned" else (200.0, 300.0))
    return Case(seed, kind, lag_ms, chance.randint(2, 8), rate, chance.choice(outages.MODES))


@dataclass
class Told:
    """What came of a case: its figures, and what is wrong."""

    case: Case
    acknowledged: int = 0
    lost: int = 0
    rto_s: float = 0.0
    off_s: float = 0.0
    wrong: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        word = "ok   " if not self.wrong else "WRONG"
        line = (f"{word} {self.case.kind:9} seed {self.case.seed:3}: RTO {self.rto_s:6.1f} s, off by at most "
                f"{self.off_s:.1f} s; {self.lost} lost of {self.acknowledged} acknowledged (simulated)")
        return "\n  ".join([line, *self.wrong])


class Place:
    """A lab of this process with the stack in it, and one machine with drctl."""

    def __init__(self, lab: Lab, folder: Path, speed: float) -> None:
        self.cli, self.speed = cli_in(folder), speed
        at(self.cli, lab, speed)
        self.home = Path(self.cli.environment["DRCTL_HOME"])
        self.aws = Aws(Door(lab.endpoint, Credentials("lab", "lab")), Events(Clock(speed)))

    def drctl(self, *arguments: str) -> Report:
        """A command that has to succeed; its document."""
        done = subprocess.run([DRCTL, *arguments], env=self.cli.environment, cwd=self.cli.home, text=True, check=False,
                              capture_output=True, timeout=WITHIN_S)
        if done.returncode:
            raise AssertionError(f"drctl {' '.join(arguments)}: exit {done.returncode}: {done.stderr[-1500:]}")
        told: Report = json.loads(done.stdout)
        return told

    def record(self, label: str) -> list[Line]:
        """The acknowledged writes as they stand in the file, in the order of their acknowledgements."""
        text = (self.home / "traffic" / f"{label}.jsonl").read_text(encoding="utf-8")
        lines = [json.loads(line) for line in text.splitlines() if line.endswith("}")]
        return sorted((one for one in lines if one["outcome"] == "acknowledged"), key=lambda one: float(one["ended"]))

    def held(self, region: str, label: str) -> set[str]:
        """The rows that the database of a region holds, asked by SQL."""
        cluster = self.aws[region].rds.describe_db_clusters()["DBClusters"][0]
        secret = self.aws[region].secrets.list_secrets()["SecretList"][0]["ARN"]
        login = json.loads(self.aws[region].secrets.get_secret_value(SecretId=secret)["SecretString"])
        port = DATABASES.port_of(cluster["ReaderEndpoint"])
        assert port is not None, f"no database of {region} answers"
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with _connected(login, port, context) as ask:
            return {row[0] for row in ask.run("SELECT name FROM patients WHERE name LIKE :rows", rows=f"{label}-%")}

    def await_copy(self, region: str) -> None:
        """Return when the database of a region that was lost is a connected copy again."""
        until, pause = time.monotonic() + WITHIN_S, threading.Event()
        while not self._is_copy(region):
            assert time.monotonic() < until, f"the copy in {region} is not connected"
            pause.wait(0.2)

    def _is_copy(self, region: str) -> bool:
        seen = self.aws[WEST].rds.describe_global_clusters()["GlobalClusters"][0]
        return seen["Status"] == "available" and any(
            one["DBClusterArn"].split(":")[3] == region and one.get("SynchronizationStatus") == "connected"
            for one in seen["GlobalClusterMembers"])


@contextmanager
def _connected(login: dict[str, Any], port: int, context: ssl.SSLContext) -> Iterator[pg8000.native.Connection]:
    connection = pg8000.native.Connection(login["username"], "127.0.0.1", Settings().database.name, port,
                                          login["password"], ssl_context=context)
    try:
        yield connection
    finally:
        connection.close()


# The cases -----------------------------------------------------------------------------------------------------------


def live(place: Place, case: Case) -> Told:
    """One case on the stack, which is at home before and afterwards."""
    told = Told(case)
    place.drctl("lab", "traffic", "start", "--label", case.label, "--clients", str(case.clients), "--rate",
                str(case.rate), "--json")
    try:
        _warm(place, case)
        {"drill": _drill, "planned": _planned, "unplanned": _unplanned}[case.kind](place, told)
    finally:
        LAG.reset()
        place.drctl("lab", "traffic", "stop", "--json")
    told.acknowledged = len(place.record(case.label))
    return told


def _warm(place: Place, case: Case) -> None:
    """Return when every client writes: cold functions and first look-ups are over."""
    until, pause = time.monotonic() + WITHIN_S, threading.Event()
    while len(place.record(case.label)) < 5 * case.clients:
        assert time.monotonic() < until, "the clients do not write"
        pause.wait(0.1)


def _drill(place: Place, told: Told) -> None:
    report = place.drctl("failover", "--drill", "--yes", "--json")
    there = _move(place, told, report, EAST, WEST, report["started_at"])
    _move(place, told, report, WEST, EAST, there, prefix="back_")
    _same_rows(place, told, report, EAST, prefix="back_")
    _nothing_lost(told, report)


def _planned(place: Place, told: Told) -> None:
    report = place.drctl("failover", "--planned", "--yes", "--json")
    _move(place, told, report, EAST, WEST, report["started_at"])
    _same_rows(place, told, report, WEST)
    _nothing_lost(told, report)
    back = place.drctl("failback", "--yes", "--json")
    _move(place, told, back, WEST, EAST, back["started_at"])
    _same_rows(place, told, back, EAST)
    _nothing_lost(told, back)


def _unplanned(place: Place, told: Told) -> None:
    case = told.case
    LAG.set(case.lag_ms)
    threading.Event().wait(case.lag_ms / 1000 / place.speed + 0.5)
    began = time.time()
    outages.start(EAST, "", case.mode)
    try:
        report = place.drctl("failover", "--allow-data-loss", BOUND, "--yes", "--json")
        _move(place, told, report, EAST, WEST, began)
        _same_rows(place, told, report, WEST)
        told.lost = report["lost_rows"]
    finally:
        outages.end()
    LAG.reset()
    place.await_copy(EAST)
    back = place.drctl("failback", "--yes", "--json")
    _move(place, told, back, WEST, EAST, back["started_at"])
    _nothing_silent(place, told, back)


def _move(place: Place, told: Told, report: Report, source: str, target: str, since: float, *,
          prefix: str = "") -> float:
    """Compare the RTO of a move since a moment with the record's; returns when the first write there was answered."""
    lines = place.record(told.case.label)
    first = min(float(one["ended"]) for one in lines if one["region"] == target and one["ended"] >= since)
    last = max(float(one["ended"]) for one in lines if one["region"] == source and one["ended"] <= first)
    rto_s = (first - last) * place.speed
    off_s = abs(report[f"{prefix}rto_s"] - rto_s)
    told.rto_s, told.off_s = max(told.rto_s, rto_s), max(told.off_s, off_s)
    if off_s > TOLERANCE_S:
        told.wrong.append(f"{prefix}RTO {report[f'{prefix}rto_s']} s in the report, {rto_s:.1f} s in the record")
    return first


def _same_rows(place: Place, told: Told, report: Report, writer: str, *, prefix: str = "") -> None:
    """Compare the lost rows of the report with what was acknowledged before it ended and is not in the database."""
    held = place.held(writer, told.case.label)
    ended = report["started_at"] + report["wall_seconds"]
    missing = {one["n"] for one in place.record(told.case.label) if one["row"] not in held and one["ended"] <= ended}
    said = numbers(report.get(f"{prefix}lost_numbers", ""))
    if said != missing or len(said) != report[f"{prefix}lost_rows"] or f"{prefix}unread_numbers" in report:
        told.wrong.append(f"lost rows in the report {sorted(said)}, in the database {sorted(missing)}")


def _nothing_lost(told: Told, report: Report) -> None:
    if any(report.get(f"{prefix}lost_rows") for prefix in ("", "back_")):
        told.wrong.append("a switchover has lost rows")


def _nothing_silent(place: Place, told: Told, back: Report) -> None:
    """Each acknowledged row is there, or on the list of what is to be reconciled."""
    acknowledged = place.record(told.case.label)  # before the rows are asked for: the clients go on
    held = place.held(EAST, told.case.label)
    listed = " ".join(item for one in back["reconciliation"] if one["kind"] == "rows" for item in one["items"])
    silent = [one["n"] for one in acknowledged if one["row"] not in held and one["id"] not in listed]
    if silent:
        told.wrong.append(f"acknowledged, not there and not listed: {silent}")


def numbers(ranges: str) -> set[int]:
    """The numbers of a list like 4, 7-9."""
    return {number for begin, end in re.findall(r"(\d+)(?:-(\d+))?", ranges)
            for number in range(int(begin), int(end or begin) + 1)}


# The whole -----------------------------------------------------------------------------------------------------------


@contextmanager
def place(speed: float = SPEED) -> Iterator[Place]:
    """A lab with the stack in it."""
    with tempfile.TemporaryDirectory(prefix="truth-") as folder:
        lab = Lab(speed=speed)
        lab.start()
        extensions.reset()  # what another lab of this process has left
        try:
            made = Place(lab, Path(folder), speed)
            made.drctl("provision", "--json")
            yield made
        finally:
            lab.stop()


def cases(drills: int, planned: int, unplanned: int, seed: int) -> list[Case]:
    """So many of each kind, mixed."""
    wanted = [draw(seed + number, kind) for kind, count in zip(KINDS, (drills, planned, unplanned), strict=True)
              for number in range(count)]
    random.Random(seed).shuffle(wanted)  # noqa: S311  # repeatable, not secret
    return wanted


def tell(all_told: Sequence[Told]) -> int:
    """The sum of it; the exit code."""
    wrong = [told for told in all_told if told.wrong]
    safe = [told for told in all_told if told.case.kind != "unplanned"]
    sys.stdout.write(
        f"{len(all_told) - len(wrong)} of {len(all_told)} as the record and the database say; RTO off by at most "
        f"{max((told.off_s for told in all_told), default=0):.1f} s of AWS time; "
        f"switchovers lost {sum(told.lost for told in safe)} of {sum(told.acknowledged for told in safe)} acknowledged "
        f"writes, failovers {sum(told.lost for told in all_told)} rows (simulated)\n")
    return 1 if wrong else 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="truth", description=__doc__)
    parser.add_argument("--drills", type=int, default=15)
    parser.add_argument("--planned", type=int, default=45)
    parser.add_argument("--unplanned", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    all_told: list[Told] = []
    os.environ.pop("AWS_ENDPOINT_URL", None)
    with place() as stack:
        for case in cases(given.drills, given.planned, given.unplanned, given.seed):
            all_told.append(live(stack, case))
            sys.stdout.write(f"{all_told[-1]}\n")
            sys.stdout.flush()
            if all_told[-1].wrong:
                break
    return tell(all_told)


if __name__ == "__main__":
    sys.exit(main())
