"""Route 53 health checks as objects: references that are used once, parents and children, updates of one field."""

from __future__ import annotations

from typing import Any

from moto.route53.exceptions import NoSuchHealthCheck, Route53ClientError
from moto.route53.models import HealthCheck, Route53Backend
from moto.route53.responses import Route53

from drctl.lab.rules import rule


def _check_children(backend: Route53Backend, children: list[str]) -> None:
    for child in children:
        if child not in backend.health_checks:
            raise Route53ClientError("InvalidInput", f"Invalid parameter : Child health check {child} does not exist")
        if backend.health_checks[child].type_ == "CALCULATED":
            raise Route53ClientError("InvalidInput", f"Invalid parameter : Child health check {child} is calculated")


@rule("check-reference", Route53Backend, "create_health_check")
def check_reference(proceed: Any, self: Route53Backend, caller_reference: str,
                    health_check_args: dict[str, Any]) -> Any:
    """The same reference with the same settings gives the same check; else, or after its deletion, it is refused.

    Refuses with HealthCheckAlreadyExists. Source: Route 53 API Reference, CreateHealthCheck.
    """
    used: dict[str, tuple[HealthCheck, dict[str, Any]]] = self.__dict__.setdefault("_lab_check_references", {})
    if caller_reference in used:
        known, settings = used[caller_reference]
        if known.id in self.health_checks and settings == health_check_args:
            return known
        raise Route53ClientError("HealthCheckAlreadyExists", "A health check with the caller reference "
                                 f"{caller_reference} already exists, or existed.")
    check = proceed(caller_reference, health_check_args)
    used[caller_reference] = check, health_check_args
    return check


@rule("check-defaults", Route53Backend, "create_health_check")
def check_defaults(proceed: Any, _self: Route53Backend, caller_reference: str,
                   health_check_args: dict[str, Any]) -> Any:
    """HTTPS checks ask port 443 and send the name unless told otherwise.

    Source: Route 53 API Reference, HealthCheckConfig: Port and EnableSNI.
    """
    if not str(health_check_args.get("type")).startswith("HTTPS"):
        return proceed(caller_reference, health_check_args)
    sni = health_check_args.get("enable_sni")
    return proceed(caller_reference, {**health_check_args, "port": health_check_args.get("port") or 443,
                                      "enable_sni": True if sni is None else sni})


@rule("check-children", Route53Backend, "create_health_check")
def check_children(proceed: Any, self: Route53Backend, caller_reference: str,
                   health_check_args: dict[str, Any]) -> Any:
    """What a calculated check combines must exist and not be calculated itself.

    Refuses with InvalidInput. Source: Route 53 API Reference, HealthCheckConfig: ChildHealthChecks.
    """
    _check_children(self, health_check_args.get("children") or [])
    return proceed(caller_reference, health_check_args)


@rule("check-children-changed", Route53, "update_health_check")
def check_children_changed(proceed: Any, self: Route53) -> Any:
    """Other children are looked at like the first.

    Refuses with InvalidInput. Source: Route 53 API Reference, UpdateHealthCheck.
    """
    _check_children(self.backend, self._get_param("ChildHealthChecks", []))
    return proceed()


@rule("check-version", Route53, "update_health_check")
def check_version(proceed: Any, self: Route53) -> Any:
    """An update that names an outdated version is refused.

    Refuses with HealthCheckVersionMismatch. Source: Route 53 API Reference, UpdateHealthCheck.
    """
    check = self.backend.get_health_check(self._get_param("HealthCheckId"))
    version = self._get_param("HealthCheckVersion")
    if version is not None and int(version) != check.health_check_version:
        raise Route53ClientError("HealthCheckVersionMismatch",
                                 f"The version of {check.id} is {check.health_check_version}, not {version}.")
    return proceed()


@rule("check-in-use", Route53Backend, "delete_health_check")
def check_in_use(proceed: Any, self: Route53Backend, health_check_id: str) -> Any:
    """A child of a calculated check stays: HealthCheckInUse. One that records name goes without complaint.

    An unknown one is NoSuchHealthCheck. Source: Route 53 API Reference, DeleteHealthCheck.
    """
    if health_check_id not in self.health_checks:
        raise NoSuchHealthCheck(health_check_id)
    if any(health_check_id in (check.children or []) for check in self.health_checks.values()):
        raise Route53ClientError("HealthCheckInUse", f"The health check {health_check_id} is a child of another one.")
    return proceed(health_check_id)


@rule("check-update", Route53, "update_health_check")
def check_update(proceed: Any, self: Route53) -> Any:
    """An update keeps every field it does not name, clears those it resets, and raises the version.

    Source: Route 53 API Reference, UpdateHealthCheck.
    """
    check = self.backend.get_health_check(self._get_param("HealthCheckId"))
    children, regions = check.children, check.regions
    answer = proceed()
    reset = self._get_param("ResetElements", [])
    check.children = check.children or (None if "ChildHealthChecks" in reset else children)
    check.regions = check.regions or (None if "Regions" in reset else regions)
    for name, attribute in (("FullyQualifiedDomainName", "fqdn"), ("ResourcePath", "resource_path")):
        if name in reset:
            setattr(check, attribute, None)
    check.health_check_version += 1
    return answer
