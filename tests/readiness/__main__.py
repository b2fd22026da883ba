"""`make readiness-proof`: 200 seeded breakages of a ready stack, and 50 ready stacks of random settings."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile

from drctl.lab.server import Lab  # isort: skip  # sets moto's environment before anything imports it

from drctl.lab import extensions
from tests.conftest import SPEED
from tests.readiness.proof import breakages, drawn, ready_stacks, tell
from tests.readiness.world import BASE, World, amiss


def say(text: object) -> None:
    """A line, at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> int:
    """Break, judge, tell."""
    parser = argparse.ArgumentParser(prog="make readiness-proof")
    parser.add_argument("--breakages", type=int, default=200)
    parser.add_argument("--swapped", type=int, default=50, help="how many of them while the roles are swapped")
    parser.add_argument("--ready", type=int, default=50, help="ready stacks of random settings")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    for name in [name for name in os.environ if name.startswith(("AWS_", "DRCTL_"))]:
        del os.environ[name]
    lab = Lab(speed=SPEED)
    lab.start()
    try:
        with tempfile.TemporaryDirectory(prefix="readiness-") as home:
            os.environ["DRCTL_HOME"] = home
            return proven(World(lab), given)
    finally:
        lab.stop()


def proven(world: World, given: argparse.Namespace) -> int:
    """Ready stacks first, then one that is broken again and again; the exit code."""
    every, ready = [], []
    for one in ready_stacks(world, given.ready, given.seed):
        ready.append(one)
        say(f"{'ok   ' if not one[1] else 'WRONG'} ready, {one[0]}: {one[1] or 'nothing found'}; {one[2]:.1f} s")
    extensions.reset()
    world.make_ready(BASE)
    if wrong := amiss(world.judged()[0]):
        say(f"the stack is not ready before it is broken: {wrong}")
        return 1
    for told in breakages(world, drawn(given.breakages, given.seed), swapped=given.swapped):
        every.append(told)
        say(told)
    return tell(every, ready)


if __name__ == "__main__":
    sys.exit(main())
