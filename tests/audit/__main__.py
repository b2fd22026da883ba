"""`make audit`: the production configuration, built in the lab, and an independent auditor over it.

Ends with 1 when the auditor finds what `accepted.yaml` does not list, or does not find any more what it lists.
"""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from drctl.cli.scenarios import in_the_lab
from tests.audit import auditor, plainly
from tests.audit.accepted import accepted, compared
from tests.cli.conftest import Cli, cli_in

PRODUCTION = auditor.HOUSE / "config/production.yaml"
#: AWS seconds in a second: how long things take is not what is audited.
SPEED = "300"


@contextmanager
def built(folder: Path) -> Iterator[tuple[str, tuple[str, str]]]:
    """The production configuration in a lab of its own, as that can have it: its endpoint, and the regions."""
    settings = in_the_lab(PRODUCTION) | {"deletion_protection": True}
    configuration = folder / "production.yaml"
    configuration.write_text(yaml.safe_dump(settings), encoding="utf-8")
    drctl = cli_in(folder)
    drctl.environment["DRCTL_SPEED"] = SPEED
    try:
        endpoint = _must(drctl, "lab", "up", "--speed", SPEED, "--json")["endpoint"]
        _must(drctl, "provision", "-c", str(configuration), "--json")
        yield endpoint, (settings["regions"]["primary"], settings["regions"]["standby"])
    finally:
        drctl("lab", "down")


def _must(drctl: Cli, *command: str) -> dict[str, str]:
    end = drctl(*command)
    if end.code:
        raise SystemExit(f"drctl {' '.join(command)} ended with {end.code}: {end.err[-2000:]}")
    told: dict[str, str] = end.json
    return told


def main() -> None:
    """Build, ask, compare, tell."""
    command, listed = auditor.ready(), accepted()
    with tempfile.TemporaryDirectory() as name, built(Path(name)) as (endpoint, regions):
        found = [*auditor.audited(command, endpoint, regions, Path(name)), *plainly.findings(endpoint, regions)]
    surprising, gone = compared(found, listed)
    counts = Counter(one.status for one in found)
    for one in surprising:
        sys.stdout.write(f"not accepted: {one.check}: {one.resource}: {one.says}\n")
    for each in gone:
        sys.stdout.write(f"accepted, and found no more: {each.check}: {each.resource}\n")
    sys.stdout.write(f"{auditor.FRAMEWORK}, and plainly: {len({one.check for one in found})} checks found something to "
                     f"look at: {counts['PASS']} passed, {counts['FAIL']} failed, {len(surprising)} of these not "
                     f"accepted; {counts['MANUAL']} need a person\n")
    raise SystemExit(1 if surprising or gone or not found else 0)


if __name__ == "__main__":
    main()
