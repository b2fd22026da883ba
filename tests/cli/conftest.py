"""The command as its users run it: a process of its own, with a home of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from drctl.lab.server import Lab
from tests.cli.between import Between, between
from tests.conftest import SPEED
from tests.forking import Parent

DRCTL = str(Path(sys.executable).parent / "drctl")


@dataclass(frozen=True)
class Result:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one document on stdout."""
        return json.loads(self.out)


@dataclass
class Cli:
    """Runs drctl with an environment that knows no credentials."""

    home: Path
    environment: dict[str, str]
    #: With it a command is a fork, which begins in no time: for those who look at what it does, not at how it begins.
    forks: Parent | None = None

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """A process that goes on."""
        return subprocess.Popen([DRCTL, *arguments], env=self.environment, stdin=subprocess.DEVNULL, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=self.home)

    def __call__(self, *arguments: str) -> Result:
        if self.forks is not None:
            return self._forked(self.forks, *arguments)
        process = self.start(*arguments)
        out, err = process.communicate(timeout=240)
        return Result(process.returncode, out, err)

    def _forked(self, forks: Parent, *arguments: str) -> Result:
        with TemporaryDirectory() as folder:
            out, err = Path(folder, "out"), Path(folder, "err")
            process = forks.begin(list(arguments), self.environment, self.home, out, err)
            code = process.wait()
            return Result(code, out.read_text(), err.read_text())


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    """drctl with an empty home and no target but its own lab."""
    return cli_in(tmp_path)


def cli_in(folder: Path, forks: Parent | None = None) -> Cli:
    """drctl with its home below `folder`."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "DRCTL_"))}
    nowhere = {"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "/nonexistent",
               "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent"}
    return Cli(folder, {**kept, **nowhere, "DRCTL_HOME": str(folder / "home")}, forks)


@pytest.fixture
def at_the_lab(cli: Cli, lab: Lab) -> Iterator[Callable[[], Between]]:
    """drctl at the test process's own lab, with a proxy between them; the lab's state file as `lab up` writes it."""
    at(cli, lab, SPEED)
    with between(lab.endpoint) as line:
        cli.environment["AWS_ENDPOINT_URL"] = line.url
        yield lambda: line


def at(cli: Cli, lab: Lab, speed: float) -> None:
    """Write down a lab of this process as `lab up` does, so that drctl finds it, at this pace."""
    home = Path(cli.environment["DRCTL_HOME"])
    home.mkdir(parents=True, exist_ok=True)
    (home / "lab.json").write_text(json.dumps({"endpoint": lab.endpoint, "speed": speed, "pid": os.getpid(),
                                               "dns": f"127.0.0.1:{lab.dns_port}", "edge": lab.edge}))
