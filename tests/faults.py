"""`make faults`: a share of all calls ends badly, and provision, drill and teardown come to the same end all the same.

Every fifth call is throttled, answered with 500 or 503, cut before its effect or cut after it, drawn from a seed. Calls
are counted at the lab, every try of each; AWS time is the lab's, simulated, with this machine's own time in it. Beside
a clean run they show that the SDK's repetitions and the engine's do not multiply.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass, field

from drctl.lab.server import Lab  # isort: skip  # noqa: F401  # sets moto's environment before anything imports it

from drctl.lab.faults import FAULTS
from tests.account import difference, stands
from tests.crash_matrix import COMMANDS, Workshop, say, workshop

#: Times as many calls as a clean run that a run with faults may make, at most.
TIMES = 2.0
#: Processes that a run may need: what a fault has failed goes on with the same command.
PROCESSES = 3


@dataclass
class Measured:
    """One run: tries counted at the lab, how many of them ended badly, AWS seconds, processes, what is wrong."""

    run: str
    seed: int | None
    calls: int = 0
    struck: int = 0
    aws_seconds: float = 0.0
    processes: int = 0
    #: What each process told that did not come to the end.
    failures: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


def measured(shop: Workshop, run: str, rate: float = 0.0, seed: int | None = None) -> Measured:
    """A run to its end, the same command again where it failed, and how what stands then differs from a clean life."""
    told = Measured(run, seed)
    home = shop.another_home()
    calls = sum(shop.lab.counting.calls.values())
    if seed is not None:
        FAULTS.start(rate, seed)
    try:
        for _ in range(PROCESSES):
            code, out, err = shop.process(home, COMMANDS[run])
            told.processes += 1
            told.aws_seconds += json.loads(out or "{}").get("aws_seconds", 0.0)
            if code == 0:
                break
            told.failures.append(f"exit {code}: {err[-1500:]}")
        else:
            told.wrong.append(told.failures[-1])
        told.struck = sum(FAULTS.wire()["struck"].values())
    finally:
        FAULTS.stop()
    told.calls = sum(shop.lab.counting.calls.values()) - calls
    if not told.wrong:
        seen = stands(shop.aws)
        told.wrong += difference(shop.wanted.setdefault(run, seen), seen)
    return told


def life(shop: Workshop, rate: float = 0.0, seed: int | None = None) -> list[Measured]:
    """Provision, drill and teardown, one after the other, in an account of somebody else's things."""
    shop.empty()
    return [measured(shop, run, rate, seed) for run in COMMANDS]


def main() -> int:
    parser = argparse.ArgumentParser(prog="make faults")
    parser.add_argument("--rate", type=float, default=0.2, help="share of the calls that end badly")
    parser.add_argument("--seed", type=int, action="append", help="may be repeated; default 1 2 3")
    parser.add_argument("--speed", type=float, default=120.0, help="AWS seconds in a second")
    parser.add_argument("--json", action="store_true", help="one JSON document")
    given = parser.parse_args()
    rows: list[tuple[Measured, Measured]] = []
    with workshop(given.speed) as shop:
        clean = life(shop)
        for seed in given.seed or [1, 2, 3]:
            for one, disturbed in zip(clean, life(shop, given.rate, seed), strict=True):
                rows.append((one, disturbed))
                if not given.json:
                    say(row(one, disturbed))
    if given.json:
        say(json.dumps([{"run": bad.run, "seed": bad.seed, "clean": vars(one), "with_faults": vars(bad),
                         "holds": holds(one, bad)} for one, bad in rows], indent=2))
    return 0 if all(holds(*pair) for pair in rows) else 1


def holds(clean: Measured, disturbed: Measured) -> bool:
    """Whether it came to the same end, with no more calls than promised."""
    return not clean.wrong and not disturbed.wrong and disturbed.calls <= TIMES * clean.calls


def row(clean: Measured, bad: Measured) -> str:
    """One line of the table."""
    times, longer = bad.calls / clean.calls, bad.aws_seconds / clean.aws_seconds
    line = (f"{'ok  ' if holds(clean, bad) else 'MISS'} {bad.run:9} seed {bad.seed}: calls {clean.calls:5} -> "
            f"{bad.calls:5}"
            f" (x {times:.2f}, {bad.struck} ended badly), AWS time {clean.aws_seconds / 60:5.1f} -> "
            f"{bad.aws_seconds / 60:5.1f} min simulated (x {longer:.2f}), processes {bad.processes}")
    return "\n     ".join([line, *(wrong[:800] for wrong in (clean.wrong + bad.failures + bad.wrong)[:4])])


if __name__ == "__main__":
    sys.exit(main())
