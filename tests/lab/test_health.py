"""Health checks are as healthy as what they check, after as long as real checkers take."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from drctl.aws.clients import Aws
from drctl.aws.errors import code_of
from drctl.lab.clock import CLOCK
from drctl.lab.health import Track, is_healthy
from tests.conftest import SPEED
from tests.lab.front_door_world import (
    BUCKET,
    HERE,
    KEY,
    THERE,
    Balancer,
    admitting,
    balancer,
    health_check,
    policy,
    switch_bucket,
    until,
)


def reports(aws: Aws, check: str) -> set[str]:
    seen = aws[HERE].route53.get_health_check_status(HealthCheckId=check)["HealthCheckObservations"]
    return {one["StatusReport"]["Status"] for one in seen}


def put_switch(aws: Aws, **more: Any) -> None:
    aws[THERE].s3.put_object(Bucket=BUCKET, Key=KEY, Body=b"on", **more)


def switch_check(aws: Aws, **more: Any) -> str:
    return health_check(aws, "switch", Type="HTTPS", FullyQualifiedDomainName=switch_bucket(aws),
                        ResourcePath=f"/{KEY}", **more)


@pytest.mark.parametrize(("looks", "statuses"), [
    ([(0, False), (29, False)], [True, True]),
    ([(0, False), (30, False)], [True, False]),
    ([(0, False), (20, True), (31, False), (60, False), (61, False)], [True, True, True, True, False]),
    ([(0, False), (30, False), (40, True), (69, True), (70, True)], [True, False, False, False, True]),
])
def test_a_status_changes_when_looks_agree_for_interval_times_threshold(
        looks: list[tuple[float, bool]], statuses: list[bool]) -> None:
    track, seen = Track(), []
    for at, value in looks:
        track.note(value, at, 30)
        seen.append(track.status)
    assert seen == statuses


def test_a_new_check_is_healthy_and_inverted_unhealthy_until_it_has_data(aws: Aws) -> None:
    CLOCK.set_speed(1)
    try:
        nowhere = {"Type": "HTTP", "FullyQualifiedDomainName": "nowhere.example.com"}
        assert is_healthy(health_check(aws, "plain", **nowhere))
        assert not is_healthy(health_check(aws, "inverted", Inverted=True, **nowhere))
    finally:
        CLOCK.set_speed(SPEED)


def test_a_name_that_is_nobodys_is_unhealthy_after_a_while(aws: Aws) -> None:
    check = health_check(aws, "a", Type="HTTP", FullyQualifiedDomainName="nowhere.example.com")
    until(lambda: not is_healthy(check))
    assert reports(aws, check) == {"Failure: DNS resolution failed: Rcode NXDomain(3)"}


@pytest.mark.rule("health-check-lives")
def test_a_status_changes_whether_or_not_anybody_asks(aws: Aws) -> None:
    check = health_check(aws, "a", Type="HTTP", FullyQualifiedDomainName="nowhere.example.com")
    until(lambda: not is_healthy(check, looking=False))


def test_a_balancer_whose_app_answers_is_healthy(aws: Aws) -> None:
    door = balancer(aws, HERE)
    check = health_check(aws, "a", Type="HTTP", FullyQualifiedDomainName=door.host, ResourcePath="/health")
    assert reports(aws, check) == {"Success: HTTP Status Code 200, OK"}
    assert is_healthy(check)


@pytest.mark.rule("health-check-status")
def test_a_balancer_whose_app_says_no_is_unhealthy(aws: Aws) -> None:
    door = balancer(aws, HERE, status=503)
    check = health_check(aws, "a", Type="HTTP", FullyQualifiedDomainName=door.host, ResourcePath="/health")
    until(lambda: not is_healthy(check))
    assert reports(aws, check) == {"Failure: HTTP Status Code 503, Service Unavailable"}


def _close_the_group(aws: Aws, door: Balancer) -> None:
    aws[HERE].ec2.revoke_security_group_ingress(GroupId=door.group, IpPermissions=admitting(aws, HERE))


def _end_the_listener(aws: Aws, door: Balancer) -> None:
    aws[HERE].elbv2.delete_listener(ListenerArn=door.listener)


def _end_the_balancer(aws: Aws, door: Balancer) -> None:
    aws[HERE].elbv2.delete_load_balancer(LoadBalancerArn=door.arn)


def _take_the_target_away(aws: Aws, door: Balancer) -> None:
    aws[HERE].elbv2.deregister_targets(TargetGroupArn=door.target_group, Targets=[{"Id": door.function}])


def test_what_breaks_the_way_to_a_balancer_makes_its_check_unhealthy_and_mending_it_healthy(aws: Aws) -> None:
    door = balancer(aws, HERE)
    check = health_check(aws, "a", Type="HTTP", FullyQualifiedDomainName=door.host, ResourcePath="/health")
    _close_the_group(aws, door)
    until(lambda: not is_healthy(check))
    assert reports(aws, check) == {
        "Failure: The health checker could not establish a connection within the timeout limit."}
    aws[HERE].ec2.authorize_security_group_ingress(GroupId=door.group, IpPermissions=[
        {"IpProtocol": "tcp", "FromPort": 1, "ToPort": 1024, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}])
    until(lambda: is_healthy(check))


@pytest.mark.parametrize("break_it", [_end_the_listener, _end_the_balancer, _take_the_target_away])
def test_a_missing_part_makes_the_check_unhealthy(aws: Aws, break_it: Callable[[Aws, Balancer], None]) -> None:
    door = balancer(aws, HERE)
    check = health_check(aws, "a", Type="HTTP", FullyQualifiedDomainName=door.host, ResourcePath="/health")
    break_it(aws, door)
    until(lambda: not is_healthy(check))


def test_a_check_on_the_wrong_protocol_or_port_does_not_connect(aws: Aws) -> None:
    door = balancer(aws, HERE)
    for name, config in (("tls", {"Type": "HTTPS"}), ("port", {"Type": "HTTP", "Port": 8080})):
        check = health_check(aws, name, FullyQualifiedDomainName=door.host, **config)
        assert all("connection" in report for report in reports(aws, check))


def test_one_checker_in_five_is_enough(aws: Aws) -> None:
    door = balancer(aws, HERE)
    _close_the_group(aws, door)
    aws[HERE].ec2.authorize_security_group_ingress(GroupId=door.group, IpPermissions=[
        {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "IpRanges": [{"CidrIp": "15.177.0.0/18"}]}])
    check = health_check(aws, "a", Type="HTTP", FullyQualifiedDomainName=door.host)
    until(lambda: len(reports(aws, check)) == 2)  # while the lab's own thread looks, there is nothing to tell yet
    assert is_healthy(check)


def test_the_switch_turns_when_its_object_comes_and_goes(aws: Aws) -> None:
    check = switch_check(aws, Inverted=True)
    until(lambda: is_healthy(check))
    assert reports(aws, check) == {"Failure: HTTP Status Code 403, Forbidden"}
    put_switch(aws)
    until(lambda: not is_healthy(check))
    assert reports(aws, check) == {"Success: HTTP Status Code 200, OK"}
    aws[THERE].s3.delete_object(Bucket=BUCKET, Key=KEY)
    until(lambda: is_healthy(check))


def _under_a_key(aws: Aws) -> None:
    key = aws[THERE].kms.create_key()["KeyMetadata"]["KeyId"]
    put_switch(aws, ServerSideEncryption="aws:kms", SSEKMSKeyId=key)


def _for_others_only(aws: Aws) -> None:
    aws[THERE].s3.put_bucket_policy(Bucket=BUCKET, Policy=policy(
        {"Principal": "*", "Action": "s3:GetObject", "Resource": "*",
         "Condition": {"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}}))


def _for_everybody_but_blocked(aws: Aws) -> None:
    """S3 takes a public policy while it need not block it, and does not go by it while it restricts the bucket."""
    aws[THERE].s3.put_public_access_block(Bucket=BUCKET, PublicAccessBlockConfiguration={
        "BlockPublicPolicy": False, "RestrictPublicBuckets": True})
    aws[THERE].s3.put_bucket_policy(Bucket=BUCKET, Policy=policy(
        {"Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{BUCKET}/*"}))


def _no_policy(aws: Aws) -> None:
    aws[THERE].s3.delete_bucket_policy(Bucket=BUCKET)


@pytest.mark.parametrize("break_it", [_under_a_key, _for_others_only, _for_everybody_but_blocked, _no_policy])
def test_an_object_that_checkers_may_not_read_is_not_there_for_them(aws: Aws, break_it: Callable[[Aws], None]) -> None:
    check = switch_check(aws)
    put_switch(aws)
    assert reports(aws, check) == {"Success: HTTP Status Code 200, OK"}
    break_it(aws)
    until(lambda: not is_healthy(check))


def test_a_disabled_check_is_healthy_and_inverted_unhealthy(aws: Aws) -> None:
    nowhere = {"Type": "HTTP", "FullyQualifiedDomainName": "nowhere.example.com", "Disabled": True}
    plain, inverted = health_check(aws, "a", **nowhere), health_check(aws, "b", Inverted=True, **nowhere)
    assert (is_healthy(plain), is_healthy(inverted)) == (True, False)


def test_a_calculated_check_counts_its_children(aws: Aws) -> None:
    nowhere = {"Type": "HTTP", "FullyQualifiedDomainName": "nowhere.example.com"}
    good = health_check(aws, "good", Disabled=True, **nowhere)
    bad = health_check(aws, "bad", Disabled=True, Inverted=True, **nowhere)
    made = {threshold: health_check(aws, f"sum-{threshold}", Type="CALCULATED", HealthThreshold=threshold,
                                    ChildHealthChecks=[good, bad]) for threshold in (0, 1, 2)}
    assert {threshold: is_healthy(check) for threshold, check in made.items()} == {0: True, 1: True, 2: False}
    with pytest.raises(ClientError) as refused:
        reports(aws, made[1])
    assert code_of(refused.value) == "InvalidInput"


def test_a_check_that_is_gone_counts_as_healthy(aws: Aws) -> None:
    check = health_check(aws, "a", Type="HTTP", FullyQualifiedDomainName="nowhere.example.com")
    until(lambda: not is_healthy(check))
    aws[HERE].route53.delete_health_check(HealthCheckId=check)
    assert is_healthy(check)


@pytest.mark.rule("health-check-of-a-metric")
def test_a_check_on_an_alarm_follows_the_metric_not_the_alarms_state(aws: Aws) -> None:
    cloudwatch = aws[THERE].cloudwatch
    cloudwatch.put_metric_alarm(AlarmName="lag", Namespace="App", MetricName="Lag", Threshold=5, Period=60,
                                ComparisonOperator="GreaterThanThreshold", EvaluationPeriods=1, Statistic="Average")
    check = health_check(aws, "a", Type="CLOUDWATCH_METRIC", AlarmIdentifier={"Region": THERE, "Name": "lag"},
                         InsufficientDataHealthStatus="Unhealthy")
    assert not is_healthy(check)
    cloudwatch.put_metric_data(Namespace="App", MetricData=[{"MetricName": "Lag", "Value": 1}])
    assert is_healthy(check)
    cloudwatch.set_alarm_state(AlarmName="lag", StateValue="ALARM", StateReason="test")
    assert is_healthy(check)
    cloudwatch.put_metric_data(Namespace="App", MetricData=[{"MetricName": "Lag", "Value": 9}])
    assert not is_healthy(check)


@pytest.mark.rule("health-check-of-a-metric")
def test_a_check_on_an_alarm_follows_a_copy_of_it_until_it_is_saved_again(aws: Aws) -> None:
    cloudwatch, route53 = aws[THERE].cloudwatch, aws[HERE].route53

    def alarm(threshold: float) -> None:
        cloudwatch.put_metric_alarm(AlarmName="lag", Namespace="App", MetricName="Lag", Threshold=threshold, Period=60,
                                    ComparisonOperator="GreaterThanThreshold", EvaluationPeriods=1,
                                    Statistic="Average")

    alarm(5)
    identifier: Any = {"Region": THERE, "Name": "lag"}
    check = health_check(aws, "a", Type="CLOUDWATCH_METRIC", AlarmIdentifier=identifier)
    cloudwatch.put_metric_data(Namespace="App", MetricData=[{"MetricName": "Lag", "Value": 9}])
    alarm(50)
    assert not is_healthy(check)
    route53.update_health_check(HealthCheckId=check, AlarmIdentifier=identifier)
    assert is_healthy(check)


def test_the_status_is_a_metric_in_us_east_1_alone(aws: Aws) -> None:
    bad = health_check(aws, "bad", Type="HTTP", FullyQualifiedDomainName="nowhere.example.com")
    until(lambda: not is_healthy(bad))

    def minimum(region: str) -> list[float]:
        now = datetime.now(UTC)
        got = aws[region].cloudwatch.get_metric_statistics(
            Namespace="AWS/Route53", MetricName="HealthCheckStatus", Statistics=["Minimum"], Period=60,
            Dimensions=[{"Name": "HealthCheckId", "Value": bad}], StartTime=now - timedelta(minutes=5),
            EndTime=now + timedelta(minutes=1))
        return [point["Minimum"] for point in got["Datapoints"]]

    assert minimum(HERE)[-1:] == [0.0]
    assert minimum(THERE) == []
