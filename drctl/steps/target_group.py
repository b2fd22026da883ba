"""The target group that leads from a region's balancer to the live version of the app's function."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from drctl.aws.errors import Refusal, absent_is_fine, is_gone
from drctl.aws.tags import as_list, as_map
from drctl.aws.tags import refuse_foreign as refuse_foreign_tags
from drctl.engine.run import Run
from drctl.engine.waiting import minutes
from drctl.settings import Settings, Site
from drctl.steps.permission import Permission

if TYPE_CHECKING:
    from drctl.steps.deployed_function import FunctionOut

#: With it the group invokes the function.
PERMISSION = Permission("balancer", "elasticloadbalancing.amazonaws.com")
#: The permission is not seen everywhere at once, nor is the alias (Terraform provider: up to 10 min).
TARGET_NOT_YET = (Refusal("AccessDenied", "permission to invoke"), Refusal("AccessDeniedException", "invoke"),
                  Refusal("InvalidTarget"))


@dataclass(frozen=True)
class TargetGroupOut:
    """The group as it stands: its health check's settings, and its targets with their health."""

    arn: str
    check: dict[str, Any]
    targets: dict[str, str]


def name(run: Run, site: Site) -> str:
    """The group's name, unique in the account's region."""
    return run.name("tg", "app", site)


def wanted_check(settings: Settings) -> dict[str, Any]:
    """Off by default for functions; on, it also keeps the idle region's function from falling asleep after 14 days
    (Lambda Developer Guide, functions in a VPC). A check must time out before the next one."""
    return {"HealthCheckEnabled": True, "HealthCheckPath": settings.app.health_path, "HealthCheckIntervalSeconds": 30,
            "HealthCheckTimeoutSeconds": 10, "HealthyThresholdCount": 2, "UnhealthyThresholdCount": 2,
            "Matcher": {"HttpCode": "200"}}


def find(run: Run, site: Site) -> TargetGroupOut | None:
    """The group by its name; a target that was deregistered is shown as draining for minutes and is none any more."""
    elbv2 = run.at(site).elbv2
    try:
        group: Any = elbv2.describe_target_groups(Names=[name(run, site)])["TargetGroups"][0]
    except ClientError as error:
        if is_gone(error):
            return None
        raise
    health = elbv2.describe_target_health(TargetGroupArn=group["TargetGroupArn"])["TargetHealthDescriptions"]
    check = {key: group.get(key) for key in wanted_check(run.settings)}
    states = {one["Target"]["Id"]: one["TargetHealth"]["State"] for one in health}
    return TargetGroupOut(group["TargetGroupArn"], check,
                          {target: state for target, state in states.items() if state != "draining"})


def ensure(run: Run, site: Site, app: FunctionOut) -> TargetGroupOut:
    """The group with its health check; a lambda group has neither port, protocol nor VPC.

    A group whose check or target is about to change must be ours.
    """
    out, elbv2, check = find(run, site), run.at(site).elbv2, wanted_check(run.settings)
    if out is None:
        made = elbv2.create_target_group(Name=name(run, site), TargetType="lambda", **check,
                                         Tags=as_list(run.tags(site, name(run, site))))
        return TargetGroupOut(made["TargetGroups"][0]["TargetGroupArn"], check, {})
    if out.check != check or list(out.targets) != [app.alias_arn]:
        refuse_foreign(run, site, out.arn)
    if out.check != check:
        elbv2.modify_target_group(TargetGroupArn=out.arn, **check)
    return out


def register(run: Run, site: Site, app: FunctionOut, out: TargetGroupOut) -> None:
    """Make the alias the group's one target: a group holds one function, and a second does not replace the first."""
    elbv2: Any = run.at(site).elbv2
    if others := [{"Id": target} for target in out.targets if target != app.alias_arn]:
        elbv2.deregister_targets(TargetGroupArn=out.arn, Targets=others)
    if app.alias_arn not in out.targets:
        run.retry("the function can be registered", partial(
            elbv2.register_targets, TargetGroupArn=out.arn, Targets=[{"Id": app.alias_arn}]),
            TARGET_NOT_YET, within=minutes(10))


def delete(run: Run, site: Site) -> None:
    """Remove the group once no listener uses it any more."""
    out = find(run, site)
    if out is not None:
        with absent_is_fine():  # the group itself may go between two looks, after a deletion whose answer was lost
            refuse_foreign(run, site, out.arn)
            run.retry("no listener uses the target group", partial(
                run.at(site).elbv2.delete_target_group, TargetGroupArn=out.arn), (Refusal("ResourceInUse"),),
                within=minutes(5))


def refuse_foreign(run: Run, site: Site, arn: str) -> None:
    """Raise Refused for a group of our name without our tag."""
    tags = run.at(site).elbv2.describe_tags(ResourceArns=[arn])["TagDescriptions"]
    refuse_foreign_tags("target group", arn, as_map(tags[0]["Tags"] if tags else ()), run.settings.environment)


def as_handed_on(method: str, path: str, content: dict[str, Any] | None = None, *, host: str) -> dict[str, Any]:
    """A request as a load balancer hands it to a function (Elastic Load Balancing, "Use Lambda functions as targets of
    an Application Load Balancer").
    """
    return {"requestContext": {"elb": {"targetGroupArn": ""}}, "httpMethod": method, "path": path,
            "queryStringParameters": {}, "headers": {"host": host, "content-type": "application/json",
                                                     "x-forwarded-proto": "https"},
            "body": "" if content is None else json.dumps(content), "isBase64Encoded": False}
