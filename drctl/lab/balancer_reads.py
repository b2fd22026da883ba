"""Load balancers, target groups and listeners that were just made: reads miss them for some seconds."""

from __future__ import annotations

from typing import Any

from moto.elbv2.exceptions import ListenerNotFoundError, LoadBalancerNotFoundError, TargetGroupNotFoundError
from moto.elbv2.models import ELBv2Backend

from drctl.aws.durations import seconds
from drctl.lab.rules import hide, is_hidden, rule


@rule("balancer-visible", ELBv2Backend, "create_load_balancer", "describe_load_balancers")
def balancer_visible(proceed: Any, self: ELBv2Backend, *args: Any, **kwargs: Any) -> Any:
    """A balancer just made is not found for some seconds: LoadBalancerNotFound by name or ARN.

    Source: Terraform provider: load balancer, LoadBalancerNotFound after a create.
    """
    known = set(self.load_balancers)
    answer = proceed(*args, **kwargs)
    if not isinstance(answer, list):
        if answer.arn not in known:
            hide(answer, seconds("balancer-visible"))
        return answer
    shown = [one for one in answer if not is_hidden(one)]
    if len(shown) < len(answer) and any(args):
        raise LoadBalancerNotFoundError
    return shown


@rule("balancer-attributes-visible", ELBv2Backend, "describe_load_balancer_attributes")
def balancer_attributes_visible(proceed: Any, self: ELBv2Backend, arn: str) -> Any:
    """The attributes of a balancer that is not visible yet are LoadBalancerNotFound too.

    Source: Terraform provider: load balancer, LoadBalancerNotFound after a create.
    """
    if (balancer := self.load_balancers.get(arn)) and is_hidden(balancer):
        raise LoadBalancerNotFoundError
    return proceed(arn)


@rule("target-group-visible", ELBv2Backend, "create_target_group", "describe_target_groups")
def target_group_visible(proceed: Any, self: ELBv2Backend, *args: Any, **kwargs: Any) -> Any:
    """A target group just made is not found for some seconds: TargetGroupNotFound by name or ARN.

    Source: Terraform provider: target group, read back for two minutes.
    """
    known = set(self.target_groups)
    answer = proceed(*args, **kwargs)
    if not isinstance(answer, list):
        if answer.arn not in known:
            hide(answer, seconds("target-group-visible"))
        return answer
    shown = [one for one in answer if not is_hidden(one)]
    if len(shown) < len(answer) and any(args):
        raise TargetGroupNotFoundError
    return shown


@rule("listener-visible", ELBv2Backend, "create_listener", "describe_listeners")
def listener_visible(proceed: Any, _self: ELBv2Backend, *args: Any, **kwargs: Any) -> Any:
    """A listener just made is missing in its balancer's list for some seconds, and ListenerNotFound by its ARN.

    Source: Terraform provider: listener, ListenerNotFound after a create.
    """
    answer = proceed(*args, **kwargs)
    if not isinstance(answer, list):
        hide(answer, seconds("listener-visible"))
        return answer
    shown = [one for one in answer if not is_hidden(one)]
    if answer and not shown and (kwargs.get("listener_arns") or any(args[1:])):
        raise ListenerNotFoundError
    return shown


@rule("balancer-tags", ELBv2Backend, "describe_tags")
def balancer_tags(proceed: Any, self: ELBv2Backend, resource_arns: list[str]) -> Any:
    """What is not there has no tags: LoadBalancerNotFound, TargetGroupNotFound or ListenerNotFound.

    Source: ELBv2 API Reference, DescribeTags.
    """
    for arn in resource_arns:
        self._get_resource_by_arn(arn)
    return proceed(resource_arns)
