"""Processes that each have a lab of their own, and work off what the first one hands out, one JSON line at a time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, Queue
from typing import Any


class Worker:
    """One such process: `python -m MODULE --work`."""

    def __init__(self, module: str) -> None:
        self._said = tempfile.TemporaryFile("w+")  # noqa: SIM115  # what its lab says, to the end
        self._process = subprocess.Popen([sys.executable, "-m", module, "--work"], text=True, stdin=subprocess.PIPE,
                                         stdout=subprocess.PIPE, stderr=self._said, cwd=Path(__file__).parents[1])

    def told(self) -> Any:
        """What it says next."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, f"a worker has ended: {self._last_words()}"
        return json.loads(line)

    def _last_words(self) -> str:
        self._said.seek(0)
        return self._said.read()[-2000:]

    def ask(self, document: Any) -> Any:
        """Its answer to `document`."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(document) + "\n")
        self._process.stdin.flush()
        return self.told()

    def end(self) -> None:
        """Let it come to its end."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(60)
        self._said.close()


def work_off(workers: Sequence[Worker], asked: Iterable[Any], heard: Callable[[Any], None]) -> None:
    """Ask the workers side by side, each one thing at a time; `heard` is told every answer, one at a time."""
    waiting: Queue[Any] = Queue()
    for one in asked:
        waiting.put(one)
    lock = threading.Lock()

    def take(worker: Worker) -> None:
        while True:
            try:
                document = waiting.get_nowait()
            except Empty:
                return
            answer = worker.ask(document)
            with lock:
                heard(answer)

    threads = [threading.Thread(target=take, args=(worker,)) for worker in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@contextmanager
def being_asked() -> Iterator[tuple[Iterator[Any], Callable[[Any], None]]]:
    """A worker's side: what it is asked, and how it answers; what a lab has to say otherwise is no answer."""
    with os.fdopen(os.dup(1), "w", buffering=1) as answers:
        os.dup2(2, 1)
        yield map(json.loads, sys.stdin), lambda document: print(json.dumps(document), file=answers)
