"""A built stack in the lab of this process, what can happen to it by hand, and settings that somebody may choose later.

Damages go through the plain API, as somebody with a console would do them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

from drctl.actions.plan import Plan, plan
from drctl.aws.clients import Aws, Credentials, Door, Region
from drctl.aws.prices import Prices
from drctl.engine import runner
from drctl.engine.clock import Clock
from drctl.engine.events import Events
from drctl.engine.run import Run
from drctl.engine.survey import Looking
from drctl.lab.server import Lab
from drctl.settings import LAB_ACCOUNT, Settings
from drctl.stack import stack_of
from tests.conftest import SPEED, Relay
from tests.straight import Straight

EAST, WEST = "us-east-1", "us-west-2"
#: What a plan calls what a provision calls so.
DONE_AS = {"create": "created", "change": "changed", "replace": "changed"}
Damage = Callable[[Region], Any]


@dataclass
class Planned:
    """The lab, and drctl's runs against it, each of which remembers nothing of the one before."""

    lab: Lab
    relay: Relay = field(default_factory=Relay)

    def __post_init__(self) -> None:
        self.aws: Aws = Straight(self.lab.counting, Door(self.lab.endpoint, Credentials("lab", "lab"), speed=SPEED),
                                 self.relay)

    def run(self, settings: Settings) -> Run:
        """A run as another process would make it."""
        clock = Clock(SPEED)
        events = Events(clock)
        self.relay.to = events
        return Run("planned", settings, self.aws, clock, events)

    def plan(self, settings: Settings) -> Plan:
        """What `drctl plan` would say."""
        try:
            return plan(Looking.of(self.run(settings)), stack_of(settings).steps, Prices({}), within_s=600, looks=1)
        finally:
            self.relay.to = Events(Clock(SPEED))  # who does damage by hand may do so

    def provision(self, settings: Settings) -> dict[str, str]:
        """Build step by step, and what became of each step that was not kept."""
        run = self.run(settings)
        outcomes = [one for step in stack_of(settings).steps for one in runner.build(run, [step])]
        return {one.step.key: one.result for one in outcomes if one.result != "kept"}

    def calls(self) -> tuple[int, int]:
        """How many calls the lab has counted, and how many of them could change something."""
        counted = self.lab.counting.calls
        return sum(counted.values()), sum(count for (*_, mutating), count in counted.items() if mutating)


def intended(found: Plan) -> dict[str, str]:
    """What the plan says of each step that it does not keep, in the words of a provision."""
    return {one.step.key: DONE_AS.get(one.what, one.what) for one in found.intents if one.what != "keep"}


def changed(settings: Settings, parts: Mapping[str, Any]) -> Settings:
    """The same settings but for these keys of these parts."""
    document = settings.model_dump()
    return Settings.model_validate({**document, **{
        part: {**document[part], **value} if isinstance(value, dict) else value for part, value in parts.items()}})


#: What somebody may choose later; each can be taken back.
CHOICES: tuple[Mapping[str, Any], ...] = (
    {"alarms": {"database_connections": 300, "error_percent": 7.5}}, {"alarms": {"email": "on-call@example.org"}},
    {"app": {"memory_mb": 256, "timeout_s": 20}}, {"backup": {"enabled": True}}, {"trail": {"enabled": True}},
    {"database": {"backup_retention_days": 3, "max_acu": 8}}, {"database": {"rpo_limit_s": 60}},
    {"database": {"instances": 2}}, {"database": {"instance_class": "db.r6g.large"}},
    {"dns": {"health_threshold": 4}}, {"dns": {"health_interval_s": 30, "latch_minutes": 9}},
    {"dns": {"record": "www"}}, {"events": {"archive_days": 5}}, {"logs": {"retention_days": 30}},
    {"network": {"admit_cidrs": ["203.0.113.0/24"]}}, {"network": {"admit_cloudfront": True}},
    {"network": {"egress": "nat"}}, {"storage": {"noncurrent_days": 10, "access_log_days": 30}},
    {"waf": {"rate_limit": 3000}}, {"tls": {"mode": "off"}}, {"deletion_protection": True},
    {"objectives": {"rpo_minutes": 5}}, {"tags": {"team": "platform"}},
)


def _name(service: str, purpose: str, at: Region) -> str:
    return f"{service}-{purpose}-{at.name}-lab"


def _bucket(purpose: str, at: Region) -> str:
    return f"{_name('s3', purpose, at)}-{LAB_ACCOUNT}"


def _arn(service: str, at: Region, rest: str) -> str:
    return f"arn:aws:{service}:{at.name}:{LAB_ACCOUNT}:{rest}"


def _first(answer: Mapping[str, Any], items: str, key: str) -> Any:
    return answer[items][0][key]


def _vpc(at: Region) -> str:
    return str(_first(at.ec2.describe_vpcs(Filters=[{"Name": "tag:drctl:stack", "Values": ["lab"]}]), "Vpcs", "VpcId"))


def _table(at: Region, purpose: str) -> Any:
    return at.ec2.describe_route_tables(Filters=[{"Name": "tag:Name", "Values": [_name("ec2", purpose, at)]}])[
        "RouteTables"][0]


def _group(at: Region, purpose: str) -> str:
    return str(_first(at.ec2.describe_security_groups(Filters=[
        {"Name": "group-name", "Values": [_name("security-group", purpose, at)]}]), "SecurityGroups", "GroupId"))


def _key(at: Region) -> str:
    return str(at.kms.describe_key(KeyId=f"alias/{_name('key', 'data', at)}")["KeyMetadata"]["KeyId"])


def _balancer(at: Region) -> str:
    return str(_first(at.elbv2.describe_load_balancers(Names=[_name("alb", "app", at)]), "LoadBalancers",
                      "LoadBalancerArn"))


def _check(at: Region, label: str) -> str:
    return str(next(one["Id"] for one in at.route53.list_health_checks()["HealthChecks"]
                    if f"-{label}-" in one["CallerReference"]))


def _world_open(at: Region) -> Any:
    return at.ec2.authorize_security_group_ingress(GroupId=_group(at, "database"), IpPermissions=[
        {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}])


def _acl(at: Region) -> Any:
    return next(one for one in at.wafv2.list_web_acls(Scope="REGIONAL")["WebACLs"])


def _flow_log(at: Region) -> Any:
    return at.ec2.delete_flow_logs(FlowLogIds=[_first(at.ec2.describe_flow_logs(), "FlowLogs", "FlowLogId")])


def _endpoint(at: Region) -> Any:
    found = at.ec2.describe_vpc_endpoints(Filters=[
        {"Name": "tag:Name", "Values": [_name("ec2", "endpoint-events", at)]}])
    return at.ec2.delete_vpc_endpoints(VpcEndpointIds=[
        one["VpcEndpointId"] for one in found["VpcEndpoints"] if str(one["State"]).lower() == "available"])


def _peering(at: Region) -> Any:
    return at.ec2.delete_vpc_peering_connection(VpcPeeringConnectionId=next(
        one["VpcPeeringConnectionId"] for one in at.ec2.describe_vpc_peering_connections()["VpcPeeringConnections"]
        if one["Status"]["Code"] == "active"))


def _listener(at: Region, port: int) -> str:
    found = at.elbv2.describe_listeners(LoadBalancerArn=_balancer(at))["Listeners"]
    return str(next(one["ListenerArn"] for one in found if one["Port"] == port))


def _role(at: Region, label: str) -> Any:
    name = _name("iam", label, at)
    at.iam.delete_role_policy(RoleName=name, PolicyName=label)
    return at.iam.delete_role(RoleName=name)


#: What may happen to a region of the stack, by name. The app's region is where it happens; it may be both's own.
DAMAGES: Mapping[str, Damage] = {
    "a topic is deleted": lambda at: at.sns.delete_topic(TopicArn=_arn("sns", at, _name("sns", "alarms", at))),
    "a topic loses its key": lambda at: at.sns.set_topic_attributes(
        TopicArn=_arn("sns", at, _name("sns", "alarms", at)), AttributeName="KmsMasterKeyId", AttributeValue=""),
    "a key loses its alias": lambda at: at.kms.delete_alias(AliasName=f"alias/{_name('key', 'data', at)}"),
    "a key does not rotate": lambda at: at.kms.disable_key_rotation(KeyId=_key(at)),
    "an alarm is deleted": lambda at: at.cloudwatch.delete_alarms(AlarmNames=[_name("alarm", "database-cpu", at)]),
    "the dashboard is deleted": lambda at: at.cloudwatch.delete_dashboards(DashboardNames=["dashboard-dr-global-lab"]),
    "a parameter is changed": lambda at: at.ssm.put_parameter(
        Name="/drctl/lab/app-name", Value="elsewhere", Type="String", Overwrite=True),
    "a parameter is deleted": lambda at: at.ssm.delete_parameter(Name="/drctl/lab/bucket"),
    "a group lets the world in": _world_open,
    "a route to the other region is deleted": lambda at: at.ec2.delete_route(
        RouteTableId=_table(at, "database")["RouteTableId"],
        DestinationCidrBlock="10.1.0.0/16" if at.name == EAST else "10.0.0.0/16"),
    "the peering is deleted": _peering,
    "DNS names are switched off": lambda at: at.ec2.modify_vpc_attribute(
        VpcId=_vpc(at), EnableDnsHostnames={"Value": False}),
    "a flow log is deleted": _flow_log,
    "an endpoint is deleted": _endpoint,
    "a bucket can be made public": lambda at: at.s3.delete_public_access_block(Bucket=_bucket("data", at)),
    "a bucket loses its policy": lambda at: at.s3.delete_bucket_policy(Bucket=_bucket("switch", at)),
    "replication is removed": lambda at: at.s3.delete_bucket_replication(Bucket=_bucket("data", at)),
    "access logs are deleted with their bucket": lambda at: at.s3.delete_bucket(Bucket=_bucket("access-logs", at)),
    "a log group is deleted": lambda at: at.logs.delete_log_group(
        logGroupName=f"/aws/lambda/{_name('lambda', 'app', at)}"),
    "a log is kept for a day": lambda at: at.logs.put_retention_policy(
        logGroupName=f"aws-waf-logs-{_name('waf', 'app', at)}", retentionInDays=1),
    "a role is deleted": lambda at: _role(at, "replication"),
    "a role loses its rights": lambda at: at.iam.delete_role_policy(
        RoleName=_name("iam", "app", at), PolicyName="app"),
    "a function is older": lambda at: at.lambda_.update_alias(
        FunctionName=_name("lambda", "probe", at), Name="live", FunctionVersion="$LATEST"),
    "a rule is disabled": lambda at: at.events.disable_rule(
        Name=_name("rule", "event-forwarding", at), EventBusName=_name("bus", "events", at)),
    "a bus admits nobody": lambda at: at.events.remove_permission(
        RemoveAllPermissions=True, EventBusName=_name("bus", "events", at)),
    "a queue is deleted": lambda at: at.sqs.delete_queue(
        QueueUrl=at.sqs.get_queue_url(QueueName=_name("queue", "canary", at))["QueueUrl"]),
    "a balancer is protected": lambda at: at.elbv2.modify_load_balancer_attributes(
        LoadBalancerArn=_balancer(at), Attributes=[{"Key": "deletion_protection.enabled", "Value": "true"}]),
    "a listener is deleted": lambda at: at.elbv2.delete_listener(ListenerArn=_listener(at, 80)),
    "a web ACL is taken away": lambda at: at.wafv2.disassociate_web_acl(ResourceArn=_balancer(at)),
    "a web ACL does not log": lambda at: at.wafv2.delete_logging_configuration(ResourceArn=_acl(at)["ARN"]),
    "a cluster keeps backups for a day": lambda at: at.rds.modify_db_cluster(
        DBClusterIdentifier=_name("aurora", "cluster", at), BackupRetentionPeriod=1, ApplyImmediately=True),
    "a database parameter is changed": lambda at: at.rds.modify_db_parameter_group(
        DBParameterGroupName=_name("params", "database", at), Parameters=[
            {"ParameterName": "log_lock_waits", "ParameterValue": "0", "ApplyMethod": "immediate"}]),
    "a health check is looser": lambda at: at.route53.update_health_check(
        HealthCheckId=_check(at, "standby-app"), FailureThreshold=9),
    "a health check is deleted": lambda at: at.route53.delete_health_check(HealthCheckId=_check(at, "standby-app")),
}


def damaged(world: Planned, names: Iterable[str], random: Random) -> list[str]:
    """Do each of these in one of the regions, and say what was done."""
    done = []
    for name in names:
        region = random.choice((EAST, WEST))
        DAMAGES[name](world.aws[region])
        done.append(f"{name} in {region}")
    return done


def foreign_topic(at: Region) -> str:
    """Somebody else's topic under the name of ours."""
    arn = at.sns.create_topic(Name=_name("sns", "alarms", at), Tags=[{"Key": "team", "Value": "others"}])["TopicArn"]
    at.sns.set_topic_attributes(TopicArn=arn, AttributeName="Policy", AttributeValue=json.dumps({
        "Version": "2012-10-17", "Statement": []}))
    return arn
