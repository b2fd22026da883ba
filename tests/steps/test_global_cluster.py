"""The global cluster stands once for both regions; what it says of roles is read, never written."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from drctl.aws.clients import Aws
from drctl.engine.run import Run
from drctl.errors import Refused
from drctl.settings import Database, Settings
from tests.conftest import changes, ensure_with_needs
from tests.steps.database import AWAY, HOME, WORLD, findings


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


def test_another_engine_version_in_the_configuration_is_explained_not_applied(make_run: Callable[..., Run]) -> None:
    ensure_with_needs(make_run(), WORLD)
    upgraded = make_run(Settings(database=Database(engine_version="15.10")))
    assert "does not upgrade" in findings(upgraded, WORLD)[0]


def test_somebody_elses_global_cluster_of_that_name_is_left_alone(run: Run, aws: Aws) -> None:
    rds = aws[HOME.region].rds
    rds.create_global_cluster(GlobalClusterIdentifier=WORLD.name(run), Engine="aurora-postgresql", EngineVersion="16.6")
    for act in (WORLD.ensure, WORLD.destroy):
        with pytest.raises(Refused, match="does not belong"):
            act(run)
    assert len(rds.describe_global_clusters()["GlobalClusters"]) == 1
