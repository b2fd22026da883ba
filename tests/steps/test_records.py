"""The name answers with the primary while the combined check says so, and is never taken from somebody else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from drctl.aws.clients import Aws
from drctl.engine.run import Run
from drctl.errors import Refused
from drctl.steps.records import FailoverRecords, RecordsOut
from tests.conftest import changes, ensure_with_needs
from tests.steps.test_health_checks import CHECKS, EDGES, PLAIN, PRIMARY, ZONE

RECORDS = FailoverRecords(PRIMARY, ZONE, CHECKS, EDGES[0].balancer, EDGES[1].balancer)


@pytest.fixture
def run(make_run: Callable[..., Run]) -> Run:
    return make_run(PLAIN)


def found(run: Run) -> RecordsOut:
    out = run.refresh(RECORDS)
    assert out is not None
    return out


def findings(run: Run) -> list[str]:
    return [finding.text for finding in RECORDS.verify(run, found(run))]


def test_the_primary_follows_the_combined_check_and_the_secondary_the_standbys_app(run: Run) -> None:
    ensure_with_needs(run, RECORDS)
    assert findings(run) == []
    records = found(run).records
    assert records["primary"]["HealthCheckId"] == run.output(CHECKS).combined
    assert records["standby"]["HealthCheckId"] == run.output(CHECKS).standby_app
    assert [record["AliasTarget"]["EvaluateTargetHealth"] for record in records.values()] == [False, False]
    assert found(run).values == tuple(run.output(edge.balancer).dns_name for edge in EDGES)


def test_a_second_run_changes_nothing(run: Run, make_run: Callable[..., Run]) -> None:
    ensure_with_needs(run, RECORDS)
    again = make_run(PLAIN)
    ensure_with_needs(again, RECORDS)
    assert changes(again, RECORDS) == 0


def upsert(aws: Aws, run: Run, role: str, **other: Any) -> None:
    record: Any = {**found(run).records[role], **other}
    aws["us-east-1"].route53.change_resource_record_sets(HostedZoneId=run.output(ZONE).id, ChangeBatch={"Changes": [
        {"Action": "UPSERT", "ResourceRecordSet": record}]})


def alias(run: Run, role: str, **other: Any) -> dict[str, Any]:
    return {**found(run).records[role]["AliasTarget"], **other}


DAMAGE: dict[str, Callable[[Aws, Run], Any]] = {
    "HealthCheckId": lambda aws, run: upsert(aws, run, "standby", HealthCheckId=run.output(CHECKS).primary_app),
    "target": lambda aws, run: upsert(aws, run, "standby", AliasTarget=found(run).records["primary"]["AliasTarget"]),
    "evaluates": lambda aws, run: upsert(aws, run, "primary",
                                         AliasTarget=alias(run, "primary", EvaluateTargetHealth=True)),
}


@pytest.mark.notices("FailoverRecords")
@pytest.mark.parametrize("word", DAMAGE)
def test_verify_notices_damage_and_ensure_mends_it(run: Run, aws: Aws, word: str) -> None:
    ensure_with_needs(run, RECORDS)
    DAMAGE[word](aws, run)
    assert any(word in finding for finding in findings(run))
    ensure_with_needs(run, RECORDS)
    assert findings(run) == []


def test_a_name_that_somebody_uses_already_is_refused_and_stays(run: Run, aws: Aws) -> None:
    for need in (ZONE, CHECKS):
        ensure_with_needs(run, need)
    record: Any = {"Name": run.settings.dns.name, "Type": "A", "TTL": 60, "ResourceRecords": [{"Value": "192.0.2.1"}]}
    aws["us-east-1"].route53.change_resource_record_sets(HostedZoneId=run.output(ZONE).id, ChangeBatch={"Changes": [
        {"Action": "CREATE", "ResourceRecordSet": record}]})
    with pytest.raises(Refused, match="not this stack's"):
        RECORDS.ensure(run)
    RECORDS.destroy(run)
    assert "" in RECORDS._there(run)


def test_a_cname_of_somebody_under_the_name_is_refused_in_words_and_stays(run: Run, aws: Aws) -> None:
    for need in (ZONE, CHECKS):
        ensure_with_needs(run, need)
    record: Any = {"Name": run.settings.dns.name, "Type": "CNAME", "TTL": 3600,
                   "ResourceRecords": [{"Value": "elsewhere.example.com"}]}
    aws["us-east-1"].route53.change_resource_record_sets(HostedZoneId=run.output(ZONE).id, ChangeBatch={"Changes": [
        {"Action": "CREATE", "ResourceRecordSet": record}]})
    with pytest.raises(Refused, match="is a CNAME, kept for 3600 s by resolvers, that is not this stack's"):
        ensure_with_needs(run, RECORDS)
    assert "" in RECORDS._there(run, "CNAME")


def test_destroy_removes_both_records_and_twice_is_fine(run: Run, make_run: Callable[..., Run]) -> None:
    ensure_with_needs(run, RECORDS)
    RECORDS.destroy(run)
    RECORDS.destroy(run)
    assert run.refresh(RECORDS) is None
    CHECKS.destroy(run)
    ZONE.destroy(run)
    RECORDS.destroy(make_run(PLAIN))
