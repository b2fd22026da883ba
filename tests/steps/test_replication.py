"""Objects of one region's bucket reach the other's: the rule says everything that makes S3 do so without complaint."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from drctl.aws.clients import Aws
from drctl.aws.errors import or_none
from drctl.engine.run import Run
from drctl.engine.step import Step
from drctl.errors import Refused, WaitTimeout
from drctl.settings import Settings
from drctl.steps import replication
from drctl.steps.data_bucket import REPLICATION, DataBucket
from drctl.steps.key import Key
from drctl.steps.log_bucket import LogBucket
from drctl.steps.replication import Replication
from drctl.steps.role import Role
from tests.conftest import ensure_with_needs
from tests.steps.lifecycle import assert_a_second_run_changes_nothing, assert_mended, destroy_twice, findings, lagging

SITES = Settings().sites
KEYS = tuple(Key(site) for site in SITES)
BUCKETS = tuple(DataBucket(site, key, LogBucket(site)) for site, key in zip(SITES, KEYS, strict=True))


def replicating(here: int) -> Replication:
    site, there = SITES[here], 1 - here
    role = Role(site, REPLICATION, "s3.amazonaws.com", needs=KEYS,
                policy=lambda run: replication.policy(run, site, KEYS[here], KEYS[there]))
    return Replication(site, BUCKETS[here], BUCKETS[there], KEYS[here], KEYS[there], role)


OUT, BACK = replicating(0), replicating(1)


def rule_of(aws: Aws, step: Replication, run: Run) -> Any:
    answer = aws[step.region].s3.get_bucket_replication(Bucket=run.output(step).source)
    return answer["ReplicationConfiguration"]["Rules"][0]


def test_the_rule_covers_encrypted_objects_delete_markers_and_replicas_changes(run: Run, aws: Aws) -> None:
    ensure_with_needs(run, OUT)
    rule = rule_of(aws, OUT, run)
    assert rule["DeleteMarkerReplication"] == {"Status": "Enabled"}
    assert rule["SourceSelectionCriteria"] == {"SseKmsEncryptedObjects": {"Status": "Enabled"},
                                               "ReplicaModifications": {"Status": "Enabled"}}
    assert rule["Destination"]["ReplicationTime"] == {"Status": "Enabled", "Time": {"Minutes": 15}}
    assert rule["Destination"]["Metrics"] == {"Status": "Enabled", "EventThreshold": {"Minutes": 15}}
    assert rule["Destination"]["EncryptionConfiguration"] == {"ReplicaKmsKeyID": run.output(KEYS[1]).arn}


def test_trap_4_replication_waits_until_both_buckets_keep_versions(run: Run, aws: Aws) -> None:
    needs: tuple[Step[Any], ...] = (*BUCKETS, OUT.role)
    for need in needs:
        ensure_with_needs(run, need)
    there = run.output(BUCKETS[1]).name
    aws[SITES[1].region].s3.put_bucket_versioning(Bucket=there, VersioningConfiguration={"Status": "Suspended"})
    run.clock.patience_s = 0.1
    with pytest.raises(WaitTimeout, match=f"{there} keeps versions"):
        OUT.ensure(run)
    assert OUT.find(run) is None


def test_trap_4_the_target_admits_the_role_and_the_role_may_use_both_keys(run: Run) -> None:
    ensure_with_needs(run, OUT)
    role, target = run.output(OUT.role), run.output(BUCKETS[1])
    assert role.arn in (target.policy or "")
    keys = {one["Sid"]: one["Resource"] for one in role.policy["Statement"]}
    assert (keys["SourceKey"], keys["TargetKey"]) == tuple(run.output(key).arn for key in KEYS)


def test_both_directions_stand_and_a_second_run_changes_nothing(run: Run, make_run: Callable[..., Run]) -> None:
    ensure_with_needs(run, OUT)
    ensure_with_needs(run, BACK)
    assert_a_second_run_changes_nothing(make_run, OUT, BACK)


@pytest.mark.notices("Replication")
def test_a_rule_with_another_key_or_a_paused_rule_is_noticed_and_mended(run: Run, aws: Aws) -> None:
    ensure_with_needs(run, OUT)
    s3, source, rule = aws[SITES[0].region].s3, run.output(OUT).source, rule_of(aws, OUT, run)

    def put(changed: Any) -> Any:
        return s3.put_bucket_replication(Bucket=source, ReplicationConfiguration={
            "Role": run.output(OUT.role).arn, "Rules": [changed]})

    wrong_key = {**rule["Destination"], "EncryptionConfiguration": {"ReplicaKmsKeyID": run.output(KEYS[0]).arn}}
    assert_mended(run, OUT, lambda: put({**rule, "Destination": wrong_key}), "skipped")
    assert_mended(run, OUT, lambda: put({**rule, "Status": "Disabled"}), "skipped")
    s3.delete_bucket_replication(Bucket=source)
    assert findings(run, OUT) == ["absent"]


def test_trap_4_an_object_arrives_encrypted_with_the_other_regions_key(run: Run, aws: Aws) -> None:
    ensure_with_needs(run, OUT)
    aws[SITES[0].region].s3.put_object(Bucket=run.output(OUT).source, Key="canary", Body=b"x")

    def arrived() -> Any:
        return or_none(lambda: aws[SITES[1].region].s3.head_object(Bucket=run.output(OUT).target, Key="canary"))

    replica = run.wait_until("the canary object arrives", arrived, bool, within=1200)
    assert replica["ReplicationStatus"] == "REPLICA"
    assert replica["SSEKMSKeyId"] == run.output(KEYS[1]).arn


def test_destroy_removes_the_rule_and_leaves_the_bucket(run: Run) -> None:
    ensure_with_needs(run, OUT)
    destroy_twice(run, OUT)
    assert BUCKETS[0].find(run) is not None


def test_the_rule_of_a_foreign_bucket_of_our_name_stays(run: Run, aws: Aws) -> None:
    ensure_with_needs(run, OUT)
    aws[SITES[0].region].s3.delete_bucket_tagging(Bucket=run.output(OUT).source)
    with pytest.raises(Refused, match="does not belong"):
        OUT.destroy(run)
    assert OUT.find(run) is not None


@pytest.mark.parametrize("made_last", [0, 1])
def test_replication_begins_although_s3_knows_late_of_versioning(run: Run, made_last: int) -> None:
    needs: tuple[Step[Any], ...] = (OUT.role, BUCKETS[1 - made_last], KEYS[made_last], BUCKETS[made_last].logs)
    for need in needs:
        ensure_with_needs(run, need)
    with lagging(40):
        run.remember(BUCKETS[made_last], BUCKETS[made_last].ensure(run))
        out = OUT.ensure(run)
    assert list(OUT.verify(run, out)) == []
