"""Rules about the functions: the app that serves, the probe that proves, the latch that keeps users where they are."""

from __future__ import annotations

from collections.abc import Iterator

from drctl.readiness.read import Read
from drctl.readiness.rule import Asks, Found, Note, Owns, Rule, Saw
from drctl.settings import Site
from drctl.steps.function import Function
from drctl.steps.latch import LABEL, Latch
from drctl.steps.latch_schedule import LatchSchedule
from drctl.steps.parameters import Parameters
from drctl.steps.probe_schedule import ProbeSchedule
from drctl.steps.release import Release
from drctl.steps.role import Role

#: Lambda takes a function's interfaces away, or its code out of the cache, after some weeks without an invocation.
INACTIVE = "Inactive"


def _stopped(read: Read, site: Site) -> Iterator[Note]:
    if read.told("reserved concurrency", site) == 0:
        yield Found(f"the app in {site.region} is stopped: no concurrency is left to it", site.region)
    else:
        yield Saw(f"the app in {site.region} may run")


def _inactive(read: Read, site: Site) -> Iterator[Note]:
    """The first invocation fails and wakes it, within minutes (Lambda Developer Guide, "Giving Lambda functions access
    to resources in an Amazon VPC": Inactive after 14 days)."""
    functions = [step for step in read.of(Function, Latch) if step.site == site]
    asleep = [read.out(step).name for step in functions if read.out(step).state == INACTIVE]
    yield from (Found(f"function {name} is {INACTIVE}: nobody has invoked it for weeks", site.region,
                      f"aws lambda invoke --function-name {name} --qualifier live --region {site.region} /dev/null")
                for name in asleep)
    if not asleep:
        yield Saw(f"{len(functions)} functions of {site.region} are awake")


RULES: tuple[Rule, ...] = (
    Owns(id="FN-01", of=(Function,), purposes=("app",), blocks=True, must="the app stands in each region, and works",
         why="it is what users are sent to"),
    Owns(id="FN-02", of=(Release,), words=r"is not as configured: .*code", blocks=True,
         must="the app runs the configured package", why="an older app may not know today's schema"),
    Owns(id="FN-03", of=(Release,), blocks=True,
         must="the app's memory, time-out, environment, role and network are as configured",
         why="an app with another environment talks to another database, or to none"),
    Owns(id="FN-04", of=(Function,), purposes=("app",), words=r"the log group of", must="the app's log is kept",
         why="after a failover it is where one looks first"),
    Owns(id="FN-05", of=(Role,), purposes=("app",), blocks=True, must="the app's role may do what the app needs",
         why="without secret and key of its region the app cannot log in"),
    Owns(id="FN-06", of=(Function,), purposes=("probe",), blocks=True, must="the probe stands in each region",
         why="a failover is proven by a write that the probe makes"),
    Owns(id="FN-07", of=(Function,), purposes=("probe",), words=r"is not as configured",
         blocks=True, must="the probe is drctl's, as configured", why="a probe that writes elsewhere proves nothing"),
    Owns(id="FN-08", of=(Function,), purposes=("probe",), words=r"the log group of", must="the probe's log is kept",
         why="it tells what the database said during a move"),
    Owns(id="FN-09", of=(Role,), purposes=("probe",), blocks=True, must="the probe's role may do what it needs",
         why="a failover that cannot be proven is not over"),
    Asks(id="FN-10", judge=_stopped, blocks=True, must="the app is stopped in neither region",
         why="a stopped app serves nobody, whoever is sent there", mend="drctl failback"),
    Asks(id="FN-11", judge=_inactive, must="no function has fallen asleep",
         why="the first users, or the first proof, of a failover meet errors until it is awake"),
    Owns(id="FN-12", of=(Function,), purposes=("app",), words=r"is not as configured",
         must="the app as configured is ready to go live",
         why="until it is, no release can put the live version right"),
    Owns(id="FN-13", of=(Release,), words=r"is not proven", must="the app's live version has been proven",
         why="a release that was cut off left a version to users that nobody has seen answer"),
    Owns(id="FN-14", of=(ProbeSchedule,), must="the probe is called once a day",
         why="a probe that nobody calls for two weeks falls asleep, and the first proof of a failover waits for it"),
    Owns(id="LAT-01", of=(Latch,), must="the latch stands in each region, with its log",
         why="users who have fled a dead region come back to it when it twitches"),
    Owns(id="LAT-02", of=(Latch,), words=r"is not as configured",
         must="the latch is drctl's, as configured", why="a latch that looks elsewhere turns nothing, or too much"),
    Owns(id="LAT-03", of=(Role,), purposes=(LABEL,), must="the latch's role may read and turn the switches",
         why="it looks every minute and could do nothing"),
    Owns(id="LAT-04", of=(LatchSchedule,), must="the latch is invoked every minute",
         why="it looks only when it is invoked"),
    Owns(id="LAT-05", of=(LatchSchedule,), words=r"is disabled", must="the latch's schedule is enabled",
         why="a disabled schedule invokes nobody"),
    Owns(id="SSM-01", of=(Parameters,), blocks=True, must="each region's parameters say what its app has to know",
         why="an app starts from them; and a failover reads the zone's name servers there"),
)
