"""How each kind of resource is listed: what the inventory asks, kind by kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

#: States in which EC2 still shows what is gone.
DEAD = {"deleted", "deleting", "rejected", "expired", "failed"}


@dataclass(frozen=True)
class Listing:
    """How one kind is listed: client, operation, key of the items, keys of id and of name or tags in an item."""

    kind: str
    service: str
    operation: str
    items: str
    id: str
    #: Key of the item's name; empty when ownership is told by `tags`.
    name: str = ""
    tags: str = ""
    state: Callable[[Any], str] = lambda _: ""
    arguments: tuple[tuple[str, Any], ...] = ()


def _ec2(kind: str, operation: str, items: str, item_id: str, state: Callable[[Any], str] = lambda _: "") -> Listing:
    return Listing(f"ec2:{kind}", "ec2", operation, items, item_id, tags="Tags", state=state)


def _plain_state(item: Any) -> str:
    return str(item["State"]).lower()


EC2 = (
    _ec2("vpc", "describe_vpcs", "Vpcs", "VpcId"),
    _ec2("subnet", "describe_subnets", "Subnets", "SubnetId"),
    _ec2("internet-gateway", "describe_internet_gateways", "InternetGateways", "InternetGatewayId"),
    _ec2("route-table", "describe_route_tables", "RouteTables", "RouteTableId"),
    _ec2("security-group", "describe_security_groups", "SecurityGroups", "GroupId"),
    _ec2("vpc-endpoint", "describe_vpc_endpoints", "VpcEndpoints", "VpcEndpointId", _plain_state),
    _ec2("natgateway", "describe_nat_gateways", "NatGateways", "NatGatewayId", _plain_state),
    _ec2("elastic-ip", "describe_addresses", "Addresses", "AllocationId"),
    _ec2("vpc-peering-connection", "describe_vpc_peering_connections", "VpcPeeringConnections",
         "VpcPeeringConnectionId", lambda item: str(item["Status"]["Code"])),
    _ec2("vpc-flow-log", "describe_flow_logs", "FlowLogs", "FlowLogId"),
)
REGIONAL = (
    Listing("elbv2:loadbalancer", "elbv2", "describe_load_balancers", "LoadBalancers", "LoadBalancerArn",
            name="LoadBalancerName"),
    Listing("elbv2:targetgroup", "elbv2", "describe_target_groups", "TargetGroups", "TargetGroupArn",
            name="TargetGroupName"),
    Listing("wafv2:webacl", "wafv2", "list_web_acls", "WebACLs", "ARN", name="Name",
            arguments=(("Scope", "REGIONAL"),)),
    Listing("wafv2:ipset", "wafv2", "list_ip_sets", "IPSets", "ARN", name="Name", arguments=(("Scope", "REGIONAL"),)),
    Listing("rds:cluster", "rds", "describe_db_clusters", "DBClusters", "DBClusterArn", tags="TagList"),
    Listing("rds:db", "rds", "describe_db_instances", "DBInstances", "DBInstanceArn", tags="TagList"),
    # Automated ones go with their cluster; other manual ones may carry our tags, which a cluster can hand on to them.
    Listing("rds:cluster-snapshot", "rds", "describe_db_cluster_snapshots", "DBClusterSnapshots",
            "DBClusterSnapshotArn", name="DBClusterSnapshotIdentifier", arguments=(("SnapshotType", "manual"),)),
    Listing("rds:subgrp", "rds", "describe_db_subnet_groups", "DBSubnetGroups", "DBSubnetGroupArn",
            name="DBSubnetGroupName"),
    Listing("rds:cluster-pg", "rds", "describe_db_cluster_parameter_groups", "DBClusterParameterGroups",
            "DBClusterParameterGroupArn", name="DBClusterParameterGroupName"),
    Listing("rds:pg", "rds", "describe_db_parameter_groups", "DBParameterGroups", "DBParameterGroupArn",
            name="DBParameterGroupName"),
    Listing("lambda:function", "lambda_", "list_functions", "Functions", "FunctionArn", name="FunctionName"),
    Listing("logs:log-group", "logs", "describe_log_groups", "logGroups", "arn", name="logGroupName"),
    Listing("secretsmanager:secret", "secrets", "list_secrets", "SecretList", "ARN", tags="Tags"),
    Listing("kms:alias", "kms", "list_aliases", "Aliases", "AliasArn", name="AliasName"),
    Listing("sqs:queue", "sqs", "list_queues", "QueueUrls", "", name=""),
    Listing("sns:topic", "sns", "list_topics", "Topics", "TopicArn", name="TopicArn"),
    Listing("events:event-bus", "events", "list_event_buses", "EventBuses", "Arn", name="Name"),
    Listing("events:rule", "events", "list_rules", "Rules", "Arn", name="Name"),
    Listing("events:archive", "events", "list_archives", "Archives", "ArchiveName", name="ArchiveName"),
    Listing("cloudwatch:alarm", "cloudwatch", "describe_alarms", "MetricAlarms", "AlarmArn", name="AlarmName"),
    Listing("backup:vault", "backup", "list_backup_vaults", "BackupVaultList", "BackupVaultArn",
            name="BackupVaultName"),
    Listing("backup:plan", "backup", "list_backup_plans", "BackupPlansList", "BackupPlanArn", name="BackupPlanName"),
)
ONCE = (
    Listing("cloudtrail:trail", "cloudtrail", "list_trails", "Trails", "TrailARN", name="Name"),
    Listing("iam:role", "iam", "list_roles", "Roles", "Arn", name="RoleName"),
    Listing("s3:bucket", "s3", "list_buckets", "Buckets", "Name", name="Name"),
    Listing("cloudwatch:dashboard", "cloudwatch", "list_dashboards", "DashboardEntries", "DashboardName",
            name="DashboardName"),
    Listing("rds:global-cluster", "rds", "describe_global_clusters", "GlobalClusters", "GlobalClusterArn",
            tags="TagList"),
)
