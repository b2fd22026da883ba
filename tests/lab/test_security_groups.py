"""Security groups refuse in the lab what they refuse on AWS."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from drctl.aws.clients import Aws


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


def test_cloudfront_and_health_checkers_do_not_fit_into_one_group(aws: Aws) -> None:
    one, cloudfront = group(aws, "one"), prefix_list(aws, "com.amazonaws.global.cloudfront.origin-facing")
    checkers = prefix_list(aws, "com.amazonaws.us-east-1.route53-healthchecks")
    admit(aws, one, 443, cloudfront)
    for port, refused in ((80, cloudfront), (443, checkers)):
        with pytest.raises(ClientError, match="RulesPerSecurityGroupLimitExceeded"):
            admit(aws, one, port, refused)
    admit(aws, group(aws, "two"), 443, checkers)


def test_a_name_that_looks_like_an_id_is_refused(aws: Aws) -> None:
    with pytest.raises(ClientError, match="InvalidParameterValue"):
        group(aws, "sg-balancer")


def named_by(group_id: str, **text: str) -> Any:
    """HTTPS from a group, as `IpPermissions`."""
    return [{"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "UserIdGroupPairs": [{"GroupId": group_id, **text}]}]


def test_a_group_that_another_one_names_stays_until_the_rule_is_revoked(aws: Aws) -> None:
    ec2, named, naming = aws["us-east-1"].ec2, group(aws, "named"), group(aws, "naming")
    ec2.authorize_security_group_ingress(GroupId=naming, IpPermissions=named_by(named, Description="with a text"))
    with pytest.raises(ClientError, match="DependencyViolation"):
        ec2.delete_security_group(GroupId=named)
    ec2.revoke_security_group_ingress(GroupId=naming, IpPermissions=named_by(named))
    ec2.delete_security_group(GroupId=named)
