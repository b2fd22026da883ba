"""A look at the whole stack for one screen: who answers, roles, lag, health, where users are sent. It changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from drctl.actions import probe
from drctl.actions.aftermath import Aftermath, aftermath_in
from drctl.actions.dns_switch import Sent, is_turned, sent_by_name
from drctl.actions.fencing import is_fenced
from drctl.actions.prove_health import is_green, reports
from drctl.actions.steady_state import replication_lag_s
from drctl.aws.clients import Region
from drctl.engine.looks import Unanswered, look_all
from drctl.engine.run import Run
from drctl.settings import Both
from drctl.steps.balancer import Balancer
from drctl.steps.certificate import Certificate
from drctl.steps.given_certificate import GivenCertificate
from drctl.steps.global_cluster import GlobalClusterOut
from drctl.steps.health_checks import HealthChecks
from drctl.steps.switch_bucket import SwitchBucket

#: Real seconds that one screen may take, a region that hangs included; and more for the health of the region that is
#: left, where Route 53 could not be asked.
LOOK_S, PROBE_S = 5.0, 3.0

Answer = dict[str, Any]


def whole_stack(run: Run, database: GlobalClusterOut, balancers: Both[Balancer], checks: HealthChecks,
                switches: Both[SwitchBucket], certificates: tuple[Certificate | GivenCertificate, ...]) -> Answer:
    """Each part is looked at on its own and not waited for long: what cannot be seen says why and hides nothing else.

    `database` is the global database as a region has told that answers.
    """
    reader = next((site for site in run.settings.sites if site.region != database.writer), run.settings.standby)
    told = ask({
        **{f"answers {region}": partial(_answers, aws[region], database.id) for region, aws in run.alone.items()},
        "lag": lambda: replication_lag_s(run, reader), "health": lambda: _health(run, checks),
        **looks_at_what_is_left(run),
        **{f"switch {one.region}": partial(is_turned, run, one) for one in switches.all},
        **{f"dns {one.region}": partial(sent_by_name, run, one) for one in balancers.all},
        **{f"certificate {one.region}": partial(_days_left, run, one) for one in certificates},
    })
    silent, name = silent_regions(told), _name(run, balancers, told)
    return {
        "environment": run.settings.environment, "silent": silent,
        "users": what_users_get(silent, database.writer, name) if silent else "",
        "next": "drctl failover" if database.writer in silent else "",
        "database": _database(database, told["lag"]), "health": _with_probes(run, told["health"], silent),
        "switch": _switches(switches, told), "dns": name,
        "certificates": {one.region: told[f"certificate {one.region}"] for one in certificates},
        "left": _left(run, told)}


def looks_at_what_is_left(run: Run) -> dict[str, Callable[[], Any]]:
    """A note lies where its failover went to: after a failback that was interrupted, not where the writer is."""
    return {**{f"aftermath {site.region}": partial(aftermath_in, run, site) for site in run.settings.sites},
            **{f"fenced {site.region}": partial(is_fenced, run, site) for site in run.settings.sites}}


def ask(looks: Mapping[str, Callable[[], Any]]) -> Answer:
    """The answers by name; what could not be seen says why in `not_seen`."""
    return {name: {"not_seen": answer.within(LOOK_S)} if isinstance(answer, Unanswered) else answer
            for name, answer in look_all(looks, LOOK_S).items()}


def _answers(region: Region, global_id: str) -> bool:
    """Whether a region tells what every region can tell."""
    region.rds.describe_global_clusters(GlobalClusterIdentifier=global_id)
    return True


def silent_regions(told: Answer) -> list[str]:
    """The regions that have not told what every region can tell."""
    return [name.removeprefix("answers ") for name, answer in told.items()
            if name.startswith("answers ") and answer is not True]


def what_users_get(silent: list[str], writer: str | None, name: Answer) -> str:
    """Where the name sends users while a region is silent, and what they find there."""
    sent = name.get("region")
    if sent is None:
        return "" if not name.get("addresses") else "users are sent to no region that answers"
    if sent in silent:
        return f"users are sent to {sent}"
    if sent == writer:
        return f"users are sent to {sent}, whose database writes"
    return f"users are sent to {sent}, whose database only reads: writes are refused there"


def _with_probes(run: Run, health: Answer, silent: list[str]) -> Answer:
    """The health of both regions; Route 53's API is lost with its region, then those that answer are asked themselves.
    """
    if "not_seen" not in health:
        return health
    looks = {site.region: partial(probe.ask, run, site, action="health") for site in run.settings.sites
             if site.region not in silent}
    told = look_all(looks, PROBE_S)
    return {**dict.fromkeys(silent, "does not answer"),
            **{region: answer.within(PROBE_S) if isinstance(answer, Unanswered) else _as_probed(answer)
               for region, answer in told.items()},
            "Route 53": f"not seen: {health['not_seen']}"}


def _as_probed(answer: Answer) -> str:
    if not answer.get("ok"):
        return f"its database fails its probe: {probe.in_words(answer)}"
    return f"its database {'writes' if answer.get('writer') else 'reads'}, as its probe says"


def _days_left(run: Run, certificate: Certificate | GivenCertificate) -> int | None:
    return run.output(certificate).days_left


def _database(out: GlobalClusterOut, lag: Any) -> Answer:
    return {"active": out.writer, "status": out.status, "changing_roles": out.changing_roles,
            "engine_version": out.engine_version, "lag_s": lag,
            "members": {member.region: "writer" if member.is_writer else member.synchronization
                        for member in out.members}}


def _left(run: Run, told: Answer) -> list[str]:
    """What a failover has left to be done, in words."""
    notes = [told[f"aftermath {site.region}"] for site in run.settings.sites]
    found = [f"the failover from {note.lost} ({f'run {note.run}' if note.run else 'by hand'}): drctl failback"
             for note in notes if isinstance(note, Aftermath)]
    return found + [f"the app in {site.region} is stopped" for site in run.settings.sites
                    if told[f"fenced {site.region}"] is True]


def _health(run: Run, checks: HealthChecks) -> Answer:
    out = run.output(checks)
    found = {site.region: reports(run, checks, check)
             for site, check in zip(run.settings.sites, (out.primary_app, out.standby_app), strict=True)}
    return {region: "healthy" if is_green(said) else (said[0] if said else "no data yet")
            for region, said in found.items()}


def _switches(switches: Both[SwitchBucket], told: Answer) -> str:
    """What both switch objects say together; what one of them says when the other cannot be asked."""
    primary, standby = switches.primary.region, switches.standby.region
    asked = {bucket.region: told[f"switch {bucket.region}"] for bucket in switches.all}
    unseen = [f"what lies in {region} is not seen: {seen['not_seen']}" for region, seen in asked.items()
              if isinstance(seen, dict)]
    words = {(True, True): f"pinned to {primary}, against a switch that is turned to {standby}",
             (True, False): f"turned to {standby}", (False, True): f"pinned to {primary}",
             (False, False): "" if unseen else "at rest"}
    return "; ".join(filter(None, (words[asked[standby] is True, asked[primary] is True], *unseen)))


def _name(run: Run, balancers: Both[Balancer], told: Answer) -> Answer:
    """Which region the name answers with, by the zone's own name servers; each region is asked for its own part."""
    seen = {balancer.region: told[f"dns {balancer.region}"] for balancer in balancers.all}
    answers = {region: sent for region, sent in seen.items() if isinstance(sent, Sent)}
    if not answers:
        return dict(next(iter(seen.values())))
    answer = next(iter(answers.values())).answer
    return {"name": run.settings.dns.name, "addresses": list(answer.addresses), "problem": answer.problem,
            "region": next((region for region, sent in answers.items() if sent.is_with_the_balancer), None)}
