"""AWS WAF and new balancers: an association has to wait until WAF knows the balancer."""

from __future__ import annotations

from typing import Any

from moto.core import DEFAULT_ACCOUNT_ID
from moto.elbv2.models import elbv2_backends
from moto.wafv2.exceptions import WAFNonexistentItemException
from moto.wafv2.models import WAFV2Backend

from drctl.aws.durations import seconds
from drctl.lab.clock import CLOCK
from drctl.lab.rules import is_hidden, rule
from drctl.lab.web_acls import unavailable


@rule("firewall-in-front", WAFV2Backend, "get_web_acl_for_resource")
def in_front(proceed: Any, _self: WAFV2Backend, resource_arn: str) -> Any:
    """What is in front of a new balancer cannot be told before WAF knows it: WAFUnavailableEntityException.

    Source: AWS WAF API Reference, GetWebACLForResource.
    """
    if ":loadbalancer/" in resource_arn:
        _must_be_known(resource_arn)
    return proceed(resource_arn)


@rule("firewall-association", WAFV2Backend, "associate_web_acl")
def association(proceed: Any, _self: WAFV2Backend, web_acl_arn: str, resource_arn: str) -> Any:
    """A new balancer is unknown to WAF until some time after it is active: WAFUnavailableEntityException.

    One that is gone is WAFNonexistentItemException. Source: AWS WAF API Reference, AssociateWebACL; Terraform
    provider: retries for minutes.
    """
    if ":loadbalancer/" in resource_arn:
        _must_be_known(resource_arn)
    return proceed(web_acl_arn, resource_arn)


@rule("firewall-known", WAFV2Backend, "associate_web_acl")
def known(proceed: Any, self: WAFV2Backend, web_acl_arn: str, resource_arn: str) -> Any:
    """A web ACL just made cannot be put in front of anything yet: WAFUnavailableEntityException.

    Source: AWS WAF API Reference, AssociateWebACL; Terraform provider: retries for minutes.
    """
    acl = self.wacls.get(web_acl_arn)
    if acl is not None and is_hidden(acl):
        raise unavailable()
    return proceed(web_acl_arn, resource_arn)


def _must_be_known(load_balancer_arn: str) -> None:
    region = load_balancer_arn.split(":")[3]
    balancer = elbv2_backends[DEFAULT_ACCOUNT_ID][region].load_balancers.get(load_balancer_arn)
    if balancer is None:
        raise WAFNonexistentItemException
    if CLOCK.now() < balancer.__dict__.get("_lab_due_at", 0.0) + seconds("waf-associate"):
        raise unavailable()
