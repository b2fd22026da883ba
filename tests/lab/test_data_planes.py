"""An outage takes what a service does for users away, not its API alone; and all of it when a region is lost."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

import pytest

from drctl.aws.clients import Aws
from drctl.lab import compute, outages
from drctl.lab.databases import DATABASES
from drctl.lab.health import is_healthy
from drctl.lab.postgres_server import until
from drctl.lab.server import Lab
from tests.lab import test_compute
from tests.lab.front_door_world import balancer, health_check
from tests.lab.test_compute import EAST, WEST, Stack, source
from tests.lab.test_dns import Zone, pair

deploy, stack = test_compute.deploy, test_compute.stack


def write(stack: Stack, region: str, n: int) -> Any:
    """What the probe says of a write, or that it could not be asked."""
    try:
        told = json.loads(compute.invoke(region, "probe", json.dumps({"action": "write", "run": "r", "n": n}).encode()))
    except Exception as error:
        return str(error)
    return told["ok"] or told["error"]


def test_without_rds_a_function_reaches_no_database_not_by_a_connection_that_it_keeps_either(stack: Stack) -> None:
    assert write(stack, EAST, 1) is True
    outages.start(EAST, "rds", "refuse")
    assert write(stack, EAST, 2) == "UNREACHABLE"
    assert write(stack, WEST, 3) == "READ_ONLY"
    outages.end(EAST)
    until(lambda: write(stack, EAST, 4) is True, "the database")
    assert stack.probe(EAST, action="read", run="r", after=-1)["rows"] == [1, 4]


def test_without_lambda_the_database_is_there_and_nobody_uses_it(stack: Stack) -> None:
    assert write(stack, EAST, 1) is True
    outages.start(EAST, "lambda", "refuse")
    assert "Lambda is out" in write(stack, EAST, 2)
    assert DATABASES.port_of(database_of(stack)) is not None


def database_of(stack: Stack) -> str:
    found = stack.aws[EAST].rds.describe_db_clusters(DBClusterIdentifier=f"db-{EAST}")["DBClusters"][0]
    return str(found["Endpoint"])


def test_a_region_that_is_lost_takes_database_and_functions_away_at_once_and_leaves_the_other(stack: Stack) -> None:
    host = database_of(stack)
    assert write(stack, EAST, 1) is True
    until(lambda: stack.probe(WEST, action="read", run="r", after=-1)["rows"] == [1], "the row")
    outages.start(EAST, "", "refuse")
    assert "Lambda is out" in write(stack, EAST, 2)
    assert DATABASES.port_of(host) is None
    assert stack.probe(WEST, action="read", run="r", after=-1)["rows"] == [1]
    outages.end(EAST)
    until(lambda: write(stack, EAST, 3) is True, "the region")


def test_a_function_that_runs_when_its_region_is_lost_answers_no_more(aws: Aws, deploy: Callable[..., None]) -> None:
    deploy(EAST, "slow", source("import threading\ndef go(event, context):\n    print('on')\n"
                                "    threading.Event().wait(1)"), "main.go")
    told: list[str] = []

    def ask() -> None:
        try:
            told.append(compute.invoke(EAST, "slow", b"{}").decode())
        except Exception as error:
            told.append(str(error))

    caller = threading.Thread(target=ask)
    caller.start()
    until(lambda: any(worker.is_up for worker in compute.fleet()._all), "its environment")
    outages.start(EAST, "", "refuse")
    caller.join()
    assert len(told) == 1
    assert f"Lambda is out in {EAST}" in told[0]


@pytest.mark.parametrize("service", ["", "elasticloadbalancing"])
def test_an_alias_that_evaluates_its_target_leaves_a_balancer_that_is_out(lab: Lab, aws: Aws, service: str) -> None:
    here, there, zone = balancer(aws, EAST), balancer(aws, WEST), Zone(lab, aws)
    records = pair(here, there)
    for record in records:
        record["AliasTarget"]["EvaluateTargetHealth"] = True
    zone.put(*records)
    until(lambda: zone.ask("app.dr.example.com") == zone.ask(here.host), "the first")
    outages.start(EAST, service, "refuse")
    until(lambda: zone.ask("app.dr.example.com") == zone.ask(there.host), "the second")
    outages.end(EAST)
    until(lambda: zone.ask("app.dr.example.com") == zone.ask(here.host), "the first again")


def test_health_checkers_go_on_while_the_region_is_lost_where_their_control_plane_is(aws: Aws) -> None:
    door = balancer(aws, EAST)
    check = health_check(aws, "a", Type="HTTP", FullyQualifiedDomainName=door.host)
    until(lambda: is_healthy(check), "health")
    outages.start(EAST, "", "refuse")
    until(lambda: not is_healthy(check, looking=False), "illness")
    outages.end(EAST)
    until(lambda: is_healthy(check, looking=False), "health again")
