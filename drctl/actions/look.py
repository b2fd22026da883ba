"""What one screen asks both regions: each by clients that need that region alone, all at once, and once each.

Nothing here waits or changes anything; the whole ends in time by `drctl.engine.glance`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from drctl.actions import probe
from drctl.actions.aftermath import aftermath_in
from drctl.actions.dns_switch import is_turned, sent_by_name
from drctl.actions.fencing import reserved_for_app
from drctl.actions.past_drills import newest_of_others
from drctl.actions.prove_health import is_green, reports
from drctl.actions.readiness import last_published
from drctl.actions.steady_state import replication_lag
from drctl.aws.errors import or_none
from drctl.aws.fence import GLOBAL
from drctl.engine.copies import Shelf
from drctl.engine.lease import Lease
from drctl.engine.run import Run
from drctl.settings import Both, Settings, Site
from drctl.steps.balancer import Balancer
from drctl.steps.certificate import Certificate
from drctl.steps.control_bucket import CONTROL
from drctl.steps.given_certificate import GivenCertificate
from drctl.steps.global_cluster import GlobalCluster
from drctl.steps.health_checks import HealthChecks
from drctl.steps.switch_bucket import SwitchBucket

Looks = dict[str, Callable[[], Any]]
#: Names of the looks at a region.
DATABASE, PROBE, LAG, READY = "database", "probe", "replication lag", "readiness"
APP, NAME, SWITCH, CERTIFICATE = "app", "users' name", "switch", "certificate"
LEASE, NOTE, DRILLS = "lease", "note of a failover", "drills of others"
#: And at Route 53's control plane, which lives in one region.
CHECKS = "health checks"


@dataclass(frozen=True)
class Parts:
    """The steps of a stack that one screen asks about."""

    global_cluster: GlobalCluster
    balancer: Both[Balancer]
    checks: HealthChecks
    switches: Both[SwitchBucket]
    certificate: Both[Certificate | GivenCertificate | None]


def looks_at_both(run: Run, parts: Parts, known: Collection[str]) -> dict[str, Looks]:
    """By region, what is asked there; `known` are ids of the drills that need not be asked about."""
    return {site.region: {**looks_at(alone_in(run, site), parts, site, known),
                          **({CHECKS: partial(health, alone_in(run, site), parts.checks)}
                             if site == asked_about_checks(run.settings) else {})} for site in run.settings.sites}


def alone_in(run: Run, site: Site) -> Run:
    """The same run as one that knows nothing yet and asks this region alone, for its credentials too."""
    return Run(run.id, run.settings, run.alone[site.region], run.clock, run.events, run.name_server,
               lost=run.settings.other(site).region)


def asked_about_checks(settings: Settings) -> Site:
    """The site by whose clients Route 53 is asked: its control plane's own, if the stack is there, else the primary."""
    return next((site for site in settings.sites if site.region == GLOBAL), settings.primary)


def looks_at(run: Run, parts: Parts, site: Site, known: Collection[str]) -> Looks:
    """What is asked in one region, by a run that asks that region alone."""
    region, bucket, certificate = run.at(site), run.name("s3", CONTROL, site), parts.certificate.at(site)
    return {
        DATABASE: lambda: parts.global_cluster.find_from(run, region),
        PROBE: partial(probed, run, site), LAG: partial(replication_lag, run, site),
        READY: partial(last_published, run, site), APP: partial(reserved_for_app, run, site),
        NAME: partial(sent_by_name, run, parts.balancer.at(site)),
        SWITCH: partial(is_turned, run, parts.switches.at(site)),
        **({CERTIFICATE: partial(run.found, certificate)} if certificate is not None else {}),
        LEASE: lambda: Lease(region.s3, bucket, run.settings.account_id, site.region).look(),
        NOTE: partial(aftermath_in, run, site),
        DRILLS: lambda: newest_of_others(Shelf(region.s3, bucket, run.settings.account_id, site.region), known)}


def probed(run: Run, site: Site) -> dict[str, Any] | None:
    """What a region's database says of itself through the probe, asked once: one that sleeps is not waited for, and
    None stands for one that is not there."""
    call = probe.invocation(run, site, "probe", {"action": "health"})
    answer = or_none(lambda: call.send(run.aws))
    return None if answer is None else probe.told(run, site, "probe", answer)


def health(run: Run, checks: HealthChecks) -> Mapping[str, str] | None:
    """By region, what Route 53's checkers say of the app there; None where there are no checks."""
    ids = checks.of_apps(run)
    if ids is None:
        return None
    found = {site.region: reports(run, checks, check) for site, check in zip(run.settings.sites, ids, strict=True)}
    return {region: "healthy" if is_green(said) else (said[0] if said else "no data yet")
            for region, said in found.items()}
