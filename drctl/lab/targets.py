"""Target groups whose target is a function: permission to invoke it first, and health that has to be found out."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import Any

from moto.awslambda.exceptions import UnknownFunctionException
from moto.awslambda.utils import get_backend
from moto.core.errors import COMMON_ERROR_CODES
from moto.elbv2.exceptions import ELBClientError
from moto.elbv2.models import ELBv2Backend, FakeHealthStatus, FakeTargetGroup, elbv2_backends

from drctl.aws.durations import seconds
from drctl.lab import functions
from drctl.lab.clock import CLOCK
from drctl.lab.rules import rule

# ELBv2 sends these codes although its API model has no shape for them
COMMON_ERROR_CODES.extend(["AccessDenied", "UnsupportedCertificate"])
PRINCIPAL = "elasticloadbalancing.amazonaws.com"


def is_used(backend: ELBv2Backend, group_arn: str, load_balancer_arn: str | None = None) -> bool:
    """Whether a listener (of that balancer) forwards to the target group."""
    balancers = [balancer for balancer in list(backend.load_balancers.values())
                 if load_balancer_arn in {None, balancer.arn}]
    return any(group_arn in backend._get_target_group_arns_from(action_data=action.data)
               for balancer in balancers for listener in list(balancer.listeners.values())
               for entry in listener.rules.values() for action in entry.actions)


def release(backend: ELBv2Backend, group_arns: Iterable[str]) -> None:
    """Target groups whose listener goes now; see the rule target-group-released."""
    released: dict[str, float] = backend.__dict__.setdefault("_lab_groups_released", {})
    released |= dict.fromkeys(group_arns, CLOCK.now() + seconds("target-group-release"))


#: Settings that two requests for one target group must share, as moto calls them.
_SAME = {"target_type": "target_type", "healthcheck_path": "health_check_path",
         "healthcheck_interval_seconds": "health_check_interval_seconds",
         "healthcheck_timeout_seconds": "health_check_timeout_seconds",
         "healthy_threshold_count": "healthy_threshold_count",
         "unhealthy_threshold_count": "unhealthy_threshold_count", "matcher": "matcher"}


@rule("target-group-name", ELBv2Backend, "create_target_group")
def target_group_name(proceed: Any, self: ELBv2Backend, name: str, **settings: Any) -> Any:
    """The same name with the same settings gives the group there is; with others, DuplicateTargetGroupName.

    Source: ELBv2 API Reference, CreateTargetGroup.
    """
    for group in self.target_groups.values():
        if group.name == name:
            different = [key for key, attribute in _SAME.items() if settings.get(key) is not None
                         and str(settings[key]) != str(getattr(group, attribute))]
            if not different:
                return group
    return proceed(name, **settings)


@rule("target-group-timeout", ELBv2Backend, "create_target_group", "modify_target_group")
def target_group_timeout(proceed: Any, self: ELBv2Backend, *args: Any, **kwargs: Any) -> Any:
    """A health check must time out before the next one.

    Refuses with ValidationError. Source: ELBv2 API Reference, CreateTargetGroup: HealthCheckTimeoutSeconds.
    """
    given = inspect.signature(proceed).bind(*args, **kwargs).arguments
    given = {**given, **given.get("kwargs", {})}
    group = self.target_groups.get(str(given.get("arn")))
    interval = (given.get("health_check_interval") or given.get("healthcheck_interval_seconds")
                or (group.health_check_interval_seconds if group else None))
    timeout = (given.get("health_check_timeout") or given.get("healthcheck_timeout_seconds")
               or (group.health_check_timeout_seconds if group else None))
    if interval and timeout and int(timeout) >= int(interval):
        raise ELBClientError("ValidationError", f"Health check timeout '{timeout}' must be smaller than the interval "
                             f"'{interval}'")
    return proceed(*args, **kwargs)


@rule("target-group-released", ELBv2Backend, "delete_target_group")
def target_group_released(proceed: Any, self: ELBv2Backend, target_group_arn: str) -> Any:
    """A target group counts as in use for some seconds after its listener or balancer went: ResourceInUse.

    Source: Terraform provider: target group, deletion is retried on ResourceInUse for two minutes.
    """
    until: float = self.__dict__.get("_lab_groups_released", {}).get(target_group_arn, 0.0)
    if CLOCK.now() < until:
        raise ELBClientError("ResourceInUse", f"Target group '{target_group_arn}' is currently in use by a listener "
                             "or a rule")
    return proceed(target_group_arn)


@rule("target-group-absent", ELBv2Backend, "delete_target_group")
def target_group_absent(proceed: Any, self: ELBv2Backend, target_group_arn: str) -> Any:
    """Deleting a target group that is not there succeeds.

    Source: ELBv2 API Reference, DeleteTargetGroup; Terraform provider: target group.
    """
    return proceed(target_group_arn) if target_group_arn in self.target_groups else None


@rule("target-permission", ELBv2Backend, "register_targets")
def target_permission(proceed: Any, self: ELBv2Backend, target_group_arn: str, instances: list[Any]) -> Any:
    """A function must let the target group invoke it, with exactly the qualifier registered: AccessDenied.

    A group has one function (TooManyTargets), which must exist (InvalidTarget).
    Source: Application Load Balancers, Lambda functions as targets.
    """
    group = self.target_groups.get(target_group_arn)
    if group is None or group.target_type != "lambda":
        return proceed(target_group_arn, instances)
    if len({*group.targets, *(target["Id"] for target in instances)}) > 1:
        raise ELBClientError("TooManyTargets", "A target group of type lambda has one target")
    for target in instances:
        if not _may_invoke(self, target["Id"], target_group_arn):
            raise ELBClientError("AccessDenied", f"elasticloadbalancing principal does not have permission to invoke "
                                 f"{target['Id']} from target group {target_group_arn}")
    proceed(target_group_arn, instances)
    for target in instances:
        group.targets[target["Id"]].setdefault("_lab_since", CLOCK.now())
    return None


@rule("target-draining", ELBv2Backend, "describe_target_health")
def target_draining(proceed: Any, self: ELBv2Backend, target_group_arn: str, targets: list[Any]) -> Any:
    """A target that was deregistered is shown as draining until the delay of its group has passed.

    Target.DeregistrationInProgress. Source: ELBv2 API Reference, DeregisterTargets and TargetHealth.
    """
    answer = proceed(target_group_arn, targets)
    group = self.target_groups.get(target_group_arn)
    draining: dict[str, float] = group.__dict__.get("_lab_draining", {}) if group else {}
    return answer if targets else [*answer, *(
        FakeHealthStatus(target, None, None, "draining", "Target.DeregistrationInProgress",
                         "Target deregistration is in progress")
        for target, until in draining.items() if CLOCK.now() < until and target not in group.targets)]


@rule("target-deregistered", FakeTargetGroup, "deregister")
def target_deregistered(proceed: Any, self: FakeTargetGroup, targets: list[dict[str, Any]]) -> Any:
    """Deregistration takes as long as requests may drain, 300 seconds unless the group says otherwise.

    Source: ELBv2 API Reference, DeregisterTargets.
    """
    delay = float(self.attributes.get("deregistration_delay.timeout_seconds") or 300)
    draining: dict[str, float] = self.__dict__.setdefault("_lab_draining", {})
    draining |= {target["Id"]: CLOCK.now() + delay for target in targets if target["Id"] in self.targets}
    return proceed(targets)


def _may_invoke(backend: ELBv2Backend, target: str, group_arn: str) -> bool:
    try:
        function = get_backend(backend.account_id, backend.region_name).get_function(target)
    except UnknownFunctionException as missing:
        raise ELBClientError("InvalidTarget", f"The Lambda function '{target}' is not found") from missing
    return any(statement["Resource"] == target and statement["Principal"] == {"Service": PRINCIPAL}
               and statement["Action"] in {"lambda:InvokeFunction", "lambda:*"}
               and statement.get("Condition", {}).get("ArnLike", {}).get("AWS:SourceArn", group_arn) == group_arn
               for statement in function.policy.statements)


@rule("target-health", FakeTargetGroup, "health_for")
def target_health(proceed: Any, self: FakeTargetGroup, target: dict[str, Any], ec2_backend: Any) -> Any:
    """A function's health is unavailable without checks, unused without a listener, else what the checks find.

    Target.HealthCheckDisabled, Target.NotInUse, Elb.InitialHealthChecking, Target.FailedHealthChecks.
    Source: ELBv2 API Reference, TargetHealth.
    """
    known = self.targets.get(target["Id"])
    if self.target_type != "lambda" or known is None:
        return proceed(target, ec2_backend)
    state, reason, text = _health(self, known)
    return FakeHealthStatus(known["Id"], known["Port"], None, state, reason, text)


def _health(group: FakeTargetGroup, target: dict[str, Any]) -> tuple[str, str | None, str | None]:
    if str(group.health_check_enabled).lower() != "true":
        return "unavailable", "Target.HealthCheckDisabled", "Health checks are not enabled for this target"
    if not is_used(elbv2_backends[group.account_id][group.region_name], group.arn):
        return "unused", "Target.NotInUse", "Target group is not configured to receive traffic from the load balancer"
    if CLOCK.now() < target.get("_lab_since", 0.0) + float(group.health_check_interval_seconds):
        return "initial", "Elb.InitialHealthChecking", "Initial health checks in progress"
    if functions.is_active(group.region_name, target["Id"]):
        return "healthy", None, None
    return "unhealthy", "Target.FailedHealthChecks", "Health checks failed"
