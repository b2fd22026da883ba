"""Lambda's network interfaces: one for each subnet and set of security groups, shared, and slow to leave."""

from __future__ import annotations

import threading
from functools import partial
from typing import Any

from moto.awslambda.models import LambdaBackend, LambdaFunction
from moto.ec2.exceptions import InvalidSubnetIdError

from drctl.aws.durations import seconds
from drctl.lab import interfaces
from drctl.lab.clock import CLOCK

Place = tuple[str, frozenset[str]]
#: Two functions made at the same moment share their interfaces: one settles after the other.
LOCK = threading.RLock()


def vpc_of(function: LambdaFunction) -> str | None:
    """Id of the VPC a function is in; None for a function outside of any."""
    subnets = (function._vpc_config or {}).get("SubnetIds") or []
    if not subnets:
        return None
    try:
        return str(interfaces.backend(function.region).get_subnet(subnets[0]).vpc_id)
    except InvalidSubnetIdError:
        return None


def _places(lambda_: LambdaBackend) -> dict[Place, str]:
    """Every subnet and set of groups that a function or one of its versions uses, with that function's name."""
    functions = [function for kept in lambda_._lambdas._functions.values()
                 for function in (kept["latest"], *kept["versions"]) if function is not None]
    return {(subnet, frozenset(function._vpc_config.get("SecurityGroupIds") or [])): function.function_name
            for function in functions for subnet in (function._vpc_config or {}).get("SubnetIds") or []}


def settle_interfaces(lambda_: LambdaBackend) -> None:
    """Make the interfaces that functions need and let those go, after a while, that none uses any more."""
    with LOCK:
        kept: dict[Place, str] = lambda_.__dict__.setdefault("_lab_interfaces", {})
        wanted = _places(lambda_)
        for place, name in wanted.items():
            if place not in kept:
                subnet, groups = place
                kept[place] = interfaces.make(lambda_.region_name, subnet, sorted(groups), f"AWS Lambda VPC ENI-{name}",
                                              "lambda", f"{lambda_.account_id}:{name}")
        for place in set(kept) - set(wanted):
            CLOCK.after(seconds("interface-linger"), partial(_reclaim, lambda_, kept, place))


def _reclaim(lambda_: LambdaBackend, kept: dict[Place, Any], place: Place) -> None:
    """Nothing has come back to that subnet and those groups in the meantime."""
    with LOCK:
        if place in kept and place not in _places(lambda_):
            interfaces.remove(lambda_.region_name, [kept.pop(place)])
