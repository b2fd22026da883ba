"""A region that is lost and comes back, as the members of a global database and the servers behind them feel it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from drctl.aws.clients import Aws
from drctl.aws.durations import seconds
from drctl.lab import aurora
from drctl.lab.clock import CLOCK, LabClock
from drctl.lab.databases import DATABASES
from drctl.lab.postgres import ReplicatedDatabase
from drctl.lab.postgres_server import Server, until
from tests.conftest import SPEED
from tests.lab.aurora_world import (
    EAST,
    WEST,
    arn,
    fail_over,
    members,
    messages,
    pair,
    pass_an_hour,
    refusal,
    switch_over,
    writer,
)
from tests.lab.conftest import settle


def host(region: str) -> str:
    """The cluster endpoint's name there, which a secondary has without showing it."""
    return f"db-{region}.cluster-{cluster_token(region)}.{region}.rds.amazonaws.com"


def cluster_token(region: str) -> str:
    from drctl.lab.aurora_clusters import endpoint_hash
    from drctl.settings import LAB_ACCOUNT

    return endpoint_hash(LAB_ACCOUNT, region)


def role(region: str) -> str | None:
    """What answers under the name."""
    found = aurora.endpoint_role(host(region))
    return found[1] if found else None


def lag_ms(aws: Aws, region: str) -> list[float]:
    """The lag of the cluster there in the last hour as CloudWatch shows it, oldest first."""
    now = datetime.now(tz=UTC)
    found = aws[region].cloudwatch.get_metric_statistics(
        Namespace="AWS/RDS", MetricName="AuroraGlobalDBReplicationLag", Period=60, Statistics=["Maximum"],
        StartTime=now - timedelta(minutes=61), EndTime=now + timedelta(seconds=1),
        Dimensions=[{"Name": "DBClusterIdentifier", "Value": f"db-{region}"}])
    return [point["Maximum"] for point in sorted(found["Datapoints"], key=lambda point: point["Timestamp"])]


def test_no_name_of_a_lost_region_answers_and_those_of_the_other_do(aws: Aws, clock: LabClock) -> None:
    pair(aws, clock)
    assert (role(EAST), role(WEST)) == ("writer", "reader")
    aurora.lose(EAST)
    aurora.lose(EAST)
    assert (role(EAST), role(WEST)) == (None, "reader")
    aurora.restore(EAST)
    aurora.restore(EAST)
    assert (role(EAST), role(WEST), writer(aws)) == ("writer", "reader", [EAST])


def test_the_survivors_lag_grows_by_a_second_a_second_and_is_small_again_afterwards(
        aws: Aws, clock: LabClock) -> None:
    pair(aws, clock)
    aurora.lose(EAST)
    clock.skip(300)
    shown = lag_ms(aws, WEST)
    assert shown[:-6] == [80.0] * len(shown[:-6])
    assert 299_000 < shown[-1] < 302_000
    assert shown[-6:] == sorted(shown[-6:])
    aurora.restore(EAST)
    assert set(lag_ms(aws, WEST)) == {80.0}


def test_a_lost_secondary_shows_no_lag_and_stops_no_writer(aws: Aws, clock: LabClock) -> None:
    pair(aws, clock)
    aurora.lose(WEST)
    assert (lag_ms(aws, WEST), role(EAST), role(WEST)) == ([], "writer", None)
    assert "not in a healthy state" in refusal(switch_over, aws)
    assert "not in a healthy state" in refusal(fail_over, aws)
    aurora.restore(WEST)
    assert (role(WEST), members(aws)[WEST]["SynchronizationStatus"]) == ("reader", "connected")


def test_the_old_primary_comes_back_as_a_secondary_that_is_rebuilt_first(aws: Aws, clock: LabClock) -> None:
    pair(aws, clock)
    aurora.lose(EAST)
    fail_over(aws)
    pass_an_hour(clock)
    assert (writer(aws), role(WEST)) == ([WEST], "writer")
    assert members(aws)[EAST]["SynchronizationStatus"] == "pending-resync"
    aurora.restore(EAST)
    assert (members(aws)[EAST]["SynchronizationStatus"], role(EAST)) == ("pending-resync", None)
    clock.skip(seconds("global-resync") + 1)
    settle(clock)
    assert (members(aws)[EAST]["SynchronizationStatus"], role(EAST)) == ("connected", "reader")
    assert [text.split()[0] for text in messages(aws, EAST)[-2:]] == ["Started", "Finished"]
    switch_over(aws, at=WEST, to=EAST)
    pass_an_hour(clock)
    assert writer(aws) == [EAST]


def test_a_region_lost_again_while_it_is_rebuilt_begins_anew(aws: Aws, clock: LabClock) -> None:
    pair(aws, clock)
    aurora.lose(EAST)
    fail_over(aws)
    pass_an_hour(clock)
    aurora.restore(EAST)
    clock.skip(seconds("global-resync") / 2)
    aurora.lose(EAST)
    pass_an_hour(clock)
    assert members(aws)[EAST]["SynchronizationStatus"] == "pending-resync"
    aurora.restore(EAST)
    pass_an_hour(clock)
    assert members(aws)[EAST]["SynchronizationStatus"] == "connected"
    assert [text for text in messages(aws, EAST) if text.startswith("Finished")] == messages(aws, EAST)[-1:]


def test_a_region_restored_before_the_failover_ends_is_rebuilt_all_the_same(aws: Aws, clock: LabClock) -> None:
    pair(aws, clock)
    aurora.lose(EAST)
    fail_over(aws)
    clock.skip(60)
    aurora.restore(EAST)
    clock.skip(seconds("failover"))
    settle(clock)
    assert members(aws)[EAST]["SynchronizationStatus"] == "pending-resync"
    pass_an_hour(clock)
    assert (writer(aws), members(aws)[EAST]["SynchronizationStatus"]) == ([WEST], "connected")


def test_without_any_database_a_region_can_be_lost_and_restored(aws: Aws) -> None:
    aurora.restore(EAST)
    aurora.lose(EAST)
    aurora.restore(EAST)


# The servers behind it ------------------------------------------------------------------------------------------------


@pytest.fixture
def servers(aws: Aws, clock: LabClock) -> Iterator[ReplicatedDatabase]:
    """The real servers of both regions, at the speed of tests, with one table."""
    pair(aws, clock)
    CLOCK.set_speed(SPEED)
    assert DATABASES.port_of(host(EAST))
    assert DATABASES.port_of(host(WEST))
    database = DATABASES._known[0].database
    east, west = (server(database, region) for region in (EAST, WEST))
    east.ask("CREATE TABLE beats (n int PRIMARY KEY)")
    until(lambda: west.ask("SELECT to_regclass('beats')") != [[None]], "the table")
    yield database
    DATABASES.stop()


def server(database: ReplicatedDatabase, region: str) -> Server:
    return next(one for name, one in database.servers.items() if name.startswith(region))


def numbers(one: Server) -> list[int]:
    return [row[0] for row in one.ask("SELECT n FROM beats ORDER BY n")]


def test_what_is_written_in_a_lost_region_stays_there_and_arrives_when_it_is_back(
        aws: Aws, servers: ReplicatedDatabase) -> None:
    east, west = server(servers, EAST), server(servers, WEST)
    east.ask("INSERT INTO beats VALUES (1)")
    until(lambda: numbers(west) == [1], "the first row")
    aurora.lose(EAST)
    assert DATABASES.port_of(host(EAST)) is None
    assert DATABASES.port_of(host(WEST)) == west.port
    until(lambda: servers.lag_s(west.label) == float("inf"), "the cut")
    east.ask("INSERT INTO beats VALUES (2)")
    assert numbers(west) == [1]
    aurora.restore(EAST)
    until(lambda: numbers(west) == [1, 2], "the second row")


def test_a_failover_from_a_lost_region_loses_what_had_not_arrived_and_a_restore_undoes_it(
        aws: Aws, servers: ReplicatedDatabase) -> None:
    east, west = server(servers, EAST), server(servers, WEST)
    aurora.lose(EAST)
    until(lambda: servers.lag_s(west.label) == float("inf"), "the cut")
    east.ask("INSERT INTO beats VALUES (7)")
    fail_over(aws)
    until(lambda: servers.writer == west.label, "the promotion")
    until(lambda: writer(aws) == [WEST], "the new writer")
    west.ask("INSERT INTO beats VALUES (1)")
    assert numbers(west) == [1]
    assert not east.is_up
    aurora.restore(EAST)
    until(lambda: members(aws)[EAST]["SynchronizationStatus"] == "connected", "the rebuild")
    assert DATABASES.port_of(host(EAST)) == east.port
    until(lambda: numbers(east) == [1], "the old primary")
    west.ask("INSERT INTO beats VALUES (2)")
    until(lambda: numbers(east) == [1, 2], "replication the other way round")


def test_an_old_primary_that_was_rebuilt_holds_everything_should_the_new_one_be_lost_at_once(
        aws: Aws, servers: ReplicatedDatabase) -> None:
    east, west = server(servers, EAST), server(servers, WEST)
    aurora.lose(EAST)
    fail_over(aws)
    until(lambda: writer(aws) == [WEST], "the new writer")
    aurora.restore(EAST)
    west.ask("INSERT INTO beats VALUES (1)")
    until(lambda: members(aws)[EAST]["SynchronizationStatus"] == "connected", "the rebuild")
    until(lambda: servers.lost == set(), "the copy")
    aurora.lose(WEST)
    aws[EAST].rds.failover_global_cluster(
        GlobalClusterIdentifier="world", TargetDbClusterIdentifier=arn(EAST), AllowDataLoss=True)
    until(lambda: writer(aws) == [EAST], "the old writer")
    assert DATABASES.port_of(host(EAST)) == east.port
    assert numbers(east) == [1]


def test_a_promoted_server_is_no_lost_one_though_it_was_never_rebuilt(
        aws: Aws, servers: ReplicatedDatabase) -> None:
    east, west = server(servers, EAST), server(servers, WEST)
    servers.failover(west.label)
    servers.rejoin(east.label)
    servers.lost.add(east.label)
    servers.failover(east.label)
    assert servers.lost == {west.label}


def test_nothing_is_copied_from_a_region_that_is_lost_and_nobody_waits_for_it(
        aws: Aws, servers: ReplicatedDatabase) -> None:
    east, west = server(servers, EAST), server(servers, WEST)
    servers.failover(west.label)  # behind the back of the global database, as if nobody had asked for the copy yet
    aurora.lose(WEST)
    assert DATABASES.port_of(host(EAST)) == east.port
    assert servers.lost == {east.label}
    aurora.restore(WEST)
    assert DATABASES.port_of(host(EAST)) == east.port
    assert servers.lost == set()
