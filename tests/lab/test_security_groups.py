"""Security groups refuse in the lab what they refuse on AWS."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from drctl.aws.clients import Aws
from tests.lab.ec2_world import refused


def prefix_list(aws: Aws, name: str) -> str:
    """Id of an AWS-managed prefix list."""
    answer = aws["us-east-1"].ec2.describe_managed_prefix_lists(
        Filters=[{"Name": "prefix-list-name", "Values": [name]}])
    return answer["PrefixLists"][0]["PrefixListId"]


def group(aws: Aws, name: str) -> str:
    """A new group of the default VPC."""
    return aws["us-east-1"].ec2.create_security_group(GroupName=name, Description="test")["GroupId"]


def admit(aws: Aws, group_id: str, port: int, *lists: str) -> None:
    """Let prefix lists in on a port."""
    aws["us-east-1"].ec2.authorize_security_group_ingress(GroupId=group_id, IpPermissions=[
        {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "PrefixListIds": [{"PrefixListId": one}]}
        for one in lists])


@pytest.mark.rule("prefix-list-weight")
def test_cloudfront_and_health_checkers_do_not_fit_into_one_group(aws: Aws) -> None:
    one, cloudfront = group(aws, "one"), prefix_list(aws, "com.amazonaws.global.cloudfront.origin-facing")
    checkers = prefix_list(aws, "com.amazonaws.us-east-1.route53-healthchecks")
    admit(aws, one, 443, cloudfront)
    for port, over in ((80, cloudfront), (443, checkers)):
        with pytest.raises(ClientError, match="RulesPerSecurityGroupLimitExceeded"):
            admit(aws, one, port, over)
    admit(aws, group(aws, "two"), 443, checkers)


@pytest.mark.rule("group-name-prefix")
def test_a_name_that_looks_like_an_id_is_refused(aws: Aws) -> None:
    with pytest.raises(ClientError, match="InvalidParameterValue"):
        group(aws, "sg-balancer")


def named_by(group_id: str, **text: str) -> Any:
    """HTTPS from a group, as `IpPermissions`."""
    return [{"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "UserIdGroupPairs": [{"GroupId": group_id, **text}]}]


@pytest.mark.rule("group-named-by-rules")
def test_a_group_that_another_one_names_stays_until_the_rule_is_revoked(aws: Aws) -> None:
    ec2, named, naming = aws["us-east-1"].ec2, group(aws, "named"), group(aws, "naming")
    ec2.authorize_security_group_ingress(GroupId=naming, IpPermissions=named_by(named, Description="with a text"))
    with pytest.raises(ClientError, match="DependencyViolation"):
        ec2.delete_security_group(GroupId=named)
    ec2.revoke_security_group_ingress(GroupId=naming, IpPermissions=named_by(named))
    ec2.delete_security_group(GroupId=named)


@pytest.mark.rule("group-named-by-rules")
def test_groups_that_name_each_other_both_stay_until_a_rule_is_revoked(aws: Aws) -> None:
    ec2, one, two = aws["us-east-1"].ec2, group(aws, "one"), group(aws, "two")
    for naming, named in ((one, two), (two, one)):
        ec2.authorize_security_group_ingress(GroupId=naming, IpPermissions=named_by(named))
    assert [refused(ec2.delete_security_group, GroupId=each) for each in (one, two)] == ["DependencyViolation"] * 2
    ec2.revoke_security_group_ingress(GroupId=two, IpPermissions=named_by(one))
    assert [refused(ec2.delete_security_group, GroupId=each) for each in (one, two)] == ["", ""]


@pytest.mark.rule("default-group-stays")
def test_the_default_group_cannot_be_deleted(aws: Aws) -> None:
    ec2 = aws["us-east-1"].ec2
    default = ec2.describe_security_groups(Filters=[{"Name": "group-name", "Values": ["default"]}])["SecurityGroups"][0]
    assert refused(ec2.delete_security_group, GroupId=default["GroupId"]) == "CannotDelete"


@pytest.mark.rule("rules-as-a-whole")
def test_one_duplicate_fails_the_whole_call(aws: Aws) -> None:
    ec2, one = aws["us-east-1"].ec2, group(aws, "one")
    ec2.authorize_security_group_ingress(GroupId=one, IpPermissions=[tcp(80, "10.0.0.0/8")])
    both = [tcp(443, "10.0.0.0/8"), tcp(80, "10.0.0.0/8")]
    assert refused(ec2.authorize_security_group_ingress, GroupId=one, IpPermissions=both
                   ) == "InvalidPermission.Duplicate"
    shown = ec2.describe_security_groups(GroupIds=[one])["SecurityGroups"][0]["IpPermissions"]
    assert [permission["FromPort"] for permission in shown] == [80]


def tcp(port: int, *cidrs: str, **text: str) -> Any:
    """One port from ranges, as an element of `IpPermissions`."""
    return {"IpProtocol": "tcp", "FromPort": port, "ToPort": port,
            "IpRanges": [{"CidrIp": cidr, **text} for cidr in cidrs]}


def test_a_group_has_sixty_rules_in_each_direction(aws: Aws) -> None:
    ec2, one = aws["us-east-1"].ec2, group(aws, "one")
    for authorize, more in ((ec2.authorize_security_group_ingress, 61), (ec2.authorize_security_group_egress, 60)):
        over = tcp(443, *(f"10.0.{number}.0/24" for number in range(more)))  # one way out is there from the beginning
        assert refused(authorize, GroupId=one, IpPermissions=[over]) == "RulesPerSecurityGroupLimitExceeded"


@pytest.mark.rule("group-text")
@pytest.mark.parametrize("name", ["x" * 256, "naïve", "it's"])
def test_a_name_has_255_plain_characters(aws: Aws, name: str) -> None:
    with pytest.raises(ClientError, match="InvalidParameterValue"):
        group(aws, name)


@pytest.mark.rule("group-text")
def test_descriptions_of_groups_and_rules_have_255_plain_characters(aws: Aws) -> None:
    ec2, one = aws["us-east-1"].ec2, group(aws, "one")
    assert refused(ec2.create_security_group, GroupName="two", Description="app → database"
                   ) == "InvalidParameterValue"
    for text in ("it's", "x" * 256):
        rule = tcp(80, "10.0.0.0/8", Description=text)
        assert refused(ec2.authorize_security_group_ingress, GroupId=one, IpPermissions=[rule]
                       ) == "InvalidParameterValue"


@pytest.mark.rule("checkers-prefix-list")
def test_every_region_has_a_list_of_the_health_checkers(aws: Aws) -> None:
    assert prefix_list(aws, "com.amazonaws.us-east-1.route53-healthchecks").startswith("pl-")


@pytest.mark.rule("rule-description")
def test_a_rule_is_revoked_without_its_description(aws: Aws) -> None:
    ec2, named, naming = aws["us-east-1"].ec2, group(aws, "named"), group(aws, "naming")
    ec2.authorize_security_group_ingress(GroupId=naming, IpPermissions=named_by(named, Description="with a text"))
    assert refused(ec2.revoke_security_group_ingress, GroupId=naming, IpPermissions=named_by(named)) == ""
