"""Execution environments of the simulated Lambda: processes that are started cold, kept warm and ended."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import queue
import random
import shutil
import threading
import time
import uuid
import zipfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from drctl.lab.called import FUNCTIONS_KEY
from drctl.lab.function_runtime import Runtime
from drctl.lab.kept_folders import KeptFolder

#: How many invocations of one function run at a time; more wait.
CONCURRENCY = 4
#: Real seconds after which an idle environment is ended where a function has another one (Lambda Developer Guide,
#: "Understanding the Lambda execution environment lifecycle": idle ones are ended, nobody is told when).
SURPLUS_S = 20.0
#: Bytes of log that an answer carries (Lambda API Reference, Invoke, LogResult: the last 4 KB).
LOG_TAIL = 4096
#: Port of the database behind a host name, None when the name resolves to nothing.
Resolve = Callable[[str], int | None]


@dataclass(frozen=True)
class Deployed:
    """One version of a function as it is deployed; another configuration is another environment."""

    region: str
    name: str
    version: str
    arn: str
    entry_point: str
    timeout_s: float
    memory_mb: int
    environment: tuple[tuple[str, str], ...] = field(repr=False)
    code: bytes = field(repr=False, compare=False)
    sha256: str = ""

    @property
    def place(self) -> tuple[str, str, str]:
        """What stays the same when it is deployed anew."""
        return self.region, self.name, self.version


@dataclass(frozen=True)
class Outcome:
    """The answer to an invocation; `failed` is Lambda's FunctionError Unhandled."""

    payload: bytes
    failed: bool
    log: str

    @property
    def log_result(self) -> str:
        """The end of the log, as the X-Amz-Log-Result header carries it."""
        return base64.b64encode(self.log.encode()[-LOG_TAIL:]).decode()


class Worker:
    """One environment: a process that answers one invocation at a time."""

    def __init__(self, function: Deployed, runtime: Runtime, folder: Path, environment: Mapping[str, str]) -> None:
        self.function = function
        #: When it answered last, in real seconds of the monotonic clock.
        self.idle_since = 0.0
        #: Whether it can be asked again.
        self.is_up = True
        self._said: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._runtime, self._process = runtime, runtime.begin(folder, function.entry_point, environment)
        self._tells = self._process.channel.makefile("wb")
        threading.Thread(target=self._listen, name=f"function-{function.name}", daemon=True).start()

    def invoke(self, event: Any, request_id: str, resolve: Resolve) -> tuple[dict[str, Any], str]:
        """The worker's last message and the log; a time-out or a crash is a failure, and the end of the worker."""
        end = time.monotonic() + self.function.timeout_s
        log: list[str] = []
        self._tell({"event": event, "request_id": request_id, "deadline": time.time() + self.function.timeout_s})
        while True:
            try:
                said = self._said.get(timeout=max(0.0, end - time.monotonic()))
            except queue.Empty:
                self.stop()
                text = f"Error: Task timed out after {self.function.timeout_s:.2f} seconds"
                return _failure("Sandbox.Timedout", text, request_id), "".join(log)
            if said is None:
                self.stop()
                text = f"Error: Runtime exited with error: exit status {self._runtime.code_of(self._process.pid)}"
                return _failure("Runtime.ExitError", text, request_id), "".join(log)
            if "log" in said:
                log.append(said["log"])
            elif "resolve" in said:
                # The lab may have to start a database first, which AWS has running: not the function's time.
                begun = time.monotonic()
                self._tell({"port": resolve(said["resolve"])})
                end += time.monotonic() - begun
            else:
                return said, "".join(log)

    def stop(self) -> None:
        """End the process, and what its code has started."""
        self.is_up = False
        self._runtime.kill(self._process.pid)

    def _tell(self, message: dict[str, Any]) -> None:
        try:
            self._tells.write(json.dumps(message).encode() + b"\n")
            self._tells.flush()
        except (OSError, ValueError):
            # It has ended: the listener says so, with the exit status.
            return

    def _listen(self) -> None:
        with self._process.channel as channel, self._tells, channel.makefile("rb") as lines, suppress(OSError):
            for line in lines:
                self._said.put(json.loads(line))
        self.is_up = False
        self._runtime.kill(self._process.pid)  # and what its code has left behind
        self._said.put(None)


def _failure(kind: str, text: str, request_id: str) -> dict[str, Any]:
    return {"failure": {"errorType": kind, "errorMessage": f"RequestId: {request_id} {text}"}}


class Fleet:
    """Every environment of the lab, and the unpacked packages they run from."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self._folder = KeptFolder("functions")
        self._root = self._folder.path
        self._lock = threading.Lock()
        self._idle: dict[tuple[str, str, str], list[Worker]] = {}
        self._all: list[Worker] = []
        self._slots: dict[tuple[str, str, str], threading.Semaphore] = {}
        self._runtime: Runtime | None = None

    def run(self, function: Deployed, payload: bytes, resolve: Resolve, extra: Mapping[str, str]) -> Outcome:
        """Invoke the function in a warm environment if there is one, else in a new one."""
        request_id, begun = str(uuid.UUID(int=random.getrandbits(128), version=4)), time.monotonic()
        with self._lock:
            slot = self._slots.setdefault(function.place, threading.Semaphore(CONCURRENCY))
        with slot:
            worker = self._take(function, extra)
            said, log = worker.invoke(json.loads(payload or b"{}"), request_id, resolve)
            if worker.is_up:
                self._rest(worker)
        ms = (time.monotonic() - begun) * 1000
        whole = (f"START RequestId: {request_id} Version: {function.version}\n{log}END RequestId: {request_id}\n"
                 f"REPORT RequestId: {request_id}\tDuration: {ms:.2f} ms\tBilled Duration: {ms + 1:.0f} ms\t"
                 f"Memory Size: {function.memory_mb} MB\n")
        if "failure" in said:
            return Outcome(json.dumps(said["failure"]).encode(), True, whole)
        return Outcome(said["result"].encode(), False, whole)

    def empty(self) -> None:
        """End every environment and forget the packages."""
        with self._lock:
            workers, self._all, self._idle = self._all, [], {}
            for package in self._root.iterdir():
                shutil.rmtree(package, ignore_errors=True)
        for worker in workers:
            worker.stop()

    def stop(self) -> None:
        """End every environment and remove the packages."""
        self.empty()
        if self._runtime is not None:
            self._runtime.stop()
        self._folder.close()

    def _rest(self, worker: Worker) -> None:
        """Keep it warm, and end what has been idle for long beside it; the last of each function stays."""
        now = time.monotonic()
        with self._lock:
            worker.idle_since = now
            idle = self._idle.setdefault(worker.function.place, [])
            surplus = [one for one in idle if now - one.idle_since > SURPLUS_S]
            idle[:] = [*(one for one in idle if one not in surplus), worker]
        for one in surplus:
            one.stop()

    def _take(self, function: Deployed, extra: Mapping[str, str]) -> Worker:
        """The environment that was used last; those of an earlier configuration, and what has died, are ended."""
        with self._lock:
            mine = self._idle.pop(function.place, [])
            left = [worker for worker in mine if worker.function == function]
            warm = next((worker for worker in reversed(left) if worker.is_up), None)
            left = left[:left.index(warm)] if warm else []
            self._idle[function.place] = left
        for worker in mine:
            if worker not in left and worker is not warm:
                worker.stop()
        if warm:
            return warm
        worker = Worker(function, self._warmed(), self._unpacked(function), self._environment(function, extra))
        with self._lock:
            self._all = [*(one for one in self._all if one.is_up), worker]
        return worker

    def _warmed(self) -> Runtime:
        """What environments are forks of; another one where it has ended."""
        with self._lock:
            if self._runtime is None or not self._runtime.is_up:
                self._runtime = Runtime(self._root)
            return self._runtime

    def _unpacked(self, function: Deployed) -> Path:
        folder = self._root / hashlib.sha256(function.code).hexdigest()[:24]
        with self._lock:
            if not folder.exists():
                fresh = folder.with_suffix(".new")
                with zipfile.ZipFile(io.BytesIO(function.code)) as package:
                    package.extractall(fresh)
                fresh.rename(folder)
        return folder

    def _environment(self, function: Deployed, extra: Mapping[str, str]) -> dict[str, str]:
        """What Lambda defines (Lambda Developer Guide, "Defined runtime environment variables"), and the lab's own."""
        return {
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LANG": "en_US.UTF-8", "TZ": ":UTC",
            "HOME": str(self._root), **dict(function.environment), **extra,
            "AWS_REGION": function.region, "AWS_DEFAULT_REGION": function.region,
            "AWS_ACCESS_KEY_ID": FUNCTIONS_KEY, "AWS_SECRET_ACCESS_KEY": "lab", "AWS_SESSION_TOKEN": "lab",
            "AWS_ENDPOINT_URL": self.endpoint, "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_LAMBDA_FUNCTION_NAME": function.name, "AWS_LAMBDA_FUNCTION_VERSION": function.version,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_mb),
            "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{function.name}",
            "LAMBDA_TASK_ROOT": str(self._root), "_HANDLER": function.entry_point,
            "DRCTL_LAB_FUNCTION_ARN": function.arn,
        }
