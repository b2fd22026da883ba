"""What a health check may be: how many there are, whom it asks, how often; and how late it is seen."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

from moto.route53.exceptions import NoSuchHealthCheck, Route53ClientError
from moto.route53.models import HealthCheck, Route53Backend

from drctl.aws.durations import seconds
from drctl.lab import checks  # noqa: F401  # its rules come first, so that these are asked before them
from drctl.lab.rules import hide, is_hidden, rule

#: Health checks of an account, unless a higher quota was granted (Route 53 Developer Guide, Quotas).
LIMIT = 200
Settings = dict[str, Any]


@rule("check-limit", Route53Backend, "create_health_check")
def check_limit(proceed: Any, self: Route53Backend, caller_reference: str, health_check_args: Settings) -> Any:
    """An account has 200 health checks at most.

    Refuses with TooManyHealthChecks. Source: Route 53 API Reference, CreateHealthCheck.
    """
    if len(self.health_checks) >= LIMIT and all(one.caller_reference != caller_reference
                                                for one in self.health_checks.values()):
        raise Route53ClientError("TooManyHealthChecks", "This health check can't be created because the current "
                                 "account has reached the limit on the number of active health checks.")
    return proceed(caller_reference, health_check_args)


@rule("check-interval", Route53Backend, "create_health_check")
def check_interval(proceed: Any, _self: Route53Backend, caller_reference: str, health_check_args: Settings) -> Any:
    """Checkers ask every 10 or every 30 seconds.

    Refuses with InvalidInput. Source: Route 53 API Reference, HealthCheckConfig: RequestInterval.
    """
    if health_check_args.get("request_interval") not in {None, 10, 30}:
        raise _invalid("Request interval must be 10 or 30 seconds")
    return proceed(caller_reference, health_check_args)


@rule("check-endpoint", Route53Backend, "create_health_check")
def check_endpoint(proceed: Any, _self: Route53Backend, caller_reference: str, health_check_args: Settings) -> Any:
    """A check asks a name of 255 characters at most or a public address; checkers do not reach private ones.

    Refuses with InvalidInput. Source: Route 53 API Reference, HealthCheckConfig: IPAddress.
    """
    kind, given = str(health_check_args.get("type")), health_check_args.get("ip_address")
    name = health_check_args.get("fqdn")
    if kind.startswith(("HTTP", "TCP")) and not given and not name:
        raise _invalid("Basic health checks must specify an IP address or a domain name")
    if len(name or "") > 255:
        raise _invalid("The domain name is longer than 255 characters")
    if given and not _is_public(given):
        raise _invalid(f"IP address {given} is in a range that Route 53 cannot check")
    return proceed(caller_reference, health_check_args)


@rule("check-path", Route53Backend, "create_health_check", "update_health_check")
def check_path(proceed: Any, _self: Route53Backend, name: str, health_check_args: Settings) -> Any:
    """A path has 255 characters at most, and a text that is searched for has 1 to 255.

    Refuses with InvalidInput. Source: Route 53 API Reference, HealthCheckConfig: ResourcePath and SearchString.
    """
    text = health_check_args.get("search_string")
    if len(health_check_args.get("resource_path") or "") > 255:
        raise _invalid("The resource path is longer than 255 characters")
    if len(text or "") > 255 or (str(health_check_args.get("type")).endswith("STR_MATCH") and not text):
        raise _invalid("The search string must have 1 to 255 characters")
    return proceed(name, health_check_args)


@rule("check-visible", Route53Backend, "create_health_check", "get_health_check", "list_health_checks")
def check_visible(proceed: Any, self: Route53Backend, *args: Any) -> Any:
    """A check just made is missing in the listing for some seconds, and NoSuchHealthCheck by its id.

    Source: Terraform provider: Route 53 health check, waits after a create.
    """
    known = set(self.health_checks)
    answer = proceed(*args)
    if isinstance(answer, HealthCheck):
        if answer.id not in known:
            hide(answer, seconds("check-visible"))
        elif len(args) == 1 and is_hidden(answer):
            raise NoSuchHealthCheck(answer.id)
        return answer
    return [one for one in answer if not is_hidden(one)]


def _invalid(reason: str) -> Route53ClientError:
    return Route53ClientError("InvalidInput", f"Invalid parameter : {reason}")


def _is_public(address: str) -> bool:
    try:
        return ip_address(address).is_global
    except ValueError:
        return False
