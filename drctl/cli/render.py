"""What commands print on stdout: one JSON document, or text for a person."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import click

from drctl.cli.progress import span
from drctl.engine.report import what_followed

Report = Mapping[str, Any]


def emit(document: Any, *, as_json: bool, text: Callable[[], None]) -> None:
    """The document, or its text."""
    if as_json:
        click.echo(json.dumps(document, indent=2, default=str))
    else:
        text()


def heading(text: str) -> None:
    """A line that begins a part."""
    click.echo(click.style(text, bold=True))


def rows(pairs: Iterable[tuple[str, Any]], *, width: int = 26) -> None:
    """Aligned names and values."""
    for name, value in pairs:
        click.echo(f"  {name:{width}} {value}")


def verdict(good: bool, text: str) -> None:
    """A line in green or red."""
    click.echo(click.style(text, fg="green" if good else "red", bold=True))


def simulated(report: Report) -> str:
    """How figures of the lab are marked."""
    return " (simulated: taken in the lab)" if report.get("simulated") else ""


def show_outputs(outputs: Mapping[str, Any], report: Report) -> None:
    """The stack's endpoints and identifiers."""
    heading("outputs")
    rows((name.replace("_", " "), ", ".join(value) if isinstance(value, list) else value)
         for name, value in outputs.items())
    if report:
        show_totals(report)


def show_totals(report: Report) -> None:
    """Time, calls and where the report is."""
    calls = report["calls"]
    click.echo(f"\n{report['outcome']} in {span(report['aws_seconds'])} min AWS time, {report['wall_seconds']} s here; "
               f"{calls['total']} calls, {calls['mutating']} of them changes · drctl report {report['run']}")


def show_teardown(report: Report) -> None:
    """The inventory after a teardown."""
    left = report.get("left", [])
    verdict(not left, f"inventory of both regions: {len(left)} resources left")
    rows((item, "") for item in left)
    show_totals(report)


def show_drill(report: Report) -> None:
    """A drill's timeline and result."""
    there, back = report.get("from_region"), report.get("to_region")
    heading(f"drill {report.get('mode', '')}: {there} → {back} → {there}")
    timeline(report)
    click.echo()
    objectives = report.get("objectives") or {}
    figures = (("RTO", "rto_s", "rto_s"), ("RPO", "rpo_s", "rpo_s"))
    for name, key, objective in figures:
        if key in report:
            good = report[key] <= objectives.get(objective, float("inf"))
            verdict(good, f"  {name} {report[key]:>7.1f} s   objective {objectives.get(objective, 0):g} s"
                          f"   {'met' if good else 'MISSED'}{simulated(report)}")
    show_writes(report)
    if "back_rto_s" in report:
        rows((("writes, way back", _acknowledged(report, "back_")), ("RTO, way back", f"{report['back_rto_s']} s")))
    show_totals(report)


def show_writes(report: Report) -> None:
    """Who wrote, what of it is gone, and what the recovery time was spent on."""
    if "acknowledged_rows" in report:
        rows((("writes", _acknowledged(report)), ("measured by", report["measured_by"])))
    if report["rto_parts"]:
        rows([("RTO in parts", ", ".join(f"{one['part']} {one['seconds']:g} s" for one in report["rto_parts"]))])


def _acknowledged(report: Report, prefix: str = "") -> str:
    numbers, unread = report.get(f"{prefix}lost_numbers"), report.get(f"{prefix}unread_numbers")
    return (f"{report[f'{prefix}acknowledged_rows']} acknowledged, {report[f'{prefix}lost_rows']} lost"
            + (f": {shorter(numbers)}" if numbers else "")
            + (f"; not to be read back: {shorter(unread)}" if unread else ""))


def shorter(numbers: str, most: int = 60) -> str:
    """A list of numbers as a screen shows it; the report has them all."""
    return numbers if len(numbers) <= most else numbers[:most].rpartition(",")[0] + ", …"


def show_tabletop(report: Report) -> None:
    """What a failover would do now, call by call."""
    heading(f"a failover from {report['from_region']} to {report['to_region']} would change, in this order:")
    for planned in report["planned_calls"]:
        beside = f" (side by side with {', '.join(map(str, planned['beside']))})" if planned["beside"] else ""
        click.echo(f"  {planned['number']:2}. {planned['title']}{beside}\n      {planned['call']}")
    loss = report["expected_loss_s"]
    rows((("expected time", f"{report['expected_minutes']:g} min"),
          ("expected loss", "not known" if loss is None else f"at most {loss:.1f} s of writes")))
    verdict(not report["findings"], f"  {len(report['findings'])} problems found; nothing was changed"
            f"{simulated(report)}")
    show_totals(report)


def show_isolated(report: Report) -> None:
    """What an isolated drill has proven."""
    heading(f"isolated drill in {report['to_region']}: production in {report['from_region']} went on untouched")
    timeline(report)
    click.echo()
    rows((text, report[key]) for key, text in (
        ("copied_by", "copied by"), ("copy_minutes", "copy ready after, min"), ("lag_s", "replication lag, s"))
        if key in report)
    verdict(report["outcome"] == "done", "  the copy read, wrote, led nowhere and is removed" + simulated(report))
    show_totals(report)


def show_failover(report: Report) -> None:
    """A failover's or failback's timeline and result."""
    heading(f"{report['command']}: {report.get('from_region')} → {report.get('to_region')}")
    timeline(report)
    click.echo()
    objectives = report.get("objectives") or {}
    for name, key in (("RTO", "rto_s"), ("RPO", "rpo_s")):
        if key in report:
            limit = objectives.get(key, float("inf"))
            verdict(report[key] <= limit, f"  {name} {report[key]:>7.1f} s   objective {limit:g} s   "
                    f"{'met' if report[key] <= limit else 'MISSED'}{simulated(report)}")
    rows((text, report[key]) for key, text in (
        ("execution_rto_s", "execution, s"), ("detect_s", "outage before that, s"), ("rto_from", "RTO counted from"),
        ("rpo_from", "RPO is"), ("fenced", "old app is stopped")) if key in report)
    show_writes(report)
    for left in report.get("reconciliation", []):
        rows([(f"{left['kind']} to reconcile", f"{left['count']} in {left['place']}")])
    if report["command"] == "failover" and report["outcome"] == "done" and report["request"]["mode"] == "unplanned":
        click.echo(f"\nonce {report['from_region']} is back: drctl failback")
    show_totals(report)


def timeline(report: Report) -> None:
    """Every line of the runbook with when it ended and how long it took, in AWS time."""
    for action in report.get("actions", []):
        if action.get("phase") == "measure":
            continue  # it spans the lines above it
        took, ended = action.get("aws_seconds", 0.0), action["ended_aws"]
        bar = "█" * min(40, round(took / 10)) or "▏"
        click.echo(f"  {span(ended - took):>6} - {span(ended):>6}  {action.get('region', '') or 'both':10} "
                   f"{action['action'][:58]:58} {action['outcome']:8} {bar}")


def show_report(report: Report) -> None:
    """A run as text."""
    heading(f"{report['run']}: {report['command']} of {report['environment']} on {report['target']}: "
            f"{report['outcome']}" + (f", {followed}" if (followed := what_followed(report)) else ""))
    timeline(report)
    steps = [step for step in report["steps"] if step["outcome"] not in {"kept", "absent"}]
    rows((step["step"], f"{step['outcome']}, {span(step['aws_seconds'])}" + (
        f": {step['error']}" if "error" in step else "")) for step in steps)
    for name in ("rto_s", "rpo_s", "back_rto_s", "back_rpo_s"):
        if name in report:
            rows([(name, f"{report[name]}{simulated(report)}")])
    for finding in report["findings"]:
        click.echo(f"  - {finding}")
    for failure in report["failures"]:
        click.echo(click.style(f"  {failure['step']}: {failure['message']}", fg="red"))
    click.echo(f"  journal hash {report['journal_hash']}")
    if report["wall_seconds"] is not None:
        show_totals(report)


def show_verification(verification: Mapping[str, Any]) -> None:
    """A journal whose chain holds, and its copies."""
    verdict(True, f"{verification['run']}: {verification['records']} records, each follows from the one before")
    rows([("journal hash", verification["journal_hash"]),
          *((f"copy in {region}", word) for region, word in verification["copies"].items())])


def show_runs(reports: Iterable[Report]) -> None:
    """One line a run; what stopped on its way stands out."""
    shown = False
    for report in reports:
        shown = True
        began = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(report["started_at"] or 0))
        rto = f"  RTO {report['rto_s']} s" if report.get("rto_s") is not None else ""
        more = f"  {followed}" if (followed := what_followed(report)) else ""
        line = f"{report['run']:44} {began} UTC  {report['outcome']:12} {span(report['aws_seconds'])} AWS{rto}{more}"
        if report["can_be_resumed"]:
            line = click.style(line, fg="yellow") + f"  → drctl resume {report['run']}"
        click.echo(line)
    if not shown:
        click.echo("no runs yet")


def show_trend(moves: Iterable[Report]) -> None:
    """A line for each measured move: its recovery time beside what was promised, and whether that was kept."""
    shown = list(moves)
    longest = max((max(move["rto_s"], (move["objectives"] or {}).get("rto_s", 0)) for move in shown), default=1) or 1
    for move in shown:
        began = time.strftime("%Y-%m-%d %H:%M", time.gmtime(move["started_at"] or 0))
        bar = "█" * max(1, round(30 * move["rto_s"] / longest))
        text = (f"{began} UTC  {move['command']} {move['from_region']} → {move['to_region']}  "
                f"RTO {move['rto_s']:7.1f} s  RPO {move['rpo_s']:5.1f} s  {bar:30}")
        click.echo(click.style(text, fg=None if move["met"] else "red") + ("  simulated" if move["simulated"] else ""))
    if not shown:
        click.echo("no drill was measured yet")
