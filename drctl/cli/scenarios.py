"""Plays scenarios: what came of each step beside what was expected.

Nothing of the caller's lab, runs or environment is touched; the runs of a scenario stay in its folder.
"""

from __future__ import annotations

import json
import re
import shlex
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from drctl.aws.errors import AwsError, code_of, message_of
from drctl.cli.scenario_stage import Differs, Stage, end_of
from drctl.configuration import parse
from drctl.errors import ConfigurationError
from drctl.lab.damages import DAMAGES
from drctl.lab.scenario import Expected, Outage, Scenario, Step, load, packaged
from drctl.names import Names
from drctl.settings import LAB_ACCOUNT, Settings

#: AWS seconds of a unit, by its letters.
UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
#: AWS seconds without an acknowledged write after which nobody writes.
NOBODY_S = 60.0
#: What asks before it begins.
ASKING = ("failover", "failback", "teardown")

Data = dict[str, Any]


@dataclass(frozen=True)
class Outcome:
    """How a scenario ended: what differed, at which step (from 1), empty for nothing; and real seconds."""

    name: str
    title: str
    differs: str
    step: int
    seconds: float
    steps: tuple[str, ...] = ()


# Which, and on what --------------------------------------------------------------------------------------------------


def in_the_lab(path: Path) -> Data:
    """A configuration as the lab can have it: what only an account has is made anew; ConfigurationError when it is
    wrong."""
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    parse(text, str(path))
    data: Data = yaml.safe_load(text) or {}
    dns, app = dict(data.get("dns") or {}), dict(data.get("app") or {})
    dns.pop("zone_id", None)
    if app.get("package"):
        app["package"] = str(Path(app["package"]).resolve())
    tls = data.get("tls") or {}
    made = {"tls": {key: value for key, value in tls.items() if not key.endswith("_arn")} | {"mode": "acm"}} if (
        tls.get("mode") == "given") else {}
    return data | made | {"target": "lab", "account_id": LAB_ACCOUNT, "deletion_protection": False,
                          "dns": dns, "app": app}


def names_of(settings: Settings) -> dict[str, str]:
    """What `{…}` stands for in a scenario."""
    named = Names(settings.environment, settings.account_id)
    buckets = {f"{label}_{site.role}": named("s3", label, site.region)
               for label in ("switch", "control") for site in settings.sites}
    return {**buckets, **{site.role: site.region for site in settings.sites}, "name": settings.dns.name}


def _settings(data: Mapping[str, Any]) -> Settings:
    return parse(yaml.safe_dump(dict(data)), "settings")


def listed(data: Mapping[str, Any]) -> list[dict[str, str]]:
    """Name, title, reason and file of every scenario that comes with drctl."""
    names = names_of(_settings(data))
    found = {name: (path, load(path, names)) for name, path in packaged().items()}
    return [{"name": name, "title": one.title, "why": one.why, "file": str(path)}
            for name, (path, one) in found.items()]


def chosen(wanted: Sequence[str], data: Mapping[str, Any]) -> dict[str, Scenario]:
    """The scenarios of these names and files; ConfigurationError, before any is played, for one that is not there."""
    known, names = packaged(), names_of(_settings(data))
    paths: dict[str, Path] = {}
    for one in wanted:
        if one == "all":
            paths |= known
        elif one in known:
            paths[one] = known[one]
        elif Path(one).suffix in {".yaml", ".yml"}:
            paths[Path(one).stem] = Path(one)
        else:
            raise ConfigurationError(f"there is no scenario {one!r}", next_step="drctl lab scenario --list")
    return {name: load(path, names) for name, path in paths.items()}


# Playing -------------------------------------------------------------------------------------------------------------


def play(name: str, scenario: Scenario, home: Path, data: Mapping[str, Any], speed: float) -> Outcome:
    """Play a scenario under `home`; what differs ends it."""
    began, told = time.monotonic(), list[str]()
    try:
        with Stage(home, _merged(data, scenario.settings), speed) as stage:
            if scenario.built:
                stage.must("provision", "--json")
            for step in scenario.steps:
                told.append(f"{step.kind} {_shown(step)}")
                PLAYED[step.kind](stage, step)
    except Differs as difference:
        return Outcome(name, scenario.title, str(difference), len(told), time.monotonic() - began, tuple(told))
    return Outcome(name, scenario.title, "", 0, time.monotonic() - began, tuple(told))


def _merged(data: Mapping[str, Any], other: Mapping[str, Any]) -> Data:
    """Settings with parts of them replaced, key by key."""
    return {**data, **{key: _merged(data.get(key) or {}, value) if isinstance(value, Mapping) else value
                       for key, value in other.items()}}


def _shown(step: Step) -> str:
    value = getattr(step, step.kind)
    return value if isinstance(value, str) else " ".join(f"{key} {one}" for key, one in value if one)


def _drctl(stage: Stage, step: Step) -> None:
    words = shlex.split(str(step.drctl))
    asks = words[0] in ASKING and "--show" not in words
    done = stage.run(*words, *(["--json"] if step.report else []), *(["--yes"] if asks else []))
    if done.returncode != step.exits:
        raise Differs(f"expected exit {step.exits}, got {done.returncode}: {end_of(done.stderr)}")
    screen = done.stdout + done.stderr
    if missing := [text for text in step.says if text not in screen]:
        raise Differs(f"not said: {', '.join(map(repr, missing))}; the end of what was: {end_of(screen)}")
    if step.report:
        stage.reports.append(json.loads(done.stdout))
        _compare(stage.reports[-1], step.report)


def _compare(report: Mapping[str, Any], expected: Mapping[str, Expected]) -> None:
    for path, wanted in expected.items():
        seen: Any = report
        for key in path.split("."):
            seen = seen.get(key) if isinstance(seen, Mapping) else None
        fits = (isinstance(seen, int | float) and wanted[0] <= seen <= wanted[1]) if isinstance(wanted, tuple) else (
            seen == wanted)
        if not fits:
            raise Differs(f"{path} is {seen!r}, expected {wanted!r}")


def _outage(stage: Stage, step: Step) -> None:
    if not isinstance(step.outage, Outage):
        stage.must("lab", "outage", "end")
        return
    given = step.outage.model_dump() | ({"mode": ""} if step.outage.gray else {})
    stage.must("lab", "outage", "start", *(word for key, value in given.items() if value
                                           for word in (f"--{key}", value)))


def _lag(stage: Stage, step: Step) -> None:
    stage.must("lab", "lag", str(step.lag))


def _traffic(stage: Stage, step: Step) -> None:
    if step.traffic == "start":
        stage.begin_traffic()
    else:
        stage.must("lab", "traffic", "stop")


def _damage(stage: Stage, step: Step) -> None:
    try:
        DAMAGES[str(step.damage)](stage.stricken)
    except AwsError as error:
        raise Differs(f"could not be done: {code_of(error)}: {message_of(error)}") from error


def _wait(stage: Stage, step: Step) -> None:
    threading.Event().wait(seconds_of(str(step.wait)) / stage.lab.speed)


def _users(stage: Stage, step: Step) -> None:
    began, speed, within_s = time.time(), stage.lab.speed, seconds_of(step.within)
    if step.users == "none":
        if not stage.until(lambda: _silent_s(stage) * speed >= NOBODY_S, within_s):
            raise Differs("users still write, expected that nobody does")
    elif not stage.until(lambda: stage.record.first_after(began, str(step.users)) is not None, within_s):
        last = stage.record.last_before(time.time())
        raise Differs(f"no write was acknowledged in {step.users} within {step.within}; the last one was in "
                      f"{last.region if last else 'no region'}")


def _silent_s(stage: Stage) -> float:
    """Real seconds since the last acknowledged write."""
    now = time.time()
    last = stage.record.last_before(now)
    return now - last.at if last else float("inf")


def _rows(stage: Stage, step: Step) -> None:
    found = stage.audited()
    listed_ = " ".join(item for report in stage.reports for one in report.get("reconciliation", ())
                       for item in one["items"]) if step.rows == "accounted" else ""
    ids = {one.n: one.id for one in stage.record.acknowledged()}
    gone = [n for n in (*found.missing, *found.unknown) if not ids[n] or str(ids[n]) not in listed_]
    if gone:
        also = " nor listed" if step.rows == "accounted" else ""
        raise Differs(f"{len(gone)} acknowledged rows are not there{also}: {gone[:20]}")


def seconds_of(span: str) -> float:
    """AWS seconds of 500ms, 20s, 15m or 2h, which the scenario's model has checked."""
    number, unit = re.findall(r"[\d.]+|[a-z]+", span)
    return float(number) * UNITS[unit]


PLAYED: dict[str, Callable[[Stage, Step], None]] = {
    "drctl": _drctl, "outage": _outage, "lag": _lag, "traffic": _traffic, "damage": _damage, "wait": _wait,
    "users": _users, "rows": _rows}
