"""Objects travel between the regions when everything they need is right, and say FAILED when it is not."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import pytest
from botocore.exceptions import ClientError

from drctl.aws.clients import Aws
from drctl.aws.durations import seconds
from drctl.aws.errors import code_of
from drctl.lab.clock import CLOCK, LabClock
from tests.conftest import SPEED
from tests.lab.conftest import eventually

HERE: Final = "us-east-1"
THERE: Final = "us-west-2"
SOURCE, TARGET = "source-bucket", "target-bucket"
ROLE = "arn:aws:iam::123456789012:role/copier"


def policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **one} for one in statements]})


def trust(service: str) -> str:
    return policy({"Principal": {"Service": service}, "Action": "sts:AssumeRole"})


@dataclass
class World:
    """Two buckets, two keys and a role: everything that replication needs."""

    aws: Aws
    source_key: str
    target_key: str

    def put(self, name: str = "a", **more: Any) -> str:
        return str(self.aws[HERE].s3.put_object(Bucket=SOURCE, Key=name, Body=b"text", **more)["VersionId"])

    def put_under_key(self, name: str = "a") -> str:
        return self.put(name, ServerSideEncryption="aws:kms", SSEKMSKeyId=self.source_key)

    def status(self, name: str = "a") -> str | None:
        return self.aws[HERE].s3.head_object(Bucket=SOURCE, Key=name).get("ReplicationStatus")

    def arrived(self, name: str = "a") -> dict[str, Any] | None:
        try:
            return dict(self.aws[THERE].s3.head_object(Bucket=TARGET, Key=name))
        except ClientError:
            return None

    def settled(self, name: str = "a") -> str | None:
        until(lambda: self.status(name) != "PENDING")
        return self.status(name)

    def configure(self, **changes: Any) -> None:
        self.aws[HERE].s3.put_bucket_replication(
            Bucket=SOURCE, ReplicationConfiguration={"Role": ROLE, "Rules": [self.rule(**changes)]})

    def rule(self, **changes: Any) -> Any:
        destination = {"Bucket": f"arn:aws:s3:::{TARGET}",
                       "EncryptionConfiguration": {"ReplicaKmsKeyID": self.target_key},
                       "ReplicationTime": {"Status": "Enabled", "Time": {"Minutes": 15}},
                       "Metrics": {"Status": "Enabled", "EventThreshold": {"Minutes": 15}}}
        return {"ID": "all", "Priority": 1, "Status": "Enabled", "Filter": {"Prefix": ""},
                "DeleteMarkerReplication": {"Status": "Enabled"}, "Destination": destination,
                "SourceSelectionCriteria": {"SseKmsEncryptedObjects": {"Status": "Enabled"},
                                            "ReplicaModifications": {"Status": "Enabled"}}, **changes}

    def allow(self, *, without: str = "") -> None:
        actions = {"s3:GetReplicationConfiguration": [f"arn:aws:s3:::{SOURCE}"],
                   "s3:ListBucket": [f"arn:aws:s3:::{SOURCE}"],
                   "s3:GetObjectVersion*": [f"arn:aws:s3:::{SOURCE}/*"],
                   "s3:ReplicateObject": [f"arn:aws:s3:::{TARGET}/*"],
                   "s3:ReplicateDelete": [f"arn:aws:s3:::{TARGET}/*"],
                   "s3:ReplicateTags": [f"arn:aws:s3:::{TARGET}/*"],
                   "kms:Decrypt": [self.source_key], "kms:Encrypt": [self.target_key]}
        statements = [{"Action": action, "Resource": resource}
                      for action, resource in actions.items() if action != without]
        self.aws[HERE].iam.put_role_policy(RoleName="copier", PolicyName="copy", PolicyDocument=policy(*statements))


def until(done: Callable[[], bool]) -> None:
    """Wait for the lab."""
    assert eventually(done), "it did not happen"


@pytest.fixture
def world(aws: Aws) -> World:
    aws[HERE].s3.create_bucket(Bucket=SOURCE)
    aws[THERE].s3.create_bucket(Bucket=TARGET, CreateBucketConfiguration={"LocationConstraint": THERE})
    for region, bucket in ((HERE, SOURCE), (THERE, TARGET)):
        aws[region].s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    aws[HERE].iam.create_role(RoleName="copier", AssumeRolePolicyDocument=trust("s3.amazonaws.com"))
    made = World(aws, *(aws[region].kms.create_key()["KeyMetadata"]["Arn"] for region in (HERE, THERE)))
    made.allow()
    return made


@pytest.mark.rule("object-replication")
def test_an_object_is_pending_for_a_while_and_then_a_replica_with_the_same_version(world: World) -> None:
    world.configure()
    CLOCK.set_speed(60)
    version = world.put_under_key()
    assert (world.status(), world.arrived()) == ("PENDING", None)
    CLOCK.set_speed(SPEED)
    CLOCK.after(0, lambda: None)  # the clock's thread looks again
    assert world.settled() == "COMPLETED"
    replica = world.arrived()
    assert replica is not None
    assert (replica["ReplicationStatus"], replica["VersionId"]) == ("REPLICA", version)
    assert (replica["ServerSideEncryption"], replica["SSEKMSKeyId"]) == ("aws:kms", world.target_key)


@pytest.mark.rule("replication-status")
def test_content_metadata_and_tags_travel(world: World) -> None:
    world.configure()
    world.put(Metadata={"who": "me"}, ContentType="text/plain", Tagging="color=red")
    assert world.settled() == "COMPLETED"
    there = world.aws[THERE].s3
    got = there.get_object(Bucket=TARGET, Key="a")
    assert (got["Body"].read(), got["Metadata"], got["ContentType"]) == (b"text", {"who": "me"}, "text/plain")
    assert got["ReplicationStatus"] == "REPLICA"
    assert there.get_object_tagging(Bucket=TARGET, Key="a")["TagSet"] == [{"Key": "color", "Value": "red"}]


def test_copies_and_multipart_uploads_travel_too(world: World) -> None:
    world.configure()
    s3 = world.aws[HERE].s3
    world.put("a")
    s3.copy_object(Bucket=SOURCE, Key="b", CopySource={"Bucket": SOURCE, "Key": "a"})
    upload = s3.create_multipart_upload(Bucket=SOURCE, Key="c")["UploadId"]
    part = s3.upload_part(Bucket=SOURCE, Key="c", UploadId=upload, PartNumber=1, Body=b"part")
    s3.complete_multipart_upload(Bucket=SOURCE, Key="c", UploadId=upload,
                                 MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]})
    assert [world.settled(name) for name in "abc"] == ["COMPLETED"] * 3
    assert all(world.arrived(name) for name in "abc")


@pytest.mark.parametrize("missing", [
    "s3:GetReplicationConfiguration", "s3:ListBucket", "s3:GetObjectVersion*", "s3:ReplicateObject", "s3:ReplicateTags",
    "kms:Decrypt", "kms:Encrypt"])
def test_a_role_that_lacks_a_right_shows_at_the_object(world: World, missing: str) -> None:
    world.allow(without=missing)
    world.configure()
    world.put_under_key()
    assert world.settled() == "FAILED"
    assert world.arrived() is None


def _another_is_trusted(world: World) -> None:
    world.aws[HERE].iam.update_assume_role_policy(RoleName="copier", PolicyDocument=trust("events.amazonaws.com"))


def _replicas_key_off(world: World) -> None:
    world.aws[THERE].kms.disable_key(KeyId=world.target_key.rpartition("/")[2])


def _sources_key_off(world: World) -> None:
    world.aws[HERE].kms.disable_key(KeyId=world.source_key.rpartition("/")[2])


def _target_not_versioned(world: World) -> None:
    world.aws[THERE].s3.put_bucket_versioning(Bucket=TARGET, VersioningConfiguration={"Status": "Suspended"})


def _target_says_no(world: World) -> None:
    deny = {"Effect": "Deny", "Principal": {"AWS": ROLE}, "Action": "s3:Replicate*", "Resource": "*"}
    world.aws[THERE].s3.put_bucket_policy(Bucket=TARGET, Policy=policy(deny))


def _target_has_a_bucket_key(world: World) -> None:
    world.aws[THERE].s3.put_bucket_encryption(Bucket=TARGET, ServerSideEncryptionConfiguration={"Rules": [
        {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": world.target_key},
         "BucketKeyEnabled": True}]})


@pytest.mark.parametrize("break_it", [_another_is_trusted, _replicas_key_off, _sources_key_off, _target_not_versioned,
                                      _target_says_no, _target_has_a_bucket_key])
def test_what_is_wrong_on_the_way_shows_at_the_object(world: World, break_it: Callable[[World], None]) -> None:
    world.configure()
    break_it(world)
    world.put_under_key()
    assert world.settled() == "FAILED"


def test_a_key_of_the_wrong_region_is_accepted_and_fails_later(world: World) -> None:
    world.target_key = world.source_key
    world.configure()
    world.put_under_key()
    assert world.settled() == "FAILED"


def test_an_object_under_a_key_is_left_out_unless_asked_for(world: World) -> None:
    rule = world.rule()
    del rule["SourceSelectionCriteria"], rule["Destination"]["EncryptionConfiguration"]
    world.aws[HERE].s3.put_bucket_replication(
        Bucket=SOURCE, ReplicationConfiguration={"Role": ROLE, "Rules": [rule]})
    world.put_under_key("hidden")
    world.put("plain")
    assert world.settled("plain") == "COMPLETED"
    assert (world.status("hidden"), world.arrived("hidden")) == (None, None)


def test_only_objects_of_the_rules_prefix_travel(world: World) -> None:
    world.configure(Filter={"Prefix": "in/"})
    world.put("out/a")
    world.put("in/a")
    assert world.settled("in/a") == "COMPLETED"
    assert (world.status("out/a"), world.arrived("out/a")) == (None, None)


def test_what_was_there_before_the_rule_stays_where_it_is(world: World) -> None:
    world.put("old")
    world.configure()
    world.put("new")
    assert world.settled("new") == "COMPLETED"
    assert world.status("old") is None


def test_a_replica_is_not_sent_back(world: World) -> None:
    world.configure()
    back = world.rule()
    back["Destination"] = {"Bucket": f"arn:aws:s3:::{SOURCE}"}
    del back["SourceSelectionCriteria"]
    world.aws[THERE].s3.put_bucket_replication(
        Bucket=TARGET, ReplicationConfiguration={"Role": ROLE, "Rules": [back]})
    world.put()
    assert world.settled() == "COMPLETED"
    versions = world.aws[HERE].s3.list_object_versions(Bucket=SOURCE)["Versions"]
    assert len(versions) == 1


@pytest.mark.rule("delete-marker-replication")
def test_delete_markers_travel_and_ends_of_versions_do_not(world: World) -> None:
    world.configure()
    version = world.put()
    assert world.settled() == "COMPLETED"
    marker = world.aws[HERE].s3.delete_object(Bucket=SOURCE, Key="a")["VersionId"]
    there = world.aws[THERE].s3
    until(lambda: bool(there.list_object_versions(Bucket=TARGET).get("DeleteMarkers")))
    assert there.list_object_versions(Bucket=TARGET)["DeleteMarkers"][0]["VersionId"] == marker
    world.aws[HERE].s3.delete_object(Bucket=SOURCE, Key="a", VersionId=version)
    assert [one["VersionId"] for one in there.list_object_versions(Bucket=TARGET)["Versions"]] == [version]


def test_delete_markers_stay_when_the_rule_does_not_name_them(world: World) -> None:
    world.configure(DeleteMarkerReplication={"Status": "Disabled"})
    world.put()
    assert world.settled() == "COMPLETED"
    world.aws[HERE].s3.delete_object(Bucket=SOURCE, Key="a")
    world.put("later")
    assert world.settled("later") == "COMPLETED"
    assert "DeleteMarkers" not in world.aws[THERE].s3.list_object_versions(Bucket=TARGET)


@pytest.mark.rule("replication-read-back")
def test_a_configuration_is_answered_as_it_was_put(world: World) -> None:
    rule = world.rule(Filter={"And": {"Prefix": "in/", "Tags": [{"Key": "a", "Value": "b"}]}},
                      DeleteMarkerReplication={"Status": "Disabled"})
    s3 = world.aws[HERE].s3
    s3.put_bucket_replication(Bucket=SOURCE, ReplicationConfiguration={"Role": ROLE, "Rules": [rule]})
    got = s3.get_bucket_replication(Bucket=SOURCE)["ReplicationConfiguration"]
    assert got == {"Role": ROLE, "Rules": [rule]}
    world.configure()
    assert s3.get_bucket_replication(Bucket=SOURCE)["ReplicationConfiguration"]["Rules"] == [world.rule()]


def test_no_replication_before_versioning_on_either_side(world: World) -> None:
    for region, bucket in ((HERE, SOURCE), (THERE, TARGET)):
        s3 = world.aws[region].s3
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})
        with pytest.raises(ClientError) as refused:
            world.configure()
        assert code_of(refused.value) == "InvalidRequest"
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    world.configure()


@pytest.mark.rule("replication-configuration")
@pytest.mark.parametrize("break_it", [
    lambda rule: rule["Destination"].pop("Metrics"),
    lambda rule: rule["Destination"].pop("EncryptionConfiguration"),
    lambda rule: rule.pop("DeleteMarkerReplication"),
    lambda rule: rule["Destination"].update(Bucket="arn:aws:s3:::nowhere"),
])
def test_an_incomplete_rule_is_refused(world: World, break_it: Callable[[Any], Any]) -> None:
    rule = world.rule()
    break_it(rule)
    with pytest.raises(ClientError) as refused:
        world.aws[HERE].s3.put_bucket_replication(
            Bucket=SOURCE, ReplicationConfiguration={"Role": ROLE, "Rules": [rule]})
    assert code_of(refused.value) == "InvalidRequest"


@pytest.mark.rule("replication-configuration")
def test_two_rules_do_not_share_a_priority(world: World) -> None:
    rules = [world.rule(ID="one"), world.rule(ID="two")]
    with pytest.raises(ClientError, match="priority") as refused:
        world.aws[HERE].s3.put_bucket_replication(
            Bucket=SOURCE, ReplicationConfiguration={"Role": ROLE, "Rules": rules})
    assert code_of(refused.value) == "InvalidRequest"


@pytest.mark.rule("replication-after-versioning")
@pytest.mark.parametrize(("region", "bucket"), [(HERE, SOURCE), (THERE, TARGET)])
def test_replication_knows_of_versioning_later_than_reads_do(world: World, clock: LabClock, region: str,
                                                              bucket: str) -> None:
    s3, turns = world.aws[region].s3, [{"Status": "Suspended"}, {"Status": "Enabled"}]
    for versioning in turns:
        clock.skip(60)
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration=versioning)  # type: ignore[arg-type]  # literals
    clock.skip(seconds("bucket-setting-visible"))
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    with pytest.raises(ClientError, match=r"(?i)versioning") as refused:
        world.configure()
    assert code_of(refused.value) == "InvalidRequest"
    clock.skip(seconds("versioning-known"))
    world.configure()


@pytest.mark.rule("replication-keeps-versioning")
def test_versioning_stays_while_there_is_replication(world: World) -> None:
    world.configure()
    s3 = world.aws[HERE].s3
    with pytest.raises(ClientError) as refused:
        s3.put_bucket_versioning(Bucket=SOURCE, VersioningConfiguration={"Status": "Suspended"})
    assert code_of(refused.value) == "InvalidBucketState"
    s3.delete_bucket_replication(Bucket=SOURCE)
    s3.put_bucket_versioning(Bucket=SOURCE, VersioningConfiguration={"Status": "Suspended"})
