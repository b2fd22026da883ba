"""What goes wrong on the way: AWS refuses, the lab dies, somebody presses Ctrl-C, the stack is not ready for a drill.

The tests up to the first that asks for `mended` need an empty lab; those after it share one stack, which was built
through a refusal and an interruption.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from drctl.aws.clients import Aws, Credentials, Door, Region
from drctl.engine.clock import Clock
from drctl.engine.events import Events
from drctl.engine.journal import read
from drctl.lab import extensions
from drctl.lab.clock import CLOCK
from drctl.lab.server import Lab
from drctl.settings import Settings
from drctl.stack import stack_of
from drctl.steps.control_bucket import ControlBucket
from drctl.steps.switch_bucket import SWITCH_KEY
from tests.cli.between import Between, Reply, Request, between, refusal
from tests.cli.conftest import Cli, Result, at, cli_in
from tests.conftest import SPEED
from tests.forking import warmed

EAST, WEST = "us-east-1", "us-west-2"
REGIONS = (EAST, WEST)
#: Writes of leases and of copies of journals, and messages about runs, as the lab counts them.
EVIDENCE = ("PUT s3-control-", "Publish")
#: AWS seconds in a second where something is to be met half way: a balancer takes two seconds and a half.
SLOW = 60.0
SWITCH_BUCKET = "s3-switch-us-west-2-lab-123456789012"


@dataclass(frozen=True)
class Place:
    """drctl at the test process's own lab, what stands between them, and the plain AWS API."""

    drctl: Cli
    lab: Lab
    line: Between
    aws: Aws

    @contextmanager
    def slowly(self) -> Iterator[None]:
        """The lab and drctl at a pace at which something can be met half way."""
        self._set_speed(SLOW)
        try:
            yield
        finally:
            self._set_speed(SPEED)

    def _set_speed(self, speed: float) -> None:
        CLOCK.set_speed(speed)
        at(self.drctl, self.lab, speed)

    @contextmanager
    def deciding(self, decide: Callable[[Request], Reply | None]) -> Iterator[None]:
        """Something else than the lab answers."""
        self.line.decide = decide
        try:
            yield
        finally:
            self.line.decide = lambda _: None

    def changes(self) -> int:
        """Calls that could change the stack, as the lab has counted them: leases and journals are beside it."""
        return sum(count for (_, _, operation, mutating), count in self.lab.counting.calls.items()
                   if mutating and not operation.startswith(EVIDENCE))

    def status(self) -> Any:
        """What `drctl status --json` tells."""
        return self.drctl("status", "--json").json


@contextmanager
def place_in(folder: Path, lab: Lab) -> Iterator[Place]:
    """drctl at the emptied lab."""
    extensions.reset()
    lab.counting.calls.clear()
    drctl = cli_in(folder, warmed())
    at(drctl, lab, SPEED)
    with between(lab.endpoint) as line:
        drctl.environment["AWS_ENDPOINT_URL"] = line.url
        yield Place(drctl, lab, line, Aws(Door(lab.endpoint, Credentials("lab", "lab")), Events(Clock(SPEED))))


@pytest.fixture
def place(tmp_path: Path, lab_server: Lab) -> Iterator[Place]:
    """An empty lab."""
    with place_in(tmp_path, lab_server) as found:
        yield found


@dataclass(frozen=True)
class Mended:
    """A stack that stands after all, and the three runs it took."""

    place: Place
    refused: Result
    interrupted: Result
    completed: Result


@pytest.fixture(scope="module")
def mended(tmp_path_factory: pytest.TempPathFactory, lab_server: Lab) -> Iterator[Mended]:
    """AWS refuses a balancer, Ctrl-C stops the next run in a wait, the third completes."""
    with place_in(tmp_path_factory.mktemp("mended"), lab_server) as place:
        with place.deciding(no_balancer):
            refused = place.drctl("provision", "--json")
        with place.slowly():
            process = place.drctl.start("provision", "--json")
            until(lambda: waits(place.drctl, runs=2), "a wait is under way")
            interrupted = stopped(process)
        yield Mended(place, refused, interrupted, place.drctl("provision", "--json"))


def no_balancer(request: Request) -> Reply | None:
    """AWS makes no balancer in the standby region."""
    if (request.operation, request.region) == ("CreateLoadBalancer", WEST):
        return refusal("TooManyLoadBalancers", "The quota for load balancers is used up.")
    return None


# An empty lab --------------------------------------------------------------------------------------------------------


def test_a_drill_without_a_stack_is_refused_with_the_way_to_one(place: Place) -> None:
    end = place.drctl("failover", "--drill", "--yes", "--json")
    assert end.code == 3
    assert end.json["error"]["message"].startswith("there is no stack lab")
    assert "next: drctl provision" in end.err
    assert place.changes() == 0


@pytest.mark.parametrize("command", ["status", "outputs"])
def test_what_aws_refuses_to_show_is_told_with_its_call(place: Place, command: str) -> None:
    with place.deciding(lambda _: refusal("AccessDenied", "Not you.", 403)):
        end = place.drctl(command, "--json")
    assert end.code == 1
    assert "answered AccessDenied, request id req-AccessDenied" in end.err
    assert "defect" not in end.err
    assert end.json["error"]["failures"][0]["code"] == "AccessDenied"


def test_status_of_an_account_in_which_half_stands_tells_what_is_missing(place: Place) -> None:
    place.aws[EAST].s3.create_bucket(Bucket=f"s3-control-{EAST}-lab-123456789012")
    end = place.drctl("status")
    assert end.code == 0, end.err
    assert "lab: there is no database" in end.out
    assert "to be done  not all of the stack stands (no global database, no app in us-east-1, " in end.out
    assert "no control bucket in us-west-2" in end.out
    assert "not seen    " not in end.out


def test_a_second_ctrl_c_ends_at_once_whatever_hangs(place: Place) -> None:
    hang, over = threading.Event(), threading.Event()

    def hold(request: Request) -> None:
        if request.operation == "DescribeVpcs":
            hang.set()
            over.wait(60)

    with place.deciding(hold):
        process = place.drctl.start("provision", "--json")
        assert hang.wait(30)
        process.send_signal(signal.SIGINT)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1)
        end = stopped(process, within=5)
        over.set()
    assert end.code == 130
    assert "press Ctrl-C again to end at once" in end.err
    assert "interrupted: ended at once" in end.err
    assert end.json["error"]["exit_code"] == 130
    assert place.drctl("runs", "--json").json[0]["outcome"] == "interrupted"


def test_a_command_that_only_looks_ends_at_the_first_ctrl_c(place: Place) -> None:
    hang, over = threading.Event(), threading.Event()

    def hold(_: Request) -> None:
        hang.set()
        over.wait(60)

    with place.deciding(hold):
        process = place.drctl.start("status", "--json")
        assert hang.wait(30)
        end = stopped(process, within=5)
        over.set()
    assert end.code == 130
    assert "interrupted: stopped; nothing was changed" in end.err
    assert end.json == {"error": {"message": "stopped; nothing was changed", "next": "", "exit_code": 130}}


def test_a_lab_that_dies_in_the_middle_is_told_as_such(tmp_path: Path) -> None:
    drctl = cli_in(tmp_path)
    lab = drctl("lab", "up", "--speed", "60", "--json").json
    try:
        process = drctl.start("provision", "--json")
        until(lambda: waits(drctl, runs=1), "a wait is under way")
        began = time.monotonic()
        os.kill(lab["pid"], signal.SIGKILL)
        out, err = process.communicate(timeout=60)
        assert time.monotonic() - began < 20
        gone = f"the lab at {lab['endpoint']} does not answer any more; what was in it is gone"
        assert process.returncode == 1
        assert f"failed: {gone}" in err
        assert "next: drctl provision starts another lab" in err
        assert "Traceback" not in err
        assert json.loads(out)["error"]["message"] == gone
        assert drctl("runs", "--json").json[0]["outcome"] == "failed"
    finally:
        drctl("lab", "down")


@pytest.mark.parametrize("command", [("provision",), ("status",), ("failover", "--drill"), ("teardown",)])
def test_an_endpoint_where_nothing_listens_is_named_at_once(cli: Cli, command: tuple[str, ...]) -> None:
    cli.environment["AWS_ENDPOINT_URL"] = "http://127.0.0.1:9"
    began = time.monotonic()
    end = cli(*command, "--json")
    assert time.monotonic() - began < 10
    assert end.code == 1
    assert "failed: nothing answers at http://127.0.0.1:9, which AWS_ENDPOINT_URL names" in end.err
    assert "Traceback" not in end.err
    assert end.json["error"]["next"].startswith("start what should answer there")


# A stack that was mended ---------------------------------------------------------------------------------------------


def test_a_refusal_in_the_middle_names_step_region_call_code_and_request(mended: Mended) -> None:
    end = mended.refused
    assert end.code == 1
    assert "balancer us-west-2: An error occurred (TooManyLoadBalancers)" in end.err
    assert "AWS call CreateLoadBalancer answered TooManyLoadBalancers, request id req-TooManyLoadBalancers" in end.err
    steps = [step for step in stack_of(Settings()).steps if not isinstance(step, ControlBucket)]
    assert f"of {len(steps)} are done and stand as they are" in end.err
    assert "next: the same command again goes on from here" in end.err
    failure = end.json["error"]["failures"][0]
    assert (failure["step"], failure["region"], failure["call"], failure["code"], failure["request_id"]) == (
        "balancer us-west-2", WEST, "CreateLoadBalancer", "TooManyLoadBalancers", "req-TooManyLoadBalancers")


def test_after_a_refusal_running_steps_come_to_their_end_and_no_others_begin(mended: Mended) -> None:
    report = mended.refused.json
    records = journal(mended.place.drctl, report["run"])
    began = [record["step"] for record in records if record["event"] == "step-started"]
    ended = {record["step"]: record["outcome"] for record in records if record["event"] == "step-ended"}
    assert sorted(began) == sorted(ended)
    assert [step for step, outcome in ended.items() if outcome == "failed"] == ["balancer us-west-2"]
    assert set(ended.values()) == {"created", "failed"}
    assert len(began) < 75
    failed_at = next(number for number, record in enumerate(records) if record.get("outcome") == "failed")
    assert "step-started" not in {record["event"] for record in records[failed_at:]}


def test_ctrl_c_in_a_wait_ends_at_a_clean_edge(mended: Mended) -> None:
    end = mended.interrupted
    assert end.code == 130
    assert "stopping at the next clean edge" in end.err
    assert "steps are done and stand as they are" in end.err
    assert "next: the same command again goes on from here" in end.err
    assert "Traceback" not in end.err
    assert end.json["outcome"] == "interrupted"
    assert end.json["error"]["exit_code"] == 130
    assert "interrupted" in {step["outcome"] for step in end.json["steps"]}


def test_the_same_command_completes_what_was_half_built_with_one_of_everything(mended: Mended) -> None:
    end = mended.completed
    assert end.code == 0, end.err
    outcomes = Counter(step["outcome"] for step in end.json["steps"])
    assert outcomes["kept"] >= sum(step["outcome"] == "created" for step in mended.refused.json["steps"])
    assert outcomes["created"] > 0
    aws = mended.place.aws
    assert [thing for thing, count in Counter(named(aws)).items() if count > 1] == []
    assert Counter(kind for kind, *_ in named(aws)) == {
        "vpc": 2, "balancer": 2, "key": 2, "certificate": 2, "zone": 1, "peering": 1, "health check": 5, "endpoint": 6}


def test_a_drill_is_refused_while_users_are_elsewhere_and_the_switch_stays_as_it_is(mended: Mended) -> None:
    place = mended.place
    place.aws[WEST].s3.put_object(Bucket=SWITCH_BUCKET, Key=SWITCH_KEY, Body=b"an operator")
    try:
        until(lambda: place.status()["dns"]["region"] == WEST, "users are sent to the standby")
        before = place.changes()
        end = place.drctl("failover", "--drill", "--yes", "--json")
        assert end.code == 3
        assert "the stack is not ready for a drill; nothing was moved" in end.err
        assert any("users are not sent to us-east-1" in finding for finding in end.json["error"]["findings"])
        assert place.changes() == before
    finally:
        place.aws[WEST].s3.delete_object(Bucket=SWITCH_BUCKET, Key=SWITCH_KEY)
    until(lambda: place.status()["dns"]["region"] == EAST, "users are home again")


def test_a_drill_is_refused_without_an_instance_to_take_over_which_provision_mends(mended: Mended) -> None:
    place, rds = mended.place, mended.place.aws[WEST].rds
    for instance in rds.describe_db_instances()["DBInstances"]:
        rds.delete_db_instance(DBInstanceIdentifier=instance["DBInstanceIdentifier"])
    before = place.changes()
    end = place.drctl("failover", "--drill", "--yes", "--json")
    assert end.code == 3
    assert any("no database instance in us-west-2 is available" in text for text in end.json["error"]["findings"])
    assert "next: mend the findings (drctl provision converges structure)" in end.err
    assert place.changes() == before
    again = place.drctl("provision", "--json")
    assert again.code == 0, again.err
    assert {step["step"] for step in again.json["steps"] if step["outcome"] != "kept"} == {
        "database instances us-west-2"}


def test_a_drill_that_fails_half_way_is_put_back(mended: Mended) -> None:
    place = mended.place
    no_switch = refusal("AccessDenied", "The switch is not yours.", 403)
    with place.deciding(lambda request: no_switch if f"PUT /{SWITCH_BUCKET}/" in request.operation else None):
        end = place.drctl("failover", "--drill", "--yes", "--json")
    assert end.code == 1
    assert "turn the DNS switch to us-west-2" in end.err
    assert "AWS call PutObject answered AccessDenied" in end.err
    assert end.json["error"]["message"].endswith("everything is put back")
    assert end.json["met"] is False
    at_home(place)


def test_ctrl_c_right_after_the_switchover_call_brings_everything_home(mended: Mended) -> None:
    place, called, go_on = mended.place, threading.Event(), threading.Event()

    def hold(request: Request) -> None:
        if request.operation == "SwitchoverGlobalCluster" and not called.is_set():
            called.set()
            go_on.wait(30)

    with place.slowly(), place.deciding(hold):
        process = place.drctl.start("failover", "--drill", "--yes", "--json")
        assert called.wait(60)
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        assert any("stopping at the next clean edge" in line for line in process.stderr)  # up to here, then on
        go_on.set()
        out, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    assert json.loads(out)["error"]["message"].endswith("everything is put back")
    calls = [record["operation"] for record in journal(place.drctl) if record["event"] == "call"]
    assert calls.count("SwitchoverGlobalCluster") == 2
    at_home(place)


# What the tests look with --------------------------------------------------------------------------------------------


def at_home(place: Place) -> None:
    """The writer is in the primary region, nothing is under way, the switch is at rest."""
    seen = place.aws[EAST].rds.describe_global_clusters()["GlobalClusters"][0]
    writers = [member["DBClusterArn"].split(":")[3] for member in seen["GlobalClusterMembers"] if member["IsWriter"]]
    assert (writers, seen["Status"], seen.get("FailoverState")) == ([EAST], "available", None)
    assert place.aws[WEST].s3.list_objects_v2(Bucket=SWITCH_BUCKET, Prefix="switch/")["KeyCount"] == 0


def journals(drctl: Cli) -> list[Path]:
    """The journals of this home, the oldest first."""
    return sorted(Path(drctl.environment["DRCTL_HOME"]).glob("runs/*/journal.jsonl"))


def journal(drctl: Cli, run: str = "") -> list[dict[str, Any]]:
    """The records of a run, by default of the newest."""
    return read(next(path for path in reversed(journals(drctl)) if path.parent.name.startswith(run)))


def waits(drctl: Cli, runs: int) -> bool:
    """Whether the newest of so many runs has waited for something for a while."""
    return len(journals(drctl)) == runs and any(
        record["event"] == "waiting" and record["aws_seconds"] > 5 for record in journal(drctl))


def until(look: Callable[[], bool], sentence: str, within: float = 60) -> None:
    """Wait for something that another process brings about."""
    pause, end = threading.Event(), time.monotonic() + within
    while not look():
        assert time.monotonic() < end, f"not so within {within:g} s: {sentence}"
        pause.wait(0.05)


def stopped(process: subprocess.Popen[str], within: float = 60) -> Result:
    """How a process ends after Ctrl-C."""
    process.send_signal(signal.SIGINT)
    try:
        out, err = process.communicate(timeout=within)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise
    return Result(process.returncode, out, err)


def named(aws: Aws) -> Iterator[tuple[str, ...]]:
    """Of what AWS would make twice without a word: kind, region, and what must be there once."""
    for region in REGIONS:
        yield from ((kind, region, name) for kind, name in regional(aws[region]))
    east = aws[EAST]
    yield from (("zone", zone["Name"]) for zone in east.route53.list_hosted_zones()["HostedZones"])
    yield from (("health check", json.dumps(check["HealthCheckConfig"], sort_keys=True))
                for check in east.route53.list_health_checks()["HealthChecks"])
    yield from (("peering", peering["Status"]["Code"])
                for peering in east.ec2.describe_vpc_peering_connections()["VpcPeeringConnections"])


def regional(at_it: Region) -> Iterable[tuple[str, str]]:
    """The same of one region."""
    own = at_it.ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["false"]}])["Vpcs"]
    keys = [at_it.kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"] for key in at_it.kms.list_keys()["Keys"]]
    return (
        *(("vpc", vpc["CidrBlock"]) for vpc in own),
        *(("balancer", one["LoadBalancerName"]) for one in at_it.elbv2.describe_load_balancers()["LoadBalancers"]),
        *(("key", key["KeyState"]) for key in keys if key["KeyManager"] == "CUSTOMER"),
        *(("certificate", one["DomainName"]) for one in at_it.acm.list_certificates()["CertificateSummaryList"]),
        *(("endpoint", one["ServiceName"]) for one in at_it.ec2.describe_vpc_endpoints()["VpcEndpoints"]))
