"""The network of a region stands once, stays as it is, and goes without a trace."""

from __future__ import annotations

from collections.abc import Callable

from drctl.aws.clients import Aws
from drctl.engine.run import Run
from drctl.settings import Settings
from drctl.steps.network import Network
from drctl.steps.route_tables import RouteTables
from drctl.steps.subnets import Subnets
from tests.conftest import changes, ensure_with_needs

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
