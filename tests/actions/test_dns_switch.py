"""The switches are turned by three calls of S3, and a region that is taken for lost is asked nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from drctl.actions.dns_switch import ProveDns, Sent, TurnDns, UsersAreAt, is_turned, name_servers
from drctl.actions.steady_state import SteadyState
from drctl.aws.clients import Aws
from drctl.aws.dns import Answer
from drctl.engine.run import Run
from drctl.engine.runbook import perform
from drctl.errors import Refused
from drctl.lab import outages
from drctl.lab.server import Lab
from drctl.settings import Settings, both
from drctl.steps.switch_bucket import PIN_KEY, SWITCH_KEY, SwitchBucket
from tests.conftest import ensure_with_needs
from tests.steps.edge import Edge
from tests.steps.test_health_checks import ZONE

HERE, THERE = Settings().sites
SWITCHES = both(Settings(), SwitchBucket)
TO_STANDBY, TO_PRIMARY = TurnDns(SWITCHES, THERE), TurnDns(SWITCHES, HERE)


@pytest.fixture(autouse=True)
def buckets(run: Run) -> None:
    """Both regions' buckets, empty."""
    for bucket in SWITCHES.all:
        ensure_with_needs(run, bucket)


@pytest.fixture
def lost(make_run: Callable[..., Run]) -> Callable[[str, str], Run]:
    """A run that takes a region for lost."""

    def make(region: str, run_id: str = "another") -> Run:
        run = make_run()
        run.lost, run.id = region, run_id
        return run

    return make


def there(run: Run) -> tuple[bool, bool]:
    """Switch and pin."""
    return is_turned(run, SWITCHES.standby), is_turned(run, SWITCHES.primary)


def test_to_the_standby_and_back_while_both_regions_are_there(run: Run) -> None:
    perform(run, TO_STANDBY)
    assert there(run) == (True, False)
    perform(run, TO_PRIMARY)
    assert there(run) == (False, False)


def test_what_is_turned_already_is_not_turned_again(run: Run, make_run: Callable[..., Run]) -> None:
    TO_STANDBY.do(run)
    assert TO_STANDBY.needless(make_run())
    assert not TO_PRIMARY.needless(make_run())


def test_from_a_lost_primary_only_the_standby_is_asked(lost: Callable[[str], Run], run: Run) -> None:
    outages.start(HERE.region, "", "refuse")
    perform(lost(HERE.region), TO_STANDBY)
    outages.end()
    assert there(run) == (True, False)


def test_from_a_lost_standby_the_pin_is_put_and_the_switch_left(lost: Callable[[str], Run], run: Run) -> None:
    TO_STANDBY.do(run)
    outages.start(THERE.region, "", "refuse")
    perform(lost(THERE.region), TO_PRIMARY)
    outages.end()
    assert there(run) == (True, True)
    perform(run, TO_PRIMARY)
    assert there(run) == (False, False)


def test_to_the_standby_takes_an_old_pin_away(run: Run, lost: Callable[[str], Run]) -> None:
    TO_PRIMARY.do(lost(THERE.region))
    assert there(run) == (False, True)
    perform(run, TO_STANDBY)
    assert there(run) == (True, False)


@pytest.mark.parametrize(("action", "region", "key"), [
    (TO_STANDBY, HERE.region, SWITCH_KEY), (TO_PRIMARY, THERE.region, PIN_KEY)])
def test_beside_what_cannot_be_deleted_an_old_object_is_put_anew(
        action: TurnDns, region: str, key: str, lost: Callable[..., Run], aws: Aws) -> None:
    action.do(lost(region, "an old run"))
    anew = lost(region, "this run")
    assert not action.needless(anew)
    perform(anew, action)
    assert action.needless(anew)
    bucket = next(one for one in SWITCHES.all if one.object_key == key)
    assert aws[bucket.region].s3.head_object(Bucket=bucket.name(anew), Key=key)["Metadata"] == {"run": "this run"}


def test_users_are_not_sent_to_a_region_that_is_taken_for_lost(lost: Callable[[str], Run]) -> None:
    for action, site in ((TO_STANDBY, THERE), (TO_PRIMARY, HERE)):
        with pytest.raises(Refused, match=f"cannot be sent to {site.region}"):
            action.needless(lost(site.region))


def test_by_hand_it_is_the_same_calls_in_the_same_order(run: Run, lost: Callable[[str], Run]) -> None:
    def lines(action: TurnDns, run: Run) -> list[str]:
        return [str(call) for call in action.by_hand(run)]

    bucket = "--bucket s3-switch-us-{}-lab-123456789012 --key switch/traffic-to-{}"
    west, east = bucket.format("west-2", "standby"), bucket.format("east-1", "primary")
    put, delete = "aws s3api put-object {} --content-type text/plain --metadata", "aws s3api delete-object {} --region"
    assert [line.startswith(wanted) for line, wanted in zip(
        lines(TO_STANDBY, run), (put.format(west), delete.format(east)), strict=True)] == [True, True]
    assert lines(TO_PRIMARY, run) == [f"{delete.format(west)} us-west-2", f"{delete.format(east)} us-east-1"]
    assert [line.startswith(put.format(west)) for line in lines(TO_STANDBY, lost(HERE.region))] == [True]
    assert [line.startswith(put.format(east)) for line in lines(TO_PRIMARY, lost(THERE.region))] == [True]


def test_the_proof_by_hand_asks_the_region_that_is_proven_and_no_other(run: Run) -> None:
    edge = Edge(THERE, ZONE, tls=False)
    lines = list(map(str, ProveDns(edge.balancer, THERE).by_hand(run)))
    assert len(lines) == 3
    assert all("us-west-2" in line and "us-east-1" not in line and "route53" not in line for line in lines)
    assert lines[1].startswith("dig +short app.dr.example.com @$(aws ssm get-parameter --name /drctl/lab/name-servers")


@pytest.fixture
def users_there(run: Run, lab: Lab, aws: Aws) -> Edge:
    """The name leads to the standby's balancer."""
    run.name_server = ("127.0.0.1", lab.dns_port)
    edge = Edge(THERE, ZONE, tls=False)
    balancer = ensure_with_needs(run, edge.balancer)
    for site in (HERE, THERE):
        aws[site.region].ssm.put_parameter(Name="/drctl/lab/name-servers", Value="ns-1.example,ns-2.example",
                                           Type="String")
    zone = ensure_with_needs(run, ZONE)
    aws[HERE.region].route53.change_resource_record_sets(HostedZoneId=zone.id, ChangeBatch={"Changes": [{
        "Action": "CREATE", "ResourceRecordSet": {
            "Name": run.settings.dns.name, "Type": "A", "AliasTarget": {
                "HostedZoneId": balancer.zone_id, "DNSName": balancer.dns_name, "EvaluateTargetHealth": False}}}]})
    return edge


def test_the_proof_waits_until_the_zones_servers_answer_with_the_balancer(run: Run, users_there: Edge) -> None:
    assert name_servers(run, THERE) == ("ns-1.example", "ns-2.example")
    outages.start(HERE.region, "", "refuse")
    try:
        run.lost = HERE.region
        perform(run, ProveDns(users_there.balancer, THERE))
    finally:
        outages.end()


def test_where_users_are_is_not_told_of_what_cannot_be_seen(run: Run, users_there: Edge) -> None:
    assert UsersAreAt(users_there.balancer)(run)
    outages.start(THERE.region, "ssm", "error")
    try:
        assert not UsersAreAt(users_there.balancer)(run)
    finally:
        outages.end()


@pytest.mark.parametrize(("followed", "told"), [(True, []), (False, ["ServiceUnavailable"])])
def test_a_gate_that_follows_users_needs_no_balancers_where_they_have_fled_from(
        run: Run, users_there: Edge, followed: bool, told: list[str]) -> None:
    database: Any = None
    gate = SteadyState(database, Edge(HERE, ZONE, tls=False).balancer, HERE, THERE,
                       users_there.balancer if followed else None)
    outages.start(HERE.region, "elasticloadbalancing", "error")
    try:
        findings = list(gate.where_users_are(run))
    finally:
        outages.end()
    assert [word for word in told if not any(word in one for one in findings)] == []
    assert len(findings) == len(told)


def test_one_common_address_is_enough() -> None:
    here, other = Answer(("192.0.2.1", "192.0.2.2")), Answer(("192.0.2.9",))
    assert Sent(here, Answer(("192.0.2.2",))).is_with_the_balancer
    assert not Sent(here, other).is_with_the_balancer
