"""One route of a table: made where there is none, and led elsewhere where there is one."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError

from drctl.aws.errors import Refusal, is_one_of
from drctl.engine.run import Run
from drctl.steps.network import PROPAGATION

#: A target or table just made is unknown to some hosts for up to five minutes (Terraform provider: route).
TOO_YOUNG = (Refusal("InvalidRouteTableID.NotFound"), Refusal("InvalidGatewayID.NotFound"),
             Refusal("InvalidInternetGatewayID.NotFound"), Refusal("InvalidNatGatewayID.NotFound"),
             Refusal("InvalidVpcPeeringConnectionID.NotFound"), Refusal("InvalidParameterException"))
#: What was read was late: the route is there already, or it is not (EC2 API Reference, CreateRoute and ReplaceRoute).
OTHERWISE = (Refusal("RouteAlreadyExists"), Refusal("InvalidParameterValue", "no route defined"))


def lead(run: Run, region: str, table_id: str, cidr: str, target: dict[str, str], *, replace: bool) -> None:
    """Let `cidr` lead to `target`, a parameter of CreateRoute; `replace` when the table seems to lead it somewhere."""
    ec2 = run.at(region).ec2
    create: Any = ec2.create_route
    change: Any = ec2.replace_route
    first, second = (change, create) if replace else (create, change)
    route = {"RouteTableId": table_id, "DestinationCidrBlock": cidr, **target}

    def attempt() -> None:
        try:
            first(**route)
        except ClientError as error:
            if not is_one_of(error, *OTHERWISE):
                raise
            second(**route)

    run.retry(f"{', '.join(target.values())} and {table_id} are known to routing", attempt, TOO_YOUNG,
              within=PROPAGATION)
