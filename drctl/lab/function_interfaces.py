"""Lambda's network interfaces: one for each subnet and set of security groups, shared, and slow to leave."""

from __future__ import annotations

import threading
from functools import partial
from typing import Any

from moto.awslambda.models import LambdaBackend, LambdaFunction
from moto.awslambda_simple.models import lambda_simple_backends
from moto.core import DEFAULT_ACCOUNT_ID
from moto.ec2.exceptions import InvalidSubnetIdError

from drctl.aws.durations import seconds
from drctl.lab import interfaces
from drctl.lab.clock import CLOCK

Place = tuple[str, frozenset[str]]
#: Two functions made at the same moment share their interfaces: one settles after the other.
LOCK = threading.RLock()
#: Instead of a role that is gone.
STRANDED = ""


def vpc_of(function: LambdaFunction) -> str | None:
    """Id of the VPC a function is in; None for a function outside of any."""
    subnets = (function._vpc_config or {}).get("SubnetIds") or []
    if not subnets:
        return None
    try:
        return str(interfaces.backend(function.region).get_subnet(subnets[0]).vpc_id)
    except InvalidSubnetIdError:
        return None


def _places(lambda_: LambdaBackend) -> dict[Place, LambdaFunction]:
    """Every subnet and set of groups that a function or one of its versions uses, with that function."""
    functions = [function for kept in lambda_._lambdas._functions.values()
                 for function in (kept["latest"], *kept["versions"]) if function is not None]
    return {(subnet, frozenset(function._vpc_config.get("SecurityGroupIds") or [])): function
            for function in functions for subnet in (function._vpc_config or {}).get("SubnetIds") or []}


def settle_interfaces(lambda_: LambdaBackend) -> None:
    """Make the interfaces that functions need and let those go, after a while, that none uses any more."""
    with LOCK:
        kept: dict[Place, str] = lambda_.__dict__.setdefault("_lab_interfaces", {})
        wanted = _places(lambda_)
        for place, function in wanted.items():
            if place not in kept:
                (subnet, groups), name = place, function.function_name
                _makers(lambda_)[place] = str(function.role)
                kept[place] = interfaces.make(lambda_.region_name, subnet, sorted(groups), f"AWS Lambda VPC ENI-{name}",
                                              "lambda", f"{lambda_.account_id}:{name}")
        for place in set(kept) - set(wanted):
            CLOCK.after(seconds("interface-linger"), partial(_reclaim, lambda_, kept, place))


def _reclaim(lambda_: LambdaBackend, kept: dict[Place, Any], place: Place) -> None:
    """Nothing has come back to that subnet and those groups in the meantime."""
    with LOCK:
        if place in kept and place not in _places(lambda_) and _makers(lambda_).get(place) != STRANDED:
            interfaces.remove(lambda_.region_name, [kept.pop(place)])


def _makers(lambda_: LambdaBackend) -> dict[Place, str]:
    """The role with whose rights the interfaces of each place were made, and will be removed."""
    makers: dict[Place, str] = lambda_.__dict__.setdefault("_lab_interface_roles", {})
    return makers


def strand(role_arn: str) -> None:
    """The role is gone: what was made with it nobody removes any more."""
    with LOCK:
        for lambda_ in list(lambda_simple_backends[DEFAULT_ACCOUNT_ID].values()):
            for place, role in _makers(lambda_).items():
                if role == role_arn:
                    _makers(lambda_)[place] = STRANDED
