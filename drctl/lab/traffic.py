"""The lab's traffic: clients that use the stack through the users' name, all the time, until they are told to stop.

Run as `python -m drctl.lab.traffic ORDER` by `drctl.lab.traffic_process`; prints one JSON line when it goes. Ends at
SIGTERM, when the lab is gone, and when its file under `DRCTL_HOME` is.
"""

from __future__ import annotations

import itertools
import json
import logging
import os
import signal
import sys
import threading
import time
from typing import Any

from drctl.errors import ConfigurationError
from drctl.lab import process, traffic_process
from drctl.lab.traffic_client import Client, Rows
from drctl.lab.traffic_process import Order
from drctl.lab.traffic_record import Recorder
from drctl.lab.traffic_user import User, Way

log = logging.getLogger(__name__)
#: Real seconds between two looks whether the lab is there, and without it after which the traffic ends.
LOOK_EVERY, GONE_AFTER = 1.0, 3.0


class Traffic:
    """The clients of one order, each in a thread of its own; `page` is what the lab's page `clients` says."""

    def __init__(self, order: Order, page: dict[str, Any]) -> None:
        self._order, self._way = order, Way.of(page)
        self.regions: dict[str, str] = page["regions"]
        self.stopped = threading.Event()
        self._recorder = Recorder(order.record)
        self._rows = Rows(order.label, itertools.count(1), self._recorder.put,
                          lambda address: self.regions.get(address, ""))
        self._threads = [threading.Thread(target=self._use, args=(number,), name=f"client-{number}")
                         for number in range(1, order.clients + 1)]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        """Begin no more requests, and return when those under way are recorded."""
        self.stopped.set()
        for thread in self._threads:
            thread.join()
        self._recorder.close()

    def _use(self, number: int) -> None:
        """One client: its requests begin evenly spaced, between those of the others; what is late is not caught up."""
        user = User(self._way, self._order.target, number)
        client = Client(number, user, self._order.target, self._rows)
        due = time.monotonic() + number / self._order.rate
        try:
            while not self.stopped.wait(max(0.0, due - time.monotonic())):
                client.request()
                due = max(due + self._order.clients / self._order.rate, time.monotonic())
        except Exception:
            log.exception("client %s ended; so does the traffic", number)
            self.stopped.set()
        finally:
            user.close()


def main() -> None:
    """Do what is ordered until a signal, or until the lab or the file of this traffic is gone."""
    order = Order.of(sys.argv[1])
    try:
        lab = _lab()
        traffic = Traffic(order, process.ask(lab, "clients"))
    except (OSError, KeyError, ConfigurationError) as error:
        _tell({"error": str(error)})
        raise SystemExit(1) from error
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: threading.Thread(target=traffic.stopped.set).start())
    traffic_process.note(order)
    traffic.start()
    _tell({"label": order.label})
    _watch(traffic, lab)
    traffic.end()
    if _is_ours():
        traffic_process.file().unlink(missing_ok=True)


def _lab() -> process.LabState:
    found = process.state()
    if found is None:
        raise ConfigurationError("there is no lab")
    return found


def _watch(traffic: Traffic, lab: process.LabState) -> None:
    """Return when the traffic is to end; until then, know the regions of all balancers that there are."""
    seen = time.monotonic()
    while not traffic.stopped.wait(LOOK_EVERY) and _is_ours() and time.monotonic() < seen + GONE_AFTER:
        try:
            traffic.regions = process.ask(lab, "clients")["regions"]
            seen = time.monotonic()
        except (OSError, ValueError, ConfigurationError):
            continue


def _is_ours() -> bool:
    """Whether the file of this home's traffic is that of this process."""
    found = traffic_process.state()
    return found is not None and found.pid == os.getpid()


def _tell(document: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(document) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
