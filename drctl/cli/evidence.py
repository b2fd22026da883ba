"""Runs as this machine and the control buckets know them: which came to their end, and which can be gone on with."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from functools import partial
from typing import Any

from drctl.cli.control import Control
from drctl.cli.session import way_if_there
from drctl.engine import rundir
from drctl.engine.copies import Shelf, Torn
from drctl.engine.looks import Unanswered, first_of
from drctl.engine.owner import Owner, is_alive_here
from drctl.engine.report import FOLLOWED, report_of, what_followed
from drctl.engine.rundir import RunDirectory
from drctl.errors import ConfigurationError, Refused
from drctl.settings import Settings

Report = dict[str, Any]
#: How a run ended that can be gone on with.
UNFINISHED = frozenset({"interrupted", "failed"})
#: Runs that are fetched from a control bucket at most.
NEWEST = 50
#: Real seconds for both control buckets, and for the second once the first has told everything: its region may be lost.
BOTH_S, SECOND_S = 30.0, 2.0


def reports() -> list[Report]:
    """Every run of this home: those that did not come to their end first, then the others; each newest first."""
    found = [report_in(directory) for directory in rundir.all_runs()]
    known = [report | followed_by(report, found) for report in found]
    return sorted(known, key=lambda report: not can_be_resumed(report))


def can_be_resumed(report: Report) -> bool:
    """Whether the run stopped on its way, and no later one has gone on with it or come to its end in its place."""
    return report["outcome"] in UNFINISHED and not report.keys() & FOLLOWED.keys()


def with_what_followed(report: Report) -> Report:
    """The report of one run with what has become of it, as this home knows."""
    return report | (followed_by(report, _later(report)) if report["outcome"] in UNFINISHED else {})


def brought_to_its_end(report: Report) -> Report | None:
    """The run itself if it is done, or one of this home that is done and has gone on with it, over others it may be."""
    chain = {report["run"]: report}
    for one in reversed(_later(report)):
        if one.get("resumes") in chain:
            chain[one["run"]] = one
    return next((one for one in chain.values() if one["outcome"] == "done"), None)


def _later(report: Report) -> list[Report]:
    """Those of this home that began after a run, the newest first: ids sort by time."""
    return [report_in(directory) for directory in rundir.all_runs() if directory.id > report["run"]]


def to_resume(run_id: str | None, settings: Callable[[], Settings]) -> tuple[Report, RunDirectory]:
    """The run to go on with: the one named, or the newest that did not come to its end; here or in the control buckets.

    Raises ConfigurationError when there is no such run, Refused when none needs resuming or it is under way.
    """
    everywhere = False  # whether the control buckets were asked for all runs just now
    if run_id is not None:
        directory = named(run_id, settings)
    else:
        found = [one for one in reports() if can_be_resumed(one)]
        if not found and fetch(settings()):
            found = [one for one in reports() if can_be_resumed(one)]
            everywhere = bool(found)
        if not found:
            raise Refused("no run stopped on its way, here or in the control buckets; nothing was changed",
                          next_step="drctl runs")
        directory = rundir.named(found[0]["run"])
    report = found[0] if everywhere else _as_known_everywhere(directory)
    if not can_be_resumed(report):
        words = f" ({followed})" if (followed := what_followed(report)) else ""
        raise Refused(f"run {report['run']} is {report['outcome']}{words}; there is nothing to go on with",
                      next_step="drctl runs")
    return report, directory


def _as_known_everywhere(directory: RunDirectory) -> Report:
    """The report of a run, after the later ones of other machines were fetched: one may have gone on with it."""
    if records := directory.records():
        fetch(Settings.model_validate(records[0]["settings"]), after=directory.id)
    return next(one for one in reports() if one["run"] == directory.id)


def named(run_id: str, settings: Callable[[], Settings]) -> RunDirectory:
    """The run with this id, its beginning, or `last`; what this machine does not know is fetched."""
    try:
        return rundir.named(run_id)
    except ConfigurationError:
        if not fetch(settings(), run_id):
            raise
        return rundir.named(run_id)


def fetch(settings: Settings, beginning: str = "", after: str = "") -> int:
    """Bring runs from the control buckets into this home, the newest first, and return how many; at best effort.

    Only those whose id has this beginning and comes after `after`: ids sort by time. A region that does not answer is
    not waited for; what it has told by then counts.
    """
    known = {directory.id for directory in rundir.all_runs()}
    told: list[dict[str, bytes]] = []

    def look(shelf: Shelf) -> Callable[[], None]:
        brought: dict[str, bytes] = {}
        told.append(brought)
        return lambda: _bring(shelf, beginning, after, known, brought)

    first_of({shelf.region: look(shelf) for shelf in shelves(settings)}, BOTH_S, SECOND_S)
    found = {run_id: journal for brought in told for run_id, journal in dict(brought).items()}
    for run_id, journal in found.items():
        rundir.restored(run_id, journal)
    return len(found)


def _bring(shelf: Shelf, beginning: str, after: str, known: Collection[str], brought: dict[str, bytes]) -> None:
    for run_id in [one for one in shelf.runs() if one.startswith(beginning) and one > after][:NEWEST]:
        if run_id not in known and (journal := _journal(shelf, run_id)):
            brought[run_id] = journal


def copies(directory: RunDirectory, settings: Settings) -> dict[str, str]:
    """By region: whether the copy of a run's journal is the same as here, only its beginning, different, or absent."""
    here = directory.journal.read_bytes()
    looks = {shelf.region: partial(shelf.journal, directory.id) for shelf in shelves(settings)}
    return {region: _compared(there, here) for region, there in first_of(looks, BOTH_S, SECOND_S).items()}


def _compared(there: bytes | Unanswered, here: bytes) -> str:
    if isinstance(there, Unanswered):
        return f"not read: {there.why}"
    return ("absent" if not there else "same" if there == here else
            "the beginning of it" if here.startswith(there) else "DIFFERENT")


def shelves(settings: Settings) -> list[Shelf]:
    """The control buckets' shelves; none when a lab is the target and none runs."""
    way = way_if_there(settings)
    return [] if way is None else Control.of(settings, way).shelves()


def _journal(shelf: Shelf, run_id: str) -> bytes:
    with suppress(Torn):
        return shelf.journal(run_id)
    return b""


def report_in(directory: RunDirectory) -> Report:
    """The report of a run as its journal tells it; one that is under way on this machine is `running`."""
    records = directory.records()
    report = report_of(directory.id, records)
    ended = any(record["event"] == "run-ended" for record in records)
    if records and not ended and is_alive_here(Owner(**records[0]["owner"])):
        report["outcome"] = "running"
    return report


def followed_by(report: Report, others: Iterable[Report]) -> dict[str, str]:
    """The later run that has gone on with one that stopped on its way; without one, the later one of the same command
    that is done: what the first was to do then is no longer, whether they had to do with each other or not."""
    if report["outcome"] not in UNFINISHED:
        return {}
    later = [one for one in others if (one["started_at"] or 0) > (report["started_at"] or 0)]
    if resumed := next((one for one in later if one.get("resumes") == report["run"]), None):
        return {"resumed_by": resumed["run"]}
    same = [one for one in later if one["outcome"] == "done"
            and (one["command"], one["environment"]) == (report["command"], report["environment"])]
    return {"superseded_by": same[0]["run"]} if same else {}
