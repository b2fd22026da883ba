"""Reads miss a balancer, a target group or a listener for some seconds after it was made."""

from __future__ import annotations

from functools import partial

import pytest

from drctl.aws.clients import Aws
from drctl.aws.durations import seconds
from drctl.lab.clock import LabClock
from tests.lab.test_balancing import Site, refusal


@pytest.fixture
def site(aws: Aws) -> Site:
    return Site(aws)


@pytest.mark.rule("balancer-visible")
def test_a_new_balancer_is_not_found_for_some_seconds(site: Site, clock: LabClock) -> None:
    arn = site.balancer()["LoadBalancerArn"]
    assert site.is_gone()
    for wanted in ({"Names": ["app"]}, {"LoadBalancerArns": [arn]}):
        assert refusal(site.elb.describe_load_balancers, **wanted) == "LoadBalancerNotFound"
    clock.skip(seconds("balancer-visible"))
    assert site.state(arn) == "provisioning"


@pytest.mark.rule("balancer-attributes-visible")
def test_the_attributes_of_a_new_balancer_are_not_found_either(site: Site, clock: LabClock) -> None:
    look = partial(site.elb.describe_load_balancer_attributes, LoadBalancerArn=site.balancer()["LoadBalancerArn"])
    assert refusal(look) == "LoadBalancerNotFound"
    clock.skip(seconds("balancer-visible"))
    look()


@pytest.mark.rule("target-group-visible")
def test_a_new_target_group_is_not_found_for_some_seconds(site: Site, clock: LabClock) -> None:
    arn = site.targets()
    for wanted in ({"Names": ["app"]}, {"TargetGroupArns": [arn]}):
        assert refusal(site.elb.describe_target_groups, **wanted) == "TargetGroupNotFound"
    clock.skip(seconds("target-group-visible"))
    assert site.elb.describe_target_groups(Names=["app"])["TargetGroups"]


@pytest.mark.rule("listener-visible")
def test_a_new_listener_is_missing_for_some_seconds_and_its_port_is_taken(site: Site, clock: LabClock) -> None:
    balancer, targets = site.balancer()["LoadBalancerArn"], site.targets()
    listener = site.listen(balancer, targets)
    assert not site.elb.describe_listeners(LoadBalancerArn=balancer)["Listeners"]
    assert refusal(site.elb.describe_listeners, ListenerArns=[listener]) == "ListenerNotFound"
    assert refusal(partial(site.listen, balancer, targets)) == "DuplicateListener"
    clock.skip(seconds("listener-visible"))
    assert site.elb.describe_listeners(LoadBalancerArn=balancer)["Listeners"]


@pytest.mark.rule("balancer-tags")
def test_what_is_not_there_has_no_tags(site: Site) -> None:
    arn = site.targets()
    site.elb.delete_target_group(TargetGroupArn=arn)
    assert refusal(site.elb.describe_tags, ResourceArns=[arn]) == "TargetGroupNotFound"
