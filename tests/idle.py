"""`make idle`: what the lab takes of the machine with the whole stack in it while nothing is asked of it; Linux only.

The lab goes at its usual speed, a minute of AWS in a second: health checks, schedules and replication go on as fast.
All its processes count: its own, PostgreSQL's, the functions' and the cleaners'.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from tests.bench import Figure, drctl, show

#: Real seconds over which the share of a core is taken, and before that, in which the lab comes to rest.
MEASURED_S, SETTLING_S = 60.0, 40.0
#: Real seconds of which the median is taken: a busy host makes the same work cost several times as much for a while.
SLICE_S = 5.0
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Usage:
    """CPU seconds, of ended children too, and resident memory in MiB, by process id; and what each is."""

    cpu_s: dict[int, float]
    rss_mib: dict[int, float]
    names: dict[int, str]

    def since(self, before: Usage) -> dict[str, float]:
        """CPU seconds since then by name, the most first."""
        used: dict[str, float] = {}
        for pid, seconds in self.cpu_s.items():
            name = self.names[pid]
            used[name] = used.get(name, 0.0) + seconds - before.cpu_s.get(pid, 0.0)
        return dict(sorted(used.items(), key=lambda one: -one[1]))


def usage(pid: int) -> Usage:
    """Of a process and everything that it has begun."""
    stats = dict(_stats())
    found = {pid}
    while more := {one for one, fields in stats.items() if int(fields[1]) in found} - found:
        found |= more
    page = os.sysconf("SC_PAGE_SIZE") / 2**20
    return Usage({one: sum(map(int, stats[one][11:15])) / TICKS for one in found},
                 {one: int(stats[one][21]) * page for one in found}, {one: _name(one) for one in found})


def _stats() -> Iterator[tuple[int, list[str]]]:
    """The fields of /proc/PID/stat from the state on (proc_pid_stat(5)), of every process."""
    for file in Path("/proc").glob("[0-9]*/stat"):
        try:
            yield int(file.parent.name), file.read_text(errors="replace").rpartition(")")[2].split()
        except OSError:
            continue  # it has just ended


def _name(pid: int) -> str:
    """The lab, a function, a cleaner, or what of PostgreSQL it is."""
    words = (Path(f"/proc/{pid}/cmdline").read_text(errors="replace").replace("\0", " ")).strip()
    known = {"drctl.lab.server": "lab", "function_worker.py": "functions", "cleaner.py": "cleaners",
             " -D ": "postgres"}
    return next((name for part, name in known.items() if part in words), words.partition(" 0/")[0].strip() or "ended")


def measured(environment: dict[str, str]) -> Iterator[Figure]:
    """Start, a build, and a minute of doing nothing."""
    began = time.monotonic()
    pid = int(json.loads(drctl(environment, "lab", "up", "--json"))["pid"])
    yield Figure("start of the lab", round(time.monotonic() - began, 1), 15, "s", _load())
    drctl(environment, "provision", "--json")
    threading.Event().wait(SETTLING_S)
    before, began, shares = usage(pid), time.monotonic(), []
    while time.monotonic() - began < MEASURED_S:
        earlier, since = usage(pid), time.monotonic()
        threading.Event().wait(SLICE_S)
        shares.append(100 * sum(usage(pid).since(earlier).values()) / (time.monotonic() - since))
    after, took = usage(pid), time.monotonic() - began
    used = after.since(before)
    most = ", ".join(f"{name} {100 * seconds / took:.1f}" for name, seconds in list(used.items())[:3])
    yield Figure("share of a core while idle", round(median(shares), 1), 10, "%",
                 f"of {SLICE_S:g} s, between {min(shares):.1f} and {max(shares):.1f}; in the mean {most}; {_load()}")
    largest = f"lab {after.rss_mib[pid]:.0f}, {len(after.rss_mib)} processes; what they share is counted in each"
    yield Figure("resident memory while idle", round(sum(after.rss_mib.values())), 1024, "MiB", largest)


def _load() -> str:
    return f"load {os.getloadavg()[0]:.1f}"


def main() -> int:
    with tempfile.TemporaryDirectory() as home:
        environment = {**os.environ, "DRCTL_HOME": home}
        for name in ("PYTHONDONTWRITEBYTECODE", "DRCTL_SPEED"):
            environment.pop(name, None)
        try:
            return show(list(measured(environment)))
        finally:
            drctl(environment, "lab", "down")


if __name__ == "__main__":
    sys.exit(main())
