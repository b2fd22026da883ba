"""The main job as its users do it: one lab, real processes, from an empty account to an empty account."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from drctl.aws.clients import Aws, Credentials, Door
from drctl.engine.clock import Clock
from drctl.engine.events import Events
from drctl.engine.journal import read
from tests.cli.conftest import Cli, cli_in
from tests.lab.internet import Internet

EAST, WEST = "us-east-1", "us-west-2"
REGIONS = (EAST, WEST)
#: AWS seconds in a second: a drill's quarter of an hour is a second and a half, which a busy machine needs.
SPEED = 600
OUTPUTS = {"app_url", "standby_url", "primary_url", "name_servers", "active_region", "global_cluster_id",
           "primary_bucket", "standby_bucket", "peering_id", "dashboard_url"}
BUCKETS = {EAST: "s3-data-us-east-1-lab-123456789012", WEST: "s3-data-us-west-2-lab-123456789012"}
TRUST = json.dumps({"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}]})
Thing = tuple[str, str, str]


@dataclass(frozen=True)
class Counted:
    """A command's document, its calls, and how many of them could change the stack.

    Leases and copies of journals are counted by themselves: they are written into the control buckets by every run that
    may change something, and change nothing of the stack.
    """

    document: Any
    calls: int
    changes: int
    evidence: int


def evidence(calls: Any) -> int:
    """How many objects were put into the control buckets, of the calls as the lab tells them."""
    return sum(row["count"] for row in calls["calls"] if row["operation"] in {
        f"PUT s3-control-{region}-lab-123456789012" for region in REGIONS})


@dataclass(frozen=True)
class World:
    """A lab of its own with somebody else's things in it, drctl, and the plain AWS API."""

    drctl: Cli
    endpoint: str
    aws: Aws
    #: What stood before drctl did anything.
    before: frozenset[Thing]
    #: Somebody else's things, made beforehand.
    foreign: frozenset[Thing]

    def calls(self) -> dict[str, Any]:
        """Calls as the lab has counted them."""
        with urlopen(f"{self.endpoint}/drctl-lab/calls") as page:  # noqa: S310  # loopback only
            counted: dict[str, Any] = json.load(page)
            return counted

    def counted(self, *arguments: str) -> Counted:
        """A command's document and its calls."""
        before = self.calls()
        end = self.drctl(*arguments)
        assert end.code == 0, end.err
        after = self.calls()
        control = evidence(after) - evidence(before)
        return Counted(end.json, after["total"] - before["total"], after["mutating"] - before["mutating"] - control,
                       control)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """An account that is not empty: five things in it are none of drctl's business."""
    drctl = cli_in(tmp_path_factory.mktemp("whole-job"))
    endpoint = drctl("lab", "up", "--speed", str(SPEED), "--json").json["endpoint"]
    aws = Aws(Door(endpoint, Credentials("lab", "lab")), Events(Clock(SPEED)))
    empty = everything(aws)
    make_foreign_things(aws)
    before = everything(aws)
    try:
        yield World(drctl, endpoint, aws, before, before - empty)
    finally:
        drctl("lab", "down")


@pytest.fixture(scope="module")
def built(world: World) -> Any:
    """The document of the first provision."""
    end = world.drctl("provision", "--json")
    assert end.code == 0, end.err
    return end.json


@pytest.fixture(scope="module")
def drilled(world: World, built: Any) -> Any:
    """The document of a drill."""
    end = world.drctl("failover", "--drill", "--yes", "--json")
    assert end.code == 0, end.err
    return end.json


@pytest.fixture(scope="module")
def torn_down(world: World, drilled: Any) -> Any:
    """The document of a teardown of a stack in use: objects, old versions and delete markers in both data buckets."""
    for region, bucket in BUCKETS.items():
        s3 = world.aws[region].s3
        for key in ("scans/one.bin", "scans/two.bin", "gone.bin"):
            for version in (b"first", b"second"):
                s3.put_object(Bucket=bucket, Key=key, Body=version)
        s3.delete_object(Bucket=bucket, Key="gone.bin")
    end = world.drctl("teardown", "--yes", "--json")
    assert end.code == 0, end.err
    return end.json


def test_a_client_outside_uses_the_app_by_its_name(world: World, built: Any) -> None:
    internet = Internet(world.endpoint)
    line = internet.line("app.dr.example.com", trust=internet.trust)
    patient = {"name": "Ada Lovelace", "birth_date": "1980-12-10"}
    made = line.ask("/patients", "POST", json.dumps(patient), Content_Type="application/json")
    assert made.status == 201
    found = line.ask(made.headers["Location"])
    assert (found.status, json.loads(found.content)["name"]) == (200, "Ada Lovelace")
    moved = internet.line("app.dr.example.com").ask("/patients")
    assert moved.headers["Location"] == "https://app.dr.example.com:443/patients"
    with pytest.raises(TimeoutError):
        internet.line("app.dr.example.com", "192.0.2.1", trust=internet.trust, patience_s=0.3).ask()
    internet.go()


def test_provision_builds_both_regions_and_prints_the_outputs(world: World, built: Any) -> None:
    assert (built["outcome"], built["simulated"], built["failures"]) == ("done", True, [])
    assert "error" not in built
    assert set(built["outputs"]) == OUTPUTS
    assert all(built["outputs"].values())
    assert built["outputs"]["active_region"] == EAST
    not_made = {step["step"]: step["outcome"] for step in built["steps"] if step["outcome"] != "created"}
    # The default is endpoints; a new cluster has its version and new functions their release.
    assert set(not_made.values()) == {"kept"}
    assert set(not_made) == {*(f"nat {region}" for region in REGIONS), f"engine version {EAST}", f"release {EAST}"}
    assert built["resources"] > 200


def test_the_plain_aws_api_sees_the_stack(world: World, built: Any) -> None:
    for region, cidr in ((EAST, "10.0.0.0/16"), (WEST, "10.1.0.0/16")):
        vpcs = world.aws[region].ec2.describe_vpcs(Filters=[{"Name": "cidr", "Values": [cidr]}])["Vpcs"]
        tags = {tag["Key"]: tag["Value"] for tag in vpcs[0]["Tags"]}
        assert len(vpcs) == 1
        assert (tags["Environment"], tags["Region"]) == ("lab", region)
    kinds = {kind for kind, _, _ in everything(world.aws) - world.before}
    assert kinds == {kind for kind, _ in listings(world.aws, EAST)}


def test_status_and_outputs_tell_a_script_what_stands(world: World, built: Any) -> None:
    outputs, status = world.drctl("outputs", "--json"), world.drctl("status", "--json")
    assert outputs.json == built["outputs"]
    at_home(status.json)
    assert status.json["database"]["status"] == "available"
    assert status.json["health"] == dict.fromkeys(REGIONS, "healthy")


def test_a_second_provision_changes_nothing_and_asks_little(world: World, built: Any) -> None:
    second = world.counted("provision", "--json")
    report = second.document
    assert second.changes == 0
    assert second.calls / report["resources"] <= 1.5
    assert {step["outcome"] for step in report["steps"]} == {"kept"}
    assert report["outputs"] == built["outputs"]
    # In each region the lease is taken and given back, the journal copied at once and at the end, and the report after
    # it; while the run lasts the lease is renewed and the journal copied again, at most once a second together.
    assert 10 <= second.evidence <= 2 * (5 + report["wall_seconds"])


def test_a_drill_measures_and_judges(drilled: Any) -> None:
    assert (drilled["outcome"], drilled["mode"]) == ("done", "live")
    assert (drilled["from_region"], drilled["to_region"], drilled["target"]) == (EAST, WEST, "lab")
    assert drilled["objectives"] == {"rto_s": 900, "rpo_s": 900}
    # At this speed a second of this machine's own is ten minutes to the clients that measure: no bound can be held.
    assert drilled["rto_s"] > 0
    assert drilled["met"] == (drilled["rto_s"] <= 900)
    assert drilled["measured_by"] == "4 clients of the lab at app.dr.example.com"
    assert sum(one["seconds"] for one in drilled["rto_parts"]) == pytest.approx(drilled["rto_s"], abs=1)
    assert (drilled["rpo_s"], drilled["lost_rows"], drilled["back_lost_rows"]) == (0, 0, 0)
    assert drilled["acknowledged_rows"] > 2
    assert drilled["back_acknowledged_rows"] > 2
    assert set(drilled["phases"]) >= {"steady state", "promote", "dns", "prove"}
    assert all(seconds > 0 for seconds in drilled["phases"].values())


def test_the_switchover_call_leaves_after_at_most_twelve_others(world: World, drilled: Any) -> None:
    journal = Path(world.drctl.environment["DRCTL_HOME"]) / "runs" / drilled["run"] / "journal.jsonl"
    calls = [record["operation"] for record in read(journal) if record["event"] == "call"]
    before = calls[: calls.index("SwitchoverGlobalCluster")]
    assert len(before) <= 12
    assert calls.count("SwitchoverGlobalCluster") == 2


def test_after_a_drill_everything_is_home_and_nothing_is_left_to_change(world: World, drilled: Any) -> None:
    at_home(world.drctl("status", "--json").json)
    assert world.counted("provision", "--json").changes == 0


def test_teardown_leaves_the_account_as_it_was(world: World, torn_down: Any) -> None:
    assert (torn_down["outcome"], torn_down["left"]) == ("done", [])
    left = everything(world.aws)
    assert left - world.before == set()
    assert world.before - left == set()


def test_what_belongs_to_somebody_else_is_not_touched(world: World, torn_down: Any) -> None:
    assert {kind for kind, _, _ in world.foreign} >= {"vpc", "security group", "bucket", "role", "queue"}
    assert world.foreign <= everything(world.aws)


def test_a_teardown_of_nothing_is_done_and_changes_nothing(world: World, torn_down: Any) -> None:
    again = world.counted("teardown", "--yes", "--json")
    assert (again.document["left"], again.changes) == ([], 0)
    assert again.evidence <= 1  # a lease that is asked for where there is no bucket
    assert {step["outcome"] for step in again.document["steps"]} == {"absent"}


def test_runs_and_report_tell_what_happened(world: World, drilled: Any, torn_down: Any) -> None:
    runs = world.drctl("runs", "--json").json
    assert {run["command"] for run in runs} == {"provision", "drill", "teardown"}
    assert {run["outcome"] for run in runs} == {"done"}
    assert {run["resumed_by"] for run in runs} == {None}  # the two provisions were both whole
    report = world.drctl("report", drilled["run"], "--json").json
    assert {key: report[key] for key in ("rto_s", "rpo_s", "met", "phases", "calls")} == {
        key: drilled[key] for key in ("rto_s", "rpo_s", "met", "phases", "calls")}
    text = world.drctl("report", drilled["run"]).out
    assert "switch the database over to us-west-2" in text
    assert "simulated" in text
    page = world.drctl.home / "home" / "runs" / drilled["run"] / "report.html"
    assert f"{drilled['rto_s']} s" in page.read_text(encoding="utf-8")
    trend = world.drctl("runs", "--trend", "--json").json
    assert [(move["run"], move["rto_s"], move["met"]) for move in trend] == [
        (drilled["run"], drilled["rto_s"], drilled["met"])]
    assert f"RTO {drilled['rto_s']:7.1f} s" in world.drctl("runs", "--trend").out


def at_home(status: Any) -> None:
    """The writer is in the primary region, the switch is at rest, and users are sent there."""
    assert status["database"]["active"] == EAST
    assert status["database"]["members"][WEST] == "connected"
    assert status["switch"] == "at rest"
    assert status["dns"]["region"] == EAST


# An independent look: listings of the plain API, told apart by nothing but what AWS calls the things. ---------------


def make_foreign_things(aws: Aws) -> None:
    """A VPC with a security group, a bucket, a role and a queue, named as somebody else would name them."""
    ec2 = aws[EAST].ec2
    vpc = ec2.create_vpc(CidrBlock="10.77.0.0/16")["Vpc"]["VpcId"]
    ec2.create_security_group(GroupName="theirs", Description="not of drctl", VpcId=vpc)
    aws[EAST].s3.create_bucket(Bucket="somebody-elses-bucket")
    aws[EAST].iam.create_role(RoleName="app-us-east-1-somebody", AssumeRolePolicyDocument=TRUST)
    aws[EAST].sqs.create_queue(QueueName="sqs-us-east-1-laboratory")


def everything(aws: Aws) -> frozenset[Thing]:
    """Kind, id and region of all that stands in both regions."""
    return frozenset((kind, name, region) for region in REGIONS for kind, names in listings(aws, region)
                     for name in names())


def listings(aws: Aws, region: str) -> Iterable[tuple[str, Callable[[], list[str]]]]:
    """Every kind of thing with the ids of all of it in a region; what is global is seen in both."""
    at = aws[region]
    return (
        ("vpc", lambda: ids(at.ec2.describe_vpcs()["Vpcs"], "VpcId")),
        ("subnet", lambda: ids(at.ec2.describe_subnets()["Subnets"], "SubnetId")),
        ("security group", lambda: ids(at.ec2.describe_security_groups()["SecurityGroups"], "GroupId")),
        ("route table", lambda: ids(at.ec2.describe_route_tables()["RouteTables"], "RouteTableId")),
        ("network interface", lambda: ids(at.ec2.describe_network_interfaces()["NetworkInterfaces"],
                                          "NetworkInterfaceId")),
        ("bucket", lambda: ids(at.s3.list_buckets()["Buckets"], "Name")),
        ("cluster", lambda: ids(at.rds.describe_db_clusters()["DBClusters"], "DBClusterArn")),
        ("instance", lambda: ids(at.rds.describe_db_instances()["DBInstances"], "DBInstanceArn")),
        ("global cluster", lambda: ids(at.rds.describe_global_clusters()["GlobalClusters"], "GlobalClusterArn")),
        ("function", lambda: ids(at.lambda_.list_functions()["Functions"], "FunctionArn")),
        ("role", lambda: ids(at.iam.list_roles()["Roles"], "RoleName")),
        ("zone", lambda: ids(at.route53.list_hosted_zones()["HostedZones"], "Id")),
        ("health check", lambda: ids(at.route53.list_health_checks()["HealthChecks"], "Id")),
        ("balancer", lambda: ids(at.elbv2.describe_load_balancers()["LoadBalancers"], "LoadBalancerArn")),
        ("queue", lambda: at.sqs.list_queues().get("QueueUrls", [])),
        ("topic", lambda: ids(at.sns.list_topics()["Topics"], "TopicArn")),
        ("secret", lambda: ids(at.secrets.list_secrets()["SecretList"], "ARN")),
        ("log group", lambda: ids(at.logs.describe_log_groups()["logGroups"], "arn")),
        ("certificate", lambda: ids(at.acm.list_certificates()["CertificateSummaryList"], "CertificateArn")),
        ("alarm", lambda: ids(at.cloudwatch.describe_alarms()["MetricAlarms"], "AlarmArn")),
    )


def ids(items: Iterable[Any], key: str) -> list[str]:
    """One field of every item."""
    return [item[key] for item in items]
