"""The lab's HTTP server: moto's own application behind a thin layer that counts calls and answers for the lab itself.

Run as `python -m drctl.lab.server --port N --speed N`; prints one JSON line when it answers. Also started inside a
process by tests (`Lab`). It listens on loopback only.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qs

# moto reads these when it is imported.
os.environ.setdefault("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
os.environ.setdefault("MOTO_ACM_VALIDATION_WAIT", "0")

from cheroot.wsgi import Server
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

from drctl.aws.calls import is_mutating
from drctl.lab import extensions, unchanging
from drctl.lab.clock import CLOCK
from drctl.lab.dns import DnsServer
from drctl.lab.rules import RULES, SWITCHED_OFF

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
#: Requests answered at the same time: every thread of a run may wait for one.
THREADS = 40
#: Paths below this are the lab's own.
OWN = "/drctl-lab/"


class Counting:
    """WSGI layer: counts AWS calls by region, service and operation, and answers the lab's own paths."""

    def __init__(self, aws: Any) -> None:
        self._aws = aws
        self._lock = threading.Lock()
        self.calls: Counter[tuple[str, str, str, bool]] = Counter()
        self.dns = ""

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        environ["RAW_URI"] = environ.get("REQUEST_URI", "")  # object keys are taken from the path as it was sent
        if path.startswith(OWN):
            return self._own(path.removeprefix(OWN), environ, start_response)
        if not path.startswith("/moto-api"):
            with self._lock:
                self.calls[what_is_called(environ)] += 1
        answer: Iterable[bytes] = self._aws(environ, start_response)
        return answer

    def _own(self, path: str, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if path == "calls" and environ["REQUEST_METHOD"] == "DELETE":
            self.calls.clear()
        body = json.dumps({"status": self._status, "calls": self._calls}.get(path, self._status)()).encode()
        start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
        return [body]

    def _status(self) -> dict[str, Any]:
        return {"speed": CLOCK.speed, "aws_seconds": round(CLOCK.now(), 1), "rules": len(RULES),
                "without": sorted(SWITCHED_OFF), "calls": sum(self.calls.values()), "dns": self.dns}

    def _calls(self) -> dict[str, Any]:
        rows = [{"region": region, "service": service, "operation": operation, "mutating": mutating, "count": count}
                for (region, service, operation, mutating), count in sorted(self.calls.items())]
        return {"total": sum(self.calls.values()),
                "mutating": sum(row["count"] for row in rows if row["mutating"]), "calls": rows}


def what_is_called(environ: Environ) -> tuple[str, str, str, bool]:
    """Region, service, operation and whether it can change AWS, from a request's signature, target, body or path."""
    region, service = _scope(environ.get("HTTP_AUTHORIZATION", ""))
    if target := environ.get("HTTP_X_AMZ_TARGET", ""):
        operation = target.rpartition(".")[2]
        return region, service, operation, is_mutating(operation)
    if "x-www-form-urlencoded" in environ.get("CONTENT_TYPE", ""):
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        operation = parse_qs(body.decode("utf-8", "replace")).get("Action", ["?"])[0]
        return region, service, operation, is_mutating(operation)
    method = environ["REQUEST_METHOD"]
    path = environ.get("PATH_INFO", "")
    mutating = method not in {"GET", "HEAD"} and not path.endswith("/invocations") and not _asks_for_tags(path)
    query = environ.get("QUERY_STRING", "").split("=")[0].split("&")[0]
    return region, service, f"{method} {path.split('/')[1]}{'?' + query if query else ''}", mutating


def _asks_for_tags(path: str) -> bool:
    """Route 53 is asked for the tags of several resources by POST (ListTagsForResources); a change names one more."""
    parts = path.strip("/").split("/")
    return parts[:2] == ["2013-04-01", "tags"] and len(parts) == 3


def _scope(authorization: str) -> tuple[str, str]:
    """Region and service of a signature's credential scope; empty for an unsigned request."""
    parts = authorization.partition("Credential=")[2].split(",")[0].split("/")
    return (parts[2], parts[3]) if len(parts) >= 5 else ("", "")


class Lab:
    """A lab in this process: `start`, `endpoint`, `stop`."""

    def __init__(self, port: int = 0, speed: float = 60.0, without: Iterable[str] = ()) -> None:
        CLOCK.set_speed(speed)
        SWITCHED_OFF.clear()
        SWITCHED_OFF.update(without)
        unchanging.keep()
        self.counting = Counting(DomainDispatcherApplication(create_backend_app))
        # Connections are kept open, which moto's own development server does not do: a third of the time of a call.
        self._server = Server(("127.0.0.1", port), self.counting, numthreads=THREADS, request_queue_size=256,
                              server_name="lab")
        self._server.prepare()
        self.port = int(self._server.bind_addr[1])
        os.environ["MOTO_PORT"] = str(self.port)
        self._dns = DnsServer()
        self.dns_port = self._dns.port
        self.counting.dns = self._dns.address

    @property
    def endpoint(self) -> str:
        """URL that stands for every AWS service."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Answer requests in a background thread."""
        self._dns.start()
        threading.Thread(target=self._server.serve, name="lab", daemon=True).start()

    def serve(self) -> None:
        """Answer requests until `stop`."""
        self._dns.start()
        self._server.serve()

    def stop(self) -> None:
        """Stop answering and end what the lab started."""
        self._server.stop()
        self._dns.stop()
        extensions.stop()


def main() -> None:
    """Serve a lab until a signal ends it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--speed", type=float, default=60.0)
    parser.add_argument("--without", action="append", default=[])
    given = parser.parse_args()
    lab = Lab(given.port, given.speed, given.without)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: threading.Thread(target=lab.stop).start())
    sys.stdout.write(json.dumps({"endpoint": lab.endpoint, "speed": given.speed, "dns": lab.counting.dns}) + "\n")
    sys.stdout.flush()
    lab.serve()


if __name__ == "__main__":
    main()
