"""Ctrl-C: the first one stops a run at its next clean edge, the second ends the process, which is safe too.

A thread of its own hears the signals: Python runs handlers in the main thread alone, and that may be waiting for other
threads, which may be waiting for AWS. What is said here goes past every buffer and lock that they may hold.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from drctl.cli.failures import as_dict, wants_json
from drctl.engine.run import Run
from drctl.errors import Interrupted

SHOW_CURSOR = "\x1b[?25h"
STDOUT, STDERR = 1, 2
SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def stops_on_ctrl_c(run: Run) -> Iterator[None]:
    """The first Ctrl-C (or SIGTERM) stops the run, the second ends at once."""
    asked: list[int] = []

    def stop(number: int) -> None:
        if asked:
            end_at_once("ended at once; what AWS was asked for goes on there",
                        "drctl status shows where things stand; the same command again goes on from there")
        asked.append(number)
        run.clock.stop()
        _say(STDERR, "\nstopping at the next clean edge; press Ctrl-C again to end at once\n")

    with _heard_by(stop):
        yield


@contextmanager
def ends_on_ctrl_c() -> Iterator[None]:
    """A command that only looks has nothing to bring to an end."""
    with _heard_by(lambda _: end_at_once("stopped; nothing was changed", "")):
        yield


@contextmanager
def _heard_by(stop: Callable[[int], None]) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield  # somebody else decides about signals
        return
    near, far = socket.socketpair()
    far.setblocking(False)
    before = {number: signal.signal(number, lambda *_: None) for number in SIGNALS}
    others = signal.set_wakeup_fd(far.fileno(), warn_on_full_buffer=False)
    hearing = threading.Thread(target=_hear, args=(near, stop), name="signals", daemon=True)
    hearing.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(others)
        for number, handler in before.items():
            signal.signal(number, handler)
        far.close()
        hearing.join()


def _hear(near: socket.socket, stop: Callable[[int], None]) -> None:
    """Every byte is the number of a signal; the end comes when the other end is closed."""
    with near:
        while heard := near.recv(1):
            if heard[0] in SIGNALS:
                stop(heard[0])


def end_at_once(message: str, next_step: str) -> None:
    """Threads that wait for an answer would hold up every orderly end: the process ends without one."""
    ended = Interrupted(message, next_step=next_step)
    cursor = SHOW_CURSOR if sys.stderr.isatty() else ""
    _say(STDERR, f"{cursor}\ninterrupted: {message}\n" + (f"next: {next_step}\n" if next_step else ""))
    if wants_json():
        _say(STDOUT, json.dumps({"error": as_dict(ended)}, indent=2) + "\n")
    os._exit(ended.exit_code)


def _say(descriptor: int, text: str) -> None:
    with suppress(OSError):
        os.write(descriptor, text.encode())
