"""Only Route 53's checkers can see the switch, and the switch itself is never put by building."""

from __future__ import annotations

import json

from drctl.aws.clients import Aws
from drctl.engine.run import Run
from drctl.settings import Settings
from drctl.steps.switch_bucket import PIN_KEY, SWITCH_KEY, SwitchBucket
from tests.conftest import ensure_with_needs

SITE = Settings().standby
BUCKET = SwitchBucket(SITE)


def test_the_checkers_alone_may_read_the_switch_and_nothing_else(run: Run, aws: Aws) -> None:
    out = ensure_with_needs(run, BUCKET)
    assert list(BUCKET.verify(run, out)) == []
    s3 = aws[SITE.region].s3
    allow = [one for one in json.loads(s3.get_bucket_policy(Bucket=out.name)["Policy"])["Statement"]
             if one["Effect"] == "Allow"]
    assert [(one["Action"], one["Resource"]) for one in allow] == [("s3:GetObject", f"{out.arn}/{SWITCH_KEY}")]
    ranges = allow[0]["Condition"]["IpAddress"]["aws:SourceIp"]
    assert ranges
    assert all(int(cidr.rpartition("/")[2]) > 8 for cidr in ranges)
    assert "Contents" not in s3.list_objects_v2(Bucket=out.name)


def test_the_switch_is_encrypted_without_a_key_that_checkers_could_not_use(run: Run) -> None:
    assert ensure_with_needs(run, BUCKET).encryption == "AES256"


def test_the_switch_has_a_regional_url(run: Run) -> None:
    assert BUCKET.host(run) == "s3-switch-us-west-2-lab-123456789012.s3.us-west-2.amazonaws.com"
    assert BUCKET.path == "/switch/traffic-to-standby"


def test_the_bucket_of_the_primary_region_holds_the_pin(run: Run, aws: Aws) -> None:
    bucket = SwitchBucket(Settings().primary)
    out = ensure_with_needs(run, bucket)
    policy = aws[bucket.region].s3.get_bucket_policy(Bucket=out.name)["Policy"]
    assert f"{out.arn}/{PIN_KEY}" in policy
    assert SWITCH_KEY not in policy
    assert bucket.path == "/switch/traffic-to-primary"


def test_a_turned_switch_is_no_finding_and_stays_on_a_second_run(run: Run, aws: Aws) -> None:
    out = ensure_with_needs(run, BUCKET)
    s3 = aws[SITE.region].s3
    s3.put_object(Bucket=out.name, Key=SWITCH_KEY, Body=b"{}")
    assert list(BUCKET.verify(run, ensure_with_needs(run, BUCKET))) == []
    assert s3.head_object(Bucket=out.name, Key=SWITCH_KEY)
    BUCKET.destroy(run)
    assert BUCKET.find(run) is None
