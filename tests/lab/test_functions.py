"""Lambda's control plane: pending functions, one update at a time, versions, permissions, and slow interfaces."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import pytest
from botocore.exceptions import ClientError

from drctl.aws.clients import Aws
from drctl.aws.durations import seconds
from drctl.lab import extensions, functions
from drctl.lab.clock import CLOCK, LabClock
from tests.lab.conftest import eventually, settle

REGION = "us-east-1"
ELB = "elasticloadbalancing.amazonaws.com"


def code(error: pytest.ExceptionInfo[ClientError]) -> str:
    return error.value.response["Error"]["Code"]


def package(text: str = "one") -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(zipfile.ZipInfo("app.py"), f"def handler(event, context): return {text!r}")
    return packed.getvalue()


class Account:
    """A role, a VPC with two groups, and functions in it, all made by hand."""

    def __init__(self, aws: Aws) -> None:
        self.ec2: Any = aws[REGION].ec2
        self.lambda_: Any = aws[REGION].lambda_
        self.iam: Any = aws[REGION].iam
        self.vpc: str = self.ec2.create_vpc(CidrBlock="10.6.0.0/16")["Vpc"]["VpcId"]
        self.subnet: str = self.ec2.create_subnet(VpcId=self.vpc, CidrBlock="10.6.1.0/24",
                                                  AvailabilityZone=f"{REGION}a")["Subnet"]["SubnetId"]
        self.group: str = self.ec2.create_security_group(GroupName="app", Description="app",
                                                         VpcId=self.vpc)["GroupId"]
        self.trusted = self.role()

    def role(self, service: str = "lambda.amazonaws.com") -> str:
        trust = {"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}]}
        return str(self.iam.create_role(RoleName=f"for-{service}",
                                        AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"])

    def function(self, name: str = "app", inside: bool = True, **more: Any) -> Any:
        place = {"VpcConfig": {"SubnetIds": [self.subnet], "SecurityGroupIds": [self.group]}} if inside else {}
        made = self.lambda_.create_function(**{
            "FunctionName": name, "Role": self.trusted, "Runtime": "python3.12", "Handler": "app.handler",
            "Code": {"ZipFile": package()}, **place, **more})
        CLOCK.skip(seconds("function-visible"))
        return made

    def interfaces(self) -> list[Any]:
        return list(self.ec2.describe_network_interfaces(
            Filters=[{"Name": "description", "Values": ["AWS Lambda VPC ENI*"]}])["NetworkInterfaces"])

    def configuration(self, **more: Any) -> Any:
        return self.lambda_.get_function_configuration(FunctionName="app", **more)

    def allow(self, statement: str = "balancer", **more: Any) -> None:
        self.lambda_.add_permission(FunctionName="app", StatementId=statement, Action="lambda:InvokeFunction",
                                    Principal=ELB, **more)

    def policy(self, **more: Any) -> list[Any]:
        answer = self.lambda_.get_policy(FunctionName="app", **more)
        return list(json.loads(answer["Policy"])["Statement"])


@pytest.fixture
def account(aws: Aws) -> Account:
    return Account(aws)


@pytest.mark.rule("function-pending")
def test_a_function_in_a_vpc_is_pending_for_a_minute(account: Account, clock: LabClock) -> None:
    assert account.function()["State"] == "Pending"
    assert account.configuration()["StateReasonCode"] == "Creating"
    assert not functions.is_active(REGION, "app")
    clock.skip(seconds("function-create"))
    assert account.configuration()["State"] == "Active"
    assert functions.is_active(REGION, "app")


@pytest.mark.rule("function-states")
def test_a_function_tells_the_vpc_of_its_subnets(account: Account) -> None:
    account.function()
    assert account.configuration()["VpcConfig"]["VpcId"] == account.vpc


def test_a_missing_function_is_not_active(account: Account) -> None:
    assert not functions.is_active(REGION, "nothing")


def test_the_lab_forgets_functions_when_it_is_emptied(account: Account) -> None:
    account.function()
    extensions.reset()
    assert account.lambda_.list_functions()["Functions"] == []


@pytest.mark.rule("function-role")
def test_the_role_must_trust_lambda(account: Account) -> None:
    with pytest.raises(ClientError) as refused:
        account.function(Role=account.role("ec2.amazonaws.com"))
    assert code(refused) == "InvalidParameterValueException"
    assert not account.lambda_.list_functions()["Functions"]


def test_a_pending_function_cannot_be_updated(account: Account, clock: LabClock) -> None:
    account.function()
    with pytest.raises(ClientError) as refused:
        account.lambda_.update_function_configuration(FunctionName="app", Timeout=9)
    assert code(refused) == "ResourceConflictException"


@pytest.mark.rule("function-update")
def test_updates_do_not_overlap(account: Account, clock: LabClock) -> None:
    account.function()
    clock.skip(seconds("function-create"))
    account.lambda_.update_function_configuration(FunctionName="app", Timeout=9)
    assert account.configuration()["LastUpdateStatus"] == "InProgress"
    for change in ({"ZipFile": package("two")}, {"ZipFile": package("two"), "Publish": True}):
        with pytest.raises(ClientError) as refused:
            account.lambda_.update_function_code(FunctionName="app", **change)
        assert code(refused) == "ResourceConflictException"
    with pytest.raises(ClientError) as refused:
        account.lambda_.publish_version(FunctionName="app")
    assert code(refused) == "ResourceConflictException"
    clock.skip(seconds("function-update"))
    assert account.configuration()["LastUpdateStatus"] == "Successful"
    account.lambda_.update_function_code(FunctionName="app", ZipFile=package("two"))


def test_the_key_of_a_function_can_be_changed(aws: Aws, account: Account, clock: LabClock) -> None:
    account.function()
    clock.skip(seconds("function-create"))
    key = aws[REGION].kms.create_key()["KeyMetadata"]["Arn"]
    clock.skip(seconds("key-usable"))
    account.lambda_.update_function_configuration(FunctionName="app", KMSKeyArn=key)
    assert account.configuration()["KMSKeyArn"] == key


def test_a_new_version_is_pending_for_a_moment(account: Account, clock: LabClock) -> None:
    account.function()
    clock.skip(seconds("function-create"))
    assert account.lambda_.publish_version(FunctionName="app")["State"] == "Pending"
    clock.skip(seconds("function-update"))
    assert account.configuration(Qualifier="1")["State"] == "Active"


def test_publishing_without_a_change_gives_the_same_version(account: Account, clock: LabClock) -> None:
    def publish() -> str:
        clock.skip(seconds("function-update"))
        return str(account.lambda_.publish_version(FunctionName="app")["Version"])

    account.function(inside=False)
    assert [publish(), publish()] == ["1", "1"]
    clock.skip(seconds("function-update"))
    account.lambda_.update_function_code(FunctionName="app", ZipFile=package("two"))
    assert [publish(), publish()] == ["2", "2"]


@pytest.mark.rule("version-published")
def test_version_numbers_are_never_used_again(account: Account, clock: LabClock) -> None:
    account.function(inside=False, Publish=True)
    clock.skip(seconds("function-update"))
    account.lambda_.delete_function(FunctionName="app", Qualifier="1")
    account.lambda_.update_function_code(FunctionName="app", ZipFile=package("two"))
    clock.skip(seconds("function-update"))
    assert account.lambda_.publish_version(FunctionName="app")["Version"] == "2"


def test_a_version_keeps_its_code_when_the_function_changes(account: Account, clock: LabClock) -> None:
    before = account.function(inside=False, Publish=True)["CodeSha256"]
    clock.skip(seconds("function-update"))
    account.lambda_.update_function_code(FunctionName="app", ZipFile=package("two"))
    assert account.configuration(Qualifier="1")["CodeSha256"] == before != account.configuration()["CodeSha256"]


@pytest.mark.rule("alias-conflict")
def test_an_alias_exists_once(account: Account) -> None:
    account.function(Publish=True)
    account.lambda_.create_alias(FunctionName="app", Name="live", FunctionVersion="1")
    with pytest.raises(ClientError) as refused:
        account.lambda_.create_alias(FunctionName="app", Name="live", FunctionVersion="1")
    assert code(refused) == "ResourceConflictException"


@pytest.mark.rule("function-deleted")
def test_a_version_that_an_alias_names_stays(account: Account) -> None:
    account.function(Publish=True)
    account.lambda_.create_alias(FunctionName="app", Name="live", FunctionVersion="1")
    with pytest.raises(ClientError) as refused:
        account.lambda_.delete_function(FunctionName="app", Qualifier="1")
    assert code(refused) == "ResourceConflictException"


@pytest.mark.rule("permission-once")
def test_a_statement_id_is_used_once(account: Account) -> None:
    account.function()
    account.allow()
    with pytest.raises(ClientError) as refused:
        account.allow()
    assert code(refused) == "ResourceConflictException"


@pytest.mark.rule("policy-of-a-qualifier")
def test_a_permission_belongs_to_exactly_its_qualifier(account: Account) -> None:
    account.function(Publish=True)
    account.lambda_.create_alias(FunctionName="app", Name="live", FunctionVersion="1")
    account.allow(Qualifier="live")
    assert [statement["Resource"].rpartition(":")[2] for statement in account.policy(Qualifier="live")] == ["live"]
    with pytest.raises(ClientError) as refused:
        account.policy()
    assert code(refused) == "ResourceNotFoundException"


@pytest.mark.rule("permission-of-a-qualifier")
def test_a_permission_is_removed_from_exactly_its_qualifier(account: Account) -> None:
    account.function(Publish=True)
    account.lambda_.create_alias(FunctionName="app", Name="live", FunctionVersion="1")
    account.allow(Qualifier="live")
    with pytest.raises(ClientError) as refused:
        account.lambda_.remove_permission(FunctionName="app", StatementId="balancer")
    assert code(refused) == "ResourceNotFoundException"
    account.allow()
    account.lambda_.remove_permission(FunctionName="app", StatementId="balancer", Qualifier="live")
    assert len(account.policy()) == 1


def test_functions_of_one_subnet_and_group_share_an_interface(account: Account) -> None:
    account.function()
    account.function("probe")
    interface, = account.interfaces()
    assert (interface["InterfaceType"], interface["Groups"][0]["GroupId"]) == ("lambda", account.group)


@pytest.mark.rule("function-pending")
def test_interfaces_linger_after_the_last_function(account: Account, clock: LabClock) -> None:
    account.function()
    account.lambda_.delete_function(FunctionName="app")
    assert len(account.interfaces()) == 1
    with pytest.raises(ClientError) as refused:
        account.ec2.delete_security_group(GroupId=account.group)
    assert code(refused) == "DependencyViolation"
    clock.skip(seconds("interface-linger"))
    assert eventually(lambda: not account.interfaces())
    account.ec2.delete_security_group(GroupId=account.group)
    account.ec2.delete_subnet(SubnetId=account.subnet)


def test_an_interface_stays_when_a_function_comes_back(account: Account, clock: LabClock) -> None:
    account.function()
    account.lambda_.delete_function(FunctionName="app")
    account.function()
    clock.skip(seconds("interface-linger"))
    settle(clock)
    assert len(account.interfaces()) == 1


def test_nobody_deletes_an_interface_of_lambda_by_hand(account: Account) -> None:
    account.function()
    with pytest.raises(ClientError) as refused:
        account.ec2.delete_network_interface(NetworkInterfaceId=account.interfaces()[0]["NetworkInterfaceId"])
    assert code(refused) == "InvalidParameterValue"
