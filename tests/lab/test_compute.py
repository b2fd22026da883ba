from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from drctl.aws.clients import Aws
from drctl.lab import aurora_store, compute, gray
from drctl.lab.clock import CLOCK
from drctl.lab.databases import DATABASES
from drctl.lab.execution import SURPLUS_S
from drctl.lab.postgres_server import until
from drctl.packaging import archive, package
from drctl.settings import Settings

EAST, WEST = "us-east-1", "us-west-2"
TRUST = json.dumps({"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]})


@pytest.fixture
def deploy(aws: Aws) -> Callable[..., None]:
    def make(region: str, name: str, content: bytes, entry_point: str, environment: dict[str, str] | None = None,
             timeout_s: int = 10) -> None:
        site = aws[region]
        try:
            role = site.iam.create_role(RoleName="runs", AssumeRolePolicyDocument=TRUST)["Role"]["Arn"]
        except site.iam.exceptions.EntityAlreadyExistsException:
            role = site.iam.get_role(RoleName="runs")["Role"]["Arn"]
        site.lambda_.create_function(FunctionName=name, Runtime="python3.12", Role=role, Handler=entry_point,
                                     Code={"ZipFile": content}, Timeout=timeout_s,
                                     Environment={"Variables": environment or {}})
        until(lambda: site.lambda_.get_function(FunctionName=name)["Configuration"]["State"] == "Active", "it")

    return make


def call(aws: Aws, region: str, name: str, payload: Any, **more: Any) -> dict[str, Any]:
    answer: dict[str, Any] = dict(aws[region].lambda_.invoke(FunctionName=name, Payload=json.dumps(payload),
                                                                   **more))
    content = answer["Payload"].read()
    return {**answer, "Payload": json.loads(content) if content else None}


def source(code: str) -> bytes:
    return archive({"main.py": code.encode()})


@pytest.mark.rule("invoke-runs-the-code")
def test_the_deployed_code_answers_with_its_environment(aws: Aws, deploy: Callable[..., None]) -> None:
    deploy(EAST, "echo", source("import os\ndef go(event, context):\n    print('hello')\n"
                                "    return [event, os.environ['WHO'], os.environ['AWS_REGION'],\n"
                                "            context.function_name]"),
           "main.go", {"WHO": "me"})
    answer = call(aws, EAST, "echo", {"n": 1}, LogType="Tail")
    assert answer["Payload"] == [{"n": 1}, "me", EAST, "echo"]
    assert "FunctionError" not in answer
    log = base64.b64decode(answer["LogResult"]).decode()
    assert "hello\n" in log
    assert log.startswith("START RequestId: ")
    events = aws[EAST].logs.filter_log_events(logGroupName="/aws/lambda/echo")["events"]
    assert "hello" in [event["message"] for event in events]


def test_the_log_of_a_version_is_one_stream_of_which_the_oldest_lines_are_forgotten(
        aws: Aws, deploy: Callable[..., None]) -> None:
    deploy(EAST, "tell", source("def go(event, context):\n    print('\\n'.join(map(str, range(event))))"), "main.go")
    for lines in (1, 2 * compute.KEPT_LINES):
        call(aws, EAST, "tell", lines)
    logs = aws[EAST].logs
    assert len(logs.describe_log_streams(logGroupName="/aws/lambda/tell")["logStreams"]) == 1
    oldest = logs.filter_log_events(logGroupName="/aws/lambda/tell", limit=1)["events"][0]["message"]
    assert int(oldest) > compute.KEPT_LINES // 2


def test_a_warm_environment_keeps_what_it_knows_and_answers_quickly(aws: Aws, deploy: Callable[..., None]) -> None:
    deploy(EAST, "count", source("n = 0\ndef go(event, context):\n    global n\n    n += 1\n    return n"), "main.go")
    assert [call(aws, EAST, "count", {})["Payload"] for _ in range(3)] == [1, 2, 3]
    times = []
    for _ in range(10):
        begun = time.perf_counter()
        compute.invoke(EAST, "count", b"{}")
        times.append(time.perf_counter() - begun)
    assert sorted(times)[5] < 0.1


@pytest.mark.rule("invoke-qualifier")
def test_new_code_is_what_runs_next_and_a_version_stays_as_it_was(aws: Aws, deploy: Callable[..., None]) -> None:
    deploy(EAST, "v", source("def go(event, context): return 'old'"), "main.go")
    site = aws[EAST]
    first = site.lambda_.publish_version(FunctionName="v")["Version"]
    site.lambda_.create_alias(FunctionName="v", Name="live", FunctionVersion=first)
    until(lambda: site.lambda_.get_function_configuration(FunctionName="v", Qualifier=first)["State"] == "Active",
          "the version")
    assert call(aws, EAST, "v", {})["Payload"] == "old"
    site.lambda_.update_function_code(FunctionName="v", ZipFile=source("def go(event, context): return 'new'"))
    assert call(aws, EAST, "v", {})["Payload"] == "new"
    answer = call(aws, EAST, "v", {}, Qualifier="live")
    assert (answer["Payload"], answer["ExecutedVersion"]) == ("old", first)


@pytest.mark.parametrize(("code", "entry_point", "kind", "text"), [
    ("def go(event, context): raise ValueError('no')", "main.go", "ValueError", "no"),
    ("import nowhere", "main.go", "Runtime.ImportModuleError", "Unable to import module 'main'"),
    ("x = 1", "main.go", "Runtime.HandlerNotFound", "Handler 'go' missing on module 'main'"),
    ("def go(event, context): return {1, 2}", "main.go", "Runtime.MarshalError", "Unable to marshal response"),
    ("import os\ndef go(event, context): os._exit(3)", "main.go", "Runtime.ExitError", "exit status 3"),
    ("import threading\ndef go(event, context): threading.Event().wait(9)", "main.go", "Sandbox.Timedout",
     "1.00 seconds"),
])
def test_failures_look_as_lambda_reports_them(aws: Aws, deploy: Callable[..., None], code: str, entry_point: str,
                                              kind: str, text: str) -> None:
    deploy(EAST, "bad", source(code), entry_point, timeout_s=1)
    answer = call(aws, EAST, "bad", {})
    assert answer["FunctionError"] == "Unhandled"
    assert answer["StatusCode"] == 200
    assert answer["Payload"]["errorType"] == kind
    assert text in answer["Payload"]["errorMessage"]
    assert call(aws, EAST, "bad", {})["Payload"]["errorType"] == kind


def test_a_pending_function_is_not_invoked(aws: Aws, deploy: Callable[..., None]) -> None:
    deploy(EAST, "made", source("def go(event, context): return 1"), "main.go")
    speed = CLOCK.speed
    CLOCK.set_speed(1.0)
    try:
        deployed = aws[EAST].lambda_.get_function(FunctionName="made")["Configuration"]
        aws[EAST].lambda_.create_function(
            FunctionName="fresh", Runtime="python3.12", Role=deployed["Role"], Handler="main.go",
            Code={"ZipFile": source("def go(event, context): return 1")})
        with pytest.raises(ClientError, match="ResourceConflictException"):
            call(aws, EAST, "fresh", {})
    finally:
        CLOCK.set_speed(speed)


def test_several_at_once_run_side_by_side(deploy: Callable[..., None]) -> None:
    deploy(EAST, "slow", source("import threading\ndef go(event, context): threading.Event().wait(0.5)"), "main.go")
    begun = time.monotonic()
    callers = [threading.Thread(target=compute.invoke, args=(EAST, "slow", b"{}")) for _ in range(3)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert time.monotonic() - begun < 1.4


def test_an_environment_that_is_idle_for_long_beside_another_is_ended_and_the_last_one_stays(
        deploy: Callable[..., None]) -> None:
    deploy(EAST, "slow", source("import os, threading\ndef go(event, context):\n    threading.Event().wait(0.5)\n"
                                "    return os.getpid()"), "main.go")
    callers = [threading.Thread(target=compute.invoke, args=(EAST, "slow", b"{}")) for _ in range(3)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    fleet = compute.fleet()
    (workers,) = map(list, fleet._idle.values())
    assert len(workers) == 3
    for worker in workers:
        worker.idle_since -= SURPLUS_S + 1
    answered = compute.invoke(EAST, "slow", b"{}")
    assert [worker.is_up for worker in workers] == [False, False, True]
    workers[-1].idle_since -= SURPLUS_S + 1
    assert compute.invoke(EAST, "slow", b"{}") == answered


def test_the_applications_health_needs_no_database(aws: Aws, deploy: Callable[..., None]) -> None:
    made = package(Settings(), "app")
    deploy(EAST, "app", made.content, made.entry_point, {"DRCTL_ROLE": "primary"})
    answer = call(aws, EAST, "app", {"httpMethod": "GET", "path": "/health", "headers": {}, "body": ""})["Payload"]
    assert answer["statusCode"] == 200
    assert json.loads(answer["body"])["role"] == "primary"


class Stack:
    """A global database with a probe and an application in both regions."""

    def __init__(self, aws: Aws, deploy: Callable[..., None]) -> None:
        self.aws = aws
        east, west = aws[EAST], aws[WEST]
        secret = {"username": "dradmin", "password": "first-password"}
        arn = east.secrets.create_secret(Name="database", SecretString=json.dumps(secret),
                                         AddReplicaRegions=[{"Region": WEST}])["ARN"]
        version = settled_version(east)
        east.rds.create_global_cluster(GlobalClusterIdentifier="both", Engine="aurora-postgresql",
                                       EngineVersion=version)
        self.arns = {}
        for region, site in ((EAST, east), (WEST, west)):
            master: Any = {"MasterUsername": "dradmin", "MasterUserPassword": secret["password"], "DatabaseName": "app"}
            cluster = site.rds.create_db_cluster(
                DBClusterIdentifier=f"db-{region}", Engine="aurora-postgresql", EngineVersion=version,
                GlobalClusterIdentifier="both", **(master if region == EAST else {}))["DBCluster"]
            self.arns[region] = cluster["DBClusterArn"]
            until(lambda site=site, region=region: site.rds.describe_db_clusters(
                DBClusterIdentifier=f"db-{region}")["DBClusters"][0]["Status"] == "available", "the cluster")
            site.rds.create_db_instance(DBInstanceIdentifier=f"db-{region}-1", DBClusterIdentifier=f"db-{region}",
                                        Engine="aurora-postgresql", DBInstanceClass="db.r6g.large")
            until(lambda site=site, region=region: site.rds.describe_db_instances(
                DBInstanceIdentifier=f"db-{region}-1")["DBInstances"][0]["DBInstanceStatus"] == "available", "it")
            for label in ("app", "probe"):
                made = package(Settings(), label)
                deploy(region, label, made.content, made.entry_point, {
                    "DRCTL_REGION": region, "DATABASE_PORT": "5432", "DATABASE_NAME": "app",
                    "DATABASE_HOST": cluster["ReaderEndpoint"].replace(".cluster-ro-", ".cluster-"),
                    "DATABASE_SECRET": arn.replace(EAST, region)})
        until(self.connected, "the secondary")

    def connected(self) -> bool:
        return all(member.is_connected for member in aurora_store.GLOBALS["both"].members)

    def probe(self, region: str, **what: Any) -> dict[str, Any]:
        answer: dict[str, Any] = call(self.aws, region, "probe", what)["Payload"]
        return answer


def settled_version(site: Any) -> str:
    versions = site.rds.describe_db_engine_versions(Engine="aurora-postgresql")["DBEngineVersions"]
    return str(next(version["EngineVersion"] for version in reversed(versions)
                    if version.get("SupportsGlobalDatabases", True)))


@pytest.fixture
def stack(aws: Aws, deploy: Callable[..., None]) -> Stack:
    return Stack(aws, deploy)


def test_writes_survive_a_switchover_and_are_lost_as_they_are_in_a_failover(aws: Aws, stack: Stack) -> None:
    for n in range(5):
        assert stack.probe(EAST, action="write", run="r", n=n)["ok"]
    refused = stack.probe(WEST, action="write", run="r", n=99)
    assert (refused["ok"], refused["error"]) == (False, "READ_ONLY")
    until(lambda: stack.probe(WEST, action="read", run="r", after=-1)["rows"] == [0, 1, 2, 3, 4], "the replica")
    assert stack.probe(WEST, action="read", run="r", after=2)["writer"] is False

    aws[EAST].rds.switchover_global_cluster(GlobalClusterIdentifier="both",
                                                   TargetDbClusterIdentifier=stack.arns[WEST])
    until(lambda: stack.probe(WEST, action="write", run="r", n=5)["ok"], "the switchover")
    assert stack.probe(WEST, action="read", run="r", after=-1) | {"lag_s": None} == {
        "ok": True, "rows": [0, 1, 2, 3, 4, 5], "writer": True, "lag_s": None, "region": WEST}
    assert stack.probe(EAST, action="write", run="r", n=6)["error"] == "READ_ONLY"
    until(stack.connected, "the old primary")

    aws[EAST].rds.failover_global_cluster(GlobalClusterIdentifier="both", AllowDataLoss=True,
                                                 TargetDbClusterIdentifier=stack.arns[EAST])
    until(lambda: stack.probe(EAST, action="write", run="r", n=7)["ok"], "the failover")
    until(stack.connected, "the old primary")
    until(lambda: stack.probe(WEST, action="read", run="r", after=4)["rows"] in ([5, 7], [7]), "the rejoined one")


def test_a_slow_database_makes_the_application_slow_and_at_last_runs_into_its_patience(
        aws: Aws, stack: Stack) -> None:
    event = {"httpMethod": "GET", "path": "/health/deep"}
    assert call(aws, EAST, "app", event)["Payload"]["statusCode"] == 200
    gray.start(EAST, gray.SLOW)
    begun = time.monotonic()
    assert call(aws, EAST, "app", event)["Payload"]["statusCode"] == 200
    assert time.monotonic() - begun > gray.USUAL_DELAY_S
    gray.end(EAST)
    gray.start(EAST, gray.SLOW, 4)
    answer = call(aws, EAST, "app", event)["Payload"]
    assert (answer["statusCode"], json.loads(answer["body"])["database"]["reachable"]) == (503, False)
    gray.end(EAST)
    until(lambda: call(aws, EAST, "app", event)["Payload"]["statusCode"] == 200, "the database")


def test_a_rotated_password_is_read_again(aws: Aws, stack: Stack) -> None:
    assert stack.probe(EAST, action="write", run="r", n=1)["ok"]
    site = aws[EAST]
    site.rds.modify_db_cluster(DBClusterIdentifier=f"db-{EAST}", MasterUserPassword="second-password",
                               ApplyImmediately=True)
    site.secrets.put_secret_value(SecretId="database", SecretString=json.dumps(
        {"username": "dradmin", "password": "second-password"}))
    database = DATABASES._known[0].database
    database.servers[database.writer].stop()
    database.servers[database.writer].start()
    answer = stack.probe(EAST, action="write", run="r", n=2)
    assert answer["ok"], answer


def test_the_application_serves_patients_through_tls_that_it_verifies(aws: Aws, stack: Stack) -> None:
    assert call(aws, EAST, "app", {"action": "migrate"})["Payload"]["ok"]
    deep = call(aws, EAST, "app", {"httpMethod": "GET", "path": "/health/deep"})["Payload"]
    assert json.loads(deep["body"])["database"] | {"lag_s": 0} == {
        "reachable": True, "writer": True, "lag_s": 0, "tls": "verified"}
    event = {"httpMethod": "POST", "path": "/patients", "body": json.dumps({"name": "A", "birth_date": "1980-02-29"})}
    assert call(aws, EAST, "app", event)["Payload"]["statusCode"] == 201
    until(lambda: call(aws, WEST, "app", event)["Payload"]["statusCode"] == 503, "the replicated table")
    assert call(aws, WEST, "app", event)["Payload"]["headers"]["Retry-After"] == "30"
