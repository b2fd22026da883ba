"""The screen of `drctl status`: both regions side by side, then what concerns both, in lines that fit."""

from __future__ import annotations

import shutil
import sys
import textwrap
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, zip_longest
from typing import Any

import click

from drctl.cli.decision import less_if_lost, seconds

#: Columns of the names on the left with what surrounds them, and between two regions.
NAMES, GAP = 14, 2
#: Columns of one region at most where there is no terminal.
CELL = 60
GOOD, BAD, DOUBTFUL = "green", "red", "yellow"
#: AWS seconds after which a lag says little of now.
OLD_S = 120

Told = Mapping[str, Any]


@dataclass(frozen=True)
class Row:
    """A name and what is to be said: one text, or one for each region; the colour is that of each."""

    name: str
    texts: tuple[str, ...]
    colours: tuple[str, ...] = ("",)

    def lines(self, widths: Sequence[int]) -> Iterator[str]:
        """The row in columns so wide, none of them unlimited; with colours."""
        cells = [textwrap.wrap(text, width, break_on_hyphens=False) if width else [text]
                 for text, width in zip(self.texts, widths, strict=False)]
        for number, parts in enumerate(zip_longest(*cells, fillvalue="")):
            padded = [part.ljust(width) for part, width in zip(parts[:-1], widths, strict=False)] + [parts[-1]]
            shown = [click.style(part, fg=colour or None) for part, colour in zip(padded, self.colours, strict=False)]
            yield (f"  {self.name if not number else '':{NAMES - 3}} " + (" " * GAP).join(shown)).rstrip()


def show_status(seen: Told) -> None:
    """The stack on one screen, as wide as the terminal; whole lines where there is none."""
    for line in lines(seen, columns() if sys.stdout.isatty() else 0):
        click.echo(line)


def columns() -> int:
    """How wide the terminal is."""
    return shutil.get_terminal_size().columns


def lines(seen: Told, width: int = 0) -> Iterator[str]:
    """The lines of the screen, at most so many columns wide; as long as they are with 0."""
    yield click.style(f"{seen['environment']}: {_headline(seen)}", bold=True)
    for region in seen["silent"]:
        words = "DOES NOT ANSWER" if seen["regions"][region]["answers"] == "no" else "ANSWERS WITH ERRORS ONLY"
        users = f": {seen['users']}" if seen["users"] else ""
        for part in textwrap.wrap(f"{region} {words}{users}", (width or 10_000) - 2):
            yield click.style(f"  {part}", fg=BAD, bold=True)
    table = list(_regions(seen))
    half = (width - NAMES - GAP) // 2 if width else min(CELL, max(len(text) for row in table for text in row.texts))
    for row in table:
        yield from row.lines((half, half))
    yield ""
    for row in _both(seen):
        yield from row.lines((max(20, width - NAMES) if width else 0,))
    if seen["next"]:
        yield click.style("next: ", bold=True) + seen["next"]


def in_one_line(seen: Told) -> str:
    """The gist of it, for a log: the time first."""
    health = ", ".join(f"{region} {_answers(told)}, app {seen['health'][region]}, database {seen['probes'][region]}"
                       for region, told in seen["regions"].items())
    left = f"; to be done: {'; '.join(seen['left'])}" if seen["left"] else ""
    return f"{seen['at']}  {_headline(seen)}; {health}; lag {_lag(seen['database'])}{left}"


def _headline(seen: Told) -> str:
    database = seen["database"]
    if database["active"]:
        return f"active in {database['active']}"
    return {"absent": "there is no database", "not seen": "active in an unknown region"}.get(
        database["status"], "no region writes at the moment")


# Both regions side by side -------------------------------------------------------------------------------------------


def _regions(seen: Told) -> Iterator[Row]:
    regions = seen["regions"]
    active = seen["database"]["active"]
    yield Row("", tuple(f"{region}, {told['role']}{', ACTIVE' if region == active else ''}"
                        for region, told in regions.items()), ("", ""))
    yield _row("answers", [(_answers(told), GOOD if told["answers"] == "yes" else BAD if region in seen["silent"]
                            else DOUBTFUL) for region, told in regions.items()])
    yield _row("database", [_database(seen, region) for region in regions])
    yield _row("app", [(text, GOOD if text == "healthy" else DOUBTFUL if text == "not seen" else BAD)
                       for text in seen["health"].values()])
    if seen["certificates"]:
        yield _row("certificate", [_days(seen["certificates"].get(region)) for region in regions])


def _row(name: str, cells: Sequence[tuple[str, str]]) -> Row:
    return Row(name, tuple(text for text, _ in cells), tuple(colour for _, colour in cells))


def _answers(told: Mapping[str, str]) -> str:
    return told["why"] if told["answers"] == "no" else ": ".join(filter(None, (told["answers"], told["why"])))


def _database(seen: Told, region: str) -> tuple[str, str]:
    """The role that RDS shows, and what the database says of itself."""
    role, probe = seen["database"]["members"].get(region), seen["probes"][region]
    shown = "no member" if role is None else role or "reader"
    if seen["database"]["status"] in {"absent", "not seen"}:
        shown = seen["database"]["status"]
    good = (shown, probe) in {("writer", "writes"), ("connected", "reads")}
    text = shown if shown == probe else f"{shown}; {'probe ' if probe == 'not seen' else ''}{probe}"
    return text, GOOD if good else BAD if probe.startswith("fails") else DOUBTFUL


def _days(days: Any) -> tuple[str, str]:
    if not isinstance(days, int):
        return str(days or "none that is issued"), DOUBTFUL if days else BAD
    return f"{days} days left", BAD if days < 7 else DOUBTFUL if days < 30 else GOOD


# What concerns both --------------------------------------------------------------------------------------------------


def _both(seen: Told) -> Iterator[Row]:
    database, dns = seen["database"], seen["dns"]
    told = ", ".join(dns["addresses"]) or dns["problem"] or "no address"
    yield Row("users", (f"{dns['name']} answers with {dns['region'] or 'nothing known'}: {told}",),
              ("" if dns["region"] else DOUBTFUL,))
    yield Row("switch", (seen["switch"],), ("" if seen["switch"] == "at rest" else DOUBTFUL,))
    engine = f"; engine {database['engine_version']}" if database.get("engine_version") else ""
    changing = ", roles are being changed" if database.get("changing_roles") else ""
    yield Row("replication", (f"{database['status']}{changing}{engine}; lag {_lag(database)}",),
              ("" if database["status"] == "available" and not changing else DOUBTFUL,))
    for region, writer in database["told_otherwise"].items():
        yield Row("", (f"{region} tells otherwise: {writer or 'no region'} writes",), (DOUBTFUL,))
    yield from _failover(seen["failover"])
    yield _readiness(seen["readiness"])
    yield Row("last drill", (_drill(seen["last_drill"]),))
    yield from _runs(seen)
    for number, text in enumerate(seen["left"]):
        yield Row("to be done" if not number else "", (text,), (DOUBTFUL,))
    for number, text in enumerate(_unseen(seen)):
        yield Row("not seen" if not number else "", (text,), (DOUBTFUL,))


def _lag(database: Told) -> str:
    if database["lag_s"] is None:
        return "not known"
    age = database["lag_age_s"]
    return f"{database['lag_s']:.2f} s" + (f", {age / 60:.0f} min ago" if age > OLD_S else "")


def _failover(told: Told) -> Iterator[Row]:
    if told["blocked"]:
        yield Row("a failover", (f"to {told['to']} is not possible now: {told['blocked']}",), (BAD,))
        return
    yield Row("a failover", (f"to {told['to']} now loses {_loss(told)}; it takes {told['minutes']:g} min "
                             f"({told['minutes_from']})",))


def _loss(told: Told) -> str:
    """As the decide screen has it: what is known of the lag, and what it may mean."""
    if told["loss_s"] is None:
        return "an unknown time of writes"
    lag = f"{seconds(told['loss_s'], '.1f')} of writes"
    if told["grows"]:
        return f"at most {lag}; {less_if_lost(told['grows']['seconds'], told['grows']['since'], told['from'])}"
    if told["loss_age_s"] > OLD_S:
        return f"{lag} if {told['from']} was lost {told['loss_age_s'] / 60:.0f} min ago, when the lag was measured last"
    return f"at most {lag}"


def _readiness(told: Told) -> Row:
    """What runs and `drctl verify --publish` have told last."""
    if told["why"]:
        return Row("readiness", (told["why"],), (DOUBTFUL,))
    ready = told["value"] >= 1
    score = f", score {told['score']:.0f} of 100" if told["score"] is not None else ""
    return Row("readiness", (f"{'proven' if ready else 'NOT ready'}{score}, as published {_ago(told['age_s'])} "
                             f"({told['region']})",), ("" if ready else BAD,))


def _ago(age_s: float) -> str:
    hours = age_s / 3600
    if hours < 1:
        return "within the hour"
    return f"about {hours:.0f} h ago" if hours < 48 else f"{hours / 24:.0f} days ago"


def _drill(drill: Told | None) -> str:
    if drill is None:
        return "none is known here or in the control buckets: drctl failover --drill"
    if drill.get("started_at") is None:
        return f"{drill['run']}, what came of it is not known here: drctl report {drill['run']}"
    began = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(drill["started_at"]))
    figures = [f"{name} {drill[key]:.1f} s" for name, key in (("RTO", "rto_s"), ("RPO", "rpo_s"))
               if drill.get(key) is not None]
    missed = ", objectives MISSED" if drill.get("met") is False else ""
    return (f"{began}, {drill.get('mode') or 'mode not known'}: {drill['outcome']}"
            + (f", {', '.join(figures)}" if figures else "") + missed
            + (" (simulated)" if drill.get("simulated") else ""))


def _runs(seen: Told) -> Iterator[Row]:
    """Leases that are not free, and what this machine knows of runs that neither they nor what is left tells."""
    texts = [f"{', '.join(region for region, _ in some)}: lease {words}" for words, some in groupby(
        sorted(seen["lease"].items(), key=lambda item: item[1]), lambda item: item[1])
        if words not in {"free", "not seen"}]
    said = " ".join([*texts, *seen["left"]])
    texts += [f"{one['run']}: {one['outcome']}" + (f"; {one['next']}" if one["next"] else "")
              for one in seen["runs"] if one["run"] not in said]
    hidden = [region for region, words in seen["lease"].items() if words == "not seen"]
    if not texts:
        texts = ["none is under way or stopped on its way" + (
            f", as far as is seen: not the lease in {' and '.join(hidden)}" if hidden else "")]
    for number, text in enumerate(texts):
        yield Row("runs" if not number else "", (text,), ("" if text.startswith("none") else DOUBTFUL,))


def _unseen(seen: Told) -> Iterator[str]:
    """One line for a region and a reason; of a region that does not answer not each part by its name."""
    def place(one: Told) -> tuple[str, str]:
        return one["region"], one["because"]

    for region in seen["silent"]:
        found = [one for one in seen["not_seen"] if one["region"] == region]
        checks = any(one["what"] == "health checks" for one in found)
        yield (f"{region}: all of it{' and the health checks, which are asked there' * checks}: "
               + ", ".join(dict.fromkeys(one["because"] for one in found)))
    others = [one for one in seen["not_seen"] if one["region"] not in seen["silent"]]
    for (region, because), some in groupby(sorted(others, key=place), place):
        yield f"{region}: {', '.join(one['what'] for one in some)}: {because}"
