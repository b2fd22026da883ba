"""Whether a process lives, also one that has ended and that nobody has buried."""

from __future__ import annotations

import os
import signal

from drctl.processes import GONE, began, lives


def test_this_process_lives_and_began_some_time_ago() -> None:
    assert lives(os.getpid())
    assert began(os.getpid()).isdigit()


def test_a_killed_process_lives_no_more_although_nobody_has_buried_it() -> None:
    pid = os.fork()
    if pid == 0:
        signal.pause()
        os._exit(0)
    assert lives(pid)
    os.kill(pid, signal.SIGKILL)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert (lives(pid), began(pid)) == (False, GONE)
    os.waitpid(pid, 0)
    assert (lives(pid), began(pid)) == (False, "")


def test_somebody_elses_process_counts_too() -> None:
    assert lives(1)
