"""The network of a region stands once, stays as it is, and goes without a trace."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from drctl.aws.clients import Aws
from drctl.engine.run import Run
from drctl.errors import Refused
from drctl.settings import Network as NetworkSettings
from drctl.settings import Settings
from drctl.steps.network import Network
from drctl.steps.route_tables import RouteTables
from drctl.steps.subnets import Subnets
from tests.conftest import changes, ensure_with_needs
from tests.steps.lifecycle import assert_mended

SITE = Settings().primary
NETWORK = Network(SITE)
SUBNETS = Subnets(SITE, NETWORK)
TABLES = RouteTables(SITE, NETWORK, SUBNETS)


def test_a_network_has_nine_subnets_over_three_zones_and_a_way_to_the_internet(run: Run) -> None:
    ensure_with_needs(run, TABLES)
    tables = run.refresh(TABLES) or run.output(TABLES)
    subnets = run.output(SUBNETS)
    assert len({*subnets.public, *subnets.private, *subnets.database}) == 9
    assert len(set(subnets.zones)) == 3
    assert tables.reaches_internet
    assert set(tables.associations.values()) == {tables.public, *tables.inner}
    assert not list(TABLES.verify(run, tables))


def test_a_second_run_changes_nothing(run: Run, make_run: Callable[..., Run]) -> None:
    ensure_with_needs(run, TABLES)
    again = make_run()
    ensure_with_needs(again, TABLES)
    assert [changes(again, step) for step in (NETWORK, SUBNETS, TABLES)] == [0, 0, 0]


@pytest.mark.notices("Subnets")
def test_a_subnet_that_gives_public_addresses_is_noticed_and_hidden(run: Run, aws: Aws) -> None:
    ensure_with_needs(run, SUBNETS)
    ec2, subnet = aws[SITE.region].ec2, run.output(SUBNETS).public[0]
    assert_mended(run, SUBNETS, lambda: ec2.modify_subnet_attribute(
        SubnetId=subnet, MapPublicIpOnLaunch={"Value": True}), f"begins in {subnet}")
    assert not [one for one in ec2.describe_subnets(SubnetIds=[subnet])["Subnets"] if one["MapPublicIpOnLaunch"]]


@pytest.mark.notices("RouteTables")
def test_verify_notices_a_subnet_that_lost_its_route_table(run: Run, aws: Aws) -> None:
    ensure_with_needs(run, TABLES)
    ec2 = aws[SITE.region].ec2
    for table in ec2.describe_route_tables()["RouteTables"]:
        for link in table["Associations"]:
            if link.get("SubnetId"):
                ec2.disassociate_route_table(AssociationId=link["RouteTableAssociationId"])
    findings = [finding.text for finding in TABLES.verify(run, run.refresh(TABLES) or run.output(TABLES))]
    assert len(findings) == 9
    ensure_with_needs(run, TABLES)
    assert not list(TABLES.verify(run, run.refresh(TABLES) or run.output(TABLES)))


def test_teardown_leaves_only_the_default_vpc_and_twice_is_fine(run: Run, aws: Aws) -> None:
    ensure_with_needs(run, TABLES)
    for _ in range(2):
        for step in (TABLES, SUBNETS, NETWORK):
            step.destroy(run)
            run.forget(step)
    assert [vpc["IsDefault"] for vpc in aws[SITE.region].ec2.describe_vpcs()["Vpcs"]] == [True]
    assert NETWORK.find(run) is None


def over(zones: int) -> Settings:
    return Settings(network=NetworkSettings(availability_zones=zones))


def zone_ids(aws: Aws) -> dict[str, str]:
    """Zone id by subnet, of ours."""
    seen = aws[SITE.region].ec2.describe_subnets(Filters=[{"Name": "tag-key", "Values": ["drctl:stack"]}])["Subnets"]
    return {subnet["SubnetId"]: subnet["AvailabilityZoneId"] for subnet in seen}


def test_old_zones_that_lack_services_are_taken_only_when_there_are_no_others(
        make_run: Callable[..., Run], aws: Aws) -> None:
    ensure_with_needs(make_run(over(5)), SUBNETS)
    first = zone_ids(aws)
    assert set(first.values()) == {"use1-az1", "use1-az2", "use1-az4", "use1-az5", "use1-az6"}
    ensure_with_needs(make_run(over(6)), SUBNETS)
    assert "use1-az3" in zone_ids(aws).values()
    assert first.items() <= zone_ids(aws).items()


def test_a_subnet_made_again_lies_in_the_zone_of_its_neighbours(run: Run, make_run: Callable[..., Run],
                                                                aws: Aws) -> None:
    """Also where the network was made over a zone that would not be chosen now."""
    ec2, vpc_id = aws[SITE.region].ec2, ensure_with_needs(run, NETWORK).vpc_id
    for tier, block in (("public", 1), ("database", 17)):
        name = run.name("ec2", f"{tier}-2", SITE)
        ec2.create_subnet(VpcId=vpc_id, AvailabilityZoneId="use1-az3", CidrBlock=str(
            list(SITE.cidr.subnets(prefixlen_diff=5))[block]), TagSpecifications=[
                {"ResourceType": "subnet", "Tags": [{"Key": key, "Value": value} for key, value in
                                                    run.tags(SITE, name).items()]}])
    out = ensure_with_needs(make_run(), SUBNETS)
    assert [zone_ids(aws)[tier[1]] for tier in (out.public, out.private, out.database)] == ["use1-az3"] * 3
    assert len(set(out.zones)) == 3


@pytest.mark.notices("Subnets")
def test_fewer_zones_than_the_network_was_made_over_are_refused_but_torn_down(
        run: Run, make_run: Callable[..., Run], aws: Aws) -> None:
    ensure_with_needs(run, TABLES)
    fewer = make_run(over(2))
    with pytest.raises(Refused, match="more than 2 zones"):
        SUBNETS.ensure(fewer)
    assert any("beyond" in finding.text for finding in SUBNETS.verify(fewer, fewer.output(SUBNETS)))
    for step in (TABLES, SUBNETS, NETWORK):
        step.destroy(fewer)
    assert zone_ids(aws) == {}
    assert [vpc["IsDefault"] for vpc in aws[SITE.region].ec2.describe_vpcs()["Vpcs"]] == [True]
