"""A provision that was killed, and its journal: gone on with from any machine, copied, checked, and without secrets.

The tests share one account and follow each other: the stack is half built until a machine that knows nothing resumes.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from drctl.cli.evidence import SECOND_S
from drctl.configuration import packaged_lab
from drctl.lab import outages
from drctl.lab.clock import CLOCK
from drctl.lab.server import Lab
from tests.cli.between import Reply, Request, refusal
from tests.cli.conftest import Cli, Result, at, cli_in
from tests.cli.test_lease import PACE, bucket, changes_the_stack
from tests.cli.test_trouble import EAST, REGIONS, WEST, Place, named, place_in
from tests.conftest import SPEED
from tests.forking import Parent, warmed


@dataclass
class Story:
    """The account, drctl processes on several machines, and the run that was killed."""

    place: Place
    forks: Parent
    folder: Path
    killed: str = ""
    machines: list[Cli] = field(default_factory=list)
    said: list[Result] = field(default_factory=list)

    def machine(self, *, knows_the_lab: bool = True) -> Cli:
        """A machine that knows of no run; one that only reads needs nothing but the endpoint."""
        machine = cli_in(self.folder / f"machine-{len(self.machines)}")
        machine.home.mkdir()
        machine.environment["AWS_ENDPOINT_URL"] = self.place.line.url
        if knows_the_lab:
            at(machine, self.place.lab, PACE)
        self.machines.append(machine)
        return machine

    def on(self, machine: Cli, *arguments: str) -> Result:
        """A command on a machine."""
        process = self.forks.begin(list(arguments), machine.environment, machine.home, machine.home / "out",
                                   machine.home / "err")
        code = process.wait()
        self.said.append(Result(code, process.out.read_text(), process.err.read_text()))
        return self.said[-1]

    def kill_when(self, machine: Cli, is_time: Callable[[Request], bool], *arguments: str) -> None:
        """A command that is killed at its first change when it is time."""
        begun, pid = threading.Event(), [0]
        now = threading.Event()

        def decide(request: Request) -> Reply | None:
            if is_time(request):
                now.set()
            if now.is_set() and changes_the_stack(request):
                begun.wait(10)
                os.kill(pid[0], signal.SIGKILL)
            return None

        with self.place.deciding(decide):
            process = self.forks.begin(list(arguments), machine.environment, machine.home, machine.home / "out",
                                       machine.home / "err")
            pid[0] = process.pid
            begun.set()
            assert process.wait() == -signal.SIGKILL


@pytest.fixture(scope="module")
def story(lab_server: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """A provision on the first machine is killed when both regions have a copy of the beginning of its journal."""
    folder = tmp_path_factory.mktemp("resume")
    with place_in(folder, lab_server) as place:
        CLOCK.set_speed(PACE)
        story = Story(place, warmed(), folder)
        copied: set[str] = set()

        def has_copies(request: Request) -> bool:
            copied.update(region for region in REGIONS if request.operation.startswith(f"PUT /{bucket(region)}/runs/"))
            return len(copied) == len(REGIONS)

        story.kill_when(story.machine(), has_copies, "provision", "--json")
        story.killed = runs_of(story.machines[0])[0].name
        try:
            yield story
        finally:
            CLOCK.set_speed(SPEED)


@pytest.fixture(scope="module")
def resumed(story: Story) -> tuple[Cli, Any]:
    """A machine that knew nothing, and the document of its resume."""
    machine = story.machine()
    end = story.on(machine, "resume", "--yes", "--json")
    assert end.code == 0, end.err
    assert f"going on with {story.killed}: provision of lab, interrupted" in end.err
    return machine, end.json


def runs_of(machine: Cli) -> list[Path]:
    """The directories of the runs that a machine knows, the oldest first."""
    return sorted((Path(machine.environment["DRCTL_HOME"]) / "runs").iterdir())


def without_copy(story: Story, region: str, key: str = "") -> Callable[[], None]:
    """Take the copy of the killed run away in a region, or one part of it; what is returned puts it back."""
    s3, prefix = story.place.aws[region].s3, f"runs/{story.killed}/{key}"
    keys = [one["Key"] for one in s3.list_objects_v2(Bucket=bucket(region), Prefix=prefix)["Contents"]]
    kept = {one: s3.get_object(Bucket=bucket(region), Key=one)["Body"].read() for one in keys}
    for one in keys:
        s3.delete_object(Bucket=bucket(region), Key=one)

    def put_back() -> None:
        for one, body in kept.items():
            s3.put_object(Bucket=bucket(region), Key=one, Body=body)

    return put_back


# A half-built stack --------------------------------------------------------------------------------------------------


def test_runs_tells_the_interrupted_one_first_although_another_came_later(story: Story) -> None:
    refused = story.on(story.machines[0], "failover", "--drill", "--yes")
    assert refused.code == 3
    rows = story.on(story.machines[0], "runs", "--json").json
    assert [(row["command"], row["outcome"], row["can_be_resumed"]) for row in rows] == [
        ("provision", "interrupted", True), ("drill", "refused", False)]
    assert f"→ drctl resume {story.killed}" in story.on(story.machines[0], "runs").out


def test_another_machine_needs_nothing_but_the_configuration(story: Story) -> None:
    elsewhere = story.machine(knows_the_lab=False)
    assert story.on(elsewhere, "runs", "--json").json == []
    rows = story.on(elsewhere, "runs", "--fetch", "-c", str(packaged_lab()), "--json").json
    assert (rows[0]["run"], rows[0]["outcome"], rows[0]["can_be_resumed"]) == (story.killed, "interrupted", True)


@pytest.mark.parametrize("region", REGIONS)
def test_either_regions_copy_is_enough(story: Story, region: str) -> None:
    put_back = without_copy(story, region)
    report = story.on(story.machine(knows_the_lab=False), "report", story.killed, "--json")
    put_back()
    assert report.code == 0, report.err
    assert (report.json["run"], report.json["outcome"]) == (story.killed, "interrupted")


def test_a_region_that_hangs_is_not_waited_for_by_whoever_looks_for_copies(story: Story) -> None:
    outages.start(EAST, "", "hang")
    began = time.monotonic()
    verified = story.on(story.machine(knows_the_lab=False), "report", story.killed, "--verify", "--json")
    took = time.monotonic() - began
    outages.end()
    assert verified.code == 0, verified.err
    assert verified.json["copies"] == {WEST: "same", EAST: "not read: no answer yet"}
    assert took < 2 * SECOND_S + 6  # once for the journal, once for the comparison


def test_a_copy_whose_beginning_is_missing_is_passed_over(story: Story) -> None:
    put_back = without_copy(story, EAST, "journal/000000000000")
    report = story.on(story.machine(knows_the_lab=False), "report", story.killed, "--json")
    put_back()
    assert (report.code, report.json["outcome"]) == (0, "interrupted")


def test_without_any_copy_it_says_that_there_is_no_such_run(story: Story) -> None:
    put_back = [without_copy(story, region) for region in REGIONS]
    report = story.on(story.machine(knows_the_lab=False), "report", story.killed, "--json")
    for one in put_back:
        one()
    assert report.code == 2
    assert "there is no such run" in report.err


def test_a_region_without_its_control_bucket_keeps_nobody_from_reading_the_other(story: Story) -> None:
    s3 = story.place.aws[EAST].s3
    found = s3.list_object_versions(Bucket=bucket(EAST))
    for one in (*found.get("Versions", []), *found.get("DeleteMarkers", [])):
        s3.delete_object(Bucket=bucket(EAST), Key=one["Key"], VersionId=one["VersionId"])
    s3.delete_bucket(Bucket=bucket(EAST))
    report = story.on(story.machine(knows_the_lab=False), "report", story.killed, "--json")
    assert (report.code, report.json["outcome"]) == (0, "interrupted")


# Gone on with --------------------------------------------------------------------------------------------------------


def test_a_machine_that_knew_nothing_completes_the_stack(story: Story, resumed: tuple[Cli, Any]) -> None:
    _, report = resumed
    assert (report["outcome"], report["resumes"]) == ("done", story.killed)
    outcomes = Counter(step["outcome"] for step in report["steps"])
    assert outcomes["kept"] > 2
    assert [thing for thing, count in Counter(named(story.place.aws)).items() if count > 1] == []


@pytest.mark.parametrize("run", ["killed", "resuming", "last", None])
def test_there_is_nothing_more_to_go_on_with(story: Story, resumed: tuple[Cli, Any], run: str | None) -> None:
    machine, report = resumed
    name = {"killed": story.killed, "resuming": report["run"]}.get(run or "", run)
    end = story.on(machine, "resume", *([name] if name else []), "--yes", "--json")
    assert end.code == 3, end.err
    assert "nothing to go on with" in end.err or "no run stopped on its way" in end.err


def test_the_machine_that_was_killed_learns_that_another_has_gone_on(story: Story, resumed: tuple[Cli, Any]) -> None:
    end = story.on(story.machines[0], "resume", "--yes", "--json")
    assert end.code == 3, end.err
    assert f"(gone on with by {resumed[1]['run']})" in end.err
    rows = story.on(story.machines[0], "runs", "--json").json
    assert not any(row["can_be_resumed"] for row in rows)


# The journal ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def evidence(story: Story, resumed: tuple[Cli, Any]) -> tuple[Cli, Path]:
    """A machine with its own copy of the run that went on, to be spoilt."""
    machine = story.machine()
    home = Path(machine.environment["DRCTL_HOME"])
    run = resumed[1]["run"]
    shutil.copytree(Path(resumed[0].environment["DRCTL_HOME"]) / "runs" / run, home / "runs" / run)
    return machine, home / "runs" / run / "journal.jsonl"


def test_a_whole_journal_is_the_same_in_both_regions(story: Story, evidence: tuple[Cli, Path]) -> None:
    end = story.on(evidence[0], "report", "last", "--verify", "--json")
    assert end.code == 0, end.err
    assert (end.json["broken_line"], end.json["copies"]) == (None, {EAST: "same", WEST: "same"})
    assert end.json["records"] == len(evidence[1].read_text().splitlines())


@pytest.mark.parametrize("line", [1, 40, -1])
def test_an_edited_line_is_named(story: Story, evidence: tuple[Cli, Path], line: int) -> None:
    machine, journal = evidence
    lines = journal.read_text().splitlines(keepends=True)
    index = line - 1 if line > 0 else len(lines) - 1
    lines[index] = lines[index].replace('"at":1', '"at":2', 1)
    journal.write_text("".join(lines))
    end = story.on(machine, "report", "last", "--verify", "--json")
    assert end.code == 4, end.err
    assert f"line {index + 1} does not follow from the one before" in end.err
    assert "the copy in us-east-1 is another one" in end.err


def test_a_torn_last_line_is_no_damage(story: Story, evidence: tuple[Cli, Path]) -> None:
    machine, journal = evidence
    journal.write_text(journal.read_text()[:-30])
    for region in REGIONS:  # the machine died before the last part was copied, too
        cut_the_copy(story, region, journal)
    end = story.on(machine, "report", "last", "--verify", "--json")
    assert end.code == 0, end.err
    assert set(end.json["copies"].values()) == {"the beginning of it"}
    assert story.on(machine, "report", "last", "--json").json["outcome"] == "interrupted"


def cut_the_copy(story: Story, region: str, journal: Path) -> None:
    """Let the copy of a journal end with the last whole line that is here."""
    s3, prefix = story.place.aws[region].s3, f"runs/{journal.parent.name}/journal/"
    whole = journal.read_bytes()
    whole = whole[:whole.rfind(b"\n") + 1]
    for one in s3.list_objects_v2(Bucket=bucket(region), Prefix=prefix)["Contents"]:
        begins = int(Path(one["Key"]).stem)
        s3.put_object(Bucket=bucket(region), Key=one["Key"],
                      Body=s3.get_object(Bucket=bucket(region), Key=one["Key"])["Body"].read()[:len(whole) - begins])


def test_no_secret_is_in_any_journal_copy_output_or_object(story: Story, resumed: tuple[Cli, Any]) -> None:
    secret = story.place.aws[EAST].secrets.get_secret_value(SecretId="secret-database-global-lab")["SecretString"]
    password = json.loads(secret)["password"].encode()
    assert len(password) > 16
    files = [path for path in story.folder.rglob("*") if path.is_file()]
    assert any(path.name == "journal.jsonl" for path in files)
    assert [path for path in files if password in path.read_bytes()] == []
    assert [said for said in story.said if password.decode() in said.out + said.err] == []
    s3, seen = story.place.aws[EAST].s3, 0
    for one in s3.list_buckets()["Buckets"]:
        for item in s3.list_objects_v2(Bucket=one["Name"]).get("Contents", []):
            seen += 1
            assert password not in s3.get_object(Bucket=one["Name"], Key=item["Key"])["Body"].read(), item["Key"]
    assert seen > 4


# Copies never delay --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("trouble", ["hangs", "refuses"])
def test_control_buckets_that_take_no_copies_cost_the_run_five_seconds_at_most(
        story: Story, resumed: tuple[Cli, Any], trouble: str) -> None:
    machine, over = story.machine(), threading.Event()
    usual = timed(story, machine)

    def decide(request: Request) -> Reply | None:
        if "/runs/" not in request.operation or not request.operation.startswith("PUT /s3-control-"):
            return None
        if trouble == "hangs":
            over.wait(60)
        return refusal("AccessDenied", "Not here.", 403)

    with story.place.deciding(decide):
        took = timed(story, machine)
        over.set()
    assert took < 3 * usual + 5  # a busy machine takes its time over both; the copies hang for sixty


def timed(story: Story, machine: Cli) -> float:
    """Real seconds that a provision takes which has nothing to do."""
    began = time.monotonic()
    end = story.on(machine, "provision", "--json")
    assert (end.code, end.json["outcome"]) == (0, "done"), end.err
    return time.monotonic() - began
