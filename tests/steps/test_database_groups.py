"""Both regions have the same groups for their clusters; TLS is forced, the lag limit is off unless asked for."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from drctl.aws.clients import Aws
from drctl.engine.run import Run
from drctl.errors import Refused
from drctl.settings import Database, Settings, Site
from drctl.steps.database_groups import DatabaseGroups, family
from drctl.steps.network import Network
from drctl.steps.subnets import Subnets
from tests.conftest import changes, ensure_with_needs

HOME, AWAY = Settings().sites


def groups(site: Site) -> DatabaseGroups:
    network = Network(site)
    return DatabaseGroups(site, Subnets(site, network))


GROUPS = groups(HOME)


def test_both_regions_have_the_same_content(run: Run) -> None:
    here, there = ensure_with_needs(run, GROUPS), ensure_with_needs(run, groups(AWAY))
    found = [run.refresh(step) for step in (GROUPS,)]
    assert found[0] is not None
    assert found[0].cluster_values == {"rds.force_ssl": "1"}
    assert found[0].subnets == set(run.output(GROUPS.subnets).database)
    assert (here.cluster_values, here.instance_values) == (there.cluster_values, there.instance_values)
    assert list(GROUPS.verify(run, found[0])) == []


def test_the_family_follows_the_major_version() -> None:
    assert (family("16.6"), family("15.10")) == ("aurora-postgresql16", "aurora-postgresql15")


def test_a_second_run_changes_nothing(run: Run, make_run: Callable[..., Run]) -> None:
    ensure_with_needs(run, GROUPS)
    again = make_run()
    ensure_with_needs(again, GROUPS)
    assert changes(again, GROUPS) == 0


def test_the_lag_limit_is_set_only_while_it_is_asked_for(make_run: Callable[..., Run]) -> None:
    limited = make_run(Settings(database=Database(rpo_limit_s=30)))
    ensure_with_needs(limited, GROUPS)
    out = limited.refresh(GROUPS)
    assert out is not None
    assert out.cluster_values["rds.global_db_rpo"] == "30"
    plain = make_run()
    assert "block commits" in next(iter(GROUPS.verify(plain, out))).text
    ensure_with_needs(plain, GROUPS)
    assert "rds.global_db_rpo" not in plain.refresh(GROUPS).cluster_values  # type: ignore[union-attr]  # it stands


@pytest.mark.notices("DatabaseGroups")
def test_verify_notices_changed_groups_and_ensure_mends_them(run: Run, aws: Aws) -> None:
    out = ensure_with_needs(run, GROUPS)
    rds = aws[HOME.region].rds
    rds.modify_db_cluster_parameter_group(DBClusterParameterGroupName=out.cluster_parameters, Parameters=[
        {"ParameterName": "rds.force_ssl", "ParameterValue": "0", "ApplyMethod": "immediate"}])
    rds.modify_db_parameter_group(DBParameterGroupName=out.instance_parameters, Parameters=[
        {"ParameterName": "log_lock_waits", "ParameterValue": "0", "ApplyMethod": "immediate"}])
    rds.modify_db_subnet_group(DBSubnetGroupName=out.subnet_group,
                               SubnetIds=list(run.output(GROUPS.subnets).private))
    seen = run.refresh(GROUPS)
    assert seen is not None
    assert len(list(GROUPS.verify(run, seen))) == 3
    ensure_with_needs(run, GROUPS)
    assert list(GROUPS.verify(run, run.refresh(GROUPS) or seen)) == []


def test_destroy_removes_the_groups_and_twice_is_fine(run: Run, aws: Aws) -> None:
    out = ensure_with_needs(run, GROUPS)
    GROUPS.destroy(run)
    GROUPS.destroy(run)
    rds = aws[HOME.region].rds
    names = {group["DBParameterGroupName"] for group in rds.describe_db_parameter_groups()["DBParameterGroups"]}
    assert out.instance_parameters not in names
    assert rds.describe_db_subnet_groups()["DBSubnetGroups"] == []


def test_somebody_elses_group_of_that_name_is_neither_changed_nor_deleted(run: Run, aws: Aws) -> None:
    name = run.name("cluster-params", "database", HOME)
    aws[HOME.region].rds.create_db_cluster_parameter_group(
        DBClusterParameterGroupName=name, DBParameterGroupFamily="aurora-postgresql16", Description="theirs")
    with pytest.raises(Refused, match=name):
        ensure_with_needs(run, GROUPS)
    with pytest.raises(Refused, match=name):
        GROUPS.destroy(run)
