"""Scopes: how narrowly each service lets a policy say what of a stack it is about. One scope is one statement.

Where a service has names they are the scope; where it has ids of its own, the stack's tag is (EC2, KMS, ACM, AWS
Backup); `*` stands only where the service has no resource level. Source: Service Authorization Reference, "Actions,
resources, and condition keys for AWS services", the page of each service.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from drctl.permissions import conditions
from drctl.permissions.conditions import Condition
from drctl.permissions.places import ANY, Places
from drctl.steps.control_bucket import CONTROL
from drctl.steps.data_bucket import DataBucket
from drctl.steps.log_bucket import LogBucket
from drctl.steps.switch_bucket import PIN_KEY, SWITCH_KEY, SwitchBucket
from drctl.steps.trail_bucket import TrailBucket

BUCKETS = (CONTROL, DataBucket.label, LogBucket.label, SwitchBucket.label, TrailBucket.label)
#: What is done to objects that drctl knows by name.
OBJECTS = ("s3:DeleteObject", "s3:GetObject", "s3:PutObject")


@dataclass(frozen=True)
class Scope:
    """One statement: what it is about and when; `only` narrows it to actions that match one of these patterns."""

    sid: str
    resources: Callable[[Places], list[str]]
    condition: Callable[[Places], Condition] = conditions.always
    only: tuple[str, ...] = ()

    #: Whether it is for what has no resource level alone; `*` would be too wide for anything else.
    unscoped: bool = False

    def takes(self, action: str, resource: str) -> bool:
        """Whether an action that was asked for a resource can belong here."""
        fits = not self.only or any(fnmatchcase(action, pattern) for pattern in self.only)
        return fits and (resource == "*" or not self.unscoped)


def _everything(_: Places) -> list[str]:
    return ["*"]


def _switches(places: Places) -> list[str]:
    """Not the whole bucket: what lies beside the switch is none of an operator's business."""
    return [f"{bucket}/{key}" for bucket, key in zip(
        places.buckets([SwitchBucket.label]), (PIN_KEY, SWITCH_KEY), strict=True)]


def _keys(places: Places) -> list[str]:
    return places.arns("kms", "key/*")


def _network(places: Places) -> list[str]:
    return places.arns("ec2", "*/*")


def _zones(places: Places) -> list[str]:
    return [f"arn:aws:route53:::hostedzone/{places.settings.dns.zone_id or '*'}"]


def _balancers(places: Places) -> list[str]:
    return places.arns("elasticloadbalancing", "loadbalancer/app/{alb/app}/*", "listener/app/{alb/app}/*",
                       "targetgroup/{tg/app}/*")


def _waf(places: Places) -> list[str]:
    return [*places.arns("wafv2", "regional/webacl/{waf/app}/*", "regional/ipset/{waf/app}/*"),
            *places.arns("elasticloadbalancing", "loadbalancer/app/{alb/app}/*")]


def _database(places: Places) -> list[str]:
    return [*places.arns("rds", f"cluster:{{aurora/{ANY}}}", f"db:{{aurora/{ANY}}}",
                         f"cluster-snapshot:{{snapshot/{ANY}}}", "subgrp:{subnets/database}",
                         "cluster-pg:{cluster-params/database}", "pg:{params/database}"),
            *places.without_region("rds", "global-cluster:{aurora/database/}")]


def _roles(places: Places) -> list[str]:
    return places.without_region("iam", f"role/{{iam/{ANY}}}")


def _linked_roles(places: Places) -> list[str]:
    return places.without_region("iam", *(
        f"role/aws-service-role/{one}.amazonaws.com/*" for one in conditions.LINKED))


def _log_groups(places: Places) -> list[str]:
    """CloudWatch Logs asks for a group with `:*` at its end, but where tags are concerned (CloudWatch Logs API
    Reference, LogGroup)."""
    names = (f"/aws/lambda/{{lambda/{ANY}}}", f"{{logs/{ANY}}}", f"aws-waf-logs-{{waf/{ANY}}}",
             f"/aws/rds/cluster/{{aurora/{ANY}}}/postgresql")
    return [arn for name in names for arn in places.arns("logs", f"log-group:{name}", f"log-group:{name}:*")]


def _alarms(places: Places) -> list[str]:
    return [*places.arns("cloudwatch", f"alarm:{{alarm/{ANY}}}"),
            *places.without_region("cloudwatch", "dashboard/{dashboard/dr/}")]


def _events(places: Places) -> list[str]:
    return places.arns("events", "event-bus/{bus/events}", f"rule/{{bus/events}}/{{rule/{ANY}}}",
                       f"rule/{{rule/{ANY}}}", "archive/{archive/events}")


def _parameters(places: Places) -> list[str]:
    path = f"parameter/drctl/{places.environment}"
    return places.arns("ssm", path, f"{path}/*")


def _secrets(places: Places) -> list[str]:
    """A secret that is not there yet is asked for without the six characters that Secrets Manager adds to its name."""
    return places.arns("secretsmanager", "secret:{secret/database/}", "secret:{secret/database/}-??????")


def _certificates(places: Places) -> list[str]:
    return places.arns("acm", "certificate/*")


def _backup_plans(places: Places) -> list[str]:
    return [*places.arns("backup", "backup-plan:*"), *places.arns("rds", "cluster-snapshot:awsbackup:*")]


#: Every scope; what was recorded belongs to the first that takes it.
SCOPES = (
    Scope("LeasesJournalsNotes", lambda here: here.buckets([CONTROL], "/*"), only=OBJECTS),
    Scope("Switches", _switches, only=OBJECTS),
    Scope("Canaries", lambda here: here.buckets([DataBucket.label], "/.drctl/*"), only=OBJECTS),
    Scope("EmptyBuckets", lambda here: here.buckets(BUCKETS, "/*"), only=("s3:DeleteObject*", "s3:Abort*")),
    Scope("ListControl", lambda here: here.buckets([CONTROL, SwitchBucket.label]), only=("s3:ListBucket",)),
    Scope("ListData", lambda here: here.buckets([DataBucket.label, LogBucket.label, TrailBucket.label]),
          only=("s3:ListBucket",)),
    Scope("Buckets", lambda here: here.buckets(BUCKETS), only=("s3:*",)),
    Scope("KeyGrants", _keys, conditions.granted, ("kms:CreateGrant",)),
    Scope("KeysThroughServices", _keys, conditions.through_services, ("kms:*",)),
    Scope("Keys", _keys, conditions.tagged, ("kms:*",)),
    Scope("KeyAliases", lambda here: here.arns("kms", "alias/{key/data}", "alias/{key/trail}"), only=("kms:*",)),
    Scope("NewKeys", _everything, conditions.tagging_in_regions, ("kms:CreateKey", "kms:TagResource")),
    Scope("NewNetworkTags", _network, conditions.tagging_what_is_made, ("ec2:CreateTags",)),
    Scope("PeeringTags", lambda here: here.arns("ec2", "vpc-peering-connection/*"), conditions.tagging,
          ("ec2:CreateTags",)),
    Scope("NewNetwork", _network, conditions.tagging, ("ec2:Create[!T]*", "ec2:AllocateAddress")),
    Scope("Network", _network, conditions.tagged, ("ec2:*",)),
    # The group that every VPC has belongs to nobody; it is only ever closed.
    Scope("DefaultGroups", lambda here: here.arns("ec2", "security-group/*"), conditions.not_tagged,
          ("ec2:RevokeSecurityGroup*",)),
    Scope("PeeringAccept", lambda here: here.arns("ec2", "vpc-peering-connection/*"), conditions.own_vpcs,
          ("ec2:Accept*",)),
    Scope("Balancers", _balancers, only=("elasticloadbalancing:*",)),
    Scope("Waf", _waf, only=("wafv2:*",)),
    Scope("Database", _database, conditions.in_regions, ("rds:*",)),  # a global cluster's ARN has no region
    Scope("AutomaticSnapshots", lambda here: here.arns("rds", "cluster-snapshot:rds:*-{aurora/cluster}-*"),
          only=("rds:*",)),
    Scope("LookAtDatabases", lambda here: [*here.arns("rds", "*"), *here.without_region("rds", "global-cluster:*")],
          conditions.in_regions, ("rds:Describe*",)),
    Scope("Functions", lambda here: here.arns("lambda", f"function:{{lambda/{ANY}}}", f"function:{{lambda/{ANY}}}:*"),
          only=("lambda:*",)),
    Scope("PassRoles", _roles, conditions.to_services, ("iam:PassRole",)),
    Scope("NewRoles", _roles, conditions.bounded, ("iam:CreateRole", "iam:PutRole*")),
    Scope("Roles", _roles, only=("iam:*",)),
    Scope("ServiceLinkedRoles", _linked_roles, conditions.linked, ("iam:CreateServiceLinkedRole",)),
    Scope("LogGroups", _log_groups, only=("logs:*",)),
    Scope("Secret", _secrets, only=("secretsmanager:*",)),
    Scope("Alarms", _alarms, only=("cloudwatch:*",)),
    Scope("LookAtAlarms", lambda here: here.arns("cloudwatch", "alarm:*"), only=("cloudwatch:Describe*",)),
    Scope("Readiness", _everything, conditions.own_metrics, ("cloudwatch:PutMetricData",)),
    Scope("Trail", lambda here: here.arns("cloudtrail", "trail/{trail/account}"), only=("cloudtrail:*",)),
    Scope("Topics", lambda here: here.arns("sns", "{sns/alarms}"), only=("sns:*",)),
    Scope("Events", _events, only=("events:*",)),
    Scope("Queues", lambda here: here.arns("sqs", "{queue/dead-letters}", "{queue/canary}"), only=("sqs:*",)),
    Scope("Parameters", _parameters, only=("ssm:*",)),
    Scope("LookAtCertificates", _certificates, only=("acm:Describe*", "acm:List*")),
    Scope("Certificates", _certificates, conditions.tagged, ("acm:*",)),
    Scope("NewCertificates", _everything, conditions.tagging_in_regions,
          ("acm:RequestCertificate", "acm:AddTagsToCertificate")),
    Scope("BackupVaults", lambda here: here.arns("backup", "backup-vault:{backup/vault}"), only=("backup:*",)),
    Scope("BackupPlans", _backup_plans, conditions.tagged, ("backup:*",)),
    Scope("NewBackupPlans", lambda here: here.arns("backup", "backup-plan:*"), conditions.tagging,
          ("backup:CreateBackupPlan", "backup:TagResource")),
    Scope("DnsRecords", _zones, conditions.own_names, ("route53:ChangeResourceRecordSets",)),
    Scope("Dns", lambda here: [*_zones(here), "arn:aws:route53:::healthcheck/*", "arn:aws:route53:::change/*"],
          only=("route53:*",)),
    Scope("Quotas", lambda here: here.arns("servicequotas", "vpc/*", "ec2/*"), only=("servicequotas:*",)),
    Scope("LookAround", _everything, conditions.in_regions, ("*:Describe*", "*:Get*", "*:List*"), unscoped=True),
    Scope("WithoutResources", _everything, conditions.in_regions, unscoped=True),
)
