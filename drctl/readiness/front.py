"""Rules about what users reach: certificates, balancers, firewall, name, health checks and the switch."""

from __future__ import annotations

from collections.abc import Iterator

from drctl.actions.prove_health import is_green
from drctl.actions.steady_state import covers
from drctl.readiness.read import Read
from drctl.readiness.rule import Asks, Found, NotAsked, Note, Owns, Rule, Saw, Unseen
from drctl.settings import Site
from drctl.steps.balancer import Balancer
from drctl.steps.certificate import Certificate
from drctl.steps.given_certificate import GivenCertificate
from drctl.steps.health_checks import HealthChecks
from drctl.steps.listeners import Listeners
from drctl.steps.log_bucket import LogBucket
from drctl.steps.records import FailoverRecords
from drctl.steps.switch_bucket import SwitchBucket
from drctl.steps.waf import Waf
from drctl.steps.zone import Zone

CERTIFICATES = (Certificate, GivenCertificate)


def _names(read: Read, site: Site) -> Iterator[Note]:
    step, name = read.stack.front.certificate.at(site), read.settings.dns.name
    if step is None:
        yield NotAsked("tls.mode is off")
        return
    certified = read.out(step).names
    if any(covers(one, name) for one in certified):
        yield Saw(f"{', '.join(certified)} in {site.region}")
    else:
        yield Found(f"the certificate of {site.region} is for {', '.join(certified) or 'nothing'}, not for {name}",
                    site.region)


def _green(read: Read, site: Site) -> Iterator[Note]:
    said = read.told("health check", site)
    if not said:
        yield Unseen("Route 53's checkers have not looked yet", site.region)
    elif is_green(said):
        yield Saw(f"{len(said)} checkers of {site.region}: {said[0]}")
    else:
        red = next(one for one in said if not one.startswith("Success"))
        yield Found(f"the health check of {site.region} is red: {red}", site.region)


def _sent(read: Read, site: Site) -> Iterator[Note]:
    sent = read.told("users' name", site)
    if sent.answer.problem:
        yield Unseen(f"the zone's name servers: {sent.answer.problem}")
    elif sent.is_with_the_balancer:
        yield Saw(f"{read.settings.dns.name} answers with {read.active.region}")
    else:
        yield Found(f"{read.settings.dns.name} does not answer with {read.active.region}, which writes: {sent}",
                    mend="drctl status tells why; drctl failback, or drctl failover --planned, brings both together")


def _switch(read: Read, _: Site) -> Iterator[Note]:
    """The switch lies in the standby region while that one is active; a pin lies nowhere while both regions are there
    (docs/decisions/0015)."""
    switch, pin = (read.told("switch", one) for one in (read.settings.standby, read.settings.primary))
    away = read.active.role == "standby"
    if switch and not away:
        yield Found("the switch is turned to the standby region, whose database only reads",
                    read.settings.standby.region)
    if away and not switch:
        yield Found("the switch is not turned although the standby region writes: users go to the primary as soon as "
                    "its check is green", read.settings.standby.region)
    if pin:
        yield Found("a pin keeps users in the primary region, whatever the switch says", read.settings.primary.region)
    if switch == away and not pin:
        yield Saw("turned to the standby region" if switch else "at rest")


RULES: tuple[Rule, ...] = (
    Owns(id="CRT-01", of=CERTIFICATES, blocks=True, must="each region's certificate is issued",
         why="browsers refuse anything else, and Route 53's checkers do not notice"),
    Owns(id="CRT-02", of=CERTIFICATES, words=r" ends in ", must="certificates last longer than alarms.certificate_days",
         why="the standby's certificate ends unseen: nobody uses it until the day it is needed"),
    Owns(id="CRT-03", of=(Certificate,), words=r"the record that renews",
         must="the record that renews each certificate is in the zone", why="without it ACM does not renew"),
    Asks(id="CRT-04", judge=_names, blocks=True, must="each region's certificate covers the users' name",
         why="browsers refuse a certificate of another name", mend="give a certificate that covers the users' name"),
    Owns(id="LB-01", of=(Balancer,), blocks=True, must="the balancer of each region stands and is active",
         why="users are sent to it"),
    Owns(id="LB-02", of=(Balancer,), words=r"client_keep_alive", must="clients keep a connection for a minute at most",
         why="who keeps a connection does not ask the name again, and stays with the region that is to be left"),
    Owns(id="LB-03", of=(Balancer,), words=r"security groups|exactly the public subnets", blocks=True,
         must="the balancer lies in the public subnets, with its groups", why="nobody reaches it otherwise"),
    Owns(id="LB-04", of=(Balancer,), words=r"access_logs|deletion_protection",
         must="the balancer's logs and its protection are as configured",
         why="after a failover they tell who was served, and nobody deletes what users need"),
    Owns(id="LB-05", of=(Listeners,), blocks=True, must="the listeners are as configured, with certificate and policy",
         why="users of the other region have to find the same doors here"),
    Owns(id="LB-06", of=(Listeners,), words=r"does not lead to the app", blocks=True,
         must="the target group leads to the app's live version",
         why="users would be served by another version, or none"),
    Owns(id="LB-07", of=(Listeners,), words=r"let the balancer's target group invoke", blocks=True,
         must="the app lets its balancer invoke it", why="the balancer answers 502 otherwise"),
    Owns(id="LB-08", of=(Listeners,), words=r"^the health check of target group",
         must="the target group's health check is as it must be", why="it keeps the function warm, and shows it sick"),
    Owns(id="LB-09", of=(LogBucket,), must="the bucket for access logs stands as configured",
         why="the balancer's logs are gone without it"),
    Owns(id="WAF-01", of=(Waf,), must="a web ACL stands in each region",
         why="a region that takes over is attacked too"),
    Owns(id="WAF-02", of=(Waf,), words=r"is not in front of", must="the web ACL is in front of the balancer",
         why="after a failover users would be unprotected"),
    Owns(id="WAF-03", of=(Waf,), words=r"^the rules of web ACL", must="the web ACL has the stack's rules",
         why="a rule that blocks in one region alone is found by users, after the failover"),
    Owns(id="WAF-04", of=(Waf,), words=r"health checkers' addresses", blocks=True,
         must="the web ACL knows Route 53's checkers", why="a checker that is limited turns the region's check red"),
    Owns(id="WAF-05", of=(Waf,), words=r"does not log to|^log group", must="the web ACL logs, and its log is kept",
         why="without it nobody can tell who was refused"),
    Owns(id="DNS-01", of=(Zone,), blocks=True, must="the hosted zone stands", why="the users' name is in it"),
    Owns(id="DNS-02", of=(FailoverRecords,), blocks=True, must="the failover records lead to both balancers",
         why="they are what moves users"),
    Owns(id="DNS-03", of=(FailoverRecords,), words=r": TTL is ", blocks=True,
         must="resolvers keep the answer for a minute at most",
         why="whoever keeps it longer stays with a dead region that long"),
    Owns(id="DNS-04", of=(FailoverRecords,), words=r": HealthCheckId is ", blocks=True,
         must="each record depends on its health check", why="a record without one is healthy for ever"),
    Owns(id="DNS-05", of=(HealthChecks,), blocks=True, must="the health checks stand, and ask what they must",
         why="they see a region die, and see the switch"),
    Owns(id="DNS-06", of=(HealthChecks,), words=r": (FailureThreshold|RequestInterval) is ",
         must="the health checks turn as soon as configured", why="each more look is a longer outage for users"),
    Owns(id="DNS-07", of=(HealthChecks,), words=r": (Inverted|Disabled|ChildHealthChecks|HealthThreshold) is ",
         blocks=True, must="the checks combine the app's health and the switch as they must",
         why="a check that is disabled or not inverted keeps users where they are"),
    Asks(id="DNS-08", judge=_green, blocks=True, must="the health check of each region is green",
         why="with both red Route 53 answers with the primary, dead or alive; a red standby is not fled to",
         mend="aws route53 get-health-check-status names the reason; look at listener, groups, web ACL and app"),
    Asks(id="DNS-09", judge=_sent, everywhere=False, blocks=True,
         must="the users' name answers with the region that writes", why="elsewhere their writes are refused"),
    Owns(id="SWI-01", of=(SwitchBucket,), blocks=True, must="the bucket of each region's switch stands",
         why="the switch is an object in it: without it nobody can be moved"),
    Owns(id="SWI-02", of=(SwitchBucket,), words=r"its policy is not the stack's", blocks=True,
         must="the checkers, and nobody else, may read the switch", why="a switch that is not seen turns nothing"),
    Owns(id="SWI-03", of=(SwitchBucket,), words=r"public access|encrypted with|versioning|lifecycle",
         must="the switch's buckets are closed, versioned and encrypted by S3 itself",
         why="checkers without credentials cannot read what a KMS key encrypts"),
    Asks(id="SWI-04", judge=_switch, everywhere=False, blocks=True, must="the switch says what the database says",
         why="users and writer in different regions means that writes are refused",
         mend="drctl failback, which puts both switches right"),
)
