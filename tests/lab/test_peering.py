"""Peering between two regions: requested, accepted over there, provisioned, active, and seen apart by each side."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from drctl.aws.clients import Aws
from drctl.aws.durations import seconds
from drctl.lab.clock import LabClock
from tests.lab.conftest import eventually

HERE, THERE = "us-east-1", "us-west-2"


class Pair:
    """Two VPCs in two regions, and a request from one to the other."""

    def __init__(self, aws: Aws, here: str = "10.1.0.0/16", there: str = "10.2.0.0/16") -> None:
        self.here: Any = aws[HERE].ec2
        self.there: Any = aws[THERE].ec2
        self.vpc: str = self.here.create_vpc(CidrBlock=here)["Vpc"]["VpcId"]
        self.peer: str = self.there.create_vpc(CidrBlock=there)["Vpc"]["VpcId"]
        self.table: str = self.here.create_route_table(VpcId=self.vpc)["RouteTable"]["RouteTableId"]
        tags: Any = [{"ResourceType": "vpc-peering-connection", "Tags": [{"Key": "Name", "Value": "bridge"}]}]
        self.id: str = self.here.create_vpc_peering_connection(
            VpcId=self.vpc, PeerVpcId=self.peer, PeerRegion=THERE,
            TagSpecifications=tags)["VpcPeeringConnection"]["VpcPeeringConnectionId"]

    def state(self, side: Any) -> str:
        found = side.describe_vpc_peering_connections(VpcPeeringConnectionIds=[self.id])["VpcPeeringConnections"]
        return str(found[0]["Status"]["Code"])

    def route(self) -> str:
        self.here.create_route(RouteTableId=self.table, DestinationCidrBlock="10.2.0.0/16",
                               VpcPeeringConnectionId=self.id)
        return self.route_state()

    def route_state(self) -> str:
        routes = self.here.describe_route_tables(RouteTableIds=[self.table])["RouteTables"][0]["Routes"]
        return str(next(route["State"] for route in routes if route.get("VpcPeeringConnectionId")))

    def allow_names(self, side: Any, role: str) -> None:
        side.modify_vpc_peering_connection_options(VpcPeeringConnectionId=self.id, **{
            f"{role}PeeringConnectionOptions": {"AllowDnsResolutionFromRemoteVpc": True}})


def code(error: pytest.ExceptionInfo[ClientError]) -> str:
    return error.value.response["Error"]["Code"]


@pytest.mark.rule("peering-request")
def test_a_connection_goes_through_its_stages(aws: Aws, clock: LabClock) -> None:
    pair = Pair(aws)
    assert pair.state(pair.here) == "initiating-request"
    clock.skip(seconds("peering-request"))
    assert pair.state(pair.here) == pair.state(pair.there) == "pending-acceptance"
    pair.there.accept_vpc_peering_connection(VpcPeeringConnectionId=pair.id)
    assert pair.state(pair.here) == "provisioning"
    clock.skip(seconds("peering-provision"))
    assert pair.state(pair.here) == pair.state(pair.there) == "active"


@pytest.mark.rule("peering-found")
def test_the_accepters_region_does_not_know_a_fresh_request(aws: Aws, clock: LabClock) -> None:
    pair = Pair(aws)
    for ask in (lambda: pair.state(pair.there),
                lambda: pair.there.accept_vpc_peering_connection(VpcPeeringConnectionId=pair.id)):
        with pytest.raises(ClientError) as refused:
            ask()
        assert code(refused) == "InvalidVpcPeeringConnectionID.NotFound"


def test_only_the_accepters_region_can_accept(aws: Aws) -> None:
    pair = Pair(aws)
    with pytest.raises(ClientError) as refused:
        pair.here.accept_vpc_peering_connection(VpcPeeringConnectionId=pair.id)
    assert code(refused) == "OperationNotPermitted"


@pytest.mark.rule("peering-request")
def test_overlapping_ranges_fail_after_the_request_was_taken(aws: Aws, clock: LabClock) -> None:
    pair = Pair(aws, there="10.1.128.0/17")
    assert pair.state(pair.here) == "initiating-request"
    clock.skip(seconds("peering-request"))
    assert pair.state(pair.here) == "failed"


def test_a_route_over_a_connection_that_is_not_active_is_a_black_hole(aws: Aws, clock: LabClock) -> None:
    pair = Pair(aws)
    clock.skip(seconds("peering-request"))
    assert pair.route() == "blackhole"
    pair.there.accept_vpc_peering_connection(VpcPeeringConnectionId=pair.id)
    clock.skip(seconds("peering-provision"))
    assert pair.route_state() == "active"
    pair.here.delete_vpc_peering_connection(VpcPeeringConnectionId=pair.id)
    assert pair.route_state() == "blackhole"


@pytest.mark.rule("route-target")
def test_a_route_over_a_deleted_connection_is_refused(aws: Aws) -> None:
    pair = Pair(aws)
    pair.here.delete_vpc_peering_connection(VpcPeeringConnectionId=pair.id)
    with pytest.raises(ClientError) as refused:
        pair.route()
    assert code(refused) == "InvalidVpcPeeringConnectionID.NotFound"


@pytest.mark.rule("peering-options")
def test_options_are_refused_before_the_connection_is_active(aws: Aws, clock: LabClock) -> None:
    pair = Pair(aws)
    clock.skip(seconds("peering-request"))
    with pytest.raises(ClientError) as refused:
        pair.allow_names(pair.here, "Requester")
    assert code(refused) == "OperationNotPermitted"


@pytest.mark.rule("peering-options")
def test_each_side_sets_its_own_options_only(aws: Aws, clock: LabClock) -> None:
    pair = Pair(aws)
    clock.skip(seconds("peering-request"))
    pair.there.accept_vpc_peering_connection(VpcPeeringConnectionId=pair.id)
    clock.skip(seconds("peering-provision"))
    pair.allow_names(pair.here, "Requester")
    with pytest.raises(ClientError) as refused:
        pair.allow_names(pair.here, "Accepter")
    assert code(refused) == "OperationNotPermitted"
    pair.allow_names(pair.there, "Accepter")


@pytest.mark.rule("peering-found")
def test_tags_belong_to_one_side(aws: Aws) -> None:
    pair = Pair(aws)
    by_name = [{"Name": "tag:Name", "Values": ["bridge"]}]
    assert len(pair.here.describe_vpc_peering_connections(Filters=by_name)["VpcPeeringConnections"]) == 1
    assert not pair.there.describe_vpc_peering_connections(Filters=by_name)["VpcPeeringConnections"]
    pair.there.create_tags(Resources=[pair.id], Tags=[{"Key": "Name", "Value": "bridge"}])
    assert len(pair.there.describe_vpc_peering_connections(Filters=by_name)["VpcPeeringConnections"]) == 1


@pytest.mark.rule("peering-found")
def test_connections_are_found_by_the_networks_they_join(aws: Aws) -> None:
    pair = Pair(aws)
    filters = [{"Name": "requester-vpc-info.vpc-id", "Values": [pair.vpc]},
               {"Name": "accepter-vpc-info.vpc-id", "Values": [pair.peer]}]
    found = pair.here.describe_vpc_peering_connections(Filters=filters)["VpcPeeringConnections"]
    assert [connection["VpcPeeringConnectionId"] for connection in found] == [pair.id]
    none = [{"Name": "requester-vpc-info.vpc-id", "Values": [pair.peer]}]
    assert not pair.here.describe_vpc_peering_connections(Filters=none)["VpcPeeringConnections"]


@pytest.mark.rule("peering-delete")
def test_a_deleted_connection_is_shown_for_hours_and_cannot_be_deleted_again(aws: Aws, clock: LabClock) -> None:
    pair = Pair(aws)
    clock.skip(seconds("peering-request"))
    pair.there.delete_vpc_peering_connection(VpcPeeringConnectionId=pair.id)
    assert pair.state(pair.here) == "deleted"
    with pytest.raises(ClientError) as refused:
        pair.here.delete_vpc_peering_connection(VpcPeeringConnectionId=pair.id)
    assert code(refused) == "InvalidStateTransition"
    clock.skip(seconds("peering-deleted-visible"))
    assert eventually(lambda: not pair.here.describe_vpc_peering_connections()["VpcPeeringConnections"])


@pytest.mark.rule("peering-accept")
def test_an_accepted_connection_is_provisioned_first(aws: Aws, clock: LabClock) -> None:
    pair = Pair(aws)
    clock.skip(seconds("peering-request"))
    pair.there.accept_vpc_peering_connection(VpcPeeringConnectionId=pair.id)
    assert pair.state(pair.there) == "provisioning"


@pytest.mark.rule("peering-request")
def test_a_second_request_for_the_same_pair_gives_the_first_connection(aws: Aws) -> None:
    pair = Pair(aws)
    again = pair.here.create_vpc_peering_connection(VpcId=pair.vpc, PeerVpcId=pair.peer, PeerRegion=THERE)
    assert again["VpcPeeringConnection"]["VpcPeeringConnectionId"] == pair.id
