"""A stack in one lab, regions that are lost and come back, drctl on several machines: what failovers are told with."""

from __future__ import annotations

import json
import os
import re
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from drctl.aws.calls import is_mutating
from drctl.aws.commands import Command
from drctl.cli.by_hand import offline_run
from drctl.engine.journal import read
from drctl.engine.runbook import Runbook
from drctl.lab import outages
from drctl.lab.clock import CLOCK
from drctl.settings import Settings
from tests.cli.between import Reply, Request
from tests.cli.conftest import Cli, Result, at, cli_in
from tests.cli.test_lease import bucket
from tests.cli.test_trouble import EAST, EVIDENCE, WEST, Place, until
from tests.conftest import SPEED
from tests.forking import Forked, Parent, warmed

SWITCHES = {EAST: "s3-switch-us-east-1-lab-123456789012", WEST: "s3-switch-us-west-2-lab-123456789012"}
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

    def signalled_at(self, operation: str, number: int, machine: Cli, *arguments: str, copied_to: str = "") -> Result:
        """A command that gets a signal when AWS hears such a call of it, which takes effect all the same.

        Before, a copy of its journal arrives in the region `copied_to`, if that is wished.
        """
        begun, done, pid = threading.Event(), threading.Event(), [0]

        def decide(request: Request) -> Reply | None:
            if request.operation == operation and not done.is_set():
                begun.wait(10)
                done.set()
                if copied_to:
                    until(lambda: self.copied(self.runs(machine)[-1], copied_to, "approved"), "the journal is copied")
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

    # How it stands ---------------------------------------------------------------------------------------------------

    def writer(self, at_region: str) -> tuple[str | None, bool]:
        """The region that writes, and whether nothing is under way, as a region shows it."""
        seen = self.place.aws[at_region].rds.describe_global_clusters()["GlobalClusters"][0]
        writers = [one["DBClusterArn"].split(":")[3] for one in seen["GlobalClusterMembers"] if one["IsWriter"]]
        return (writers[0] if writers else None), seen["Status"] == "available" and "FailoverState" not in seen

    def switches(self, *regions: str) -> list[bool]:
        """Whether the switch object of these regions is there."""
        return [self.place.aws[region].s3.list_objects_v2(Bucket=SWITCHES[region])["KeyCount"] > 0
                for region in regions or (EAST, WEST)]

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

    def copied(self, run: str, region: str, words: str) -> bool:
        """Whether the copy of a run's journal in a region tells of something."""
        s3, there = self.place.aws[region].s3, bucket(region)
        parts = s3.list_objects_v2(Bucket=there, Prefix=f"runs/{run}/journal/").get("Contents", [])
        return any(words.encode() in s3.get_object(Bucket=there, Key=part["Key"])["Body"].read() for part in parts)

    def journal(self, run: str) -> list[dict[str, Any]]:
        """The records of a run, on whichever machine it was."""
        found = next(path for machine in self.machines
                     for path in Path(machine.environment["DRCTL_HOME"]).glob(f"runs/{run}/journal.jsonl"))
        return read(found)

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


def ended(process: Forked) -> Result:
    """How a process ended."""
    code = process.wait()
    return Result(code, process.out.read_text(), process.err.read_text())


def connected(story: Story, region: str) -> None:
    """Wait until the copy in a region is connected."""
    def look() -> bool:
        seen = story.place.aws[region].rds.describe_global_clusters()["GlobalClusters"][0]
        return any(one["DBClusterArn"].split(":")[3] == region and one["SynchronizationStatus"] == "connected"
                   for one in seen["GlobalClusterMembers"])

    until(look, f"the copy in {region} is connected")


# By hand -------------------------------------------------------------------------------------------------------------


def sent(story: Story, run: str) -> dict[str, list[str]]:
    """The changes that a run has sent, by the line that sent them, as a person types them; each once, in order."""
    found: dict[str, list[str]] = {}
    for record in story.journal(run):
        if record["event"] == "call" and record["mutating"]:
            line = typed(str(Command(record["to"], record["service"], record["operation"], record["params"])), run)
            lines = found.setdefault(record.get("step", ""), [])
            lines += [line] if line not in lines else []
    return found


def written(settings: Settings, book: Runbook, lost_region: str = "") -> dict[str, list[str]]:
    """The changes that a runbook's lines tell a person to make."""
    run, found = offline_run(settings, lost_region), dict[str, list[str]]()
    for one in book.numbered():
        lines = [str(command) for command in one.action.by_hand(run)]
        if changes := [typed(line, "RUN") for line in lines if changes_something(line)]:
            found[one.action.title] = changes
    return found


def changes_something(line: str) -> bool:
    """Whether a line for a shell changes AWS."""
    words = line.split()
    return words[0] == "aws" and is_mutating("".join(word.capitalize() for word in words[2].split("-")))


def typed(line: str, run: str) -> str:
    """A line without what is known only when it is sent: the run's id, and the handle and queue of a message."""
    line = re.sub(r"--queue-url (\$\(.*?\)|\S+)", "--queue-url URL", line)
    line = re.sub(r"--receipt-handle \S+", "--receipt-handle HANDLE", line)
    return " ".join(sorted(line.replace(run, "RUN").split()))


def as_json(result: Result) -> Any:
    """The document of a command that went well."""
    assert result.code == 0, result.err
    return json.loads(result.out)
