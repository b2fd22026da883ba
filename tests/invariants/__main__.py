"""`make invariants`: a hunt with another seed, longer than `make test` has time for; ends at the first that is wrong.

`ARGS='--seed 7 --schedules 5000 --steps 12'`; without a seed it draws one, and tells it.
"""

from __future__ import annotations

import argparse
import random
import sys
import time

from drctl.lab.server import Lab  # isort: skip  # sets moto's environment before anything imports it

from drctl.lab.aurora_roles import ON_ROLE_CHANGE
from tests.conftest import SPEED
from tests.invariants.machine import STEPS, search
from tests.invariants.world import World


def main() -> None:
    """Hunt."""
    parser = argparse.ArgumentParser(prog="make invariants", description=__doc__)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))  # noqa: S311  # a draw, no secret
    parser.add_argument("--schedules", type=int, default=2000)
    parser.add_argument("--steps", type=int, default=STEPS + 3)
    asked = parser.parse_args()
    lab = Lab(speed=SPEED)
    lab.start()
    world = World(lab)
    world.build()
    ON_ROLE_CHANGE.append(world.role_changed)
    say(f"seed {asked.seed}, {asked.schedules} schedules of {asked.steps} steps at most")
    began, busy = time.monotonic(), time.process_time()
    found = search(world, asked.schedules, asked.steps, asked.seed)
    say(f"{found.begun} schedules, {found.runs.total()} runs, nothing wrong; {time.monotonic() - began:.0f} s, "
        f"{time.process_time() - busy:.0f} s of one core")
    for what, count in sorted(found.runs.items()):
        say(f"{count:7d} {what}")
    lab.stop()


def say(text: str) -> None:
    """One line for whoever watches."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
