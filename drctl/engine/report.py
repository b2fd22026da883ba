"""What happened in a run, judged from its journal: outcome, time by phase, figures, calls, what failed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from drctl.engine import gap_parts, timeline

Record = dict[str, Any]
#: Phases whose lines prove something.
PROOFS = frozenset({"preflight", "steady state", "prove", "dns"})
#: What has become of a run that stopped on its way, by the field that names the later run.
FOLLOWED = {"resumed_by": "gone on with by", "superseded_by": "superseded by"}


def what_followed(report: Mapping[str, Any]) -> str:
    """What has become of a run that stopped on its way, in words; empty for nothing."""
    return next((f"{words} {report[field]}" for field, words in FOLLOWED.items() if report.get(field)), "")


def report_of(run_id: str, records: Sequence[Record]) -> dict[str, Any]:
    """The report as a JSON document; a run whose journal has no end is `interrupted`."""
    start = _first(records, "run-started")
    end = _first(records, "run-ended")
    decision, approved = _first(records, "decision"), _last(records, "approved")
    measures = {record["name"]: record["value"] for record in records if record["event"] == "measure"}
    return {
        "run": run_id,
        "command": start.get("command"), "environment": start.get("environment"), "target": start.get("target"),
        "simulated": start.get("target") == "lab",
        "version": start.get("version"), "versions": start.get("versions", {}), "started_at": start.get("at"),
        "started_by": start.get("owner", {}).get("name", ""),
        "approval": start.get("approval") or approved.get("approval", ""),
        "request": start.get("request", {}),
        **({"resumes": start["resumes"]} if "resumes" in start else {}),
        "outcome": end.get("outcome", "interrupted"),
        "aws_seconds": end.get("aws", records[-1]["aws"] if records else 0.0),
        "wall_seconds": round(end["at"] - start["at"], 2) if end and start else None,
        **measures,
        **({"decision": {key: decision[key] for key in ("picture", "allowed_loss_s", "force")}} if decision else {}),
        "rto_parts": gap_parts.parts(measures, records),
        "phases": phases(records),
        "actions": [_row(record, "action") for record in records if record["event"] == "action-ended"],
        "steps": [_row(record, "step") for record in records if record["event"] == "step-ended"],
        "timeline": timeline.lanes(records),
        "checks": checks(records),
        "calls": calls(records),
        "failures": end.get("failures", []),
        "findings": [record["text"] for record in records if record["event"] == "finding"],
        "reconciliation": [{key: record[key] for key in ("kind", "place", "count", "items")}
                           for record in records if record["event"] == "unreconciled"],
        "notes": [record["text"] for record in records if record["event"] == "note"],
        "journal_hash": records[-1].get("hash") if records else None,
        "journal_records": len(records),
    }


def _first(records: Iterable[Record], event: str) -> Record:
    return next((record for record in records if record["event"] == event), {})


def _last(records: Sequence[Record], event: str) -> Record:
    return _first(reversed(records), event)


def _row(record: Record, kind: str) -> Record:
    keys = ("region", "outcome", "phase", "aws_seconds", "calls", "changes", "error")
    known = {key: record[key] for key in keys if key in record}
    return {kind: record.get("step", ""), "ended_aws": record["aws"], **known}


def checks(records: Iterable[Record]) -> list[Record]:
    """What was proven, with what AWS last showed as evidence: the lines of a runbook that change nothing."""
    seen: dict[str, Record] = {}
    found = []
    for record in records:
        if record["event"] == "waiting":
            seen[record.get("step", "")] = record
        elif record["event"] == "action-ended" and record.get("phase") in PROOFS and record["outcome"] != "skipped":
            look = seen.get(record.get("step", ""), {})
            if not look and record["phase"] == "dns":
                continue  # turning the switch is no proof
            found.append({"check": record.get("step", ""), "region": record.get("region", ""),
                          "outcome": record["outcome"], "aws": record["aws"],
                          "evidence": f"{look['sentence']}: {look['seen']}" if look else ""})
    return found


def phases(records: Iterable[Record]) -> dict[str, float]:
    """AWS seconds by phase of the runbook's lines."""
    spent: dict[str, float] = {}
    for record in records:
        if record["event"] == "action-ended" and record.get("outcome") != "skipped":
            phase = record.get("phase", "prepare")
            spent[phase] = round(spent.get(phase, 0.0) + record["aws_seconds"], 1)
    return spent


def calls(records: Iterable[Record]) -> dict[str, Any]:
    """How many calls went where, and how many of them could change something."""
    by_region: Counter[str] = Counter()
    changes: Counter[str] = Counter()
    for record in records:
        if record["event"] == "call":
            by_region[record["to"]] += 1
            changes[record["to"]] += bool(record["mutating"])
    return {"total": sum(by_region.values()), "mutating": sum(changes.values()),
            "by_region": dict(sorted(by_region.items())), "mutating_by_region": dict(sorted(changes.items()))}
