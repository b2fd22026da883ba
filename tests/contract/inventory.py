"""What stands, asked of the plain API: every thing as AWS describes it, with names in place of ids and without times.

It shares nothing with the steps' own looks. Two things of one kind that are told alike are two entries of a multiset,
so that "exactly one of everything" is an equality.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from botocore.exceptions import ClientError

from drctl.aws.clients import Aws, Region
from tests.contract.wire import Sent

Thing = tuple[str, str, str]
Inventory = Counter[Thing]

#: Ids as AWS makes them; what they name is put in their place where it is known.
ID = re.compile(r"\b(?:vpc-cidr-assoc|ela-attach|vpc|subnet|sg|sgr|rtb|rtbassoc|igw|vpce|pcx|nat|eipalloc|eipassoc|"
                r"eni|eni-attach|fl|acl|dopt)-[0-9a-f]{8,17}\b|\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"
                r"|\b(?:cluster|db)-[A-Z0-9]{20,32}\b|\bZ[A-Z0-9]{12,31}\b")
#: Parts of ARNs and host names that AWS draws by lot: load balancing, secrets, Aurora, name servers, certificates.
DRAWN = re.compile(r"(?<=/)[0-9a-f]{16}\b|(?<=-lab)-[A-Za-z0-9]{6}\b|\.c[a-z0-9-]{10,}\.(?=[a-z]{2}-[a-z]+-\d\.rds)"
                   r"|\.cluster-(?:ro-)?[a-z0-9]{8,}(?=\.)|\bns-\d+\.awsdns-\d+\.[a-z.]+|_[0-9a-f]{32}\b"
                   r"|(?<=>-)[0-9a-f]{8}(?=\.)|\bip-\d+-\d+-\d+-\d+\b"
                   r"|(?<=-)\d{8,10}(?=\.[a-z]{2}-[a-z]+-\d\.elb)|\b(?:\d{1,3}\.){3}\d{1,3}\b(?!/)")
#: Fields that differ between two equal things: times, versions of documents, addresses, numbers of uses.
VOLATILE = frozenset({
    "ResponseMetadata", "LockToken", "ETag", "RevisionId", "VersionId", "CallerReference", "NextToken", "Serial",
    "LastUpdateStatus", "StateReason", "StateReasonData", "MacAddress", "Label", "IpOwnerId", "HealthCheckVersion",
    "DomainValidationOptions", "BackupPlanArn", "storedBytes", "creationTime", "ManagedByFirewallManager", "EventCount",
    "SizeBytes", "LatestRestorableTime", "EarliestRestorableTime", "CreateDate", "CreationDate", "CreatorRequestId",
    "AvailableIpAddressCount", "VersionsCount", "DeploymentId", "ApproximateNumberOfMessages", "LastModified",
    "CreatedTimestamp", "LastModifiedTimestamp", "ModifyDate", "Size", "Version", "StateUpdatedTimestamp", "Code",
    "MasterUserSecret", "HostedZoneId", "CanonicalHostedZoneId", "EndpointNetworkInterfaceIds",
    "NetworkInterfaceIds"})
#: Ids in a thing that are another thing's.
REFERENCES = frozenset({"VpcId", "SubnetId", "OwnerId", "DhcpOptionsId"})
#: States of things that are gone but shown for a while.
GONE = frozenset({"deleted", "deleting", "failed", "rejected", "expired", "PendingDeletion"})


@dataclass(frozen=True)
class Kind:
    """One kind of thing: `service` and `words` say which changes concern it; `look` lists all of it in a region."""

    name: str
    service: str
    look: Callable[[Region, frozenset[str]], Iterable[Any]]
    #: Parts of operation names; without any, every change of the service concerns it.
    words: tuple[str, ...] = ()

    def is_touched(self, changes: Iterable[Sent]) -> frozenset[str]:
        """Regions in which one of these changes concerns this kind."""
        return frozenset(one.region for one in changes if one.service == self.service and (
            not self.words or any(word in one.operation for word in self.words)))


def take(aws: Aws, changes: Iterable[Sent]) -> Inventory:
    """All things of the kinds that these changes concern, in their regions."""
    changes = list(changes)
    things = frozenset(one.thing for one in changes)
    found: list[tuple[str, str, Any]] = []
    for kind in KINDS:
        for region in sorted(kind.is_touched(changes)):
            found += [(kind.name, region, one) for one in kind.look(aws[region], things) if not _is_gone(one)]
    names = {one_id: name for kind, _, one in found for one_id, name in _names(kind, one)}
    return Counter((kind, region, json.dumps(_told(one, names), sort_keys=True)) for kind, region, one in found)


def difference(seen: Inventory, wanted: Inventory) -> str:
    """What is there besides, what is missing, and in what a thing differs; empty when both are the same."""
    besides, missing = list((seen - wanted).elements()), list((wanted - seen).elements())
    lines = []
    for kind, region, told in besides:
        twin = next((one for one in missing if one[:2] == (kind, region)), None)
        if twin is None:
            lines.append(f"besides: {kind} {region} {told[:600]}")
        else:
            missing.remove(twin)
            lines.append(f"{kind} {region}: {'; '.join(_fields(json.loads(told), json.loads(twin[2])))[:900]}")
    lines += [f"missing: {kind} {region} {told[:600]}" for kind, region, told in missing]
    return "\n".join(lines)


def _fields(seen: Any, wanted: Any, path: str = "") -> Iterator[str]:
    """Where two told things differ."""
    if isinstance(seen, dict) and isinstance(wanted, dict):
        for key in sorted(set(seen) | set(wanted)):
            yield from _fields(seen.get(key), wanted.get(key), f"{path}.{key}")
    elif seen != wanted:
        yield f"{path} is {json.dumps(seen)[:300]}, not {json.dumps(wanted)[:300]}"


def _is_gone(one: Any) -> bool:
    state = one.get("State", one.get("Status", one.get("KeyState"))) if isinstance(one, dict) else None
    state = state.get("Code") if isinstance(state, dict) else state
    return state in GONE


def _names(kind: str, one: Any) -> Iterator[tuple[str, str]]:
    """The id of a thing and what it is called, where it is called anything."""
    if isinstance(one, dict):
        tags = {tag.get("Key", tag.get("TagKey")): tag.get("Value", tag.get("TagValue"))
                for tag in one.get("Tags") or () if isinstance(tag, dict)}
        name = tags.get("Name") or one.get("GroupName") or kind
        own = {"vpc": ("VpcId",), "subnet": ("SubnetId",)}.get(kind)
        for field in own or [one for one in one if one.endswith("Id") and one not in REFERENCES]:
            if isinstance(value := one.get(field), str) and ID.fullmatch(value):
                yield value, f"<{name}>"


def _told(one: Any, names: dict[str, str]) -> Any:
    """A thing without what differs between two equal ones; the order of lists means nothing."""
    if isinstance(one, dict):
        return {str(key): _told(value, names) for key, value in one.items()
                if key not in VOLATILE and not isinstance(value, datetime)}
    if isinstance(one, list | tuple | set | frozenset):
        return sorted((_told(value, names) for value in one), key=lambda item: json.dumps(item, sort_keys=True))
    if isinstance(one, str):
        return DRAWN.sub("*", ID.sub(lambda found: names.get(found[0], f"<{re.split('-[0-9a-f]', found[0])[0]}>"
                                                             if found[0][:8].count("-") else "<id>"), one))
    return one if isinstance(one, int | float | bool) or one is None else str(one)


# The looks ----------------------------------------------------------------------------------------------------------


def _pages(client: Any, operation: str, field: str, **arguments: Any) -> list[Any]:
    if client.can_paginate(operation):
        return [one for page in client.get_paginator(operation).paginate(**arguments) for one in page.get(field, [])]
    return list(getattr(client, operation)(**arguments).get(field, []))


def _list(service: str, operation: str, field: str, **arguments: Any) -> Callable[[Region, frozenset[str]], list[Any]]:
    return lambda at, _: _pages(getattr(at, service), operation, field, **arguments)


def _or_absent(call: Callable[[], Any]) -> Any:
    """An answer, or the code of the refusal: S3 answers so where nothing was ever set."""
    try:
        return call()
    except ClientError as error:
        return error.response["Error"]["Code"]


def _vpcs(at: Region, _: frozenset[str]) -> Iterator[Any]:
    for vpc in at.ec2.describe_vpcs()["Vpcs"]:
        yield {**vpc, "dns": [at.ec2.describe_vpc_attribute(VpcId=vpc["VpcId"], Attribute=name) for name in (
            "enableDnsSupport", "enableDnsHostnames")] if not vpc["IsDefault"] else []}


def _keys(at: Region, _: frozenset[str]) -> Iterator[Any]:
    for key in _pages(at.kms, "list_keys", "Keys"):
        one = at.kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"]
        if one["KeyManager"] == "CUSTOMER" and one["KeyState"] not in GONE:
            yield {**one, "Tags": at.kms.list_resource_tags(KeyId=key["KeyId"])["Tags"],
                   "policy": json.loads(at.kms.get_key_policy(KeyId=key["KeyId"], PolicyName="default")["Policy"]),
                   "rotation": at.kms.get_key_rotation_status(KeyId=key["KeyId"])["KeyRotationEnabled"]}


def _aliases(at: Region, _: frozenset[str]) -> Iterator[Any]:
    return (one for one in _pages(at.kms, "list_aliases", "Aliases") if not one["AliasName"].startswith("alias/aws/"))


def _roles(at: Region, _: frozenset[str]) -> Iterator[Any]:
    for role in _pages(at.iam, "list_roles", "Roles"):
        name = role["RoleName"]
        yield {"name": name, "trust": role["AssumeRolePolicyDocument"],
               "tags": at.iam.list_role_tags(RoleName=name)["Tags"],
               "attached": at.iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"],
               "inline": [at.iam.get_role_policy(RoleName=name, PolicyName=one)["PolicyDocument"]
                          for one in at.iam.list_role_policies(RoleName=name)["PolicyNames"]]}


def _buckets(at: Region, things: frozenset[str]) -> Iterator[Any]:
    """All buckets by name; those that were changed with all that can be set, and what is in them."""
    for bucket in at.s3.list_buckets()["Buckets"]:
        name, told = bucket["Name"], {}
        if name in things:
            told = {look: _or_absent(partial(getattr(at.s3, look), Bucket=name)) for look in (
                "get_bucket_versioning", "get_bucket_logging", "get_bucket_encryption", "get_bucket_policy",
                "get_bucket_tagging",
                "get_bucket_lifecycle_configuration", "get_public_access_block", "get_bucket_ownership_controls",
                "get_bucket_replication", "list_object_versions")}
        yield {"name": name, **told}


def _zones(at: Region, _: frozenset[str]) -> Iterator[Any]:
    for zone in _pages(at.route53, "list_hosted_zones", "HostedZones"):
        short = zone["Id"].rpartition("/")[2]
        yield {"name": zone["Name"], "config": zone["Config"],
               "tags": at.route53.list_tags_for_resource(ResourceType="hostedzone", ResourceId=short)["ResourceTagSet"][
                   "Tags"],
               "records": [one for one in _pages(at.route53, "list_resource_record_sets", "ResourceRecordSets",
                                                 HostedZoneId=short) if one["Type"] not in {"NS", "SOA"}]}


def _checks(at: Region, _: frozenset[str]) -> Iterator[Any]:
    for check in _pages(at.route53, "list_health_checks", "HealthChecks"):
        answer = at.route53.list_tags_for_resource(ResourceType="healthcheck", ResourceId=check["Id"])
        yield {**check, "Tags": answer["ResourceTagSet"]["Tags"]}


def _balancers(at: Region, _: frozenset[str]) -> Iterator[Any]:
    for one in _pages(at.elbv2, "describe_load_balancers", "LoadBalancers"):
        arn = one["LoadBalancerArn"]
        yield {**one, "attributes": at.elbv2.describe_load_balancer_attributes(LoadBalancerArn=arn)["Attributes"],
               "tags": at.elbv2.describe_tags(ResourceArns=[arn])["TagDescriptions"],
               "listeners": [(listener, at.elbv2.describe_tags(ResourceArns=[listener["ListenerArn"]])[
                   "TagDescriptions"]) for listener in _pages(at.elbv2, "describe_listeners", "Listeners",
                                                              LoadBalancerArn=arn)]}


def _target_groups(at: Region, _: frozenset[str]) -> Iterator[Any]:
    for one in _pages(at.elbv2, "describe_target_groups", "TargetGroups"):
        arn = one["TargetGroupArn"]
        targets = at.elbv2.describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"]
        yield {**one, "attributes": at.elbv2.describe_target_group_attributes(TargetGroupArn=arn)["Attributes"],
               "tags": at.elbv2.describe_tags(ResourceArns=[arn])["TagDescriptions"],
               "targets": [target["Target"]["Id"] for target in targets]}


def _functions(at: Region, _: frozenset[str]) -> Iterator[Any]:
    client = at.lambda_
    for one in _pages(client, "list_functions", "Functions"):
        name = one["FunctionName"]
        policies = [_or_absent(partial(client.get_policy, FunctionName=name, **qualifier))
                    for qualifier in ({}, {"Qualifier": "live"})]
        yield {**one, "tags": client.list_tags(Resource=one["FunctionArn"])["Tags"],
               "policies": [json.loads(one["Policy"]) if isinstance(one, dict) else one for one in policies],
               "versions": [version["Version"] for version in _pages(
                   client, "list_versions_by_function", "Versions", FunctionName=name)],
               "aliases": [(alias["Name"], alias["FunctionVersion"]) for alias in _pages(
                   client, "list_aliases", "Aliases", FunctionName=name)]}


def _acls(at: Region, _: frozenset[str]) -> Iterator[Any]:
    behind = [(one["LoadBalancerName"], at.wafv2.get_web_acl_for_resource(ResourceArn=one["LoadBalancerArn"]).get(
        "WebACL", {}).get("Name")) for one in _pages(at.elbv2, "describe_load_balancers", "LoadBalancers")]
    for one in at.wafv2.list_web_acls(Scope="REGIONAL")["WebACLs"]:
        whole = at.wafv2.get_web_acl(Name=one["Name"], Id=one["Id"], Scope="REGIONAL")["WebACL"]
        yield {**whole, "logs": _or_absent(partial(at.wafv2.get_logging_configuration, ResourceArn=one["ARN"])),
               "tags": at.wafv2.list_tags_for_resource(ResourceARN=one["ARN"])["TagInfoForResource"],
               "in front of": [balancer for balancer, acl in behind if acl == one["Name"]]}


def _ip_sets(at: Region, _: frozenset[str]) -> Iterator[Any]:
    for one in at.wafv2.list_ip_sets(Scope="REGIONAL")["IPSets"]:
        yield {**at.wafv2.get_ip_set(Name=one["Name"], Id=one["Id"], Scope="REGIONAL")["IPSet"],
               "tags": at.wafv2.list_tags_for_resource(ResourceARN=one["ARN"])["TagInfoForResource"]}


def _log_groups(at: Region, _: frozenset[str]) -> Iterator[Any]:
    for one in _pages(at.logs, "describe_log_groups", "logGroups"):
        yield {**one, "tags": at.logs.list_tags_for_resource(resourceArn=one["arn"].removesuffix(":*"))["tags"]}


def _certificates(at: Region, _: frozenset[str]) -> Iterator[Any]:
    for one in _pages(at.acm, "list_certificates", "CertificateSummaryList"):
        arn = one["CertificateArn"]
        yield {**at.acm.describe_certificate(CertificateArn=arn)["Certificate"],
               "Tags": at.acm.list_tags_for_certificate(CertificateArn=arn)["Tags"]}


def _buses(at: Region, _: frozenset[str]) -> Iterator[Any]:
    for bus in _pages(at.events, "list_event_buses", "EventBuses"):
        rules = _pages(at.events, "list_rules", "Rules", EventBusName=bus["Name"])
        yield {**bus, "tags": at.events.list_tags_for_resource(ResourceARN=bus["Arn"])["Tags"],
               "rules": [(rule, at.events.list_targets_by_rule(Rule=rule["Name"], EventBusName=bus["Name"])["Targets"],
                          at.events.list_tags_for_resource(ResourceARN=rule["Arn"])["Tags"]) for rule in rules]}


def _queues(at: Region, _: frozenset[str]) -> Iterator[Any]:
    for url in at.sqs.list_queues().get("QueueUrls", []):
        attributes = at.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        yield {**{key: value for key, value in attributes.items()
                  if "Timestamp" not in key and not key.startswith("Approximate")},
               "tags": at.sqs.list_queue_tags(QueueUrl=url).get("Tags", {})}


def _topics(at: Region, _: frozenset[str]) -> Iterator[Any]:
    for one in _pages(at.sns, "list_topics", "Topics"):
        arn = one["TopicArn"]
        yield {**at.sns.get_topic_attributes(TopicArn=arn)["Attributes"],
               "tags": at.sns.list_tags_for_resource(ResourceArn=arn)["Tags"],
               "subscribers": _pages(at.sns, "list_subscriptions_by_topic", "Subscriptions", TopicArn=arn)}


def _parameter_groups(at: Region, _: frozenset[str]) -> Iterator[Any]:
    for one in _pages(at.rds, "describe_db_cluster_parameter_groups", "DBClusterParameterGroups"):
        yield {**one, "values": _pages(
            at.rds, "describe_db_cluster_parameters", "Parameters",
            DBClusterParameterGroupName=one["DBClusterParameterGroupName"], Source="user")}
    for one in _pages(at.rds, "describe_db_parameter_groups", "DBParameterGroups"):
        yield {**one, "values": _pages(
            at.rds, "describe_db_parameters", "Parameters", DBParameterGroupName=one["DBParameterGroupName"],
            Source="user")}


def _secrets(at: Region, _: frozenset[str]) -> Iterator[Any]:
    for one in _pages(at.secrets, "list_secrets", "SecretList", IncludePlannedDeletion=True):
        yield {**{key: value for key, value in one.items() if key != "SecretVersionsToStages"},
               "versions": list(one.get("SecretVersionsToStages", {}).values())}


def _dashboards(at: Region, _: frozenset[str]) -> Iterator[Any]:
    for one in _pages(at.cloudwatch, "list_dashboards", "DashboardEntries"):
        body = at.cloudwatch.get_dashboard(DashboardName=one["DashboardName"])["DashboardBody"]
        yield {"name": one["DashboardName"], "body": json.loads(body)}


def _plans(at: Region, _: frozenset[str]) -> Iterator[Any]:
    for one in _pages(at.backup, "list_backup_plans", "BackupPlansList"):
        plan_id = one["BackupPlanId"]
        yield {"plan": at.backup.get_backup_plan(BackupPlanId=plan_id)["BackupPlan"], "selections": [
            at.backup.get_backup_selection(BackupPlanId=plan_id, SelectionId=chosen["SelectionId"])["BackupSelection"]
            for chosen in at.backup.list_backup_selections(BackupPlanId=plan_id)["BackupSelectionsList"]]}


def _trails(at: Region, _: frozenset[str]) -> Iterator[Any]:
    for one in _pages(at.cloudtrail, "describe_trails", "trailList", includeShadowTrails=False):
        name = one["Name"]
        yield {**one, "writes": at.cloudtrail.get_trail_status(Name=name)["IsLogging"],
               "selectors": at.cloudtrail.get_event_selectors(TrailName=name)["AdvancedEventSelectors"],
               "tags": at.cloudtrail.list_tags(ResourceIdList=[one["TrailARN"]])["ResourceTagList"]}


KINDS = (
    Kind("vpc", "ec2", _vpcs, ("CreateVpc", "DeleteVpc", "ModifyVpcAttribute")),
    Kind("internet gateway", "ec2", _list("ec2", "describe_internet_gateways", "InternetGateways"),
         ("InternetGateway",)),
    Kind("subnet", "ec2", _list("ec2", "describe_subnets", "Subnets"), ("Subnet",)),
    Kind("route table", "ec2", _list("ec2", "describe_route_tables", "RouteTables"),
         ("Route", "VpcEndpoint", "Peering", "NatGateway")),
    Kind("security group", "ec2", _list("ec2", "describe_security_groups", "SecurityGroups"), ("SecurityGroup",)),
    Kind("endpoint", "ec2", _list("ec2", "describe_vpc_endpoints", "VpcEndpoints"), ("VpcEndpoint",)),
    Kind("NAT gateway", "ec2", _list("ec2", "describe_nat_gateways", "NatGateways"), ("NatGateway",)),
    Kind("address", "ec2", _list("ec2", "describe_addresses", "Addresses"), ("Address", "NatGateway")),
    Kind("flow log", "ec2", _list("ec2", "describe_flow_logs", "FlowLogs"), ("FlowLog",)),
    Kind("peering", "ec2", _list("ec2", "describe_vpc_peering_connections", "VpcPeeringConnections"), ("Peering",)),
    Kind("key", "kms", _keys), Kind("alias", "kms", _aliases),
    Kind("role", "iam", _roles), Kind("bucket", "s3", _buckets),
    Kind("zone", "route53", _zones), Kind("health check", "route53", _checks),
    Kind("balancer", "elbv2", _balancers), Kind("target group", "elbv2", _target_groups),
    Kind("function", "lambda", _functions),
    Kind("web ACL", "wafv2", _acls), Kind("address set", "wafv2", _ip_sets),
    Kind("log group", "logs", _log_groups), Kind("certificate", "acm", _certificates),
    Kind("bus", "events", _buses), Kind("archive", "events", _list("events", "list_archives", "Archives")),
    Kind("queue", "sqs", _queues), Kind("topic", "sns", _topics),
    Kind("alarm", "cloudwatch", _list("cloudwatch", "describe_alarms", "MetricAlarms")),
    Kind("dashboard", "cloudwatch", _dashboards, ("Dashboard",)),
    Kind("parameter", "ssm", _list("ssm", "get_parameters_by_path", "Parameters", Path="/drctl", Recursive=True)),
    Kind("secret", "secretsmanager", _secrets),
    Kind("cluster", "rds", _list("rds", "describe_db_clusters", "DBClusters"), ("Cluster", "Instance")),
    Kind("instance", "rds", _list("rds", "describe_db_instances", "DBInstances"), ("Cluster", "Instance")),
    Kind("snapshot", "rds", _list("rds", "describe_db_cluster_snapshots", "DBClusterSnapshots", SnapshotType="manual"),
         ("Snapshot", "Cluster")),
    Kind("subnet group", "rds", _list("rds", "describe_db_subnet_groups", "DBSubnetGroups"), ("SubnetGroup",)),
    Kind("parameter group", "rds", _parameter_groups, ("ParameterGroup",)),
    Kind("global cluster", "rds", _list("rds", "describe_global_clusters", "GlobalClusters"), ("Cluster",)),
    Kind("vault", "backup", _list("backup", "list_backup_vaults", "BackupVaultList")),
    Kind("backup plan", "backup", _plans),
    Kind("trail", "cloudtrail", _trails),
    Kind("metric filter", "logs", _list("logs", "describe_metric_filters", "metricFilters"), ("MetricFilter",)),
    Kind("interface", "ec2", _list("ec2", "describe_network_interfaces", "NetworkInterfaces"),
         ("VpcEndpoint", "NatGateway")),
)
