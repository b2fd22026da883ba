"""Preflight finds in seconds what AWS would refuse in forty minutes, and lists all of it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from drctl.actions.preflight import Preflight, identity
from drctl.aws.clients import Aws
from drctl.engine.run import Run
from drctl.errors import Refused
from drctl.settings import Settings
from drctl.steps.network import Network
from drctl.steps.zone import Zone
from tests.conftest import ensure_with_needs
from tests.steps.database import STANDBY

HOME, AWAY = Settings().sites


def findings(run: Run) -> tuple[str, ...]:
    with pytest.raises(Refused) as refused:
        Preflight().do(run)
    assert refused.value.exit_code == 3
    return refused.value.findings


def with_database(**values: object) -> Settings:
    return Settings.model_validate({"database": values})


def test_an_empty_account_is_ready_and_asking_changes_nothing(run: Run) -> None:
    Preflight().do(run)
    assert run.events.changes == {}


def test_trap_3_a_version_that_cannot_be_global_is_refused_with_those_that_can(make_run: Callable[..., Run]) -> None:
    found = findings(make_run(with_database(engine_version="11.4")))
    assert [line.split(":")[0] for line in found] == [HOME.region, AWAY.region]
    assert "11.4 cannot be a global database here; supported:" in found[0]
    assert "16.6" in found[0]


def test_trap_3_a_class_that_cannot_be_ordered_is_refused_with_those_that_can(make_run: Callable[..., Run]) -> None:
    found = findings(make_run(with_database(instance_class="db.r9z.large")))
    assert "db.r9z.large with 16.6 cannot be ordered" in found[0]
    assert "db.r6g.large" in found[0]


def test_a_full_vpc_quota_is_refused_in_the_region_where_it_is_full(run: Run, aws: Aws) -> None:
    for number in range(4):
        aws[AWAY.region].ec2.create_vpc(CidrBlock=f"10.{100 + number}.0.0/16")
    found = findings(run)
    assert found == (f"{AWAY.region}: 5 VPCs stand and the quota is 5; raise it (VPCs per Region)",)


def test_addresses_for_nat_are_counted_only_where_nat_is_chosen(make_run: Callable[..., Run], aws: Aws) -> None:
    for _ in range(4):
        aws[HOME.region].ec2.allocate_address(Domain="vpc")
    Preflight().do(make_run())
    found = findings(make_run(Settings.model_validate({"network": {"egress": "nat-per-az"}})))
    assert found == (f"{HOME.region}: 3 Elastic IP(s) are needed for NAT and the quota leaves 1",)


def test_a_foreign_cluster_of_the_stacks_name_is_refused(run: Run, aws: Aws) -> None:
    name = run.name("aurora", "cluster", AWAY)
    aws[AWAY.region].rds.create_db_cluster(DBClusterIdentifier=name, Engine="aurora-postgresql", EngineVersion="16.6",
                                           MasterUsername="someone", MasterUserPassword="not-a-secret-1")
    assert findings(run) == (f"{AWAY.region}: the cluster {name} exists and does not carry drctl's tag",)


def test_another_account_is_refused_before_anything_else_is_asked(make_run: Callable[..., Run]) -> None:
    run = make_run(Settings(account_id="210987654321"))
    with pytest.raises(Refused, match="belong to account 123456789012; the configuration allows only 210987654321"):
        identity(run)
    assert sum(run.events.calls.values()) == 2


def test_a_zone_and_certificates_that_are_given_are_asked_for(make_run: Callable[..., Run], aws: Aws) -> None:
    arns = {f"{site.role}_certificate_arn":
            f"arn:aws:acm:{site.region}:123456789012:certificate/0b6c1d2e-3f45-4a67-89ab-cdef01234567"
            for site in (HOME, AWAY)}
    run = make_run(Settings.model_validate({"dns": {"zone_id": "Z0123456789ABC"}, "tls": {"mode": "given", **arns}}))
    found = findings(run)
    assert [line.partition(":")[0] for line in found] == [HOME.region, HOME.region, AWAY.region]
    assert "tls.primary_certificate_arn: there is no certificate" in found[0]
    assert "hosted zone Z0123456789ABC does not exist" in found[1]
    assert run.events.changes == {}


def changed(part: str, **values: object) -> Settings:
    document = Settings().model_dump()
    return Settings.model_validate({**document, part: {**document[part], **values}})


@pytest.mark.parametrize(("settings", "words", "way"), [
    (changed("network", primary_cidr="10.9.0.0/16"), "has the addresses 10.0.0.0/16, the configuration says "
     "10.9.0.0/16", "set network.primary_cidr to 10.0.0.0/16"),
    (changed("regions", primary="us-west-2", standby="us-east-1"), "was built as the primary region",
     "drctl failover --planned"),
    (changed("regions", standby="us-east-2"), "a stack does not leave us-west-2", "put regions back"),
    (changed("database", name="another"), "the DatabaseName of aurora-cluster-us-east-1-lab is app", "put it back"),
    (changed("database", username="another"), "the MasterUsername", "put it back"),
    (changed("database", engine_version="16.4"), "Aurora takes no version back", "database.engine_version to 16.6"),
    (Settings(environment="renamed"), "belongs to the stack lab", "set environment back to lab"),
], ids=lambda value: value.split(",")[0] if isinstance(value, str) else "")
def test_what_cannot_be_changed_is_refused_with_the_way_before_anything_is_changed(
        make_run: Callable[..., Run], settings: Settings, words: str, way: str) -> None:
    before = make_run()
    for step in (Zone(HOME), Network(HOME), Network(AWAY), STANDBY):
        ensure_with_needs(before, step)
    run = make_run(settings)
    lines = [one for one in findings(run) if words in one]
    assert lines
    assert all(way in line for line in lines)
    assert run.events.changes == {}
