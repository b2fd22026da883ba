"""Switchover and failover of a global database go through the stages that AWS documents."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from botocore.exceptions import ClientError

from drctl.aws.clients import Aws
from drctl.aws.durations import seconds
from drctl.aws.errors import code_of
from drctl.lab import aurora
from drctl.lab.clock import CLOCK, LabClock
from tests.conftest import SPEED
from tests.lab.aurora_world import (
    EAST,
    WEST,
    arn,
    build,
    cluster,
    fail_over,
    make_instance,
    members,
    messages,
    pass_an_hour,
    switch_over,
    world,
    writer,
)
from tests.lab.conftest import eventually, settle

Change = tuple[str, str, str, str]


@pytest.fixture
def heard() -> Iterator[list[Change]]:
    """What the rest of the lab hears of changes of roles."""
    told: list[Change] = []

    def listen(kind: str, global_id: str, old: str, new: str) -> None:
        told.append((kind, global_id, old, new))

    aurora.ON_ROLE_CHANGE.append(listen)
    yield told
    aurora.ON_ROLE_CHANGE.remove(listen)


def refused(error: pytest.ExceptionInfo[ClientError]) -> str:
    return code_of(error.value)


def test_right_after_the_call_nothing_of_a_switchover_is_to_be_seen(aws: Aws, clock: LabClock) -> None:
    build(aws, clock)
    switch_over(aws)
    assert (world(aws)["Status"], world(aws).get("FailoverState"), writer(aws)) == ("available", None, [EAST])
    assert cluster(aws, WEST)["Status"] == "available"


def test_a_switchover_is_pending_then_switching_then_done_with_roles_swapped(
        aws: Aws, clock: LabClock, heard: list[Change]) -> None:
    build(aws, clock)
    switch_over(aws)
    clock.skip(6)
    state = world(aws, WEST)["FailoverState"]
    assert state == {"Status": "pending", "FromDbClusterArn": arn(EAST), "ToDbClusterArn": arn(WEST),
                     "IsDataLossAllowed": False}
    clock.skip(10)
    assert (world(aws)["Status"], world(aws)["FailoverState"]["Status"]) == ("switching-over", "switching-over")
    assert (cluster(aws, WEST)["Status"], writer(aws), heard) == ("promoting", [EAST], [])
    clock.skip(seconds("switchover") - 16)
    settle(clock)
    assert heard == [("switchover", "world", arn(EAST), arn(WEST))]
    assert (writer(aws), world(aws)["Status"]) == ([WEST], "switching-over")
    clock.skip(20)
    settle(clock)
    assert (world(aws)["Status"], world(aws).get("FailoverState"), writer(aws)) == ("available", None, [WEST])
    assert (cluster(aws, EAST)["Status"], cluster(aws, WEST)["Status"]) == ("available", "available")
    assert members(aws)[EAST]["SynchronizationStatus"] == "connected"
    assert members(aws)[WEST]["Readers"] == [arn(EAST)]


def test_the_instances_of_a_secondary_are_no_writers_until_it_is_promoted(aws: Aws, clock: LabClock) -> None:
    build(aws, clock)

    def writes(region: str) -> bool:
        return bool(cluster(aws, region)["DBClusterMembers"][0]["IsClusterWriter"])

    assert (writes(EAST), writes(WEST)) == (True, False)
    assert cluster(aws, WEST)["ReplicationSourceIdentifier"] == arn(EAST)
    switch_over(aws)
    pass_an_hour(clock)
    assert (writes(EAST), writes(WEST)) == (False, True)
    assert "ReplicationSourceIdentifier" not in cluster(aws, WEST)


def test_the_old_primary_takes_no_writes_some_time_before_the_new_one_does(aws: Aws, clock: LabClock) -> None:
    build(aws, clock)
    here, there = cluster(aws, EAST), cluster(aws, WEST)
    everywhere, there_by_name = world(aws)["Endpoint"], there["ReaderEndpoint"].replace("-ro-", "-")
    assert "Endpoint" not in there
    assert aurora.endpoint_role(here["Endpoint"]) == (EAST, "writer", f"db-{EAST}")
    assert aurora.endpoint_role(here["ReaderEndpoint"]) == (EAST, "reader", f"db-{EAST}")
    assert aurora.endpoint_role(there_by_name) == (WEST, "reader", f"db-{WEST}")
    assert aurora.endpoint_role(everywhere) == (EAST, "writer", f"db-{EAST}")
    switch_over(aws)
    clock.skip(60)
    settle(clock)
    assert aurora.endpoint_role(here["Endpoint"]) == (EAST, "reader", f"db-{EAST}")
    assert aurora.endpoint_role(there_by_name) == (WEST, "reader", f"db-{WEST}")
    pass_an_hour(clock)
    assert aurora.endpoint_role(there_by_name) == (WEST, "writer", f"db-{WEST}")
    assert aurora.endpoint_role(everywhere) == (WEST, "writer", f"db-{WEST}")
    assert aurora.endpoint_role("db.example.com") is None
    assert aurora.is_writer(WEST, f"db-{WEST}")
    assert aurora.global_cluster_of(EAST, f"db-{EAST}") == "world"


def test_a_switchover_tells_its_events_in_the_words_of_the_guide(aws: Aws, clock: LabClock) -> None:
    build(aws, clock)
    switch_over(aws)
    pass_an_hour(clock)
    assert messages(aws, WEST) == [
        "DB cluster created.",
        f"Global switchover to DB cluster db-{WEST} in Region {WEST} started.",
        f"Old primary DB cluster db-{EAST} in Region {EAST} successfully shut down.",
        f"New primary DB cluster db-{WEST} in Region {WEST} was successfully promoted.",
        "Aurora finished changing the DNS name that the global writer endpoint resolves to.",
        f"Global switchover to DB cluster db-{WEST} in Region {WEST} finished.",
    ]


def test_after_a_failover_the_old_primary_is_rebuilt_and_connects_later(
        aws: Aws, clock: LabClock, heard: list[Change]) -> None:
    build(aws, clock)
    fail_over(aws)
    clock.skip(30)
    shown = world(aws)
    assert (shown["Status"], shown["FailoverState"]["IsDataLossAllowed"]) == ("failing-over", True)
    clock.skip(110)
    settle(clock)
    assert (writer(aws), world(aws)["Status"]) == ([WEST], "available")
    assert heard == [("failover", "world", arn(EAST), arn(WEST))]
    assert members(aws)[EAST]["SynchronizationStatus"] == "pending-resync"
    with pytest.raises(ClientError) as error:
        switch_over(aws, at=WEST, to=EAST)
    assert refused(error) == "InvalidDBClusterStateFault"
    pass_an_hour(clock)
    assert members(aws)[EAST]["SynchronizationStatus"] == "connected"
    assert messages(aws, EAST)[-1].startswith("Finished resynchronizing members")
    switch_over(aws, at=WEST, to=EAST)
    pass_an_hour(clock)
    assert writer(aws) == [EAST]


def test_a_lost_region_can_be_left_behind_but_not_switched_from(aws: Aws, clock: LabClock) -> None:
    build(aws, clock)
    aurora.lose(EAST)
    with pytest.raises(ClientError) as error:
        switch_over(aws)
    assert refused(error) == "InvalidDBClusterStateFault"
    fail_over(aws)
    pass_an_hour(clock)
    assert writer(aws) == [WEST]
    assert members(aws)[EAST]["SynchronizationStatus"] == "pending-resync"
    aurora.restore(EAST)
    pass_an_hour(clock)
    assert members(aws)[EAST]["SynchronizationStatus"] == "connected"


def test_a_region_lost_in_the_middle_of_a_switchover_leaves_the_roles_as_they_were(
        aws: Aws, clock: LabClock, heard: list[Change]) -> None:
    build(aws, clock)
    switch_over(aws)
    clock.skip(30)
    aurora.lose(EAST)
    clock.skip(60)
    settle(clock)
    assert (writer(aws), world(aws)["Status"], heard) == ([EAST], "available", [])
    assert cluster(aws, WEST)["Status"] == "available"
    assert messages(aws, WEST)[-1] == f"Global switchover to DB cluster db-{WEST} in Region {WEST} failed."
    fail_over(aws)
    pass_an_hour(clock)
    assert writer(aws) == [WEST]


def test_a_failover_without_leave_to_lose_data_is_a_switchover(aws: Aws, clock: LabClock) -> None:
    build(aws, clock)
    aws[EAST].rds.failover_global_cluster(GlobalClusterIdentifier="world", TargetDbClusterIdentifier=arn(WEST))
    clock.skip(20)
    assert world(aws)["FailoverState"]["Status"] == "switching-over"
    assert world(aws)["FailoverState"]["IsDataLossAllowed"] is False


def test_a_change_of_roles_is_refused_when_it_makes_no_sense(aws: Aws, clock: LabClock) -> None:
    build(aws, clock)
    rds = aws[EAST].rds
    with pytest.raises(ClientError) as both:
        rds.failover_global_cluster(GlobalClusterIdentifier="world", TargetDbClusterIdentifier=arn(WEST),
                                    AllowDataLoss=True, Switchover=True)
    with pytest.raises(ClientError) as name:
        rds.switchover_global_cluster(GlobalClusterIdentifier="world", TargetDbClusterIdentifier=f"db-{WEST}")
    with pytest.raises(ClientError) as already:
        switch_over(aws, to=EAST)
    with pytest.raises(ClientError) as unknown:
        rds.switchover_global_cluster(GlobalClusterIdentifier="moon", TargetDbClusterIdentifier=arn(WEST))
    with pytest.raises(ClientError) as elsewhere:
        switch_over(aws, at=WEST)
    assert [refused(error) for error in (both, name, already, unknown, elsewhere)] == [
        "InvalidParameterCombination", "DBClusterNotFoundFault", "InvalidDBClusterStateFault",
        "GlobalClusterNotFoundFault", "InvalidParameterValue"]
    switch_over(aws)
    with pytest.raises(ClientError) as busy:
        switch_over(aws)
    assert refused(busy) == "InvalidGlobalClusterStateFault"


def test_a_headless_secondary_is_no_target_until_it_has_an_instance(aws: Aws, clock: LabClock) -> None:
    build(aws, clock)
    aws[WEST].rds.delete_db_instance(DBInstanceIdentifier=f"db-{WEST}-1")
    pass_an_hour(clock)
    with pytest.raises(ClientError) as error:
        fail_over(aws)
    assert refused(error) == "InvalidDBClusterStateFault"
    make_instance(aws, WEST, 2)
    pass_an_hour(clock)
    fail_over(aws)
    pass_an_hour(clock)
    assert writer(aws) == [WEST]


def test_a_switchover_ends_right_at_the_speed_of_tests_too(aws: Aws, clock: LabClock, heard: list[Change]) -> None:
    build(aws, clock)
    CLOCK.set_speed(SPEED)
    switch_over(aws)
    assert eventually(lambda: writer(aws) == [WEST] and not world(aws).get("FailoverState"))
    assert len(heard) == 1
    switch_over(aws, at=WEST, to=EAST)
    assert eventually(lambda: writer(aws) == [EAST] and world(aws)["Status"] == "available")
