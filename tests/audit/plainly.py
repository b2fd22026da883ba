"""What the auditor does not look at, asked of the plain API: each thing of the stack has its key, its TLS, its end.

Written without drctl's steps, so that both would have to be wrong in the same way. A finding is told like the
auditor's, and accepted in the same file.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from drctl.aws.clients import Aws, Credentials, Door
from drctl.aws.hooks import Answer, Call
from tests.audit.auditor import Finding

#: Policies of listeners that take TLS 1.2 and newer alone (ELB User Guide for Application Load Balancers, "Security
#: policies for your Application Load Balancer").
CURRENT_TLS = ("ELBSecurityPolicy-TLS13-1-2-", "ELBSecurityPolicy-TLS13-1-3-")
#: Where a statement or rule means everybody.
EVERYBODY = frozenset({"0.0.0.0/0", "::/0"})
OURS = "drctl:stack"
#: Check, resource, whether it is as it should be, and what is said otherwise.
Told = tuple[str, str, bool, str]


class Deaf:
    """Nobody hears these calls."""

    def sending(self, call: Call) -> None:
        """Nothing to do."""

    leaving = sending

    def answered(self, call: Call, answer: Answer) -> None:
        """Nothing to do."""


def findings(endpoint: str, regions: Sequence[str]) -> list[Finding]:
    """Everything that every look says of both regions."""
    aws, found = Aws(Door(endpoint, Credentials("any", "any")), Deaf()), list[Finding]()
    for region in regions:
        found += [Finding(check, resource, "PASS" if fine else "FAIL", says)
                  for look in LOOKS for check, resource, fine, says in look(aws[region])]
    return list(dict.fromkeys(found))  # buckets are listed in both




def _is_ours(tags: Iterable[Any]) -> bool:
    return any(OURS in (tag.get("Key"), tag.get("TagKey")) for tag in tags)


def _keys(at: Any) -> set[str]:
    """ARNs of the region's keys that carry our tag; services show them so or by their ids."""
    kms, ours = at.kms, set()
    for key in kms.list_keys()["Keys"]:
        if _is_ours(kms.list_resource_tags(KeyId=key["KeyId"])["Tags"]):
            ours |= {key["KeyArn"], key["KeyId"]}
    return ours


def _buckets(at: Any) -> Iterator[Told]:
    s3 = at.s3
    for name in (one["Name"] for one in s3.list_buckets()["Buckets"]):
        policy = json.loads(s3.get_bucket_policy(Bucket=name)["Policy"])
        arn = f"arn:aws:s3:::{name}"
        denies = any(one["Effect"] == "Deny" and one["Principal"] in ("*", {"AWS": "*"}) and one["Action"] == "s3:*"
                     and set(one["Resource"]) == {arn, f"{arn}/*"}
                     and one["Condition"] == {"Bool": {"aws:SecureTransport": "false"}} for one in policy["Statement"])
        yield "bucket-tls", arn, denies, "it takes requests without TLS"
        blocked = s3.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"]
        yield "bucket-private", arn, all(blocked.values()) and len(blocked) == 4, f"public access: {blocked}"
        rule = s3.get_bucket_encryption(Bucket=name)["ServerSideEncryptionConfiguration"]["Rules"][0]
        used = rule["ApplyServerSideEncryptionByDefault"].get("KMSMasterKeyID")
        yield "bucket-key", arn, bool(used), "S3's own key encrypts it, not the stack's"


def _log_groups(at: Any) -> Iterator[Told]:
    keys = _keys(at)
    for one in at.logs.describe_log_groups()["logGroups"]:
        yield "log-group-key", one["arn"], one.get("kmsKeyId") in keys, f"its key is {one.get('kmsKeyId')}"
        yield "log-group-retention", one["arn"], bool(one.get("retentionInDays")), "it is kept for ever"


def _networks(at: Any) -> Iterator[Told]:
    ec2 = at.ec2
    mine = {one["VpcId"] for one in ec2.describe_vpcs()["Vpcs"] if _is_ours(one.get("Tags", []))}
    for group in ec2.describe_security_groups()["SecurityGroups"]:
        if group["VpcId"] not in mine:
            continue
        where = f"{group['GroupId']}/{group['GroupName']}"
        rules = [*group["IpPermissions"], *group["IpPermissionsEgress"]]
        if group["GroupName"] == "default":
            yield "default-group-closed", where, not rules, f"it has {len(rules)} rules"
        for way, some in (("in", group["IpPermissions"]), ("out", group["IpPermissionsEgress"])):
            wide = [one for one in some for each in (*one["IpRanges"], *one.get("Ipv6Ranges", []))
                    if EVERYBODY & set(each.values())]
            yield f"open-{way}", where, not wide, f"open to everybody: {wide}"
    for subnet in ec2.describe_subnets()["Subnets"]:
        if subnet["VpcId"] in mine:
            yield "subnet-addresses", subnet["SubnetId"], not subnet["MapPublicIpOnLaunch"], "it gives public addresses"
    logged = {one["ResourceId"] for one in ec2.describe_flow_logs()["FlowLogs"] if one["TrafficType"] == "ALL"}
    yield from (("flow-logs", vpc, vpc in logged, "nobody logs its traffic") for vpc in mine)


def _balancers(at: Any) -> Iterator[Told]:
    elb = at.elbv2
    for one in elb.describe_load_balancers()["LoadBalancers"]:
        arn = one["LoadBalancerArn"]
        has = {each["Key"]: each["Value"] for each in elb.describe_load_balancer_attributes(
            LoadBalancerArn=arn)["Attributes"]}
        for key in ("access_logs.s3.enabled", "routing.http.drop_invalid_header_fields.enabled",
                    "deletion_protection.enabled"):
            yield key, arn, has.get(key) == "true", "it is off"
        for listener in elb.describe_listeners(LoadBalancerArn=arn)["Listeners"]:
            secure = listener["Protocol"] == "HTTPS" and listener["SslPolicy"].startswith(CURRENT_TLS)
            redirect = [each["Type"] for each in listener["DefaultActions"]] == ["redirect"]
            yield "listener-tls", listener["ListenerArn"], secure or redirect, f"{listener.get('SslPolicy')}"


def _databases(at: Any) -> Iterator[Told]:
    rds, keys = at.rds, _keys(at)
    for one in rds.describe_db_clusters()["DBClusters"]:
        arn = one["DBClusterArn"]
        yield "cluster-key", arn, one["StorageEncrypted"] and one["KmsKeyId"] in keys, f"its key is {one['KmsKeyId']}"
        values = {each["ParameterName"]: each.get("ParameterValue") for page in rds.get_paginator(
            "describe_db_cluster_parameters").paginate(DBClusterParameterGroupName=one["DBClusterParameterGroup"])
            for each in page["Parameters"]}
        yield "cluster-tls", arn, values.get("rds.force_ssl") == "1", "it takes connections without TLS"
        yield "cluster-protected", arn, one["DeletionProtection"], "it can be deleted"
    for one in rds.describe_db_instances()["DBInstances"]:
        yield "instance-private", one["DBInstanceArn"], not one["PubliclyAccessible"], "it has a public address"
    for one in rds.describe_db_cluster_snapshots()["DBClusterSnapshots"]:
        yield "snapshot-key", one["DBClusterSnapshotArn"], one["StorageEncrypted"], "it is not encrypted"


def _others(at: Any) -> Iterator[Told]:
    keys = _keys(at)
    for one in at.sns.list_topics()["Topics"]:
        attributes = at.sns.get_topic_attributes(TopicArn=one["TopicArn"])["Attributes"]
        yield "topic-key", one["TopicArn"], attributes.get("KmsMasterKeyId") in keys, "another key, or none"
    sqs = at.sqs
    for url in sqs.list_queues().get("QueueUrls", []):
        attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        yield "queue-key", attributes["QueueArn"], attributes.get("KmsMasterKeyId") in keys, "another key, or none"
    for one in at.secrets.list_secrets(Filters=[{"Key": "primary-region", "Values": [at.name]}])["SecretList"]:
        yield "secret-key", one["ARN"], one.get("KmsKeyId") in keys, f"its key is {one.get('KmsKeyId')}"
        for copy in at.secrets.describe_secret(SecretId=one["ARN"])["ReplicationStatus"]:
            yield ("secret-copy-key", f"{one['ARN']} in {copy['Region']}", f":{copy['Region']}:" in copy["KmsKeyId"],
                   f"its key is {copy['KmsKeyId']}")
    for one in at.lambda_.list_functions()["Functions"]:
        yield "function-key", one["FunctionArn"], one.get("KMSKeyArn") in keys, "another key, or none"
    for one in at.backup.list_backup_vaults()["BackupVaultList"]:
        yield "vault-key", one["BackupVaultArn"], one.get("EncryptionKeyArn") in keys, "another key, or none"
    waf = at.wafv2
    for one in waf.list_web_acls(Scope="REGIONAL")["WebACLs"]:
        logs = waf.get_logging_configuration(ResourceArn=one["ARN"])["LoggingConfiguration"]["LogDestinationConfigs"]
        yield "web-acl-logs", one["ARN"], bool(logs), "nobody logs what it blocks"


LOOKS: tuple[Callable[[Any], Iterator[Told]], ...] = (
    _buckets, _log_groups, _networks, _balancers, _databases, _others)
