"""A lab leaves nothing behind, whatever ends it or its helpers: no process, no temporary folder, no file of its own."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from drctl.aws.clients import Aws, Credentials, Door
from drctl.engine.clock import Clock
from drctl.engine.events import Events
from drctl.lab import cleaner
from drctl.lab.kept_folders import KeptFolder
from drctl.lab.postgres_server import PostgresFailed, until
from drctl.processes import lives
from tests.cli.conftest import Cli, cli_in

EAST, SPEED = "us-east-1", 20_000.0
#: Looks for its database once; is busy for good when it is told to, with a process of its own.
CODE = """
import os, socket, subprocess, threading
def go(event, context):
    socket.getaddrinfo(os.environ["DATABASE_HOST"], 5432)
    if event.get("busy"):
        subprocess.Popen(["sleep", "600"])
        threading.Event().wait()
    return True
"""


def zipped(code: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("main.py", code)
    return packed.getvalue()


class Started:
    """A lab as its user starts it, with a folder for temporary files of its own."""

    def __init__(self, home: Path, temporary: Path) -> None:
        self.temporary = temporary
        self.temporary.chmod(0o755)  # PostgreSQL's account passes
        self.cli: Cli = cli_in(home)
        self.cli.environment["TMPDIR"] = str(self.temporary)
        self.home = Path(self.cli.environment["DRCTL_HOME"])
        told = self.cli("lab", "up", "--speed", str(SPEED), "--json").json
        self.pid = int(told["pid"])
        door = Door(told["endpoint"], Credentials("lab", "lab"), speed=SPEED)
        self.aws = Aws(door, Events(Clock(SPEED)))

    def work(self) -> None:
        """A database, a function that has asked it, and one that is busy for good."""
        site: Any = self.aws[EAST]
        made = site.rds.create_db_cluster(DBClusterIdentifier="db", Engine="aurora-postgresql", MasterUsername="admin1",
                                          MasterUserPassword="long-enough-1")["DBCluster"]
        until(lambda: site.rds.describe_db_clusters()["DBClusters"][0]["Status"] == "available", "the cluster")
        site.rds.create_db_instance(DBInstanceIdentifier="db-1", DBClusterIdentifier="db",
                                    Engine="aurora-postgresql", DBInstanceClass="db.r6g.large")
        until(lambda: site.rds.describe_db_instances()["DBInstances"][0]["DBInstanceStatus"] == "available", "it")
        trust = {"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
        role = site.iam.create_role(RoleName="runs", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
        until(lambda: self._function(site, role, made["Endpoint"]), "the function")
        until(lambda: site.lambda_.get_function(FunctionName="f")["Configuration"]["State"] == "Active", "it")
        assert site.lambda_.invoke(FunctionName="f", Payload=b"{}")["Payload"].read() == b"true"
        site.lambda_.invoke(FunctionName="f", Payload=b'{"busy": true}', InvocationType="Event")
        until(lambda: any("sleep 600" in command for command in self.processes().values()), "the busy one")

    @staticmethod
    def _function(site: Any, role: str, host: str) -> bool:
        with suppress(site.lambda_.exceptions.InvalidParameterValueException):  # the role is young
            site.lambda_.create_function(
                FunctionName="f", Runtime="python3.12", Role=role, Handler="main.go", Code={"ZipFile": zipped(CODE)},
                Timeout=900, Environment={"Variables": {"DATABASE_HOST": host}})
            return True
        return False

    def processes(self) -> dict[int, str]:
        """The lab and everything that it has begun, with what those have begun: command lines by ids."""
        shown = subprocess.run(["ps", "-axo", "pid=,ppid="], check=True, capture_output=True, text=True).stdout  # noqa: S607  # in every PATH
        parents = {int(pid): int(parent) for pid, parent in map(str.split, shown.splitlines())}
        found = {self.pid}
        while more := {pid for pid, parent in parents.items() if parent in found} - found:
            found |= more
        known = cleaner.commands()
        return {pid: known.get(pid, "") for pid in found}

    def of_kind(self, text: str) -> list[int]:
        return [pid for pid, command in self.processes().items() if text in command]

    def leaves_nothing(self, processes: dict[int, str]) -> None:
        def left() -> list[str]:
            return [f"{pid} {command}" for pid, command in processes.items() if lives(pid)]

        with suppress(PostgresFailed):
            until(lambda: not left(), "the end of all processes")
        assert left() == []
        until(lambda: not any(self.temporary.iterdir()), "the end of all temporary files")


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Started]:
    with TemporaryDirectory() as temporary:  # pytest's own folder lets nobody else pass
        made = Started(tmp_path, Path(temporary))
        try:
            made.work()
            yield made
        finally:
            made.cli("lab", "down")


def kill(*pids: int) -> None:
    for pid in pids:
        os.kill(pid, signal.SIGKILL)


def test_a_lab_that_is_killed_takes_everything_along_also_when_its_cleaners_were_killed_before(
        started: Started) -> None:
    killed = started.of_kind("cleaner.py")
    assert len(killed) == 2
    kill(*killed)
    until(lambda: len(set(started.of_kind("cleaner.py")) - set(killed)) == 2, "new cleaners")
    processes = started.processes()
    assert {one for one in ("postgres", "function_worker", "cleaner", "sleep")
            if not any(one in command for command in processes.values())} == set()
    kill(started.pid)
    started.leaves_nothing(processes)


def test_what_nobody_was_left_to_clean_up_is_found_when_the_lab_is_taken_down(started: Started) -> None:
    processes = started.processes()
    os.kill(started.pid, signal.SIGSTOP)  # it replaces nobody
    kill(*started.of_kind("cleaner.py"), started.pid)
    assert any(started.temporary.iterdir())
    started.cli("lab", "down")
    started.leaves_nothing(processes)


def test_a_lab_that_is_taken_down_leaves_nothing_even_when_a_helper_was_killed(started: Started) -> None:
    processes = started.processes()
    kill(*started.of_kind("postgres -D"))
    kill(*map(os.getpgid, started.of_kind("sleep 600")))  # the environment whose code has begun it
    assert started.cli("lab", "down").code == 0
    started.leaves_nothing(processes)
    assert list(started.home.iterdir()) == []


def test_a_lab_that_hangs_is_taken_down_all_the_same(tmp_path: Path) -> None:
    cli = cli_in(tmp_path)
    pid = cli("lab", "up", "--json").json["pid"]
    os.kill(pid, signal.SIGSTOP)
    assert cli("lab", "down").code == 0
    assert not lives(pid)


def test_a_folder_that_is_closed_is_gone_also_without_its_cleaner() -> None:
    for killed in (False, True):
        folder = KeptFolder("tests")
        assert folder.path.stat().st_mode & 0o777 == 0o700
        (folder.path / "file").write_text("text")
        if killed:
            kill(folder.cleaner)
        folder.close()
        assert not folder.path.exists()
