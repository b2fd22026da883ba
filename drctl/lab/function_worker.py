"""Execution environments of Lambda functions, forks of one process: each runs deployed code, one invocation at a time.

Run as `python -I function_worker.py FOLDER/` with a socket as standard input. A fork is asked for by a length of four
bytes, then {"folder", "entry_point", "environment"}, and the handle of the environment's own channel; {"kill"} ends
one. What has {"begun"} and {"ended"} is told, a line each. On its channel an environment speaks JSON lines: in comes
{"event", "request_id", "deadline"} or the answer to a question, out go {"log"}, {"resolve"} and at the end {"result"}
or {"failure"}. It ends with the channel.

A fork, because importing boto3 takes most of a second of this machine, which a fast lab would make a minute of AWS; a
cold start on AWS takes less than a second. The code of a package is imported after the fork, as on AWS: connections
that it opens are its own. Imports nothing of drctl.
"""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from typing import Any, TextIO

Json = dict[str, Any]
#: Host names that the lab resolves: simulated databases.
DATABASES = ".rds.amazonaws.com"


class Failure(Exception):
    """What Lambda itself reports, as errorType and errorMessage."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


class Lab:
    """The pipe to the lab."""

    def __init__(self, from_lab: TextIO, to_lab: TextIO) -> None:
        self._in, self._out = from_lab, to_lab

    def tell(self, message: Json) -> None:
        """Send one line."""
        self._out.write(json.dumps(message) + "\n")
        self._out.flush()

    def hear(self) -> Json:
        """The next line; ends the process when the lab is gone."""
        line = self._in.readline()
        if not line:
            os._exit(0)
        heard: Json = json.loads(line)
        return heard

    def write(self, text: str) -> int:
        """Standard output of the function: its log."""
        self.tell({"log": text})
        return len(text)

    def flush(self) -> None:
        """Nothing is held back."""

    def isatty(self) -> bool:
        """A log is no terminal."""
        return False


class Context:
    """What Lambda hands to the code beside the event (Lambda Developer Guide, "Using the Lambda context object")."""

    def __init__(self, request_id: str, deadline: float) -> None:
        self.aws_request_id, self._deadline = request_id, deadline
        self.function_name = os.environ.get("AWS_LAMBDA_FUNCTION_NAME", "")
        self.function_version = os.environ.get("AWS_LAMBDA_FUNCTION_VERSION", "")
        self.memory_limit_in_mb = os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "")
        self.log_group_name = os.environ.get("AWS_LAMBDA_LOG_GROUP_NAME", "")
        self.log_stream_name = os.environ.get("AWS_LAMBDA_LOG_STREAM_NAME", "")
        self.invoked_function_arn = os.environ.get("DRCTL_LAB_FUNCTION_ARN", "")

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until the time-out."""
        return max(0, int((self._deadline - time.time()) * 1000))


def resolve_through(lab: Lab) -> None:
    """Let the lab say where a simulated database listens; every other name resolves as ever."""
    before = socket.getaddrinfo

    def getaddrinfo(host: Any, port: Any, *rest: Any, **named: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        if not isinstance(name, str) or not name.endswith(DATABASES):
            return before(host, port, *rest, **named)
        lab.tell({"resolve": name})
        found = lab.hear().get("port")
        if found is None:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("127.0.0.1", int(found)))]

    socket.getaddrinfo = getaddrinfo


def load(path: str) -> Callable[[Any, Context], Any]:
    """The function's entry point; raises Failure as Lambda's runtime words it."""
    module_name, _, name = path.rpartition(".")
    try:
        module = import_module(module_name.replace("/", "."))
    except ImportError as error:
        raise Failure("Runtime.ImportModuleError", f"Unable to import module '{module_name}': {error}") from error
    except SyntaxError as error:
        raise Failure("Runtime.UserCodeSyntaxError", f"Syntax error in module '{module_name}': {error}") from error
    entry = getattr(module, name, None)
    if entry is None:
        raise Failure("Runtime.HandlerNotFound", f"Handler '{name}' missing on module '{module_name}'")
    made: Callable[[Any, Context], Any] = entry
    return made


def answer(run: Callable[[Any, Context], Any], asked: Json) -> Json:
    """The message after one invocation."""
    try:
        result = run(asked["event"], Context(asked["request_id"], asked["deadline"]))
    except SystemExit as error:
        os._exit(error.code if isinstance(error.code, int) else 1)
    except BaseException as error:
        return failure(error, asked["request_id"])
    try:
        return {"result": json.dumps(result)}
    except (TypeError, ValueError) as error:
        text = f"Unable to marshal response: {error}"
        return failure(Failure("Runtime.MarshalError", text), asked["request_id"])


def failure(error: BaseException, request_id: str) -> Json:
    """An exception as Lambda's Python runtime reports it."""
    if isinstance(error, Failure):
        return {"failure": {"errorMessage": str(error), "errorType": error.kind, "requestId": request_id,
                            "stackTrace": []}}
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename != __file__]
    return {"failure": {"errorMessage": str(error), "errorType": type(error).__name__, "requestId": request_id,
                        "stackTrace": traceback.format_list(frames)}}


def work(channel: socket.socket, folder: str, entry_point: str, environment: dict[str, str]) -> None:
    """Be an environment: answer until the lab closes the channel."""
    os.setsid()
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    random.seed()
    os.chdir(folder)
    lab = Lab(channel.makefile("r"), channel.makefile("w"))
    sys.stdout = sys.stderr = lab
    sys.path[0:0] = [folder]
    resolve_through(lab)
    run: Callable[[Any, Context], Any] | None = None
    while True:
        asked = lab.hear()
        try:
            run = run or load(entry_point)
        except Exception as error:
            lab.tell(failure(error, asked["request_id"]))
        else:
            lab.tell(answer(run, asked))


class Forks:
    """The process that environments are forks of: it has imported what functions begin with, once for all of them."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._alive: set[int] = set()

    def serve(self) -> None:
        """Fork and kill as the lab asks, until it closes the socket; then nothing is left."""
        signal.signal(signal.SIGCHLD, lambda *_: self._bury())
        while True:
            head, handles, _, _ = socket.recv_fds(self._control, 4, 1)
            if not head:
                break
            asked: Json = json.loads(_exactly(self._control, int.from_bytes(head)))
            if "kill" in asked:
                self._kill(asked["kill"])
            else:
                self._fork(asked, socket.socket(fileno=handles[0]))
        for pid in tuple(self._alive):
            self._kill(pid)

    def _fork(self, asked: Json, channel: socket.socket) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})  # that it has begun is told before that it has ended
        pid = os.fork()
        if not pid:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
            self._control.close()
            try:
                work(channel, **asked)
            finally:
                os._exit(1)
        channel.close()
        self._alive.add(pid)
        self._tell({"begun": pid})
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})

    def _bury(self) -> None:
        while self._alive:
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if ended is None:
                return
            pid = ended.si_pid
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)  # what its code has left behind; the number is its own until the wait
            _, status = os.waitpid(pid, 0)
            self._alive.discard(pid)
            self._tell({"ended": pid, "code": os.waitstatus_to_exitcode(status)})

    def _kill(self, pid: int) -> None:
        """With what it has started; a number is a child's own until it was waited for."""
        if pid in self._alive:
            for end in (os.killpg, os.kill):  # one that was forked just now may not lead a group yet
                try:
                    end(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue

    def _tell(self, message: Json) -> None:
        try:
            self._control.sendall(json.dumps(message).encode() + b"\n")
        except OSError:
            return  # the lab is gone


def _exactly(line: socket.socket, size: int) -> bytes:
    read = b""
    while len(read) < size:
        more = line.recv(size - len(read))
        if not more:
            raise EOFError
        read += more
    return read


def warm() -> None:
    """Have at hand what Lambda's runtime comes with, and what most functions import of Python."""
    for name in ("boto3", "botocore.signers", "botocore.endpoint_provider", "decimal", "http.client", "ipaddress",
                 "ssl", "urllib.request", "uuid", "zipfile"):
        import_module(name)


def main() -> None:
    """Serve the lab; the second word of the command line is the folder of the packages, by which this is found."""
    control = socket.socket(fileno=os.dup(0))
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nowhere, number)
    warm()
    Forks(control).serve()


if __name__ == "__main__":
    main()
