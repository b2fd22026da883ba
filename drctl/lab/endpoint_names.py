"""Names of interface endpoints, and functions that are told to reach a service by such a name."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from moto.awslambda.models import LambdaFunction
from moto.ec2.models import EC2Backend, ec2_backends
from moto.ec2.models.vpcs import VPCEndPoint

from drctl.lab import network  # noqa: F401  # its rules around the same method are asked after this module's
from drctl.lab.function_interfaces import vpc_of
from drctl.lab.rules import rule
from drctl.settings import LAB_ACCOUNT

#: Beginning of the variables that tell an SDK where a service is.
ENDPOINT = "AWS_ENDPOINT_URL_"


@rule("endpoint-names", EC2Backend, "create_vpc_endpoint")
def endpoint_has_a_name(proceed: Any, self: EC2Backend, *args: Any, **kwargs: Any) -> Any:
    """An interface endpoint is called `vpce-….SERVICE.REGION.vpce.amazonaws.com`, with or without private DNS.

    Source: AWS PrivateLink Guide, Access an AWS service using an interface VPC endpoint: DNS names
    """
    endpoint: VPCEndPoint = proceed(*args, **kwargs)
    for entry in endpoint.dns_entries or ():
        if not entry["dns_name"].endswith(".vpce.amazonaws.com"):
            service = endpoint.service_name.rpartition(".")[2]
            entry["dns_name"] = (f"{endpoint.id}-{secrets.token_hex(4)}.{service}.{self.region_name}"
                                 ".vpce.amazonaws.com")
    return endpoint


def reached_by(function: LambdaFunction, variables: Mapping[str, str], address: str) -> dict[str, str]:
    """The variables that name a living endpoint of the function's network, each with the lab's own address.

    A name of no such endpoint stays, and nothing answers there. Whether the endpoint's security groups admit the
    function is not imitated.
    """
    return {name: address for name, value in variables.items() if name.startswith(ENDPOINT)
            and _is_known(function, urlsplit(value).hostname or "")}


def _is_known(function: LambdaFunction, host: str) -> bool:
    known = ec2_backends[LAB_ACCOUNT][function.region].vpc_end_points.values()
    return any(endpoint.state == "available" and endpoint.vpc_id == vpc_of(function)
               and host in {entry["dns_name"] for entry in endpoint.dns_entries or ()} for endpoint in known)
