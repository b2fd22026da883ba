"""Amazon Route 53 where moto falls short of it: the checkers' addresses."""

from __future__ import annotations

from moto.core.responses import ActionResult
from moto.route53 import urls
from moto.route53.responses import Route53

from drctl.lab.rules import operation

#: A few of the ranges that AWS publishes for ROUTE53_HEALTHCHECKS; the lab needs some, not all.
CHECKERS = ["15.177.0.0/18", "54.183.255.128/26", "54.228.16.0/26", "54.241.32.64/26", "107.23.255.0/26",
            "2600:1f1c:7ff:f800::/53"]

urls.url_paths[r"{0}/(?P<api_version>[\d_-]+)/checkeripranges$"] = Route53.dispatch


@operation("checker-ip-ranges", Route53, "get_checker_ip_ranges")
def get_checker_ip_ranges(self: Route53) -> ActionResult:  # noqa: ARG001  # takes no parameters
    """The addresses health checkers ask from.

    Source: Route 53 API Reference, GetCheckerIpRanges.
    """
    return ActionResult({"CheckerIpRanges": CHECKERS})
