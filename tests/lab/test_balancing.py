"""Load balancers take minutes to come and a while to go; listeners and targets are checked like on AWS."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from botocore.exceptions import ClientError

from drctl.aws.clients import Aws
from drctl.aws.durations import seconds
from drctl.lab import balancing
from drctl.lab.clock import LabClock
from tests.lab.conftest import eventually, settle
from tests.lab.test_functions import ELB, Account

REGION = "us-east-1"


class Site:
    """A VPC with two public subnets, and a balancer in it, made by hand."""

    def __init__(self, aws: Aws, region: str = REGION) -> None:
        self.ec2: Any = aws[region].ec2
        self.elb: Any = aws[region].elbv2
        self.vpc: str = self.ec2.create_vpc(CidrBlock="10.5.0.0/16")["Vpc"]["VpcId"]
        self.subnets: list[str] = [
            self.ec2.create_subnet(VpcId=self.vpc, CidrBlock=f"10.5.{number}.0/24",
                                   AvailabilityZone=f"{region}{letter}")["Subnet"]["SubnetId"]
            for number, letter in enumerate("ab")]
        self.group: str = self.ec2.create_security_group(GroupName="doors", Description="doors",
                                                         VpcId=self.vpc)["GroupId"]
        self.gateway: str = self.ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
        self.ec2.attach_internet_gateway(InternetGatewayId=self.gateway, VpcId=self.vpc)

    def balancer(self, **more: Any) -> Any:
        wanted = {"Name": "app", "Subnets": self.subnets, "SecurityGroups": [self.group], "Type": "application"}
        return self.elb.create_load_balancer(**wanted, **more)["LoadBalancers"][0]

    def state(self, arn: str) -> str:
        return str(self.elb.describe_load_balancers(LoadBalancerArns=[arn])["LoadBalancers"][0]["State"]["Code"])

    def is_gone(self) -> bool:
        return not self.elb.describe_load_balancers()["LoadBalancers"]

    def interfaces(self) -> list[Any]:
        return list(self.ec2.describe_network_interfaces(
            Filters=[{"Name": "description", "Values": ["ELB app/*"]}])["NetworkInterfaces"])

    def targets(self, **more: Any) -> str:
        return str(self.elb.create_target_group(Name="app", TargetType="lambda", **more)["TargetGroups"][0][
            "TargetGroupArn"])

    def listen(self, balancer: str, targets: str, **more: Any) -> str:
        return str(self.elb.create_listener(**{
            "LoadBalancerArn": balancer, "Protocol": "HTTP", "Port": 80,
            "DefaultActions": [{"Type": "forward", "TargetGroupArn": targets}], **more})["Listeners"][0]["ListenerArn"])

    def health(self, targets: str) -> tuple[str, str | None]:
        found = self.elb.describe_target_health(TargetGroupArn=targets)["TargetHealthDescriptions"][0]["TargetHealth"]
        return found["State"], found.get("Reason")


def refusal(call: Any, **given: Any) -> str:
    with pytest.raises(ClientError) as refused:
        call(**given)
    return refused.value.response["Error"]["Code"]


@pytest.fixture
def site(aws: Aws) -> Site:
    return Site(aws)


@pytest.fixture
def account(aws: Aws) -> Account:
    return Account(aws)


@pytest.mark.rule("balancer-provisioning")
def test_a_balancer_is_provisioning_for_minutes(site: Site, clock: LabClock) -> None:
    arn = site.balancer()["LoadBalancerArn"]
    clock.skip(seconds("balancer-visible"))
    assert site.state(arn) == "provisioning"
    clock.skip(seconds("balancer-create"))
    assert site.state(arn) == "active"


@pytest.mark.rule("balancer-hosted-zone")
def test_each_region_has_its_own_hosted_zone_for_balancers(aws: Aws) -> None:
    zones = [Site(aws, region).balancer()["CanonicalHostedZoneId"] for region in ("us-east-1", "us-west-2")]
    assert zones == ["Z35SXDOTRQ7X7K", "Z1H1FL5HABSF5"]


@pytest.mark.rule("balancer-name")
def test_the_same_name_gives_the_balancer_there_is(site: Site) -> None:
    assert site.balancer()["LoadBalancerArn"] == site.balancer()["LoadBalancerArn"]
    assert refusal(site.balancer, Scheme="internal") == "DuplicateLoadBalancerName"


@pytest.mark.rule("balancer-interfaces")
def test_a_balancer_has_an_interface_in_each_subnet_which_holds_it(site: Site) -> None:
    site.balancer()
    assert {one["SubnetId"] for one in site.interfaces()} == set(site.subnets)
    assert all(one["Association"]["PublicIp"] for one in site.interfaces())
    assert refusal(site.ec2.delete_security_group, GroupId=site.group) == "DependencyViolation"


@pytest.mark.rule("balancer-protected")
def test_a_protected_balancer_stays(site: Site) -> None:
    arn = site.balancer()["LoadBalancerArn"]
    site.elb.modify_load_balancer_attributes(LoadBalancerArn=arn, Attributes=[
        {"Key": "deletion_protection.enabled", "Value": "true"}])
    assert refusal(site.elb.delete_load_balancer, LoadBalancerArn=arn) == "OperationNotPermitted"


@pytest.mark.rule("balancer-leaving")
def test_a_deleted_balancer_is_shown_for_a_while_and_its_interfaces_for_longer(site: Site, clock: LabClock) -> None:
    arn = site.balancer()["LoadBalancerArn"]
    clock.skip(seconds("balancer-visible"))
    site.elb.delete_load_balancer(LoadBalancerArn=arn)
    assert site.state(arn)
    clock.skip(seconds("balancer-delete"))
    assert eventually(site.is_gone)
    assert refusal(site.elb.describe_load_balancers, LoadBalancerArns=[arn]) == "LoadBalancerNotFound"
    assert len(site.interfaces()) == 2
    assert refusal(site.ec2.delete_subnet, SubnetId=site.subnets[0]) == "DependencyViolation"
    settle(clock)
    clock.skip(seconds("balancer-interface-linger"))
    assert eventually(lambda: not site.interfaces())
    site.ec2.delete_subnet(SubnetId=site.subnets[0])
    site.ec2.detach_internet_gateway(InternetGatewayId=site.gateway, VpcId=site.vpc)


@pytest.mark.rule("balancer-groups")
def test_a_balancers_interfaces_are_in_its_groups(site: Site) -> None:
    arn = site.balancer()["LoadBalancerArn"]
    other = site.ec2.create_security_group(GroupName="other", Description="other", VpcId=site.vpc)["GroupId"]
    site.elb.set_security_groups(LoadBalancerArn=arn, SecurityGroups=[other])
    assert {group["GroupId"] for interface in site.interfaces() for group in interface["Groups"]} == {other}
    site.ec2.delete_security_group(GroupId=site.group)


@pytest.mark.rule("listener-port")
def test_a_port_has_one_listener(site: Site) -> None:
    arn, targets = site.balancer()["LoadBalancerArn"], site.targets()
    site.listen(arn, targets)
    assert refusal(partial(site.listen, arn, targets)) == "DuplicateListener"


@pytest.mark.rule("listener-certificate")
def test_an_https_listener_needs_an_issued_certificate_of_its_region(site: Site, aws: Aws) -> None:
    arn, targets = site.balancer()["LoadBalancerArn"], site.targets()
    here, there = (aws[region].acm.request_certificate(DomainName="app.example.org", ValidationMethod="DNS")[
        "CertificateArn"] for region in ("us-east-1", "us-west-2"))
    codes = [refusal(site.listen, balancer=arn, targets=targets, Protocol="HTTPS", Port=443,
                     Certificates=[{"CertificateArn": certificate}]) for certificate in (here, there)]
    assert codes == ["UnsupportedCertificate", "CertificateNotFound"]
    assert refusal(site.listen, balancer=arn, targets=targets, Protocol="HTTPS") == "CertificateNotFound"


@pytest.mark.rule("listener-certificate-changed")
def test_a_listener_takes_only_an_issued_certificate_later_too(site: Site, aws: Aws) -> None:
    listener = site.listen(site.balancer()["LoadBalancerArn"], site.targets())
    pending = aws[REGION].acm.request_certificate(DomainName="app.example.org", ValidationMethod="DNS")
    assert refusal(site.elb.modify_listener, ListenerArn=listener, Protocol="HTTPS", Port=443,
                   Certificates=[{"CertificateArn": pending["CertificateArn"]}]) == "UnsupportedCertificate"


@pytest.mark.rule("listener-tls-policy")
def test_a_listeners_tls_policy_must_exist(site: Site) -> None:
    arn, targets = site.balancer()["LoadBalancerArn"], site.targets()
    assert refusal(site.listen, balancer=arn, targets=targets, Protocol="HTTPS", Port=443,
                   SslPolicy="ELBSecurityPolicy-of-my-own", Certificates=[
                       {"CertificateArn": "arn:aws:iam::123456789012:server-certificate/app"}]) == "SSLPolicyNotFound"


@pytest.mark.rule("target-group-one-balancer")
def test_a_target_group_belongs_to_one_balancer(site: Site) -> None:
    targets = site.targets()
    site.listen(site.balancer()["LoadBalancerArn"], targets)
    other = site.elb.create_load_balancer(Name="other", Subnets=site.subnets)["LoadBalancers"][0]["LoadBalancerArn"]
    assert refusal(site.listen, balancer=other, targets=targets) == "TargetGroupAssociationLimit"


def test_a_target_group_in_use_stays(site: Site) -> None:
    targets = site.targets()
    site.listen(site.balancer()["LoadBalancerArn"], targets)
    assert refusal(site.elb.delete_target_group, TargetGroupArn=targets) == "ResourceInUse"


@pytest.mark.rule("listener-gone")
def test_a_target_group_forgets_the_balancer_whose_listener_went(site: Site) -> None:
    targets = site.targets()
    site.elb.delete_listener(ListenerArn=site.listen(site.balancer()["LoadBalancerArn"], targets))
    assert not site.elb.describe_target_groups(TargetGroupArns=[targets])["TargetGroups"][0].get("LoadBalancerArns")


@pytest.mark.rule("target-group-released")
def test_a_target_group_counts_as_in_use_for_a_while_after_its_listener_went(site: Site, clock: LabClock) -> None:
    targets = site.targets()
    site.elb.delete_listener(ListenerArn=site.listen(site.balancer()["LoadBalancerArn"], targets))
    assert refusal(site.elb.delete_target_group, TargetGroupArn=targets) == "ResourceInUse"
    clock.skip(seconds("target-group-release"))
    site.elb.delete_target_group(TargetGroupArn=targets)


@pytest.mark.rule("target-group-absent")
def test_deleting_a_target_group_that_is_not_there_succeeds(site: Site) -> None:
    targets = site.targets()
    for _ in range(2):
        site.elb.delete_target_group(TargetGroupArn=targets)


@pytest.mark.rule("target-group-timeout")
def test_a_health_check_must_time_out_before_the_next(site: Site) -> None:
    assert refusal(site.targets, HealthCheckIntervalSeconds=30, HealthCheckTimeoutSeconds=30) == "ValidationError"
    assert refusal(site.elb.modify_target_group, TargetGroupArn=site.targets(),
                   HealthCheckTimeoutSeconds=60) == "ValidationError"


@pytest.mark.rule("target-group-name")
def test_the_same_target_group_is_made_once(site: Site) -> None:
    assert site.targets(HealthCheckPath="/health") == site.targets(HealthCheckPath="/health")
    assert refusal(site.targets, HealthCheckPath="/other") == "DuplicateTargetGroupName"


@pytest.mark.rule("target-permission")
def test_a_function_must_let_the_target_group_invoke_it(site: Site, account: Account) -> None:
    targets = site.targets()
    account.function(Publish=True)
    alias = account.lambda_.create_alias(FunctionName="app", Name="live", FunctionVersion="1")["AliasArn"]
    register = partial(site.elb.register_targets, TargetGroupArn=targets, Targets=[{"Id": alias}])
    account.allow("everybody", SourceArn=targets)
    assert refusal(register) == "AccessDenied"
    account.allow("another-group", Qualifier="live", SourceArn=targets + "0")
    assert refusal(register) == "AccessDenied"
    account.allow("this-group", Qualifier="live", SourceArn=targets)
    register()


def test_a_target_group_has_one_function_that_exists(site: Site, account: Account) -> None:
    targets = site.targets()
    arns = [account.function(name)["FunctionArn"] for name in ("app", "probe")]
    for name in ("app", "probe"):
        account.lambda_.add_permission(FunctionName=name, StatementId="all", Action="lambda:InvokeFunction",
                                       Principal=ELB)
    register = site.elb.register_targets
    assert refusal(register, TargetGroupArn=targets, Targets=[{"Id": arns[0] + "x"}]) == "InvalidTarget"
    register(TargetGroupArn=targets, Targets=[{"Id": arns[0]}])
    assert refusal(register, TargetGroupArn=targets, Targets=[{"Id": arns[1]}]) == "TooManyTargets"


def _registered(site: Site, account: Account, **checks: Any) -> str:
    targets = site.targets(**checks)
    arn = account.function()["FunctionArn"]
    account.allow(SourceArn=targets)
    site.elb.register_targets(TargetGroupArn=targets, Targets=[{"Id": arn}])
    return targets


@pytest.mark.rule("target-health")
def test_health_is_unavailable_without_checks(site: Site, account: Account) -> None:
    assert site.health(_registered(site, account)) == ("unavailable", "Target.HealthCheckDisabled")


@pytest.mark.rule("target-draining")
def test_a_target_that_was_deregistered_is_draining(site: Site, account: Account, clock: LabClock) -> None:
    targets = _registered(site, account)
    arn = site.elb.describe_target_health(TargetGroupArn=targets)["TargetHealthDescriptions"][0]["Target"]["Id"]
    clock.skip(1)
    site.elb.deregister_targets(TargetGroupArn=targets, Targets=[{"Id": arn}])
    assert site.health(targets) == ("draining", "Target.DeregistrationInProgress")


@pytest.mark.rule("target-deregistered")
def test_a_target_drains_for_five_minutes(site: Site, account: Account, clock: LabClock) -> None:
    targets = _registered(site, account)
    arn = site.elb.describe_target_health(TargetGroupArn=targets)["TargetHealthDescriptions"][0]["Target"]["Id"]
    site.elb.deregister_targets(TargetGroupArn=targets, Targets=[{"Id": arn}])
    assert site.health(targets) == ("draining", "Target.DeregistrationInProgress")
    clock.skip(300)
    assert not site.elb.describe_target_health(TargetGroupArn=targets)["TargetHealthDescriptions"]


def test_a_target_is_initial_then_healthy_when_its_function_is_active(
        site: Site, account: Account, clock: LabClock) -> None:
    targets = _registered(site, account, HealthCheckEnabled=True, HealthCheckIntervalSeconds=40)
    assert site.health(targets) == ("unused", "Target.NotInUse")
    arn = site.balancer()["LoadBalancerArn"]
    assert not balancing.targets_healthy(REGION, arn)
    site.listen(arn, targets)
    assert site.health(targets) == ("initial", "Elb.InitialHealthChecking")
    clock.skip(40)
    assert site.health(targets) == ("unhealthy", "Target.FailedHealthChecks")
    assert not balancing.targets_healthy(REGION, arn)
    clock.skip(seconds("function-create"))
    assert site.health(targets) == ("healthy", None)
    assert balancing.targets_healthy(REGION, arn)
