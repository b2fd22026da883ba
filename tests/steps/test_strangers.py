"""A teardown tells at once what is somebody else's in the network, all of it together, and touches none of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from drctl.aws.clients import Aws
from drctl.engine.events import Record
from drctl.engine.run import Run
from drctl.engine.step import Step
from drctl.errors import Refused
from drctl.lab import interfaces
from drctl.settings import Settings
from drctl.steps.network import Network
from drctl.steps.route_tables import RouteTables
from drctl.steps.security_groups import SecurityGroups
from drctl.steps.subnets import Subnets
from tests.conftest import ensure_with_needs

SITE = Settings().primary
NETWORK = Network(SITE)
SUBNETS = Subnets(SITE, NETWORK)
TABLES = RouteTables(SITE, NETWORK, SUBNETS)
GROUPS = SecurityGroups(SITE, NETWORK)
HTTPS: Any = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443}


@pytest.fixture
def stands(run: Run) -> Run:
    """A run that has built a network."""
    ensure_with_needs(run, TABLES)
    ensure_with_needs(run, GROUPS)
    return run


@pytest.fixture
def ec2(aws: Aws) -> Any:
    """EC2 of the region."""
    return aws[SITE.region].ec2


Told = Callable[[Step[Any]], tuple[str, ...]]


@pytest.fixture
def told(run: Run, records: list[Record]) -> Told:
    """What a destroy of a step says is in its way, which it says without waiting."""

    def destroy(step: Step[Any]) -> tuple[str, ...]:
        del records[:]
        with pytest.raises(Refused) as refused:
            step.destroy(run)
        assert "drctl teardown again" in refused.value.next_step
        assert all(finding in str(refused.value) for finding in refused.value.findings)
        assert "waiting" not in {record["event"] for record in records}
        return refused.value.findings

    return destroy


def their_interface(run: Run, ec2: Any, **more: Any) -> str:
    made = ec2.create_network_interface(SubnetId=run.output(SUBNETS).private[0], Description="their appliance", **more)
    return str(made["NetworkInterface"]["NetworkInterfaceId"])


def their_group(run: Run, ec2: Any) -> str:
    return str(ec2.create_security_group(GroupName="theirs", Description="not of the stack",
                                         VpcId=run.output(NETWORK).vpc_id)["GroupId"])


def test_an_interface_in_a_subnet_is_told_with_its_words_and_left(stands: Run, ec2: Any, told: Told) -> None:
    theirs = their_interface(stands, ec2, TagSpecifications=[
        {"ResourceType": "network-interface", "Tags": [{"Key": "Name", "Value": "proxy"}]}])
    TABLES.destroy(stands)
    subnet = stands.output(SUBNETS).private[0]
    assert told(SUBNETS) == (f"network interface {theirs} (proxy, their appliance) in {subnet}",)
    ec2.delete_network_interface(NetworkInterfaceId=theirs)
    SUBNETS.destroy(stands)


def test_a_group_whose_rule_names_ours_is_told_and_left(stands: Run, ec2: Any, told: Told) -> None:
    theirs, ours = their_group(stands, ec2), stands.output(GROUPS).app
    rule = {**HTTPS, "UserIdGroupPairs": [{"GroupId": ours}]}
    ec2.authorize_security_group_ingress(GroupId=theirs, IpPermissions=[rule])
    assert any(theirs in text and f"with a rule that names {ours}" in text for text in told(GROUPS))
    assert ec2.describe_security_groups(GroupIds=[theirs])["SecurityGroups"][0]["IpPermissions"]
    ec2.revoke_security_group_ingress(GroupId=theirs, IpPermissions=[rule])
    GROUPS.destroy(stands)
    assert ec2.describe_security_groups(GroupIds=[theirs])["SecurityGroups"]


def test_an_interface_that_carries_our_group_is_told(stands: Run, ec2: Any, told: Told) -> None:
    theirs = their_interface(stands, ec2, Groups=[stands.output(GROUPS).app])
    assert any(theirs in text for text in told(GROUPS))


def test_all_strangers_are_told_together_by_whichever_step_meets_one(stands: Run, ec2: Any, told: Told) -> None:
    group, interface = their_group(stands, ec2), their_interface(stands, ec2)
    TABLES.destroy(stands)
    findings = " ".join(told(SUBNETS))
    assert group in findings
    assert interface in findings


@pytest.mark.parametrize("kind", ["subnet", "group", "table", "interface", "acl"])
def test_a_network_with_somebody_elses_things_keeps_its_gateway(
        kind: str, run: Run, ec2: Any, make_run: Callable[..., Run], told: Told) -> None:
    vpc_id = ensure_with_needs(run, NETWORK).vpc_id
    subnet = ec2.create_subnet(VpcId=vpc_id, CidrBlock="10.0.200.0/24")["Subnet"]["SubnetId"]
    calls: dict[str, Callable[[], str]] = {"subnet": lambda: subnet, "group": lambda: their_group(run, ec2),
            "table": lambda: ec2.create_route_table(VpcId=vpc_id)["RouteTable"]["RouteTableId"],
            "interface": lambda: ec2.create_network_interface(SubnetId=subnet)["NetworkInterface"][
                "NetworkInterfaceId"],
            "acl": lambda: ec2.create_network_acl(VpcId=vpc_id)["NetworkAcl"]["NetworkAclId"]}
    made = calls[kind]()
    assert any(made in text for text in told(NETWORK))
    out = make_run().refresh(NETWORK)
    assert out is not None
    assert out.attached


def test_somebody_elses_subnet_with_our_route_table_keeps_its_routes(stands: Run, ec2: Any, told: Told) -> None:
    out = stands.output(NETWORK)
    theirs = ec2.create_subnet(VpcId=out.vpc_id, CidrBlock="10.0.200.0/24")["Subnet"]["SubnetId"]
    ec2.associate_route_table(RouteTableId=stands.output(TABLES).public, SubnetId=theirs)
    assert any(theirs in text for text in told(TABLES))
    links = ec2.describe_route_tables(RouteTableIds=[stands.output(TABLES).public])["RouteTables"][0]["Associations"]
    assert theirs in {link.get("SubnetId") for link in links}


@pytest.mark.parametrize(("text", "kind", "requester"), [
    ("AWS Lambda VPC ENI-app", "lambda", "123456789012:app"), ("ELB app/web/1", "interface", "amazon-elb"),
    ("RDSNetworkInterface", "interface", "amazon-rds")])
def test_interfaces_that_services_leave_behind_are_waited_for(
        text: str, kind: str, requester: str, stands: Run) -> None:
    subnet, groups = stands.output(SUBNETS).private[0], [stands.output(GROUPS).app]
    left = interfaces.make(SITE.region, subnet, groups, text, kind, requester)
    interfaces.remove_later(SITE.region, [left], 1200)
    for step in (TABLES, GROUPS, SUBNETS, NETWORK):
        step.destroy(stands)
    assert NETWORK.find(stands) is None


def test_an_interface_of_a_service_that_stays_is_a_stranger(stands: Run, told: Told) -> None:
    interfaces.make(SITE.region, stands.output(SUBNETS).private[0], [], "EFS mount target for fs-1", "interface",
                    "amazon-efs")
    TABLES.destroy(stands)
    assert "EFS mount target for fs-1" in told(SUBNETS)[0]


def test_what_never_leaves_is_named_at_the_end_of_the_wait(stands: Run) -> None:
    interfaces.make(SITE.region, stands.output(SUBNETS).private[0], [], "AWS Lambda VPC ENI-stuck", "lambda", "x")
    TABLES.destroy(stands)
    stands.clock.patience_s = 0.1
    with pytest.raises(Refused, match=r"there is still .*ENI-stuck"):
        SUBNETS.destroy(stands)


def test_a_rule_of_the_default_group_holds_none_of_ours(stands: Run, ec2: Any) -> None:
    out = stands.output(GROUPS)
    ec2.authorize_security_group_ingress(GroupId=out.ids["default"], IpPermissions=[
        {**HTTPS, "UserIdGroupPairs": [{"GroupId": out.app}]}])
    GROUPS.destroy(stands)
    assert GROUPS.find(stands) is None


def test_a_subnet_that_was_led_to_another_table_is_led_back(stands: Run, ec2: Any) -> None:
    vpc_id, subnet = stands.output(NETWORK).vpc_id, stands.output(SUBNETS).private[0]
    theirs = ec2.create_route_table(VpcId=vpc_id)["RouteTable"]["RouteTableId"]
    table = ec2.describe_route_tables(Filters=[{"Name": "association.subnet-id", "Values": [subnet]}])["RouteTables"][0]
    ec2.replace_route_table_association(
        RouteTableId=theirs, AssociationId=table["Associations"][0]["RouteTableAssociationId"])
    stands.forget(TABLES)
    ensure_with_needs(stands, TABLES)
    assert not list(TABLES.verify(stands, stands.refresh(TABLES) or stands.output(TABLES)))


def test_a_way_out_that_leads_elsewhere_is_noticed_and_led_back(stands: Run, ec2: Any) -> None:
    public = stands.output(TABLES).public
    interface = their_interface(stands, ec2)
    ec2.replace_route(RouteTableId=public, DestinationCidrBlock="0.0.0.0/0", NetworkInterfaceId=interface)
    out = stands.refresh(TABLES)
    assert out is not None
    assert [public in finding.text for finding in TABLES.verify(stands, out)] == [True]
    ensure_with_needs(stands, TABLES)
    assert not list(TABLES.verify(stands, stands.refresh(TABLES) or stands.output(TABLES)))


def test_rules_that_are_there_but_not_shown_do_not_keep_the_others_out(stands: Run, ec2: Any) -> None:
    out = stands.output(GROUPS)
    stale = frozenset(stands.output(GROUPS).rules["app"])
    rule = next(one for one in stale if one.peer == out.database)
    ec2.revoke_security_group_egress(GroupId=out.app, IpPermissions=[rule.permission])
    GROUPS._converge(stands, out.app, stale, frozenset())  # all are missing, says a late read; one really is
    GROUPS._converge(stands, out.app, frozenset(), frozenset({rule}))
    GROUPS._converge(stands, out.app, frozenset(), stale)  # one is gone already
    shown = ec2.describe_security_groups(GroupIds=[out.app])["SecurityGroups"][0]
    assert shown["IpPermissionsEgress"] == []

