"""What S3 refuses is refused in the lab: ACLs, public policies, rules about nothing, long lists, foreign keys."""

from __future__ import annotations

import json
from typing import Any

import pytest

from drctl.aws.clients import Aws
from tests.lab.account import refusal, words


@pytest.fixture
def s3(aws: Aws) -> Any:
    client = aws["us-east-1"].s3
    client.create_bucket(Bucket="bbb", ObjectOwnership="BucketOwnerEnforced")
    return client


@pytest.mark.rule("no-acls")
def test_a_bucket_whose_owner_owns_everything_has_no_acls(s3: Any) -> None:
    s3.put_object(Bucket="bbb", Key="k", ACL="bucket-owner-full-control")
    for call in (lambda: s3.put_bucket_acl(Bucket="bbb", ACL="private"),
                 lambda: s3.put_object(Bucket="bbb", Key="k", ACL="public-read"),
                 lambda: s3.put_object_acl(Bucket="bbb", Key="k", ACL="private"),
                 lambda: s3.put_object(Bucket="bbb", Key="k", GrantRead="id=1")):
        assert refusal(call) == "AccessControlListNotSupported"
    s3.put_bucket_ownership_controls(Bucket="bbb", OwnershipControls={"Rules": [{"ObjectOwnership": "ObjectWriter"}]})
    s3.put_bucket_acl(Bucket="bbb", ACL="private")


def statement(**parts: Any) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::bbb/*", **parts}]})


PUBLIC = [{}, {"Principal": {"AWS": ["*"]}},
          {"Condition": {"IpAddress": {"aws:SourceIp": ["10.1.0.0/16", "8.0.0.0/7"]}}},
          {"Condition": {"StringLike": {"aws:PrincipalOrgID": "*"}}},
          {"Condition": {"Bool": {"aws:SecureTransport": "true"}}}]
NOT_PUBLIC = [{"Condition": {"IpAddress": {"aws:SourceIp": ["10.1.0.0/16", "2600::/40"]}}},
              {"Principal": {"AWS": "arn:aws:iam::123456789012:root"}}, {"Effect": "Deny"},
              {"Principal": {"Service": "s3.amazonaws.com"}},
              {"Condition": {"StringEquals": {"aws:SourceAccount": "123456789012"}}}]


@pytest.mark.rule("public-policy")
@pytest.mark.parametrize("parts", PUBLIC)
def test_a_public_policy_is_refused_while_public_policies_are_blocked(s3: Any, parts: Any) -> None:
    block: Any = {"BlockPublicPolicy": True}
    s3.put_public_access_block(Bucket="bbb", PublicAccessBlockConfiguration=block)
    assert refusal(lambda: s3.put_bucket_policy(Bucket="bbb", Policy=statement(**parts))) == "AccessDenied"
    s3.delete_public_access_block(Bucket="bbb")
    s3.put_bucket_policy(Bucket="bbb", Policy=statement(**parts))


@pytest.mark.parametrize("parts", NOT_PUBLIC)
def test_a_policy_for_some_is_not_public(s3: Any, parts: Any) -> None:
    s3.put_bucket_policy(Bucket="bbb", Policy=statement(**parts))


def test_a_lifecycle_rule_says_what_it_is_about(s3: Any) -> None:
    def put(**parts: Any) -> None:
        s3.put_bucket_lifecycle_configuration(Bucket="bbb", LifecycleConfiguration={"Rules": [
            {"ID": "r", "Status": "Enabled", "Expiration": {"Days": 1}, **parts}]})

    assert refusal(put) == "MalformedXML"
    put(Filter={"Prefix": ""})


@pytest.mark.rule("delete-objects-limit")
def test_a_request_deletes_a_thousand_objects_at_most(s3: Any) -> None:
    def delete(count: int) -> None:
        s3.delete_objects(Bucket="bbb", Delete={"Objects": [{"Key": f"{n}"} for n in range(count)], "Quiet": True})

    assert refusal(lambda: delete(1001)) == "MalformedXML"
    delete(1000)


@pytest.mark.rule("object-key-region")
def test_a_key_of_another_region_shows_at_the_first_object(s3: Any) -> None:
    key = "arn:aws:kms:us-west-2:123456789012:key/1"
    default: Any = {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms",
                                                                     "KMSMasterKeyID": key}}]}
    s3.put_bucket_encryption(Bucket="bbb", ServerSideEncryptionConfiguration=default)
    assert refusal(lambda: s3.put_object(Bucket="bbb", Key="k")) == "KMS.NotFoundException"
    assert words(lambda: s3.put_object(Bucket="bbb", Key="k", ServerSideEncryption="aws:kms", SSEKMSKeyId=key)
                 ) == "Invalid arn us-west-2"
    s3.put_object(Bucket="bbb", Key="k", ServerSideEncryption="AES256")
