"""A shell completes commands, options, values and runs at once, and AWS is not asked for it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from drctl.cli.main import COMMANDS
from tests.cli.conftest import DRCTL, Cli
from tests.cli.test_main import HEAVY

RUN = "20261129-031200-failover-ab12"


def completed(cli: Cli, *words: str) -> list[str]:
    """What a shell offers for the last of these words."""
    cli.environment |= {"_DRCTL_COMPLETE": "fish_complete", "COMP_WORDS": " ".join(["drctl", *words]),
                        "COMP_CWORD": words[-1]}
    end = cli()
    assert end.code == 0, end.err
    return [line.partition(",")[2].partition("\t")[0] for line in end.out.splitlines() if line.startswith("plain,")]


def test_commands_are_completed(cli: Cli) -> None:
    assert completed(cli, "") == list(COMMANDS)
    assert completed(cli, "fail") == ["failover", "failback"]
    assert completed(cli, "lab", "outage", "s") == ["start"]


def test_options_and_their_values_are_completed(cli: Cli) -> None:
    assert completed(cli, "failover", "--dr") == ["--drill"]
    assert completed(cli, "failover", "--drill", "--mode", "") == ["live", "isolated", "tabletop"]
    assert completed(cli, "completion", "") == ["bash", "zsh", "fish"]


@pytest.mark.parametrize("command", [("report",), ("resume",), ("failover", "--escalate")])
def test_runs_of_this_home_are_completed(cli: Cli, command: tuple[str, ...]) -> None:
    folder = Path(cli.environment["DRCTL_HOME"], "runs", RUN)
    folder.mkdir(parents=True)
    (folder / "journal.jsonl").touch()
    assert completed(cli, *command, "") == ["last", RUN]
    assert completed(cli, *command, "2026") == [RUN]


@pytest.mark.parametrize("words", [[""], ["failover", "--"], ["report", ""], ["lab", "outage", "start", "--"]])
def test_completing_imports_nothing_heavy(cli: Cli, words: list[str]) -> None:
    script = ("import sys; sys.argv = ['drctl']\n"
              "from drctl.cli.main import main\n"
              "try: main()\nexcept SystemExit: pass\n"
              f"print('HEAVY', sorted({HEAVY!r} & set(sys.modules)), file=sys.stderr)")
    asked = {"_DRCTL_COMPLETE": "bash_complete", "COMP_WORDS": " ".join(["drctl", *words]),
             "COMP_CWORD": str(len(words))}
    end = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=cli.home,
                         env=cli.environment | asked)
    assert end.stdout
    assert end.stderr.strip().endswith("HEAVY []")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_each_shell_asks_drctl(cli: Cli, shell: str) -> None:
    end = cli("completion", shell)
    assert end.code == 0, end.err
    assert f"_DRCTL_COMPLETE={shell}_complete" in end.out
    if executable := shutil.which(shell):
        subprocess.run([executable, "-n"], input=end.out, text=True, check=True)


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash here")
def test_bash_completes_with_the_script(cli: Cli) -> None:
    script = f'eval "$({DRCTL} completion bash)"; COMP_WORDS=(drctl failb); COMP_CWORD=1\n' \
             f'_drctl_completion {DRCTL}; echo "${{COMPREPLY[@]}}"'
    end = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True, env=cli.environment)  # noqa: S607  # whichever bash users have
    assert end.stdout.strip() == "failback"


def test_a_shell_that_is_not_known_is_bad_usage(cli: Cli) -> None:
    end = cli("completion", "csh")
    assert end.code == 2
    assert "'bash', 'zsh', 'fish'" in end.err
