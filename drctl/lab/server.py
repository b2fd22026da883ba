"""The lab's HTTP server: moto's own application behind a thin layer that counts calls and answers for the lab itself.

Run as `python -m drctl.lab.server --port N --speed N`; prints one JSON line when it answers. Also started inside a
process by tests (`Lab`). It listens on loopback only.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

# moto reads these when it is imported.
os.environ.setdefault("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
os.environ.setdefault("MOTO_ACM_VALIDATION_WAIT", "0")

from cheroot.wsgi import Server
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

from drctl.lab import connections, extensions, faults, outages, own_pages, refusals, throttling, unchanging
from drctl.lab.called import Call, Environ, is_cut_off, what_is_called
from drctl.lab.clock import CLOCK
from drctl.lab.dns import DnsServer
from drctl.lab.edge import Edge
from drctl.lab.gate import Gate
from drctl.lab.rules import RULES, SWITCHED_OFF, unknown_rules
from drctl.lab.stir import STIR

StartResponse = Callable[..., Any]
#: Requests answered at the same time: every thread of a run may wait for one.
THREADS = 40
#: Connections kept for a client's next request; those that wait in an outage count among them.
KEPT_CONNECTIONS = 256
#: Where a request keeps what it calls, when it has to wait before it is served.
_CALL = "drctl.call"


class Counting:
    """WSGI layer: counts AWS calls (but those of functions), strikes them in outages and with faults, throttles; has
    the lab's own pages."""

    def __init__(self, aws: Any) -> None:
        self._aws = aws
        self._lock = threading.Lock()
        self.calls: Counter[tuple[str, str, str, bool]] = Counter()
        self.gate = Gate()
        self.dns = self.edge = ""

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        environ["RAW_URI"] = environ.get("REQUEST_URI", "")  # object keys are taken from the path as it was sent
        if path.startswith(own_pages.OWN):
            return self._own(environ, start_response)
        if is_cut_off(environ):
            connections.cut(environ)
        answer: Iterable[bytes] | None = None
        if not path.startswith("/moto-api"):
            answer = self._in_front(self._called(environ), environ, start_response)
        return self._aws(environ, start_response) if answer is None else answer

    def _called(self, environ: Environ) -> Call:
        """What is called, counted once."""
        if _CALL not in environ:
            call = environ[_CALL] = what_is_called(environ)
            if not call.by_function:
                with self._lock:
                    self.calls[call[:4]] += 1
                if call.mutating:
                    STIR.touch()
        known: Call = environ[_CALL]
        return known

    def _in_front(self, call: Call, environ: Environ, start_response: StartResponse) -> Iterable[bytes] | None:
        """The answer of a layer in front of moto, if any."""
        if (struck := outages.strike(call, environ, start_response)) is not None:
            return struck
        if (struck := faults.strike(call, environ, start_response, self._aws)) is not None:
            return struck
        if (refusal := throttling.refused(call) or self.gate.refused(call, environ)) is not None:
            return refusals.answer(refusal, call, environ, start_response)
        return None

    def _own(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        status, document = own_pages.answer(self, environ)
        body = json.dumps(document).encode()
        start_response(status, [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
        return [body]


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
        self._server.keep_alive_conn_limit = KEPT_CONNECTIONS
        connections.serve_with(self._server, connections.Connection)
        self._server.prepare()
        self.port = int(self._server.bind_addr[1])
        os.environ["MOTO_PORT"] = str(self.port)
        self._dns = DnsServer()
        self.dns_port = self._dns.port
        self.counting.dns = self._dns.address
        self._edge = Edge()
        self.edge = self.counting.edge = self._edge.address

    @property
    def endpoint(self) -> str:
        """URL that stands for every AWS service."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Answer requests in a background thread."""
        self._dns.start()
        self._edge.start()
        threading.Thread(target=self._server.serve, name="lab", daemon=True).start()

    def serve(self) -> None:
        """Answer requests until `stop`."""
        self._dns.start()
        self._edge.start()
        self._server.serve()

    def stop(self) -> None:
        """Stop answering and end what the lab started."""
        self._edge.stop()
        self._server.stop()
        self._dns.stop()
        extensions.stop()


def main() -> None:
    """Serve a lab until a signal ends it; with --rules, tell the rules and end."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--speed", type=float, default=60.0)
    parser.add_argument("--without", action="append", default=[])
    parser.add_argument("--faults", type=float, default=0.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rules", action="store_true")
    given = parser.parse_args()
    if given.rules:
        _tell(own_pages.rules())
        return
    if unknown := unknown_rules(given.without, RULES):
        _tell({"error": unknown})
        raise SystemExit(2)
    lab = Lab(given.port, given.speed, given.without)
    faults.FAULTS.start(given.faults, given.seed)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: threading.Thread(target=lab.stop).start())
    _tell({"endpoint": lab.endpoint, "speed": given.speed, "dns": lab.counting.dns,
           "edge": lab.edge})
    lab.serve()


def _tell(document: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(document) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
