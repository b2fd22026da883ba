"""What a failback lists of the lost tail, read from real databases, and when the failover's note is put away."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import cast

import pytest

from drctl.actions import probe
from drctl.actions.aftermath import KEY, Aftermath, CloseAftermath, aftermath_in
from drctl.actions.inventory import copy_inventory
from drctl.actions.rescue import ListRows
from drctl.aws.clients import Aws
from drctl.engine import runner
from drctl.engine.events import Record
from drctl.engine.run import Run
from drctl.engine.runbook import Runbook, play
from drctl.errors import WaitTimeout
from drctl.lab.databases import DATABASES
from drctl.lab.postgres_server import Server
from drctl.settings import Settings
from drctl.stack import Stack, stack_of, with_needs
from drctl.steps.cluster_snapshot import GivenSnapshot
from drctl.steps.control_bucket import CONTROL, ControlBucket
from drctl.steps.rescue_snapshot import RESCUE, RescueSnapshots

HOME, AWAY = Settings().sites


@pytest.fixture
def stack(run: Run, aws: Aws) -> Stack:
    """What of the stack the rows are read with, and the note of a failover."""
    made = stack_of(Settings())
    runner.build(run, with_needs((*made.probe.all, *made.database.instances.all, ControlBucket(AWAY))))
    note = Aftermath("a-failover", HOME.region, AWAY.region, 0.0)
    aws[AWAY.region].s3.put_object(Bucket=run.name("s3", CONTROL, AWAY), Key=KEY,
                                   Body=json.dumps(asdict(note)).encode())
    return made


def writer() -> Server:
    """The server that the stack's database writes on."""
    pair = DATABASES._known[0].database
    return pair.servers[pair.writer]


def listing(stack: Stack, run: Run, aws: Aws) -> Runbook:
    """The last lines of a failback; the old volume holds two heartbeats, and the writer lacks one of them."""
    for n in (1, 2):
        assert probe.ask(run, HOME, action="write", run="kept", n=n)["ok"]
    writer().ask("CREATE TABLE public.loose (anything text)", "app")
    aws[HOME.region].rds.create_db_cluster_snapshot(
        DBClusterIdentifier=run.output(stack.database.cluster.primary).id, DBClusterSnapshotIdentifier="tail")
    given = GivenSnapshot(HOME, "tail")
    run.wait_until("it is there", lambda: given.find(run), lambda seen: seen is not None and seen.status == "available",
                   within=600)
    writer().ask("DELETE FROM drctl.heartbeats WHERE n = 2", "app")
    rows = ListRows(cast("RescueSnapshots", given), stack.copy_in(HOME, given, label=RESCUE), HOME)
    return Runbook("failback", (rows, CloseAftermath(AWAY)))


def test_what_only_the_old_volume_holds_is_listed_and_then_the_note_is_put_away(
        stack: Stack, run: Run, make_run: Callable[..., Run], aws: Aws, records: list[Record]) -> None:
    play(make_run(), listing(stack, run, aws))
    assert [(record["kind"], record["items"]) for record in records if record["event"] == "unreconciled"] == [
        ("rows", []), ("heartbeats", ["drctl.heartbeats kept, 2"]),
        ("tables", ["public.loose (not compared: it has no primary key)"])]
    assert aftermath_in(run, AWAY) is None
    assert copy_inventory(run, RESCUE) == []


def test_while_the_rows_cannot_be_compared_the_note_stays(
        stack: Stack, run: Run, make_run: Callable[..., Run], aws: Aws, records: list[Record]) -> None:
    lines, again = listing(stack, run, aws), make_run()
    writer().ask("ALTER ROLE dradmin CONNECTION LIMIT 0")
    writer().ask("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'dradmin'")

    def without_patience_for_the_writer(record: Record) -> None:
        if record["event"] == "waiting":
            again.clock.patience_s = 0.0 if "us-east-1 can be read" in record["sentence"] else 10.0

    again.events.add_sink(without_patience_for_the_writer)
    with pytest.raises(WaitTimeout, match=r"the tables in us-east-1 can be read: .* REJECTED: .*53300") as end:
        play(again, lines)
    assert end.value.next_step.startswith("drctl failback again")
    assert not any(record["event"] == "unreconciled" for record in records)
    assert aftermath_in(run, AWAY) is not None
    assert copy_inventory(run, RESCUE) == []
