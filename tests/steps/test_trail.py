"""The trail records all regions and every access to the data, encrypted, into a bucket of the other region."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial

import pytest

from drctl.aws.clients import Aws
from drctl.engine.run import Run
from drctl.errors import Refused
from drctl.settings import Settings
from drctl.settings_operation import Trail as Choices
from drctl.stack import stack_of
from drctl.steps import trail, trail_name
from drctl.steps.data_bucket import DataBucket
from drctl.steps.key import Key
from drctl.steps.log_bucket import LogBucket
from drctl.steps.role import Role
from drctl.steps.topic import Topic
from drctl.steps.trail import Trail
from drctl.steps.trail_alarms import TrailAlarms
from drctl.steps.trail_bucket import TrailBucket
from drctl.steps.trail_filters import WATCHED, TrailFilters
from drctl.steps.trail_key import TrailKey
from tests.conftest import changes, ensure_with_needs
from tests.steps.lifecycle import (
    assert_a_second_run_changes_nothing,
    assert_mended,
    destroy_twice,
    findings,
    lagging,
)

HERE, THERE = Settings().sites
KEYS = Key(HERE), Key(THERE)
TRAIL_KEY = TrailKey(THERE)
LOGS = LogBucket(HERE), LogBucket(THERE)
BUCKET = TrailBucket(THERE, TRAIL_KEY, LOGS[1])
ROLE = Role(HERE, "trail", "cloudtrail", partial(trail.policy, site=HERE), source=trail_name.trail_arn)
TRAIL = Trail(HERE, BUCKET, KEYS[0], ROLE, (
    DataBucket(HERE, KEYS[0], LOGS[0]), DataBucket(THERE, KEYS[1], LOGS[1])))
FILTERS = TrailFilters(HERE, TRAIL)
ALARMS = TrailAlarms(HERE, Topic(HERE, KEYS[0]), FILTERS)
NAME = "trail-account-us-east-1-lab"


def test_it_is_of_all_regions_validated_encrypted_and_writes(run: Run, aws: Aws) -> None:
    ensure_with_needs(run, TRAIL)
    seen = aws[HERE.region].cloudtrail.get_trail(Name=NAME)["Trail"]
    assert (seen["IsMultiRegionTrail"], seen["LogFileValidationEnabled"], seen["IncludeGlobalServiceEvents"]) == (
        True, True, True)
    assert seen["KmsKeyId"] == run.output(TRAIL_KEY).arn != run.output(KEYS[1]).arn
    assert f":{THERE.region}:" in seen["KmsKeyId"]
    assert aws[HERE.region].cloudtrail.get_trail_status(Name=NAME)["IsLogging"]
    assert findings(run, TRAIL) == []


def test_it_records_management_events_and_the_objects_of_both_data_buckets(run: Run, aws: Aws) -> None:
    ensure_with_needs(run, TRAIL)
    chosen = aws[HERE.region].cloudtrail.get_event_selectors(TrailName=NAME)["AdvancedEventSelectors"]
    fields = {one["Name"]: {field["Field"]: field for field in one["FieldSelectors"]} for one in chosen}
    assert set(fields["management"]) == {"eventCategory"}, "no source is left out, KMS least of all"
    assert set(fields["objects"]) == {"eventCategory", "resources.type", "resources.ARN"}, "reads and writes"
    assert fields["objects"]["resources.ARN"]["StartsWith"] == [
        f"arn:aws:s3:::{run.name('s3', 'data', site)}/" for site in (HERE, THERE)]


def test_its_bucket_is_versioned_and_lets_in_this_trail_alone(run: Run) -> None:
    out = ensure_with_needs(run, BUCKET)
    assert (out.versioned, out.encryption) == (True, run.output(TRAIL_KEY).arn)
    allowed = [one for one in json.loads(out.policy or "")["Statement"] if one["Effect"] == "Allow"]
    arn = f"arn:aws:cloudtrail:us-east-1:123456789012:trail/{NAME}"
    assert {one["Condition"]["StringEquals"]["aws:SourceArn"] for one in allowed} == {arn}
    assert {rule["Expiration"]["Days"] for rule in out.lifecycle if "Expiration" in rule} == {365}


def test_a_second_run_changes_nothing(run: Run, make_run: Callable[..., Run]) -> None:
    ensure_with_needs(run, TRAIL)
    assert_a_second_run_changes_nothing(make_run, TRAIL, BUCKET, TRAIL_KEY)


@pytest.mark.notices("Trail")
def test_damage_is_noticed_and_mended(run: Run, aws: Aws) -> None:
    ensure_with_needs(run, TRAIL)
    trails, logs = aws[HERE.region].cloudtrail, aws[HERE.region].logs
    group = run.name("logs", "trail", HERE)
    assert_mended(run, TRAIL, lambda: trails.stop_logging(Name=NAME), "is stopped")
    assert_mended(run, TRAIL, lambda: trails.update_trail(Name=NAME, EnableLogFileValidation=False),
                  "EnableLogFileValidation is False, not True")
    assert_mended(run, TRAIL, lambda: trails.put_event_selectors(TrailName=NAME, AdvancedEventSelectors=[
        {"Name": "other", "FieldSelectors": [{"Field": "eventCategory", "Equals": ["Management"]}]}]),
        "does not record all management events")
    assert_mended(run, TRAIL, lambda: logs.delete_retention_policy(logGroupName=group),
                  "keeps its lines for ever, not for 90 d")


@pytest.mark.notices("TrailBucket")
def test_a_bucket_that_was_opened_or_forgets_is_noticed_and_mended(run: Run, aws: Aws) -> None:
    out, s3 = ensure_with_needs(run, BUCKET), aws[THERE.region].s3
    assert_mended(run, BUCKET, lambda: s3.delete_public_access_block(Bucket=out.name), "public access is not blocked")
    assert_mended(run, BUCKET, lambda: s3.delete_bucket_policy(Bucket=out.name), "its policy is not the stack's")


@pytest.mark.notices("TrailKey")
def test_a_key_that_locks_the_trail_out_is_noticed_and_mended(run: Run, aws: Aws) -> None:
    out = ensure_with_needs(run, TRAIL_KEY)
    root = {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::123456789012:root"}, "Action": "kms:*",
            "Resource": "*"}
    assert_mended(run, TRAIL_KEY, lambda: aws[THERE.region].kms.put_key_policy(
        KeyId=out.id, PolicyName="default", Policy=json.dumps({"Version": "2012-10-17", "Statement": [root]})),
        "is not the stack's")


def test_it_stands_while_policies_role_and_trail_are_seen_late(run: Run, make_run: Callable[..., Run]) -> None:
    with lagging():
        ensure_with_needs(run, TRAIL)
    assert_a_second_run_changes_nothing(make_run, TRAIL)


def test_a_trail_of_somebody_else_is_refused_and_stays(run: Run, aws: Aws) -> None:
    ensure_with_needs(run, TRAIL)
    trails = aws[HERE.region].cloudtrail
    trails.remove_tags(ResourceId=run.output(TRAIL).arn, TagsList=[{"Key": "drctl:stack", "Value": "lab"}])
    trails.stop_logging(Name=NAME)
    run.forget(TRAIL)
    for act in (TRAIL.ensure, TRAIL.destroy):
        with pytest.raises(Refused, match="does not belong"):
            act(run)
    assert not trails.get_trail_status(Name=NAME)["IsLogging"]


def test_destroy_leaves_nothing_and_twice_is_fine(run: Run, aws: Aws) -> None:
    ensure_with_needs(run, TRAIL)
    destroy_twice(run, TRAIL, ROLE, BUCKET, TRAIL_KEY)
    assert aws[HERE.region].cloudtrail.list_trails()["Trails"] == []
    groups = aws[HERE.region].logs.describe_log_groups()["logGroups"]
    assert run.name("logs", "trail", HERE) not in {one["logGroupName"] for one in groups}


def test_there_is_none_unless_it_is_chosen_and_teardown_looks_for_it_all_the_same() -> None:
    kinds = (Trail, TrailBucket, TrailKey, TrailFilters, TrailAlarms)
    off, on = stack_of(Settings()), stack_of(Settings(trail=Choices(enabled=True)))
    assert [step for step in off.steps if isinstance(step, kinds)] == []
    assert {type(step) for step in off.retired if isinstance(step, kinds)} == set(kinds)
    assert {type(step) for step in on.steps if isinstance(step, kinds)} == set(kinds)
    assert not [step for step in on.retired if isinstance(step, kinds)]


def test_a_longer_retention_is_put_in_place(run: Run, make_run: Callable[..., Run]) -> None:
    ensure_with_needs(run, BUCKET)
    longer = make_run(Settings(trail=Choices(enabled=True, retention_days=2192)))
    out = ensure_with_needs(longer, BUCKET)
    assert {rule["Expiration"]["Days"] for rule in out.lifecycle if "Expiration" in rule} == {2192}
    assert changes(longer, BUCKET) == 1


def test_each_kind_of_call_that_is_watched_for_has_a_filter_and_an_alarm_of_the_same_metric(run: Run, aws: Aws) -> None:
    ensure_with_needs(run, ALARMS)
    at = aws[HERE.region]
    filters = at.logs.describe_metric_filters(logGroupName=run.name("logs", "trail", HERE))["metricFilters"]
    counted = {(one["metricTransformations"][0]["metricNamespace"], one["metricTransformations"][0]["metricName"])
               for one in filters}
    watched = {(one["Namespace"], one["MetricName"]) for one in at.cloudwatch.describe_alarms()["MetricAlarms"]}
    assert counted == watched
    assert len(counted) == len(WATCHED)
    assert all(len(one["filterPattern"]) <= 1024 for one in filters)


@pytest.mark.notices("TrailFilters")
def test_a_filter_that_is_gone_or_counts_something_else_is_noticed_and_mended(run: Run, aws: Aws) -> None:
    ensure_with_needs(run, FILTERS)
    logs, group = aws[HERE.region].logs, run.name("logs", "trail", HERE)
    assert_mended(run, FILTERS, lambda: logs.delete_metric_filter(logGroupName=group, filterName="root-used"),
                  "filter root-used")
    assert_mended(run, FILTERS, lambda: logs.put_metric_filter(
        logGroupName=group, filterName="routes", filterPattern="x", metricTransformations=[
            {"metricNamespace": "drctl/lab", "metricName": "routes", "metricValue": "1"}]), "filter routes")


@pytest.mark.notices("TrailAlarms")
def test_a_lost_alarm_is_noticed_and_made_anew(run: Run, aws: Aws) -> None:
    out = ensure_with_needs(run, ALARMS)
    assert_mended(run, ALARMS, lambda: aws[HERE.region].cloudwatch.delete_alarms(AlarmNames=[out.names[0]]),
                  "nobody hears when")


def test_filters_and_alarms_go_and_twice_is_fine(run: Run) -> None:
    ensure_with_needs(run, ALARMS)
    destroy_twice(run, ALARMS, FILTERS, TRAIL)
