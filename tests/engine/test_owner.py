"""Who a process is, and whether another one of this machine still lives."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import replace

import pytest

from drctl.engine.owner import Owner, is_alive_here, is_dead, myself
from drctl.processes import began


@pytest.fixture
def child() -> Iterator[int]:
    """A process that waits for its end."""
    pid = os.fork()
    if pid == 0:
        signal.pause()
        os._exit(0)
    yield pid
    try:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    except (ProcessLookupError, ChildProcessError):
        return


def owner_of(pid: int) -> Owner:
    """The owner that a process of this machine is."""
    return replace(myself(), pid=pid, started=began(pid))


def test_this_process_lives() -> None:
    me = myself()
    assert (is_dead(me), is_alive_here(me)) == (False, True)
    assert me == myself()
    assert "@" in me.name


def test_a_process_that_was_killed_is_dead_also_while_nobody_has_buried_it(child: int) -> None:
    owner = owner_of(child)
    assert is_alive_here(owner)
    os.kill(child, signal.SIGKILL)
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    assert is_dead(owner)
    os.waitpid(child, 0)
    assert is_dead(owner)


def test_a_stopped_process_may_go_on_and_is_not_dead(child: int) -> None:
    owner = owner_of(child)
    os.kill(child, signal.SIGSTOP)
    os.waitpid(child, os.WUNTRACED)
    assert not is_dead(owner)


def test_another_process_with_the_same_number_is_not_the_owner(child: int) -> None:
    assert is_dead(replace(owner_of(child), started="1"))


def test_of_another_machine_or_container_nobody_knows(child: int) -> None:
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    elsewhere = replace(myself(), pid=child, machine="another one")
    assert (is_dead(elsewhere), is_alive_here(elsewhere)) == (False, False)
