"""`python -m tests.permissions.record`: writes drctl/permissions/recorded.yaml anew from a life that nothing judges.

A life under the policies is what the tests play; this one finds out what they have to be.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from drctl.lab.server import Lab  # isort: skip  # sets moto's environment before anything imports it

import yaml

from drctl.lab.policies import Request, verdict
from drctl.permissions import documents
from drctl.permissions.documents import statement
from drctl.permissions.places import Places
from drctl.permissions.scopes import SCOPES
from drctl.settings import Settings
from tests.conftest import SPEED
from tests.permissions.life import Heard, living, parts_before

FILE = Path(documents.__file__).parent / "recorded.yaml"
HEAD = """\
# Which actions each run asked for in the lab, by scope. Written by `python -m tests.permissions.record`: do not edit;
# what a run needs that is not met there is in foreseen.yaml.
"""
Found = dict[str, dict[str, list[str]]]


def scope_of(one: Request, places: Places) -> str | None:
    """The first scope that takes what is asked for; None when there is none."""
    for scope in SCOPES:
        made = statement(scope.sid, [one.action], scope.resources(places), scope.condition(places))
        if scope.takes(one.action, one.resource) and verdict([{"Statement": [made]}], one) == "Allow":
            return scope.sid
    return None


def attributed(heard: dict[str, list[Heard]], settings: Settings) -> tuple[Found, list[str]]:
    """Actions by part and scope, and what no scope takes; what an earlier part of a run has, a later one lacks."""
    places, found, lost = Places(settings), dict[str, dict[str, set[str]]](), list[str]()
    for part, requests in sorted(heard.items(), key=lambda item: len(parts_before(item[0]))):
        scopes = found.setdefault(part, {})
        for one in unique(requests):
            sid = scope_of(one, places)
            if sid is None:
                lost.append(f"{part}: {one.action} on {one.resource} {dict(one.context)}")
            elif not any(one.action in found.get(other, {}).get(sid, ()) for other in parts_before(part)[:-1]):
                scopes.setdefault(sid, set()).add(one.action)
    return {part: {sid: sorted(scopes[sid]) for sid in sorted(scopes)} for part, scopes in sorted(found.items())}, lost


def unique(requests: Iterable[Heard]) -> list[Request]:
    """Everything that was asked for, each once."""
    return list({(one.action, one.resource, str(sorted(one.context.items()))): one
                 for heard in requests for one in heard.wanted}.values())


def main() -> None:
    """Play, and write."""
    lab = Lab(speed=SPEED)
    lab.start()
    with tempfile.TemporaryDirectory() as folder, living(Path(folder), lab, judged=False) as life:
        life.live()
        life.end()
        found, lost = attributed(life.heard, Settings())
    sys.stdout.write("\n".join([*life.failed, *lost, ""]))
    if not life.failed and not lost:
        FILE.write_text(HEAD + yaml.safe_dump(found, width=118, sort_keys=True))
        sys.stdout.write(f"wrote {FILE}\n")
    lab.stop()
    raise SystemExit(1 if life.failed or lost else 0)


if __name__ == "__main__":
    main()
