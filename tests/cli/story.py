"""A stack in one lab, regions that are lost and come back, drctl on several machines: what failovers are told with."""

from __future__ import annotations

import json
import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from moto.rds.models import rds_backends

from drctl.aws.calls import is_mutating
from drctl.aws.commands import Command
from drctl.cli.by_hand import offline_run
from drctl.engine.journal import read
from drctl.engine.runbook import Runbook
from drctl.lab import aurora, outages
from drctl.lab.aurora_snapshots import _remove
from drctl.lab.clock import CLOCK
from drctl.lab.databases import DATABASES
from drctl.settings import LAB_ACCOUNT, Settings
from drctl.steps.switch_bucket import PIN_KEY, SWITCH_KEY
from tests.cli.between import Reply, Request
from tests.cli.conftest import Cli, Result, at, cli_in
from tests.cli.test_lease import bucket
from tests.cli.test_trouble import EAST, EVIDENCE, SWITCH_BUCKET, WEST, Place, until
from tests.conftest import SPEED
from tests.forking import Forked, Parent, warmed

SWITCHES = {EAST: ("s3-switch-us-east-1-lab-123456789012", PIN_KEY), WEST: (SWITCH_BUCKET, SWITCH_KEY)}
#: AWS seconds in a second while a stack is built, and while it is moved: the lag of a lost region grows as fast.
BUILDING, PACE = 1_000.0, 300.0
#: An hour is twelve seconds here, which a busy machine needs.
BOUND = ("--allow-data-loss", "1h")
FAILOVER = ("failover", *BOUND, "--json")


@dataclass
class Story:
    """The account, drctl on several machines, and what they said."""

    place: Place
    folder: Path
    forks: Parent = field(default_factory=warmed)
    machines: list[Cli] = field(default_factory=list)

    def machine(self) -> Cli:
        """Another machine, which knows the lab and of no run."""
        machine = cli_in(self.folder / f"machine-{len(self.machines)}")
        machine.home.mkdir()
        machine.environment["AWS_ENDPOINT_URL"] = self.place.line.url
        at(machine, self.place.lab, CLOCK.speed)
        self.machines.append(machine)
        return machine

    def begin(self, machine: Cli, *arguments: str) -> Forked:
        """A command on a machine that goes on."""
        number = len(list(machine.home.glob("out-*")))
        return self.forks.begin(list(arguments), machine.environment, machine.home, machine.home / f"out-{number}",
                                machine.home / f"err-{number}")

    def on(self, machine: Cli, *arguments: str) -> Result:
        """A command on a machine, to its end."""
        return ended(self.begin(machine, *arguments))

    def __call__(self, *arguments: str) -> Result:
        """A command on the first machine."""
        return self.on(self.machines[0] if self.machines else self.machine(), *arguments)

    def signalled_at(self, operation: str, number: int, machine: Cli, *arguments: str,
                     once: Callable[[], bool] = lambda: True) -> Result:
        """A command that gets a signal when AWS hears such a call of it, which takes effect all the same.

        The answer is held back until something else is so.
        """
        begun, done, pid = threading.Event(), threading.Event(), [0]

        def decide(request: Request) -> Reply | None:
            if request.operation == operation and not done.is_set():
                begun.wait(10)
                done.set()
                until(once, "it is time")
                os.kill(pid[0], number)
            return None

        with self.place.deciding(decide):
            process = self.begin(machine, *arguments)
            pid[0] = process.pid
            begun.set()
            return ended(process)

    @contextmanager
    def pace(self, speed: float) -> Iterator[None]:
        """The lab and all machines at another pace."""
        self._set_speed(speed)
        try:
            yield
        finally:
            self._set_speed(PACE)

    def _set_speed(self, speed: float) -> None:
        CLOCK.set_speed(speed)
        for machine in self.machines:
            at(machine, self.place.lab, speed)

    def until_connected(self, region: str) -> None:
        """Wait until the copy in a region is connected."""
        def look() -> bool:
            seen = self.place.aws[region].rds.describe_global_clusters()["GlobalClusters"][0]
            return any(one["DBClusterArn"].split(":")[3] == region and one["SynchronizationStatus"] == "connected"
                       for one in seen["GlobalClusterMembers"])

        until(look, f"the copy in {region} is connected")

    # How it stands ---------------------------------------------------------------------------------------------------

    def writer(self, at_region: str) -> tuple[str | None, bool]:
        """The region that writes, and whether nothing is under way, as a region shows it."""
        seen = self.place.aws[at_region].rds.describe_global_clusters()["GlobalClusters"][0]
        writers = [one["DBClusterArn"].split(":")[3] for one in seen["GlobalClusterMembers"] if one["IsWriter"]]
        return (writers[0] if writers else None), seen["Status"] == "available" and "FailoverState" not in seen

    def switches(self, *regions: str) -> list[bool]:
        """Whether the switch object of these regions is there."""
        return [self.place.aws[region].s3.list_objects_v2(Bucket=bucket, Prefix=key)["KeyCount"] > 0
                for region, (bucket, key) in SWITCHES.items() if region in (regions or SWITCHES)]

    def fenced(self, region: str) -> bool:
        """Whether the app of a region is stopped."""
        told = self.place.aws[region].lambda_.get_function_concurrency(FunctionName=f"lambda-app-{region}-lab")
        return told.get("ReservedConcurrentExecutions") == 0

    def mark(self) -> Counter[str]:
        """How often AWS was asked for each change of the stack so far; leases and journals are beside it."""
        return Counter({f"{operation} {region}": count for (region, _, operation, mutating), count
                        in self.place.lab.counting.calls.items() if mutating and not operation.startswith(EVIDENCE)})

    def changes_since(self, mark: Counter[str]) -> dict[str, int]:
        """The changes since a mark."""
        return dict(self.mark() - mark)

    def runs(self, machine: Cli) -> list[str]:
        """The runs that a machine knows, the oldest first."""
        return sorted(path.name for path in Path(machine.environment["DRCTL_HOME"]).glob("runs/*"))

    def noted(self, region: str) -> bool:
        """Whether a failover is noted in a region."""
        return self.place.aws[region].s3.list_objects_v2(Bucket=bucket(region), Prefix="aftermath.json")["KeyCount"] > 0

    def copied(self, run: str, region: str, words: str) -> bool:
        """Whether the copy of a run's journal in a region tells of something."""
        s3, there = self.place.aws[region].s3, bucket(region)
        parts = s3.list_objects_v2(Bucket=there, Prefix=f"runs/{run}/journal/").get("Contents", [])
        return any(words.encode() in s3.get_object(Bucket=there, Key=part["Key"])["Body"].read() for part in parts)

    def shorten_copies(self, run: str) -> None:
        """Leave of the copies of a run's journal what was there when it began."""
        for region in (EAST, WEST):
            s3, there = self.place.aws[region].s3, bucket(region)
            parts = s3.list_objects_v2(Bucket=there, Prefix=f"runs/{run}/journal/").get("Contents", [])
            for part in parts[1:]:
                s3.delete_object(Bucket=there, Key=part["Key"])
            for part in parts[:1]:
                whole = s3.get_object(Bucket=there, Key=part["Key"])["Body"].read()
                s3.put_object(Bucket=there, Key=part["Key"], Body=whole[:whole.index(b"\n") + 1])

    def played(self, mode: str) -> Any:
        """The report of the first run of the first machine that was done in a mode, or of the first failback."""
        home = Path(self.machines[0].environment["DRCTL_HOME"])
        reports = [json.loads(path.read_text()) for path in sorted(home.glob("runs/*/report.json"))]
        return next(one for one in reports if one["outcome"] == "done" and mode in {
            one["command"], one["request"].get("mode")})

    def journal(self, run: str) -> list[dict[str, Any]]:
        """The records of a run, on whichever machine it was."""
        found = next(path for machine in self.machines
                     for path in Path(machine.environment["DRCTL_HOME"]).glob(f"runs/{run}/journal.jsonl"))
        return read(found)

    def home(self, *, listing: bool = False) -> Any:
        """The report of a failback, after which everything is as it was built.

        What a failover has lost is listed only if that is wished: it takes the longest, so else its note is taken away,
        and what would tell in its place.
        """
        with self.pace(BUILDING):
            for region in () if listing else (EAST, WEST):
                self.place.aws[region].s3.delete_object(Bucket=bucket(region), Key="aftermath.json")
                self.forget_traces(region)
            report = as_json(self("failback", "--json"))
        self.at_home()
        return report

    def forget_traces(self, region: str) -> None:
        """Nothing shows any more that a region was lost: its app is not stopped, no tail of it is saved."""
        self.place.aws[region].lambda_.delete_function_concurrency(FunctionName=f"lambda-app-{region}-lab")
        backend = rds_backends[LAB_ACCOUNT][region]
        for name, snapshot in list(backend.cluster_snapshots.items()):
            if "unplanned-global-failover" in name:
                _remove(backend, snapshot)

    def at_home(self) -> None:
        """The writer is in the primary region, both apps serve, the switches are at rest, and nothing is left to do."""
        assert self.writer(EAST) == (EAST, True)
        assert self.switches() == [False, False]
        assert [self.fenced(EAST), self.fenced(WEST)] == [False, False]
        status = self.status()
        assert (status["left"], status["dns"]["region"], status["switch"]) == ([], EAST, "at rest")

    def status(self) -> Any:
        """What `drctl status` tells."""
        end = self("status", "--json")
        assert end.code == 0, end.err
        return end.json


@contextmanager
def lost(region: str, mode: str = "refuse", service: str = "") -> Iterator[None]:
    """A region, or one service of it, that does not answer."""
    outages.start(region, service, mode)
    try:
        yield
    finally:
        outages.end()


@contextmanager
def telling(place: Place, folder: Path) -> Iterator[Story]:
    """A story that begins with a stack which was just built."""
    story = Story(place, folder)
    try:
        with story.pace(BUILDING):
            as_json(story("provision", "--json"))
        yield story
    finally:
        outages.end()
        CLOCK.set_speed(SPEED)


@contextmanager
def database_lost(region: str) -> Iterator[None]:
    """A region whose API answers, and whose database does not: connections that stood are gone too."""
    aurora.lose(region)
    servers = DATABASES._known[0].database.servers
    next(server for name, server in servers.items() if name.startswith(region)).stop("immediate")
    try:
        yield
    finally:
        aurora.restore(region)


def ended(process: Forked) -> Result:
    """How a process ended."""
    code = process.wait()
    return Result(code, process.out.read_text(), process.err.read_text())


# By hand -------------------------------------------------------------------------------------------------------------


def sent(story: Story, report: Any) -> dict[str, list[str]]:
    """The changes that the lines of a run have sent, as a person types them; each once, in order."""
    found: dict[str, list[str]] = {one["action"]: [] for one in report["actions"] if one["outcome"] == "done"}
    for record in story.journal(report["run"]):
        if record["event"] == "call" and record["mutating"] and (step := record.get("step", "")) in found:
            line = str(Command(record["to"], record["service"], record["operation"], record["params"]))
            line = line.replace(report["run"], "RUN")
            found[step] += [line] if line not in found[step] else []
    return found


def differences(story: Story, book: Runbook, report: Any, lost_region: str = "") -> list[str]:
    """Where the changes that a runbook's lines tell a person to make are not those that a run of it has sent."""
    run, found = offline_run(Settings(), lost_region), list[str]()
    done = sent(story, report)
    for one in book.numbered():
        told = [as_sent(line) for line in one.action.by_hand(run) if changes_something(str(line))]
        lines = done.get(one.action.title)
        if lines is None or not (lines or any(isinstance(line, Command) for line in told)):
            continue  # skipped, or made of steps, whose calls are their own
        if list(dict.fromkeys(map(which, lines))) != [which(str(line)) for line in told]:
            found.append(f"{one.number}. {one.action.title}: told {told}, sent {lines}")
        found += [f"{one.number}. {one.action.title}: told {line}, sent {lines}" for line in told
                  if isinstance(line, Command) and sorted(str(line).split()) not in [sorted(one_sent.split())
                                                                                     for one_sent in lines]]
    return found


def as_sent(line: Command | str) -> Command | str:
    """Without the condition under which a person puts what a run has looked for before."""
    if not isinstance(line, Command):
        return line
    return replace(line, params={name: value for name, value in line.params.items() if name != "IfNoneMatch"})


def changes_something(line: str) -> bool:
    """Whether a line for a shell changes AWS."""
    words = line.split()
    return words[0] == "aws" and is_mutating("".join(word.capitalize() for word in words[2].split("-")))


def which(line: str) -> tuple[str, str, str]:
    """Service, operation and region of a line for a shell."""
    words = line.split()
    return words[1], words[2], words[-1]


def as_json(result: Result) -> Any:
    """The document of a command that went well."""
    assert result.code == 0, result.err
    return json.loads(result.out)
