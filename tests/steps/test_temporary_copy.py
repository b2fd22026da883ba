"""A temporary copy has data, functions and walls of its own, is found again by name, and leaves nothing behind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from drctl.aws.clients import Aws
from drctl.engine import runner
from drctl.engine.run import Run
from drctl.engine.step import Step
from drctl.errors import Refused, RunFailed
from drctl.lab.rules import SWITCHED_OFF
from drctl.settings import Network as NetworkSettings
from drctl.settings import Settings
from drctl.steps.cluster_snapshot import GivenSnapshot
from drctl.steps.temporary_cluster import CloneRefused
from drctl.steps.temporary_copy import ISOLATED, Beside, TemporaryCopy, copy_in, snapshot_in
from tests.conftest import changes, ensure_with_needs
from tests.steps.database import (
    AWAY,
    HOME,
    NETWORKS,
    PRIMARY,
    READERS,
    SECRET,
    SECURITY,
    STANDBY,
    SUBNETS,
    WORLD,
    WRITERS,
)
from tests.steps.lifecycle import assert_mended, findings, lagging

BESIDE = {HOME: Beside(NETWORKS[HOME], SUBNETS[HOME], PRIMARY, WRITERS, SECRET),
          AWAY: Beside(NETWORKS[AWAY], SUBNETS[AWAY], STANDBY, READERS, SECRET)}
BY_SNAPSHOT = copy_in(AWAY, ISOLATED, BESIDE[AWAY], snapshot_in(AWAY, ISOLATED, BESIDE[AWAY]))
BY_CLONE = copy_in(AWAY, ISOLATED, BESIDE[AWAY], READERS)
AT_HOME = copy_in(HOME, ISOLATED, BESIDE[HOME], WRITERS)
ID = "aurora-isolated-us-west-2-lab"


def build(run: Run, copy: TemporaryCopy = BY_SNAPSHOT) -> None:
    ensure_with_needs(run, READERS)
    ensure_with_needs(run, SECURITY[AWAY])
    runner.build(run, copy.steps)


def stands(aws: Aws) -> dict[str, Any]:
    """What of a copy is to be seen in the standby region."""
    at = aws[AWAY.region]
    return {
        "clusters": [one["DBClusterIdentifier"] for one in at.rds.describe_db_clusters()["DBClusters"]
                     if "isolated" in one["DBClusterIdentifier"]],
        "instances": [one["DBInstanceIdentifier"] for one in at.rds.describe_db_instances()["DBInstances"]
                      if "isolated" in one["DBInstanceIdentifier"]],
        "snapshots": [one["DBClusterSnapshotIdentifier"] for one in at.rds.describe_db_cluster_snapshots(
            SnapshotType="manual")["DBClusterSnapshots"]],
        "functions": sorted(one["FunctionName"] for one in at.lambda_.list_functions()["Functions"]),
        "roles": sorted(one["RoleName"] for one in at.iam.list_roles()["Roles"] if "isolated" in one["RoleName"]),
        "groups": sorted(one["GroupName"] for one in at.ec2.describe_security_groups()["SecurityGroups"]
                         if "isolated" in one["GroupName"]),
        "endpoints": [one["State"] for one in at.ec2.describe_vpc_endpoints()["VpcEndpoints"]]}


def test_a_copy_by_snapshot_stands_beside_the_stack_and_goes_without_a_trace(
        run: Run, make_run: Callable[..., Run], aws: Aws) -> None:
    build(run)
    assert stands(aws) == {
        "clusters": [ID], "instances": ["aurora-isolated-instance-us-west-2-lab"],
        "snapshots": ["snapshot-isolated-us-west-2-lab"],
        "functions": ["lambda-isolated-app-us-west-2-lab", "lambda-isolated-probe-us-west-2-lab"],
        "roles": ["iam-isolated-app-us-west-2-lab", "iam-isolated-probe-us-west-2-lab"],
        "groups": [f"security-group-isolated-{purpose}-us-west-2-lab" for purpose in ("app", "database", "endpoints")],
        "endpoints": ["available"]}
    again = make_run()
    runner.build(again, BY_SNAPSHOT.steps)
    assert {step.key: changes(again, step) for step in BY_SNAPSHOT.steps if changes(again, step)} == {}
    assert [findings(again, step) for step in BY_SNAPSHOT.steps] == [[] for _ in BY_SNAPSHOT.steps]
    for _ in range(2):
        runner.destroy(make_run(), BY_SNAPSHOT.steps)
        assert {name: seen for name, seen in stands(aws).items() if seen} == {}
    global_cluster = run.refresh(WORLD)
    assert global_cluster is not None
    assert {member.region for member in global_cluster.members} == {HOME.region, AWAY.region}


def test_a_secondary_that_aws_does_not_clone_is_told_as_that(run: Run, aws: Aws) -> None:
    ensure_with_needs(run, READERS)
    with pytest.raises(RunFailed) as end:
        runner.build(run, (BY_CLONE.groups, BY_CLONE.cluster))
    (failure,) = end.value.failures
    assert isinstance(failure.error, CloneRefused)
    assert "cannot be cloned" in str(failure.error)
    assert stands(aws)["clusters"] == []


def test_where_aws_clones_no_snapshot_is_made(run: Run, aws: Aws) -> None:
    SWITCHED_OFF.add("clone-of-a-secondary")
    build(run, BY_CLONE)
    assert (stands(aws)["clusters"], stands(aws)["snapshots"]) == ([ID], [])
    runner.destroy(run, BY_SNAPSHOT.steps)
    assert {name: seen for name, seen in stands(aws).items() if seen} == {}


def test_a_copy_of_a_given_snapshot_leaves_the_snapshot_there(run: Run, aws: Aws) -> None:
    ensure_with_needs(run, READERS)
    rds = aws[HOME.region].rds
    rds.create_db_cluster_snapshot(DBClusterIdentifier=run.output(PRIMARY).id, DBClusterSnapshotIdentifier="tail")
    given = GivenSnapshot(HOME, "tail")
    run.wait_until("it is there", lambda: given.find(run), lambda seen: seen is not None and seen.status == "available",
                   within=600)
    copy = copy_in(HOME, "rescue", BESIDE[HOME], given)
    runner.build(run, copy.reading)
    assert run.output(copy.cluster).id == "aurora-rescue-us-east-1-lab"
    assert run.found(copy.app) is None
    runner.destroy(run, copy.steps)
    assert run.refresh(copy.cluster) is None
    assert given.find(run) is not None


@pytest.mark.notices("GivenSnapshot")
def test_a_given_snapshot_that_is_not_there_is_refused(run: Run, aws: Aws) -> None:
    with pytest.raises(Refused, match="no manual snapshot none in us-east-1"):
        GivenSnapshot(HOME, "none").ensure(run)


# The walls -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("egress", ["endpoints", "nat"])
def test_its_functions_reach_its_database_and_its_endpoint_whatever_way_out_the_stack_has(
        make_run: Callable[..., Run], egress: Any) -> None:
    run = make_run(Settings(network=NetworkSettings(egress=egress)))
    out = ensure_with_needs(run, BY_SNAPSHOT.groups)
    ways = {purpose: {(rule.direction, rule.first, rule.peer) for rule in rules}
            for purpose, rules in out.rules.items()}
    assert ways == {"app": {("out", 5432, out.database), ("out", 443, out.endpoints)},
                    "database": {("in", 5432, out.app)}, "endpoints": {("in", 443, out.app)}}


def test_no_group_of_the_stack_knows_a_copy(run: Run) -> None:
    ensure_with_needs(run, SECURITY[AWAY])
    copy = ensure_with_needs(run, BY_SNAPSHOT.groups)
    stack = run.refresh(SECURITY[AWAY])
    assert stack is not None
    assert not set(copy.ids.values()) & {rule.peer for rules in stack.rules.values() for rule in rules}
    assert not set(copy.ids.values()) & set(stack.ids.values())
    assert findings(run, SECURITY[AWAY]) == []


def test_its_endpoint_answers_to_no_name_of_the_stack_and_reads_one_secret(run: Run, aws: Aws) -> None:
    out = ensure_with_needs(run, BY_SNAPSHOT.endpoint)
    assert not out.private_dns
    assert out.url.startswith(f"https://{out.id}-")
    assert run.output(SECRET).standby_arn in out.policy


def test_its_functions_know_its_database_alone_and_may_do_nothing_else(run: Run) -> None:
    build(run)
    for function, role in ((BY_SNAPSHOT.app, BY_SNAPSHOT.roles[0]), (BY_SNAPSHOT.probe, BY_SNAPSHOT.roles[1])):
        variables = run.output(function).configuration["Environment"]["Variables"]
        assert variables["DATABASE_HOST"] == run.output(BY_SNAPSHOT.cluster).endpoint
        assert ID in variables["DATABASE_HOST"]
        assert set(variables) == {"DRCTL_REGION", "DRCTL_ROLE", "DRCTL_STACK", "DRCTL_COPY", "DATABASE_HOST",
                                  "DATABASE_PORT", "DATABASE_NAME", "DATABASE_SECRET", "SERVICE_VERSION",
                                  "AWS_ENDPOINT_URL_SECRETS_MANAGER"}
        denied = {action for one in run.output(role).policy["Statement"]
                  if one["Effect"] == "Deny" and one["Resource"] == "*" and "Condition" not in one
                  for action in one["Action"]}
        assert {"events:*", "s3:*", "sns:*", "sqs:*", "route53:*", "rds:*", "rds-data:*"} <= denied
        assert run.output(function).configuration["VpcConfig"]["SecurityGroupIds"] == [
            run.output(BY_SNAPSHOT.groups).app]
    app, probe = run.output(BY_SNAPSHOT.app), run.output(BY_SNAPSHOT.probe)
    assert (app.configuration["Handler"], probe.configuration["Handler"]) == (
        "lambdas.app.main.handler", "lambdas.probe.main.handler")


# Damage --------------------------------------------------------------------------------------------------------------


@pytest.mark.notices("TemporaryGroups")
def test_a_way_in_that_nobody_asked_for_is_noticed_and_mended(run: Run, aws: Aws) -> None:
    out = ensure_with_needs(run, BY_SNAPSHOT.groups)
    assert_mended(run, BY_SNAPSHOT.groups, lambda: aws[AWAY.region].ec2.authorize_security_group_egress(
        GroupId=out.app, IpPermissions=[{"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443,
                                         "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]), "nobody asked for")


@pytest.mark.notices("TemporaryEndpoint")
def test_an_endpoint_that_lets_more_through_is_noticed_and_mended(run: Run, aws: Aws) -> None:
    out = ensure_with_needs(run, BY_SNAPSHOT.endpoint)
    open_policy = '{"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}]}'
    assert_mended(run, BY_SNAPSHOT.endpoint, lambda: aws[AWAY.region].ec2.modify_vpc_endpoint(
        VpcEndpointId=out.id, PolicyDocument=open_policy), "lets more through")


@pytest.mark.notices("ClusterSnapshot", "TemporaryCluster", "TemporaryInstance", "TemporaryFunction")
def test_a_copy_that_is_not_as_it_was_made_is_noticed(run: Run, aws: Aws) -> None:
    build(run)
    at, stack = aws[AWAY.region], run.output(SECURITY[AWAY])
    assert findings(run, BY_SNAPSHOT.origin) == []
    at.rds.delete_db_cluster_snapshot(DBClusterSnapshotIdentifier="snapshot-isolated-us-west-2-lab")
    assert findings(run, BY_SNAPSHOT.origin) == ["absent"]
    at.rds.modify_db_cluster(DBClusterIdentifier=ID, VpcSecurityGroupIds=[stack.database], ApplyImmediately=True)
    run.wait_until("it is changed", lambda: findings(run, BY_SNAPSHOT.cluster),
                   lambda found: any("other groups" in one for one in found), within=600)
    at.rds.modify_db_instance(DBInstanceIdentifier=f"{ID}".replace("isolated", "isolated-instance"),
                              PubliclyAccessible=True, ApplyImmediately=True)
    run.wait_until("it is changed", lambda: findings(run, BY_SNAPSHOT.instance),
                   lambda found: any("publicly" in one for one in found), within=600)
    at.lambda_.delete_alias(FunctionName="lambda-isolated-probe-us-west-2-lab", Name="live")
    assert findings(run, BY_SNAPSHOT.probe) == ["absent"]


def theirs(aws: Aws, run: Run) -> dict[str, Callable[[], Any]]:
    """Somebody else's things under the copy's names."""
    rds = aws[AWAY.region].rds
    return {
        "cluster": lambda: rds.create_db_cluster(
            DBClusterIdentifier=ID, Engine="aurora-postgresql", EngineVersion="16.6", MasterUsername="theirs",
            MasterUserPassword="long-enough-1"),
        "instance": lambda: rds.create_db_instance(
            DBInstanceIdentifier="aurora-isolated-instance-us-west-2-lab", Engine="postgres",
            DBInstanceClass="db.r6g.large", MasterUsername="theirs", MasterUserPassword="long-enough-1",
            AllocatedStorage=20),
        "snapshot": lambda: rds.create_db_cluster_snapshot(
            DBClusterIdentifier=run.output(STANDBY).id, DBClusterSnapshotIdentifier="snapshot-isolated-us-west-2-lab")}


@pytest.mark.parametrize("kind", ["cluster", "instance", "snapshot"])
def test_what_somebody_else_has_under_a_copys_name_is_left_alone(run: Run, aws: Aws, kind: str) -> None:
    ensure_with_needs(run, READERS)
    steps: dict[str, Step[Any]] = {"cluster": BY_SNAPSHOT.cluster, "instance": BY_SNAPSHOT.instance,
                                   "snapshot": BY_SNAPSHOT.origin}
    theirs(aws, run)[kind]()
    run.clock.sleep(30)
    assert steps[kind].find(run) is None
    for act in (lambda: steps[kind].destroy(run), lambda: steps[kind].ensure(run)):
        with pytest.raises(Refused, match="does not belong to this stack"):
            act()


def test_a_copy_is_made_while_things_are_seen_late(run: Run, make_run: Callable[..., Run]) -> None:
    ensure_with_needs(run, READERS)
    with lagging(2000):
        runner.build(run, (*AT_HOME.steps,))
    assert [findings(make_run(), step) for step in AT_HOME.steps] == [[] for _ in AT_HOME.steps]
