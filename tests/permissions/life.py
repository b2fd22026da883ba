"""The life of a stack in the lab, each run under its own policies alone, and everything that it asked IAM for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from drctl.lab import extensions, outages
from drctl.lab.clock import CLOCK
from drctl.lab.policies import Document, Request
from drctl.lab.server import Lab
from drctl.permissions.documents import RUNS, policies_of
from drctl.settings import Settings
from tests.cli.conftest import Cli, Result, at, cli_in
from tests.conftest import SPEED
from tests.forking import warmed

#: AWS seconds in a second while a stack is built, and while it is moved: no busy machine is a time-out.
BUILDING, MOVING = 400.0, 150.0
#: A stack that chooses what the packaged configuration does not, so that the way from one to the other is walked.
OTHERWISE = """\
network: {admit_cidrs: [198.51.100.0/24], egress: nat}
alarms: {email: oncall@example.com}
backup: {enabled: true}
trail: {enabled: true}
"""


@dataclass(frozen=True)
class Heard:
    """One request: its operation, and everything that it asked for."""

    operation: str
    wanted: tuple[Request, ...]


@dataclass
class Life:
    """One lab, one drctl, and what each part of the policies was asked for."""

    lab: Lab
    drctl: Cli
    #: Whether runs are judged; without, they are only heard.
    judged: bool = True
    heard: dict[str, list[Heard]] = field(default_factory=dict)
    #: Commands that did not come to their end as they should have.
    failed: list[str] = field(default_factory=list)

    def play(self, part: str, *command: str, speed: float = MOVING, ends: Sequence[int] = (0,)) -> Result:
        """A command under the policies that are attached for `part`."""
        self.pace(speed)
        with self.under(documents(part) if self.judged else None, part):
            end = self.drctl(*command, "--json")
        if end.code not in ends:
            self.failed.append(f"{part}: drctl {' '.join(command)} ended with {end.code}: {end.err[-2000:]}")
        return end

    def pace(self, speed: float) -> None:
        """The lab and drctl at this pace."""
        CLOCK.set_speed(speed)
        at(self.drctl, self.lab, speed)

    @contextmanager
    def under(self, policies: Sequence[Document] | None, part: str) -> Iterator[None]:
        """The lab judges by `policies`, and what it is asked for is heard."""
        gate, heard = self.lab.counting.gate, self.heard.setdefault(part, [])
        gate.hearer = lambda operation, wanted: heard.append(Heard(operation, tuple(wanted)))
        if policies is not None:
            gate.put(policies)
        try:
            yield
        finally:
            gate.hearer = None
            gate.lift()

    def live(self) -> None:
        """Built one way, made another, looked at, drilled, moved, lost, brought home."""
        otherwise = self.drctl.home / "otherwise.yaml"
        otherwise.write_text(OTHERWISE)
        self.play("provision", "provision", "-c", str(otherwise), speed=BUILDING)
        self.play("provision", "provision", speed=BUILDING)
        self.play("read", "status")
        self.play("read", "outputs")
        self.play("verify", "plan")
        self.play("verify", "verify", "--publish")
        self.play("drill", "failover", "--drill", "--mode", "tabletop")
        self.play("drill", "failover", "--drill")
        self.play("drill-isolated", "failover", "--drill", "--mode", "isolated")
        self.play("failover", "failover", "--planned")
        self.play("failback", "failback")
        outages.start("us-east-1", "", "refuse")
        try:
            self.play("failover", "failover", "--allow-data-loss", "10h")
            self.play("read", "status")
        finally:
            outages.end()
        self.play("failback", "failback")
        self.play("read", "runs", "--fetch")

    def end(self) -> None:
        """Taken down."""
        self.play("teardown", "teardown", "--yes", speed=BUILDING)


def parts_before(part: str) -> tuple[str, ...]:
    """The parts of the same run that are attached before this one, and this one."""
    parts = next(parts for parts in RUNS.values() if part in parts)
    return parts[:parts.index(part) + 1]


def documents(part: str, settings: Settings | None = None) -> list[Document]:
    """All policies that are attached for a part."""
    run = next(run for run, parts in RUNS.items() if part in parts)
    return [one.document for one in policies_of(settings or Settings(), run) if one.part in parts_before(part)]


@contextmanager
def living(folder: Path, lab: Lab, *, judged: bool = True) -> Iterator[Life]:
    """An emptied lab, and drctl at it."""
    extensions.reset()
    drctl = cli_in(folder, warmed())
    try:
        yield Life(lab, drctl, judged)
    finally:
        outages.end()
        CLOCK.set_speed(SPEED)
