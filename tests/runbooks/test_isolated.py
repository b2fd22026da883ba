"""The isolated drill as a whole: a copy is made, proven and removed, and production goes on as it was."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

from drctl.actions import probe
from drctl.actions.inventory import copy_inventory, inventory
from drctl.actions.isolated import mark_in_copy
from drctl.actions.isolated_proofs import ProveAppWorks, ProveIsolation, ProveReads
from drctl.aws.clients import Aws
from drctl.aws.commands import Command
from drctl.aws.hooks import Call
from drctl.engine import runner
from drctl.engine.events import Record
from drctl.engine.run import Run
from drctl.engine.runbook import Action, Runbook, perform, play
from drctl.errors import ChecksFailed, Interrupted, Refused, WaitFailed
from drctl.lab import aurora
from drctl.lab.rules import SWITCHED_OFF
from drctl.runbooks.isolated import isolated, put_back
from drctl.settings import App, Settings
from drctl.stack import Stack, stack_of, with_needs
from drctl.steps.cluster_snapshot import GivenSnapshot
from drctl.steps.temporary_copy import ISOLATED
from tests.account import difference, stands

HOME, AWAY = Settings().sites
TRUST = {"Version": "2012-10-17"}


@pytest.fixture
def stack(run: Run) -> Stack:
    """What of the stack a drill stands on, with the app's tables."""
    made = stack_of(Settings())
    runner.build(run, with_needs((*made.app.all, *made.probe.all, *made.database.instances.all)))
    assert probe.invoke(run, HOME, "app", {"action": "migrate"})["ok"]
    return made


def nothing() -> None:
    """What a lease would be told."""


def drill(stack: Stack) -> Runbook:
    return isolated(stack, HOME, nothing, nothing)


def operations(records: list[Record]) -> list[str]:
    return [record["operation"] for record in records if record["event"] == "call" and record["mutating"]]


def test_a_copy_by_snapshot_is_proven_and_removed_and_the_account_is_as_it_was(
        stack: Stack, make_run: Callable[..., Run], aws: Aws, records: list[Record]) -> None:
    before = stands(aws)
    del records[:]
    run, runbook = make_run(), drill(stack)
    play(run, runbook)
    figures = run.measures
    assert {key: figures[key] for key in ("copied_by", "reads_proven", "writes_proven", "app_status", "app_wrote",
                                          "copy_left")} == {
        "copied_by": "snapshot", "reads_proven": True, "writes_proven": True, "app_status": 200,
        "app_wrote": ["patient", "appointment"], "copy_left": []}
    assert set(figures["isolation"].values()) == {"closed"}
    assert figures["tables_in_copy"] == 4  # patients, appointments, migrations, heartbeats
    assert figures["copy_minutes"] > 0
    assert figures["removal_minutes"] > 0
    assert difference(before, stands(aws)) == []
    assert "refused" not in " ".join(figures["isolation"].values())
    assert any("is not cloned" in record.get("text", "") for record in records)
    typed = [line for action in (*runbook.gate, *runbook.lines, *runbook.put_back) for line in action.by_hand(run)]
    assert {line.operation for line in typed if isinstance(line, Command) and line.mutating} <= set(operations(records))


def test_where_aws_clones_the_copy_is_a_clone_and_no_snapshot_is_made(
        stack: Stack, make_run: Callable[..., Run], records: list[Record]) -> None:
    SWITCHED_OFF.add("clone-of-a-secondary")
    del records[:]
    run = make_run()
    play(run, drill(stack))
    assert (run.measures["copied_by"], run.measures["copy_left"]) == ("clone", [])
    assert not {"CreateDBClusterSnapshot", "RestoreDBClusterFromSnapshot"} & set(operations(records))


@dataclass(frozen=True, eq=False)
class Stops(Action):
    """The operator presses Ctrl-C while the copy stands."""

    why: ClassVar[str] = "test"
    typical_minutes: ClassVar[float] = 0
    if_stuck: ClassVar[str] = "-"

    @property
    def title(self) -> str:
        return "stop"

    def do(self, run: Run) -> None:
        assert {one.kind for one in copy_inventory(run, ISOLATED)} == {
            "ec2:security-group", "ec2:vpc-endpoint", "iam:role", "lambda:function", "logs:log-group", "rds:cluster",
            "rds:cluster-snapshot", "rds:db"}
        assert {one.id for one in copy_inventory(run, ISOLATED)} <= {one.id for one in inventory(run)}
        run.clock.stop()
        raise Interrupted("stopped")


def test_a_drill_that_is_stopped_while_the_copy_stands_removes_it(stack: Stack, make_run: Callable[..., Run]) -> None:
    run, whole = make_run(), drill(stack)
    with pytest.raises(Interrupted) as end:
        play(run, replace(whole, lines=(*whole.lines[:4], Stops())))
    assert "everything is put back" in end.value.message
    assert run.measures["copy_left"] == []
    assert copy_inventory(make_run(), ISOLATED) == []


class PowerCut(BaseException):
    """The process is dead."""


def cut(run: Run, actions: tuple[Action, ...], at: int) -> None:
    """Play lines until the process is killed before its `at`th change; nothing is put back."""
    seen: list[str] = []

    def guard(call: Call) -> None:
        if call.mutating and call.operation != "Invoke":
            seen.append(call.operation)
            if len(seen) > at:
                raise PowerCut

    def work() -> None:
        for action in actions:
            perform(run, action)

    run.events.guard = guard
    with pytest.raises(PowerCut):
        work()
    run.events.guard = None


def test_a_drill_that_was_killed_is_begun_anew_and_a_teardown_finds_what_is_left(
        stack: Stack, make_run: Callable[..., Run], records: list[Record]) -> None:
    whole = drill(stack)
    cut(make_run(), whole.lines, 40)
    assert copy_inventory(make_run(), ISOLATED) != []
    run = make_run()
    play(run, replace(drill(stack), put_back=()))
    assert any("parts of its copy are removed" in record.get("text", "") for record in records)
    cut(make_run(), put_back(stack, AWAY, nothing).lines, 9)
    again = make_run()
    left = copy_inventory(again, ISOLATED)
    assert left != []
    runner.destroy(again, [step for step in stack.retired if ISOLATED in step.key])
    assert copy_inventory(make_run(), ISOLATED) == []


# Each proof can fail -------------------------------------------------------------------------------------------------


def test_a_lost_row_and_every_open_wall_are_told(stack: Stack, make_run: Callable[..., Run], aws: Aws) -> None:
    run, copy = make_run(), stack.copy_in(AWAY)
    runner.build(run, copy.steps)
    with pytest.raises(ChecksFailed, match="lacks the heartbeat"):
        ProveReads(copy).do(run)
    proof = ProveIsolation(copy, stack.database.global_cluster, stack.ground.standby.groups, HOME)
    proof.do(run)
    at, own, security = aws[AWAY.region], run.output(copy.groups), run.output(stack.ground.standby.groups)
    named: Any = [{"IpProtocol": "tcp", "FromPort": 5432, "ToPort": 5432, "UserIdGroupPairs": [{"GroupId": own.app}]}]
    at.ec2.authorize_security_group_ingress(GroupId=security.database, IpPermissions=named)
    at.ec2.authorize_security_group_egress(GroupId=own.app, IpPermissions=[
        {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}])
    role = run.output(copy.roles[0])
    open_ = [one for one in role.policy["Statement"] if one["Effect"] == "Allow"]
    at.iam.put_role_policy(RoleName=role.name, PolicyName=copy.roles[0].label,
                           PolicyDocument=json.dumps({**TRUST, "Statement": open_}))
    at.ec2.modify_vpc_endpoint(VpcEndpointId=run.output(copy.endpoint).id, PolicyDocument=json.dumps(
        {**TRUST, "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}]}))
    at.rds.modify_db_cluster(DBClusterIdentifier=run.output(copy.cluster).id, ApplyImmediately=True,
                             VpcSecurityGroupIds=[security.database])
    assert probe.ask(run, HOME, action="write", run=mark_in_copy(run), n=1)["ok"]
    name, found = "lambda-isolated-app-us-west-2-lab", run.output(copy.app)
    variables = {**found.configuration["Environment"]["Variables"], "BUS": "bus-events-us-west-2-lab",
                 "DATABASE_HOST": run.output(stack.database.cluster.standby).endpoint}
    at.lambda_.update_function_configuration(FunctionName=name, Environment={"Variables": variables})
    copy.app._settled(run)
    version = at.lambda_.publish_version(FunctionName=name)["Version"]
    at.lambda_.update_alias(FunctionName=name, Name="live", FunctionVersion=version)
    run.wait_until("the database carries the stack's group", lambda: run.refresh(copy.cluster),
                   lambda seen: seen is not None and seen.settings["VpcSecurityGroupIds"] == [security.database],
                   within=600)
    with pytest.raises(ChecksFailed, match="not isolated") as end:
        proof.do(run)
    told = "\n".join(end.value.findings)
    for words in ("allows all ports to 0.0.0.0/0", "does not carry its own group alone",
                  "the stack's group database admits the copy", "lets more through", "is not denied events:*",
                  "BUS is bus-events-us-west-2-lab", "is told another database",
                  "holds what was written to the copy"):
        assert words in told, f"{words} is not in {told}"


def test_a_standby_that_is_not_there_or_lags_too_far_is_not_copied(
        stack: Stack, run: Run, make_run: Callable[..., Run], records: list[Record]) -> None:
    del records[:]
    aurora.set_lag_ms(20 * 60_000)
    for source, words in ((HOME, "over the RPO of 15 min"), (AWAY, "is the writer, not a standby")):
        with pytest.raises(Refused, match="nothing was made") as end:
            play(make_run(), replace(isolated(stack, source, nothing, nothing), put_back=()))
        assert words in "\n".join(end.value.findings)
    assert set(operations(records)) <= {"Invoke"}


def test_without_a_database_nothing_is_made(run: Run) -> None:
    with pytest.raises(Refused) as end:
        play(run, replace(isolated(stack_of(Settings()), HOME, nothing, nothing), put_back=()))
    told = "\n".join(end.value.findings)
    for words in ("no member in us-west-2", "there is none", "is not known", "cannot read"):
        assert words in told


OWN = b"""
def handler(event, context):
    return {"statusCode": 200 if event["path"] == "/up" else 500, "headers": {}, "body": "own"}
"""


def test_of_a_package_of_the_users_own_the_health_path_is_proven(
        stack: Stack, make_run: Callable[..., Run], tmp_path: Path) -> None:
    (tmp_path / "own.py").write_bytes(OWN)
    for path, words in (("/up", ""), ("/down", "it answered 500")):
        run = make_run(Settings(app=App(package=str(tmp_path), entry_point="own.handler", health_path=path)))
        copy = stack.copy_in(AWAY)
        runner.build(run, copy.steps)
        if words:
            with pytest.raises(WaitFailed, match=words):
                ProveAppWorks(copy).do(run)
        else:
            ProveAppWorks(copy).do(run)
            assert (run.measures.get("app_status"), run.measures.get("app_wrote")) == (200, None)


# What reconciliation does with it ------------------------------------------------------------------------------------


def test_a_given_snapshot_is_read_through_the_probe(stack: Stack, run: Run, aws: Aws) -> None:
    assert probe.ask(run, HOME, action="write", run="kept", n=1)["ok"]
    aws[HOME.region].rds.create_db_cluster_snapshot(
        DBClusterIdentifier=run.output(stack.database.cluster.primary).id, DBClusterSnapshotIdentifier="tail")
    assert probe.ask(run, HOME, action="write", run="kept", n=2)["ok"]
    given = GivenSnapshot(HOME, "tail")
    run.wait_until("it is there", lambda: given.find(run), lambda seen: seen is not None and seen.status == "available",
                   within=600)
    copy = stack.copy_in(HOME, given, label="rescue")
    runner.build(run, copy.reading)
    told = probe.invoke(run, HOME, copy.probe.label, {"action": "rows", "table": "drctl.heartbeats"})
    assert [key for key, _ in told["rows"] if key[0] == "kept"] == [["kept", "1"]]
    runner.destroy(run, copy.steps)
    assert copy_inventory(run, "rescue") == []
    assert given.find(run) is not None
