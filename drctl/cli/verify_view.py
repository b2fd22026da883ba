"""Readiness on the screen, and as the XML that build servers read."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping
from itertools import groupby
from pathlib import Path

import click

from drctl.cli.render import heading, verdict
from drctl.readiness.readiness import Readiness, Verdict
from drctl.readiness.rule import NotAsked, Rule, Saw

#: What is not seen is told by its reason; ids of a reason that a line shows.
IDS = 12


def show_readiness(found: Readiness, environment: str, *, whole: bool) -> None:
    """Score, what was found with its mending, and what could not be seen."""
    counts = {state: len(found.those(state)) for state in ("ready", "not ready", "unknown")}
    score = f"readiness {found.score} of 100: " if whole else ""
    heading(f"{environment}: {score}{_headline(found)}")
    for one, text in found.findings:
        word = click.style("blocks", fg="red") if one.rule.blocks else click.style("mend  ", fg="yellow")
        click.echo(f"  {one.rule.id:7} {word} {text.text}")
        click.echo(click.style(f"{'':17}so that {one.rule.must}: {one.rule.why}", dim=True))
        click.echo(f"{'':17}way: {one.mend(text)}")
    for why, ids in _unseen(found).items():
        shown = ", ".join(ids[:IDS]) + (f" and {len(ids) - IDS} more" if len(ids) > IDS else "")
        click.echo(f"  {click.style('not seen', fg='yellow')} {why} ({shown})")
    verdict(not counts["not ready"] and not counts["unknown"],
            f"{counts['ready']} rules hold, {counts['not ready']} do not, {counts['unknown']} could not be judged")


def _headline(found: Readiness) -> str:
    blocks = sum(one.rule.blocks for one, _ in found.findings)
    parts = [f"{blocks} finding(s) block a failover"] if blocks else []
    if mend := len(found.findings) - blocks:
        parts.append(f"{mend} should be mended")
    if unknown := len(found.those("unknown")):
        parts.append(f"{unknown} rule(s) not judged")
    return ", ".join(parts) or "a failover can begin now"


def _unseen(found: Readiness) -> Mapping[str, list[str]]:
    """The rules that could not be judged, by the reason."""
    reasons: dict[str, list[str]] = {}
    for one in found.verdicts:
        for why in dict.fromkeys(unseen.why for unseen in one.unseen):
            reasons.setdefault(why, []).append(one.rule.id)
    return reasons


def show_rules(rules: Iterable[Rule]) -> None:
    """Every rule in a line, by area."""
    for area, some in groupby(rules, key=lambda rule: rule.area):
        heading(area)
        for rule in some:
            click.echo(f"  {rule.id:7} {rule.severity:7} {rule.must}: {rule.why}")


def as_dicts(rules: Iterable[Rule]) -> list[dict[str, str]]:
    """The same for `--json`."""
    return [{"id": rule.id, "severity": rule.severity, "must": rule.must, "why": rule.why, "mend": rule.mend}
            for rule in rules]


def write_junit(found: Readiness, path: Path) -> None:
    """A test suite for each area and a test case for each rule: not ready is a failure, unknown an error."""
    root = ET.Element("testsuites", name="drctl verify")
    for area, some in groupby(found.verdicts, key=lambda one: one.rule.area):
        verdicts = list(some)
        states = [one.state for one in verdicts]
        suite = ET.SubElement(root, "testsuite", name=area, tests=str(len(verdicts)), time="0",
                              failures=str(states.count("not ready")), errors=str(states.count("unknown")),
                              skipped=str(states.count("not asked")))
        for one in verdicts:
            _case(suite, one)
    ET.indent(root)
    ET.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)


def _case(suite: ET.Element, one: Verdict) -> None:
    case = ET.SubElement(suite, "testcase", classname=f"readiness.{one.rule.area}",
                         name=f"{one.rule.id} {one.rule.must}", time="0")
    match one.state:
        case "not ready":
            text = "\n".join(f"{each.text}\nway: {one.mend(each)}" for each in one.found)
            ET.SubElement(case, "failure", message=one.found[0].text, type=one.rule.severity).text = \
                f"{text}\nwhy: {one.rule.why}"
        case "unknown":
            text = "\n".join(each.why for each in one.unseen)
            ET.SubElement(case, "error", message=one.unseen[0].why, type="unknown").text = text
        case "not asked":
            message = next(each.why for each in one.notes if isinstance(each, NotAsked))
            ET.SubElement(case, "skipped", message=message)
    if seen := [each.text for each in one.notes if isinstance(each, Saw)]:
        ET.SubElement(case, "system-out").text = "\n".join(seen)
