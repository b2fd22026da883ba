"""Everything that stands in an account, asked of plain boto3 and written so that two equal stacks read alike.

Nothing here knows drctl's steps: what AWS lists is taken whole, ids that AWS makes up are replaced by the name of what
they stand for, and times are left out. Two accounts are equal when their lines are, each as often.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from botocore.exceptions import ClientError

from drctl.aws.clients import Aws

REGIONS = ("us-east-1", "us-west-2")
Things = Iterable[tuple[str, Any]]

#: What AWS makes up: ids of EC2, keys and certificates, multi-region keys, databases, balancers, zones, ends of names.
MADE_UP = re.compile(
    r"\b[a-z]+(?:-[a-z]+)*-[0-9a-f]{17}\b"
    r"|\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b|\bmrk-[0-9a-f]{32}\b"
    r"|\b(?:cluster|db)-[0-9A-Z]{8,}\b|(?<=/)[0-9a-f]{16}\b|(?<=/)[0-9]{14,}\b|(?<=hostedzone/)[0-9A-Z]{8,}\b"
    r"|(?<=-rescue-)[0-9]{10}\b|(?<=global-lab-)[0-9A-Za-z]{6}\b|\b[0-9A-Za-z]{6}(?=/[0-9a-f]{8})|\b[0-9a-f]{32}\b")
#: Fields that differ from one building to the next, or move by themselves.
MOVING = re.compile(
    r".*(?:Time|time|Timestamp|Date|At)|.*(?:Ip|IpAddress|IpAddresses|DnsName|DnsEntries|DNSName|Token|Endpoint)|"
    r"ResponseMetadata|ETag|Version(?:Id)?|VersionIdsToStages|RevisionId|CallerReference|MacAddress|"
    r"StateReason(?:Data)?|StateValue|ApproximateNumberOf\w+|AvailableIpAddressCount|CanonicalHostedZoneId|"
    r"NumberOfRecoveryPoints|storedBytes|EventCount|SizeBytes|ResourceRecordSetCount|DelegationSet|Address|"
    r"HostedZoneId|LastModified|SubscriptionArn|DbiResourceId|DbClusterResourceId|CreatorRequestId")
#: Where the id of a thing stands that has a name elsewhere.
NAMED_BY = {"vpc": "VpcId", "subnet": "SubnetId", "security group": "GroupId", "route table": "RouteTableId",
            "internet gateway": "InternetGatewayId", "endpoint": "VpcEndpointId", "peering": "VpcPeeringConnectionId",
            "flow log": "FlowLogId", "key": "KeyId", "certificate": "CertificateArn", "zone": "Id",
            "health check": "Id"}


def stands(aws: Aws) -> Counter[str]:
    """One line for everything that stands, with all its settings."""
    looks = [(region, look) for region in REGIONS for look in REGIONAL] + [("us-east-1", look) for look in ONCE]
    with ThreadPoolExecutor(max_workers=8) as pool:
        found = [(region, list(things)) for region, things in zip(
            [region for region, _ in looks],
            pool.map(lambda one: list(one[1](aws[one[0]])), looks), strict=True)]
    things = [(region, kind, thing) for region, answer in found for kind, thing in answer]
    names = dict(_names(things))
    return Counter(f"{kind} {region} {_told(thing, names)}" for region, kind, thing in things)


def difference(wanted: Counter[str], seen: Counter[str]) -> list[str]:
    """What is missing and what is there too much, in lines that a person can compare."""
    return ([f"missing {count}: {line[:1500]}" for line, count in sorted((wanted - seen).items())]
            + [f"too much {count}: {line[:1500]}" for line, count in sorted((seen - wanted).items())])


def _names(things: Iterable[tuple[str, str, Any]]) -> Iterator[tuple[str, str]]:
    """What each id that AWS has made up stands for: its Name tag, its label, or its kind."""
    for region, kind, thing in things:
        if kind in NAMED_BY:
            tags = {tag["Key"]: tag["Value"] for tag in thing.get("Tags") or ()}
            label = tags.get("Name") or thing.get("label") or thing.get("GroupName") or f"a {kind} of {region}"
            yield MADE_UP.findall(json.dumps(thing[NAMED_BY[kind]]))[0], f"<{label}>"


def _told(thing: Any, names: dict[str, str]) -> str:
    return json.dumps(_settled(json.loads(json.dumps(thing, default=str)), names), sort_keys=True)


def _settled(thing: Any, names: dict[str, str]) -> Any:
    """Without what moves; with names for ids; lists in one order, whatever AWS's was."""
    if isinstance(thing, dict):
        return {key: _settled(value, names) for key, value in thing.items()
                if not MOVING.fullmatch(key) and value not in (None, [], {}, "")}
    if isinstance(thing, list):
        return sorted((_settled(item, names) for item in thing), key=lambda item: json.dumps(item, sort_keys=True))
    return MADE_UP.sub(lambda found: names.get(found[0], "<made up>"), thing) if isinstance(thing, str) else thing


def _or_nothing(ask: Callable[[], Any]) -> Any:
    """The answer, or AWS's code where there is none."""
    try:
        answer = ask()
    except ClientError as error:
        return error.response["Error"]["Code"]
    return {key: value for key, value in answer.items() if key != "ResponseMetadata"}


def _document(answer: Any, key: str) -> Any:
    if isinstance(answer, dict) and isinstance(answer.get(key), str):
        return {**answer, key: json.loads(answer[key])}
    return answer


# What is asked, service by service. ----------------------------------------------------------------------------------


def _network(at: Any) -> Things:
    ec2 = at.ec2
    theirs = {one["VpcId"] for one in ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"]}
    for kind, items in (
            ("vpc", ec2.describe_vpcs()["Vpcs"]),
            ("subnet", ec2.describe_subnets()["Subnets"]),
            ("internet gateway", ec2.describe_internet_gateways()["InternetGateways"]),
            ("route table", ec2.describe_route_tables()["RouteTables"]),
            ("security group", ec2.describe_security_groups()["SecurityGroups"]),
            ("endpoint", ec2.describe_vpc_endpoints()["VpcEndpoints"]),
            ("nat gateway", ec2.describe_nat_gateways()["NatGateways"]),
            ("address", ec2.describe_addresses()["Addresses"]),
            ("peering", ec2.describe_vpc_peering_connections()["VpcPeeringConnections"]),
            ("flow log", ec2.describe_flow_logs()["FlowLogs"]),
            ("interface", ec2.describe_network_interfaces()["NetworkInterfaces"])):
        for item in items:
            gone = kind in {"endpoint", "nat gateway", "peering"} and str(
                item.get("State") or item["Status"]["Code"]) in {"deleted", "deleting"}
            if item.get("VpcId") not in theirs and not gone:
                yield kind, _shared(item) if kind == "interface" else item


def _shared(interface: Any) -> Any:
    """Functions of the same subnets and groups share their interfaces, which bear the name of whichever came first."""
    return json.loads(re.sub(r"lambda-[a-z]+-", "lambda-", json.dumps(interface, default=str)))


def _balancers(at: Any) -> Things:
    for one in at.elbv2.describe_load_balancers()["LoadBalancers"]:
        arn = one["LoadBalancerArn"]
        yield "balancer", {**one, "attributes": at.elbv2.describe_load_balancer_attributes(LoadBalancerArn=arn)[
            "Attributes"], "tags": at.elbv2.describe_tags(ResourceArns=[arn])["TagDescriptions"], "DNSName": ""}
        for listener in at.elbv2.describe_listeners(LoadBalancerArn=arn)["Listeners"]:
            rules = at.elbv2.describe_rules(ListenerArn=listener["ListenerArn"])["Rules"]
            yield "listener", {**listener, "rules": rules}
        yield "web acl of balancer", _or_nothing(partial(
            at.wafv2.get_web_acl_for_resource, ResourceArn=arn)).get("WebACL", {}).get("Name")
    for group in at.elbv2.describe_target_groups()["TargetGroups"]:
        health = at.elbv2.describe_target_health(TargetGroupArn=group["TargetGroupArn"])["TargetHealthDescriptions"]
        yield "target group", {**group, "health": health}


def _firewalls(at: Any) -> Things:
    for one in at.wafv2.list_web_acls(Scope="REGIONAL")["WebACLs"]:
        yield "web acl", at.wafv2.get_web_acl(Name=one["Name"], Id=one["Id"], Scope="REGIONAL")["WebACL"]
        yield "web acl log", _or_nothing(partial(at.wafv2.get_logging_configuration, ResourceArn=one["ARN"]))
    for one in at.wafv2.list_ip_sets(Scope="REGIONAL")["IPSets"]:
        yield "ip set", at.wafv2.get_ip_set(Name=one["Name"], Id=one["Id"], Scope="REGIONAL")["IPSet"]


def _databases(at: Any) -> Things:
    rds = at.rds
    for kind, items in (("cluster", rds.describe_db_clusters()["DBClusters"]),
                        ("instance", rds.describe_db_instances()["DBInstances"]),
                        ("snapshot", rds.describe_db_cluster_snapshots(SnapshotType="manual")["DBClusterSnapshots"]),
                        ("subnet group", rds.describe_db_subnet_groups()["DBSubnetGroups"]),
                        ("cluster parameters", rds.describe_db_cluster_parameter_groups()["DBClusterParameterGroups"]),
                        ("parameters", rds.describe_db_parameter_groups()["DBParameterGroups"])):
        yield from ((kind, item) for item in items)


def _functions(at: Any) -> Things:
    for one in at.lambda_.list_functions()["Functions"]:
        name = one["FunctionName"]
        policy = _or_nothing(partial(at.lambda_.get_policy, FunctionName=name))
        yield "function", {**one, "policy": _document(policy, "Policy"),
                           "tags": at.lambda_.list_tags(Resource=one["FunctionArn"])["Tags"]}


def _logs(at: Any) -> Things:
    for group in at.logs.describe_log_groups()["logGroups"]:
        yield "log group", group
    yield from (("metric filter", one) for one in at.logs.describe_metric_filters()["metricFilters"])
    for policy in at.logs.describe_resource_policies()["resourcePolicies"]:
        yield "log policy", {**policy, "lastUpdatedTime": 0}


def _secrets(at: Any) -> Things:
    for one in at.secrets.list_secrets()["SecretList"]:
        yield "secret", {**at.secrets.describe_secret(SecretId=one["ARN"]), "ARN": "", "KmsKeyId": one.get("KmsKeyId")}


def _keys(at: Any) -> Things:
    aliases = {one.get("TargetKeyId"): one["AliasName"] for one in at.kms.list_aliases()["Aliases"]}
    for key in at.kms.list_keys()["Keys"]:
        one = at.kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"]
        if one["KeyManager"] == "CUSTOMER" and one["KeyState"] != "PendingDeletion":
            policy = json.loads(at.kms.get_key_policy(KeyId=key["KeyId"], PolicyName="default")["Policy"])
            yield "key", {**one, "label": aliases.get(key["KeyId"], "key without alias"), "policy": policy,
                          "rotation": at.kms.get_key_rotation_status(KeyId=key["KeyId"])["KeyRotationEnabled"],
                          "tags": at.kms.list_resource_tags(KeyId=key["KeyId"])["Tags"]}
    yield from (("alias", name) for name in aliases.values() if not name.startswith("alias/aws/"))


def _messages(at: Any) -> Things:
    for url in at.sqs.list_queues().get("QueueUrls", []):
        attributes = at.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        yield "queue", {"url": url.rpartition("/")[2], **_document(attributes, "Policy"),
                        "tags": at.sqs.list_queue_tags(QueueUrl=url).get("Tags")}
    for topic in at.sns.list_topics()["Topics"]:
        attributes = at.sns.get_topic_attributes(TopicArn=topic["TopicArn"])["Attributes"]
        yield "topic", _document(attributes, "Policy")
    yield from (("subscription", one) for one in at.sns.list_subscriptions()["Subscriptions"])


def _events(at: Any) -> Things:
    for bus in at.events.list_event_buses()["EventBuses"]:
        yield "bus", _document(bus, "Policy")
        for rule in at.events.list_rules(EventBusName=bus["Name"])["Rules"]:
            targets = at.events.list_targets_by_rule(Rule=rule["Name"], EventBusName=bus["Name"])["Targets"]
            yield "rule", {**rule, "targets": targets}
    yield from (("archive", one) for one in at.events.list_archives()["Archives"])


def _watching(at: Any) -> Things:
    yield from (("alarm", one) for one in at.cloudwatch.describe_alarms()["MetricAlarms"])


def _backups(at: Any) -> Things:
    yield from (("vault", one) for one in at.backup.list_backup_vaults()["BackupVaultList"])
    for plan in at.backup.list_backup_plans()["BackupPlansList"]:
        plan_id = plan["BackupPlanId"]
        yield "plan", at.backup.get_backup_plan(BackupPlanId=plan_id)["BackupPlan"]
        for one in at.backup.list_backup_selections(BackupPlanId=plan_id)["BackupSelectionsList"]:
            yield "selection", at.backup.get_backup_selection(
                BackupPlanId=plan_id, SelectionId=one["SelectionId"])["BackupSelection"]


def _trails(at: Any) -> Things:
    for one in at.cloudtrail.describe_trails(includeShadowTrails=False)["trailList"]:
        yield "trail", {**one, "writes": at.cloudtrail.get_trail_status(Name=one["Name"])["IsLogging"], "selectors":
                        at.cloudtrail.get_event_selectors(TrailName=one["Name"])["AdvancedEventSelectors"]}


def _parameters(at: Any) -> Things:
    pages = at.ssm.get_paginator("get_parameters_by_path").paginate(Path="/drctl", Recursive=True)
    yield from (("parameter", one) for page in pages for one in page["Parameters"])


def _certificates(at: Any) -> Things:
    for one in at.acm.list_certificates()["CertificateSummaryList"]:
        arn = one["CertificateArn"]
        seen = at.acm.describe_certificate(CertificateArn=arn)["Certificate"]
        yield "certificate", {"CertificateArn": arn, "label": f"certificate {seen['DomainName']}",
                              "status": seen["Status"], "in use by": len(seen.get("InUseBy", ())),
                              "tags": at.acm.list_tags_for_certificate(CertificateArn=arn)["Tags"]}


def _roles(at: Any) -> Things:
    for role in at.iam.list_roles()["Roles"]:
        name = role["RoleName"]
        yield "role", {"name": name, "trust": role["AssumeRolePolicyDocument"],
                       "inline": {policy: at.iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
                                  for policy in at.iam.list_role_policies(RoleName=name)["PolicyNames"]},
                       "attached": at.iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"],
                       "tags": at.iam.list_role_tags(RoleName=name)["Tags"]}


def _buckets(at: Any) -> Things:
    """Buckets and the keys of their objects, but for leases, copies of journals, access logs and what a latch
    remembers: those tell of what happened."""
    for bucket in at.s3.list_buckets()["Buckets"]:
        named = {"Bucket": bucket["Name"]}
        settings = {one: _or_nothing(partial(getattr(at.s3, f"get_{one}"), **named)) for one in (
            "bucket_tagging", "bucket_encryption", "bucket_versioning", "bucket_lifecycle_configuration",
            "bucket_replication", "bucket_notification_configuration", "public_access_block", "bucket_logging",
            "bucket_ownership_controls")}
        policy = _document(_or_nothing(partial(at.s3.get_bucket_policy, **named)), "Policy")
        yield "bucket", {**named, **settings, "policy": policy}
        if not bucket["Name"].startswith(("s3-control-", "s3-access-logs-")):
            objects = at.s3.list_objects_v2(**named).get("Contents", ())
            yield from (("object", f"{bucket['Name']}/{one['Key']}") for one in objects
                        if not one["Key"].startswith("latch/"))


def _names_of_hosts(at: Any) -> Things:
    for zone in at.route53.list_hosted_zones()["HostedZones"]:
        yield "zone", {**zone, "label": f"zone {zone['Name']}"}
        for record in at.route53.list_resource_record_sets(HostedZoneId=zone["Id"])["ResourceRecordSets"]:
            yield "record", {key: value for key, value in record.items()
                             if key != "ResourceRecords" or record["Type"] in {"A", "AAAA"}}
    for check in at.route53.list_health_checks()["HealthChecks"]:
        tags = at.route53.list_tags_for_resource(ResourceType="healthcheck", ResourceId=check["Id"])[
            "ResourceTagSet"]["Tags"]
        name = next((tag["Value"] for tag in tags if tag["Key"] == "Name"), "check without name")
        yield "health check", {**check, "label": name, "tags": tags}


def _global_databases(at: Any) -> Things:
    yield from (("global cluster", one) for one in at.rds.describe_global_clusters()["GlobalClusters"])
    yield from (("dashboard", one["DashboardName"])
                for one in at.cloudwatch.list_dashboards()["DashboardEntries"])


REGIONAL: tuple[Callable[[Any], Things], ...] = (
    _network, _balancers, _firewalls, _databases, _functions, _logs, _secrets, _keys, _messages, _events, _watching,
    _backups, _trails, _parameters, _certificates)
ONCE: tuple[Callable[[Any], Things], ...] = (_roles, _buckets, _names_of_hosts, _global_databases)
