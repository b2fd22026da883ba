"""What can go wrong with a stack that is ready, each by the plain API, with the rule that has to find it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from drctl.aws.clients import Region
from drctl.engine.step import Step
from drctl.readiness.readiness import RULES
from drctl.readiness.rule import Owns
from drctl.settings import Settings, Site
from tests.readiness.world import World

Where = Literal["either", "primary", "standby", "active", "follower"]
Act = Callable[["Here"], Any]


@dataclass(frozen=True)
class Here:
    """One region of the stack that is broken: its clients, its names, and what is there under them."""

    world: World
    site: Site

    @property
    def aws(self) -> Region:
        """Plain clients of the region."""
        return self.world.at(self.site)

    @property
    def other(self) -> Here:
        """The other region."""
        return Here(self.world, self.settings.other(self.site))

    @property
    def settings(self) -> Settings:
        """Of the stack."""
        return self.world.settings

    def name(self, service: str, purpose: str) -> str:
        """The stack's name for it."""
        return self.world.name(self.site, service, purpose)

    def arn(self, service: str, rest: str) -> str:
        """An ARN of the region and the account."""
        return f"arn:aws:{service}:{self.site.region}:{self.settings.account_id}:{rest}"

    def bucket(self, purpose: str) -> Any:
        """Arguments that name a bucket."""
        return {"Bucket": self.name("s3", purpose)}

    def function(self, label: str) -> Any:
        """Arguments that name a function."""
        return {"FunctionName": self.name("lambda", label)}

    @property
    def vpc(self) -> str:
        """Id of the network."""
        return str(self.aws.ec2.describe_vpcs(Filters=[
            {"Name": "tag:drctl:stack", "Values": [self.settings.environment]}])["Vpcs"][0]["VpcId"])

    def group(self, purpose: str) -> Any:
        """A security group; `default` is the network's own."""
        name = purpose if purpose == "default" else self.name("security-group", purpose)
        return self.aws.ec2.describe_security_groups(Filters=[
            {"Name": "group-name", "Values": [name]}, {"Name": "vpc-id", "Values": [self.vpc]}])["SecurityGroups"][0]

    def table(self, purpose: str) -> Any:
        """A route table."""
        return self.aws.ec2.describe_route_tables(Filters=[
            {"Name": "tag:Name", "Values": [self.name("ec2", purpose)]}])["RouteTables"][0]

    def endpoint(self, service: str) -> str:
        """Id of a VPC endpoint."""
        found = self.aws.ec2.describe_vpc_endpoints(Filters=[
            {"Name": "tag:Name", "Values": [self.name("ec2", f"endpoint-{service}")]}])["VpcEndpoints"]
        return str(next(one["VpcEndpointId"] for one in found if str(one["State"]).lower() == "available"))

    @property
    def peering(self) -> str:
        """Id of the living connection."""
        found = self.aws.ec2.describe_vpc_peering_connections()["VpcPeeringConnections"]
        return str(next(one["VpcPeeringConnectionId"] for one in found if one["Status"]["Code"] == "active"))

    @property
    def key(self) -> str:
        """Id of the stack's key."""
        return str(self.aws.kms.describe_key(KeyId=f"alias/{self.name('key', 'data')}")["KeyMetadata"]["KeyId"])

    @property
    def balancer(self) -> str:
        """ARN of the balancer."""
        return str(self.aws.elbv2.describe_load_balancers(Names=[self.name("alb", "app")])["LoadBalancers"][0][
            "LoadBalancerArn"])

    def listener(self, port: int) -> str:
        """ARN of a listener."""
        found = self.aws.elbv2.describe_listeners(LoadBalancerArn=self.balancer)["Listeners"]
        return str(next(one["ListenerArn"] for one in found if one["Port"] == port))

    @property
    def target_group(self) -> str:
        """ARN of the app's target group."""
        return str(self.aws.elbv2.describe_target_groups(Names=[self.name("tg", "app")])["TargetGroups"][0][
            "TargetGroupArn"])

    @property
    def cluster(self) -> Any:
        """Arguments that name the cluster."""
        return {"DBClusterIdentifier": self.name("aurora", "cluster")}

    @property
    def instance(self) -> Any:
        """Arguments that name its first instance."""
        found = self.aws.rds.describe_db_instances(Filters=[
            {"Name": "db-cluster-id", "Values": [self.name("aurora", "cluster")]}])["DBInstances"]
        return {"DBInstanceIdentifier": found[0]["DBInstanceIdentifier"]}

    def check(self, label: str) -> Any:
        """Arguments that name a health check."""
        found = self.aws.route53.list_health_checks()["HealthChecks"]
        return {"HealthCheckId": next(one["Id"] for one in found if f"-{label}-" in one["CallerReference"])}

    @property
    def zone(self) -> str:
        """Id of the hosted zone."""
        return self.aws.route53.list_hosted_zones()["HostedZones"][0]["Id"].rpartition("/")[2]

    def change_records(self, *changes: tuple[str, Any]) -> None:
        """Change the zone."""
        batch: Any = {"Changes": [{"Action": action, "ResourceRecordSet": record} for action, record in changes]}
        self.aws.route53.change_resource_record_sets(HostedZoneId=self.zone, ChangeBatch=batch)

    def records(self, kind: str = "A") -> list[Any]:
        """The records of the users' name, primary first; or those of another type."""
        found = self.aws.route53.list_resource_record_sets(HostedZoneId=self.zone)["ResourceRecordSets"]
        mine = [one for one in found if one["Type"] == kind and (
            kind != "A" or one["Name"].rstrip(".") == self.settings.dns.name)]
        return sorted(mine, key=lambda one: str(one.get("Failover")))

    @property
    def topic(self) -> str:
        """ARN of the alarms' topic."""
        return self.arn("sns", self.name("sns", "alarms"))

    def queue(self, purpose: str) -> Any:
        """Arguments that name a queue."""
        return {"QueueUrl": self.aws.sqs.get_queue_url(QueueName=self.name("queue", purpose))["QueueUrl"]}

    def rule(self, purpose: str) -> Any:
        """Arguments that name a rule of the stack's bus."""
        return {"Rule": self.name("rule", purpose), "EventBusName": self.name("bus", "events")}

    @property
    def acl(self) -> Any:
        """The web ACL with its lock token."""
        summary = next(one for one in self.aws.wafv2.list_web_acls(Scope="REGIONAL")["WebACLs"]
                       if one["Name"] == self.name("waf", "app"))
        return self.aws.wafv2.get_web_acl(Name=summary["Name"], Scope="REGIONAL", Id=summary["Id"])


@dataclass(frozen=True)
class Breakage:
    """One kind: `rule` has to find it. `back` puts it back; without one the steps of the rule are converged."""

    name: str
    rule: str
    act: Act
    where: Where = "either"
    back: Act | None = None
    #: Further classes of steps to converge afterwards.
    also: tuple[type[Step[Any]], ...] = ()

    @property
    def kinds(self) -> tuple[type[Step[Any]], ...]:
        """The classes whose steps put it right."""
        rule = next(one for one in RULES if one.id == self.rule)
        return (*(rule.of if isinstance(rule, Owns) else ()), *self.also)


def alias_of_changed(here: Here, label: str, **changes: Any) -> None:
    """Another version of a function goes live, by hand."""
    functions, name = here.aws.lambda_, here.function(label)
    functions.update_function_configuration(**name, **changes)
    version = functions.publish_version(**name)["Version"]
    functions.update_alias(**name, Name="live", FunctionVersion=version)


def named(*groups: tuple[Breakage, ...]) -> Mapping[str, Breakage]:
    """By name; a name that is there twice is a mistake."""
    every = [one for group in groups for one in group]
    found = {one.name: one for one in every}
    assert len(found) == len(every)
    return found
