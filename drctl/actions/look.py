"""A look at the whole stack for one screen: roles, lag, health, where users are sent. It changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import Any

from drctl.actions.dns_switch import Sent, is_turned, name_servers, where_users_are_sent
from drctl.actions.prove import is_green, reports
from drctl.actions.steady_state import replication_lag_s
from drctl.aws.errors import AwsError, code_of
from drctl.engine.run import Run
from drctl.errors import DrctlError
from drctl.settings import Both
from drctl.steps.balancer import Balancer
from drctl.steps.certificate import Certificate
from drctl.steps.given_certificate import GivenCertificate
from drctl.steps.global_cluster import GlobalCluster
from drctl.steps.health_checks import HealthChecks
from drctl.steps.switch_bucket import SwitchBucket

Answer = dict[str, Any]


def whole_stack(run: Run, global_cluster: GlobalCluster, balancers: Both[Balancer], checks: HealthChecks,
                switches: Both[SwitchBucket], certificates: tuple[Certificate | GivenCertificate, ...]) -> Answer:
    """Each part is looked at on its own; what cannot be seen says why and hides nothing else."""
    looks: dict[str, Callable[[], Any]] = {
        "database": lambda: _database(run, global_cluster),
        "health": lambda: _health(run, checks),
        "switch": lambda: _switches(run, switches),
        "dns": lambda: _name(run, balancers),
        "certificates": lambda: {one.region: run.output(one).days_left for one in certificates},
    }
    with ThreadPoolExecutor(max_workers=len(looks)) as pool:
        asked = {name: pool.submit(copy_context().run, _seen, look) for name, look in looks.items()}
    return {"environment": run.settings.environment, **{name: answer.result() for name, answer in asked.items()}}


def _seen(look: Callable[[], Any]) -> Any:
    try:
        return look()
    except AwsError as error:
        return {"not_seen": code_of(error)}
    except DrctlError as error:
        return {"not_seen": error.message}


def _database(run: Run, global_cluster: GlobalCluster) -> Answer:
    out = run.output(global_cluster)
    reader = next((site for site in run.settings.sites if site.region != out.writer), run.settings.standby)
    return {"active": out.writer, "status": out.status, "changing_roles": out.changing_roles,
            "engine_version": out.engine_version, "lag_s": replication_lag_s(run, reader),
            "members": {member.region: "writer" if member.is_writer else member.synchronization
                        for member in out.members}}


def _health(run: Run, checks: HealthChecks) -> Answer:
    out = run.output(checks)
    found = {site.region: reports(run, checks, check)
             for site, check in zip(run.settings.sites, (out.primary_app, out.standby_app), strict=True)}
    return {region: "healthy" if is_green(said) else (said[0] if said else "no data yet")
            for region, said in found.items()}


def _switches(run: Run, switches: Both[SwitchBucket]) -> str:
    """What both switch objects say together; what one of them says when the other cannot be asked."""
    primary, standby = switches.primary.region, switches.standby.region
    asked = {bucket.region: _seen(partial(is_turned, run, bucket)) for bucket in switches.all}
    unseen = [f"what lies in {region} is not seen: {seen['not_seen']}" for region, seen in asked.items()
              if isinstance(seen, dict)]
    words = {(True, True): f"pinned to {primary}, against a switch that is turned to {standby}",
             (True, False): f"turned to {standby}", (False, True): f"pinned to {primary}",
             (False, False): "" if unseen else "at rest"}
    return "; ".join(filter(None, (words[asked[standby] is True, asked[primary] is True], *unseen)))


def _name(run: Run, balancers: Both[Balancer]) -> Answer:
    """Which region the name answers with, by the zone's own name servers; each region is asked for its own part."""
    seen = {balancer.region: _seen(partial(_sent, run, balancer)) for balancer in balancers.all}
    answers = {region: sent for region, sent in seen.items() if isinstance(sent, Sent)}
    if not answers:
        return dict(next(iter(seen.values())))
    answer = next(iter(answers.values())).answer
    return {"name": run.settings.dns.name, "addresses": list(answer.addresses), "problem": answer.problem,
            "region": next((region for region, sent in answers.items() if sent.is_with_the_balancer), None)}


def _sent(run: Run, balancer: Balancer) -> Sent:
    return where_users_are_sent(run, name_servers(run, balancer.site), balancer.dns_name(run))
