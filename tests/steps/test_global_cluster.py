"""The global cluster stands once for both regions; what it says of roles is read, never written."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from drctl.aws.clients import Aws
from drctl.engine.run import Run
from drctl.errors import Refused
from drctl.settings import Database, Regions, Settings
from drctl.steps.global_cluster import GlobalCluster
from tests.conftest import changes, ensure_with_needs
from tests.steps.database import AWAY, HOME, PRIMARY, WORLD, findings


def test_it_is_encrypted_and_seen_from_both_regions(run: Run, aws: Aws) -> None:
    out = ensure_with_needs(run, WORLD)
    assert (out.id, out.encrypted, out.members, out.writer) == ("aurora-database-global-lab", True, (), None)
    assert findings(run, WORLD) == []
    assert len(aws[AWAY.region].rds.describe_global_clusters()["GlobalClusters"]) == 1


def test_a_second_run_changes_nothing(run: Run, make_run: Callable[..., Run]) -> None:
    ensure_with_needs(run, WORLD)
    again = make_run()
    ensure_with_needs(again, WORLD)
    assert changes(again, WORLD) == 0


def test_protection_follows_the_configuration(make_run: Callable[..., Run]) -> None:
    ensure_with_needs(make_run(), WORLD)
    protected = make_run(Settings(deletion_protection=True))
    assert "deletion protection" in findings(protected, WORLD)[0]
    ensure_with_needs(protected, WORLD)
    assert findings(protected, WORLD) == []


@pytest.mark.parametrize(("version", "words", "way"), [
    ("16.4", "Aurora takes no version back", "set database.engine_version to 16.6"),
    ("17.5", "another major version", "AllowMajorVersionUpgrade"),
    ("16.7", "which AWS does not upgrade to 16.7", "or to one of 16.8, 16.9, 16.10"),
])
def test_a_version_that_no_minor_upgrade_leads_to_is_refused_with_the_way(
        make_run: Callable[..., Run], version: str, words: str, way: str) -> None:
    ensure_with_needs(make_run(), WORLD)
    wanted = make_run(Settings(database=Database(engine_version=version)))
    assert words in findings(wanted, WORLD)[0]
    with pytest.raises(Refused, match=words) as refused:
        WORLD.ensure(wanted)
    assert way in refused.value.next_step
    assert changes(wanted, WORLD) == 0


def test_regions_are_not_changed_under_a_database_that_stands(make_run: Callable[..., Run]) -> None:
    ensure_with_needs(make_run(), PRIMARY)
    moved = make_run(Settings(regions=Regions(primary="us-west-2", standby="us-east-2")))
    step = GlobalCluster(moved.settings.primary)
    with pytest.raises(Refused, match=r"its database is in us-east-1, .* does not leave us-east-1") as refused:
        step.ensure(moved)
    assert "put regions back" in refused.value.next_step


def test_somebody_elses_global_cluster_of_that_name_is_left_alone(run: Run, aws: Aws) -> None:
    rds = aws[HOME.region].rds
    rds.create_global_cluster(GlobalClusterIdentifier=WORLD.name(run), Engine="aurora-postgresql", EngineVersion="16.6")
    for act in (WORLD.ensure, WORLD.destroy):
        with pytest.raises(Refused, match="does not belong"):
            act(run)
    assert len(rds.describe_global_clusters()["GlobalClusters"]) == 1
