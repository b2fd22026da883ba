"""A cluster has the instances that the configuration says, each as it says, and readers go before writers."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from drctl.aws.clients import Aws
from drctl.aws.tags import as_map
from drctl.engine.events import Record
from drctl.engine.run import Run
from drctl.errors import Interrupted
from drctl.settings import Database, Settings
from drctl.steps.steady import LOOKS
from tests.conftest import changes, ensure_with_needs
from tests.steps.database import HOME, PRIMARY, READERS, STANDBY, WRITERS, destroy, findings
from tests.steps.lifecycle import lagging

TWO = Settings(database=Database(instances=2))


def test_trap_7_a_small_class_and_one_instance_by_default(run: Run) -> None:
    out = ensure_with_needs(run, WRITERS)
    assert [(one.id, one.instance_class, one.is_writer) for one in out.instances] == [
        ("aurora-instance-1-us-east-1-lab", "db.serverless", True)]
    assert findings(run, WRITERS) == []


def test_trap_12_names_have_the_region_everywhere(run: Run) -> None:
    assert PRIMARY.cluster_id(run) == "aurora-cluster-us-east-1-lab"
    assert READERS.cluster.cluster_id(run) == "aurora-cluster-us-west-2-lab"
    assert READERS._names(run) == ["aurora-instance-1-us-west-2-lab"]


def test_a_second_run_changes_nothing(run: Run, make_run: Callable[..., Run]) -> None:
    ensure_with_needs(run, WRITERS)
    again = make_run()
    ensure_with_needs(again, WRITERS)
    assert changes(again, WRITERS) == 0


def test_instances_take_over_in_the_order_of_their_numbers(make_run: Callable[..., Run], aws: Aws) -> None:
    ensure_with_needs(make_run(TWO), WRITERS)
    instances = aws[HOME.region].rds.describe_db_instances()["DBInstances"]
    assert [one["PromotionTier"] for one in instances] == [0, 1]
    assert {as_map(one["TagList"])["DR-Role"] for one in instances} == {"primary"}


def test_every_instance_has_the_stacks_parameters(make_run: Callable[..., Run], aws: Aws) -> None:
    run = make_run(TWO)
    ensure_with_needs(run, WRITERS)
    wanted = run.output(PRIMARY.groups).instance_parameters
    assert [group["DBParameterGroupName"] for one in aws[HOME.region].rds.describe_db_instances()["DBInstances"]
            for group in one["DBParameterGroups"]] == [wanted, wanted]


def test_cluster_and_instance_are_there_when_they_stay_available(run: Run, records: list[Record]) -> None:
    ensure_with_needs(run, WRITERS)
    for waited in ("cluster aurora-cluster-us-east-1-lab is available",
                   "the instances of aurora-cluster-us-east-1-lab are available"):
        seen = [record["seen"] for record in records
                if record["event"] == "waiting" and record["sentence"] == waited]
        assert all("available" in look for look in seen[-LOOKS:]), seen
        assert len(seen) >= LOOKS


def test_the_number_of_instances_follows_the_configuration(make_run: Callable[..., Run]) -> None:
    ensure_with_needs(make_run(), WRITERS)
    more = make_run(TWO)
    assert "is missing" in findings(more, WRITERS)[0]
    assert len(ensure_with_needs(more, WRITERS).instances) == 2
    fewer = make_run()
    assert "one more than configured" in findings(fewer, WRITERS)[0]
    ensure_with_needs(fewer, WRITERS)
    assert [one.is_writer for one in (fewer.refresh(WRITERS) or fewer.output(WRITERS)).instances] == [True]


def test_another_class_is_applied_at_once(make_run: Callable[..., Run]) -> None:
    ensure_with_needs(make_run(), WRITERS)
    larger = make_run(Settings(database=Database(instance_class="db.r6g.large")))
    assert "DBInstanceClass" in findings(larger, WRITERS)[0]
    ensure_with_needs(larger, WRITERS)
    assert findings(larger, WRITERS) == []


@pytest.mark.notices("DatabaseInstances")
def test_verify_notices_changed_settings_and_ensure_puts_them_back(run: Run, aws: Aws) -> None:
    name = ensure_with_needs(run, WRITERS).instances[0].id
    aws[HOME.region].rds.create_db_parameter_group(
        DBParameterGroupName="another", DBParameterGroupFamily="aurora-postgresql16", Description="another")
    aws[HOME.region].rds.modify_db_instance(
        DBInstanceIdentifier=name, AutoMinorVersionUpgrade=True, PubliclyAccessible=True, ApplyImmediately=True,
        EnablePerformanceInsights=False, DBParameterGroupName="another")
    run.wait_until("the damage is done", lambda: run.refresh(WRITERS) or run.output(WRITERS),
                   lambda seen: seen.instances[0].status == "available" and not seen.instances[0].insights, within=3600)
    assert len(findings(run, WRITERS)) == 4
    ensure_with_needs(run, WRITERS)
    assert findings(run, WRITERS) == []


def test_somebody_elses_instance_in_our_cluster_stays_and_stops_the_clusters_deletion(run: Run, aws: Aws) -> None:
    ensure_with_needs(run, WRITERS)
    aws[HOME.region].rds.create_db_instance(
        DBInstanceIdentifier="theirs", DBClusterIdentifier=PRIMARY.cluster_id(run), Engine="aurora-postgresql",
        DBInstanceClass="db.serverless")
    destroy(run, [WRITERS])
    left = aws[HOME.region].rds.describe_db_instances()["DBInstances"]
    assert [one["DBInstanceIdentifier"] for one in left] == ["theirs"]


def test_the_standby_is_of_use_only_when_it_is_connected() -> None:
    assert list(WRITERS.waits) == ["instance-create"]
    assert list(READERS.waits) == ["instance-create", "secondary-connect"]


@pytest.mark.parametrize("wait", ["the instances of", "the copy in us-west-2 is connected"])
def test_a_copy_whose_instance_a_dead_run_has_made_is_waited_for(make_run: Callable[..., Run], wait: str) -> None:
    dead, again = make_run(), make_run()
    ensure_with_needs(dead, STANDBY)
    dead.clock.speed = again.clock.speed = 200.0

    def dies(record: Record) -> None:
        if record["event"] == "waiting" and record["sentence"].startswith(wait):
            dead.clock.stop()

    dead.events.add_sink(dies)
    with lagging(200.0):
        with pytest.raises(Interrupted):
            ensure_with_needs(dead, READERS)
        ensure_with_needs(again, READERS)
        assert changes(again, READERS) == 0
        assert list(READERS.verify(again, again.output(READERS))) == []
