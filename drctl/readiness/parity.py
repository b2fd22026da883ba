"""Rules that compare the regions: what the active one has, the other one must have when it takes over.

The active region is the truth, whichever that is: after a failover the configured standby.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from drctl.readiness.read import Read
from drctl.readiness.rule import Asks, Found, Note, Rule, Saw
from drctl.settings import Site
from drctl.steps.alarms import Alarms
from drctl.steps.database_groups import DatabaseGroups
from drctl.steps.database_instances import DatabaseInstances
from drctl.steps.function import Function
from drctl.steps.listeners import Listeners
from drctl.steps.parameters import Parameters
from drctl.steps.waf import Waf

#: What is different by nature: a region's own endpoint, secret and role.
REGIONAL_VARIABLES = frozenset({"DRCTL_REGION", "DRCTL_ROLE", "DATABASE_HOST", "DATABASE_SECRET"})
REGIONAL_PARAMETERS = frozenset({"bucket", "database-host", "database-reader-host", "database-secret", "event-bus",
                                 "peer-region", "role"})
#: What an alarm judges by, without what it watches.
JUDGES_BY = ("Threshold", "ComparisonOperator", "EvaluationPeriods", "Period", "Statistic", "TreatMissingData",
             "ActionsEnabled")
Values = Mapping[str, Any]


def compared(read: Read, active: Values, other: Values, what: str) -> Iterator[Note]:
    """A finding for each name whose value is not that of the active region."""
    here, there = read.active.region, read.follower.region
    different = [name for name in sorted(active.keys() | other.keys()) if active.get(name) != other.get(name)]
    for name in different:
        yield Found(f"{what} {name}: {_word(other.get(name))} in {there}, {_word(active.get(name))} in {here}, which "
                    "is active", there)
    if not different:
        yield Saw(f"{what} {', '.join(sorted(active)) or 'none'}: alike in {here} and {there}")


def _word(value: Any) -> str:
    return "absent" if value is None else str(value)


def _code(read: Read, _: Site) -> Iterator[Note]:
    for label in ("app", "probe"):
        active, other = read.both(Function, label)
        yield from compared(read, {label: active.code_sha256}, {label: other.code_sha256}, "code hash of the function")


def _variables(read: Read, _: Site) -> Iterator[Note]:
    for label in ("app", "probe"):
        active, other = ({name: value for name, value in out.configuration["Environment"]["Variables"].items()
                          if name not in REGIONAL_VARIABLES} for out in read.both(Function, label))
        # values may be secret where the package is the user's own
        changed = {name for name in active.keys() & other.keys() if active[name] != other[name]}
        yield from compared(read, dict.fromkeys(active, "there"),
                            {name: "different" if name in changed else "there" for name in other},
                            f"environment of function {label},")


def _sizes(read: Read, _: Site) -> Iterator[Note]:
    for label in ("app", "probe"):
        active, other = ({**{name: out.configuration[name] for name in ("MemorySize", "Timeout", "Runtime", "Handler")},
                          "Architecture": out.architecture} for out in read.both(Function, label))
        yield from compared(read, active, other, f"function {label},")


def _concurrency(read: Read, _: Site) -> Iterator[Note]:
    """How often the app may run at a time: what is reserved for it, else what nobody has reserved."""
    able = {site: _may_run(read, site) for site in (read.active, read.follower)}
    if able[read.follower] < able[read.active]:
        yield Found(f"the app may run {able[read.follower]} times at once in {read.follower.region}, and "
                    f"{able[read.active]} times in {read.active.region}, which is active", read.follower.region)
    else:
        yield Saw(f"{able[read.follower]} in {read.follower.region}, {able[read.active]} in {read.active.region}")


def _may_run(read: Read, site: Site) -> int:
    reserved: int | None = read.told("reserved concurrency", site)
    unreserved: int = read.told("account's concurrency", site)["unreserved"]
    return unreserved if reserved is None else reserved


def _quota(read: Read, _: Site) -> Iterator[Note]:
    active, other = ({"concurrent executions": read.told("account's concurrency", site)["all"]}
                     for site in (read.active, read.follower))
    yield from compared(read, active, other, "quota of")


def _waf(read: Read, _: Site) -> Iterator[Note]:
    active, other = ({rule["Name"]: re.sub(r"arn:aws:\S+?(?=['\"])", "its own", repr(sorted(
        (key, value) for key, value in rule.items() if key != "VisibilityConfig"))) for rule in out.rules}
        for out in read.both(Waf))
    yield from compared(read, dict.fromkeys(active, "there"),
                        {name: "there" if active.get(name, rule) == rule else "different"
                         for name, rule in other.items()}, "web ACL rule")


def _alarms(read: Read, _: Site) -> Iterator[Note]:
    active, other = ({name.replace(site.region, "REGION"): _judges_by(alarm) for name, alarm in out.seen.items()}
                     for site, out in zip((read.active, read.follower), read.both(Alarms), strict=True))
    yield from compared(read, active, other, "alarm")


def _judges_by(alarm: Any) -> str:
    return ", ".join(f"{name} {alarm[name]}" for name in JUDGES_BY if name in alarm)


def _parameters(read: Read, _: Site) -> Iterator[Note]:
    active, other = ({name.rpartition("/")[2]: value for name, value in out.values.items()}
                     for out in read.both(Parameters))
    regional = dict.fromkeys(REGIONAL_PARAMETERS, "there")
    yield from compared(read, {**active, **{name: regional[name] for name in active.keys() & regional.keys()}},
                        {**other, **{name: regional[name] for name in other.keys() & regional.keys()}}, "parameter")


def _groups(read: Read, _: Site) -> Iterator[Note]:
    active, other = read.both(DatabaseGroups)
    yield from compared(read, active.cluster_values, other.cluster_values, "cluster parameter")
    yield from compared(read, active.instance_values, other.instance_values, "instance parameter")


def _instances(read: Read, _: Site) -> Iterator[Note]:
    active, other = read.both(DatabaseInstances)
    yield from compared(read, _strength(active.instances), _strength(other.instances), "database,")


def _strength(instances: Any) -> dict[str, Any]:
    return {"instances": len(instances), "classes": ", ".join(sorted({one.instance_class for one in instances}))}


def _capacity(read: Read, _: Site) -> Iterator[Note]:
    """Of the clusters: ACU, retention, protection, logs."""
    active, other = ({name: value for name, value in read.out(read.stack.database.cluster.at(site)).settings.items()
                      if name not in {"VpcSecurityGroupIds", "DBClusterParameterGroupName"}}
                     for site in (read.active, read.follower))
    yield from compared(read, active, other, "database cluster,")


def _doors(read: Read, _: Site) -> Iterator[Note]:
    active, other = ({f"on port {port}": f"{one.protocol} {one.policy or ''} {_action(one.action)}".strip()
                      for port, one in out.by_port.items()} for out in read.both(Listeners))
    yield from compared(read, active, other, "listener")


def _action(action: str) -> str:
    return re.sub(r"arn:aws:\S+", "its own", action)


RULES: tuple[Rule, ...] = (
    Asks(id="PAR-01", judge=_code, everywhere=False, blocks=True, must="both regions run the same code",
         why="users of a failover would meet another application"),
    Asks(id="PAR-02", judge=_variables, everywhere=False, blocks=True,
         must="functions have the same environment in both regions, but for what is a region's own",
         why="a variable that is missing is noticed by the first request after a failover"),
    Asks(id="PAR-03", judge=_sizes, everywhere=False, must="functions are as strong in both regions",
         why="memory is a share of CPU: the same load would time out"),
    Asks(id="PAR-04", judge=_concurrency, everywhere=False, blocks=True,
         must="the app may run as often at a time in the other region",
         why="a region that takes over with less is throttled by its first minute",
         mend="give back what other functions have reserved there: aws lambda put-function-concurrency"),
    Asks(id="PAR-05", judge=_quota, everywhere=False, must="the quota of concurrent executions is the same",
         why="a raised quota is raised in one region only", mend="aws service-quotas request-service-quota-increase"),
    Asks(id="PAR-06", judge=_waf, everywhere=False, must="the web ACLs have the same rules",
         why="what is let in or blocked must not depend on where users are sent"),
    Asks(id="PAR-07", judge=_parameters, everywhere=False, must="both regions have the same parameters",
         why="an app that starts in the other region reads them there"),
    Asks(id="PAR-08", judge=_groups, everywhere=False, must="the database's parameters are the same in both regions",
         why="the promoted database would behave otherwise"),
    Asks(id="PAR-09", judge=_alarms, everywhere=False, must="the same alarms judge both regions by the same limits",
         why="after a failover nobody would be woken, or everybody"),
    Asks(id="PAR-10", judge=_instances, everywhere=False, must="the follower's instances are as many and as strong",
         why="the promoted ones have to carry the whole load at once"),
    Asks(id="PAR-11", judge=_capacity, everywhere=False, must="both clusters have the same capacity and retention",
         why="a follower with fewer ACU is at its end where the writer was not"),
    Asks(id="PAR-12", judge=_doors, everywhere=False, must="both balancers have the same listeners and TLS policy",
         why="a client that could connect yesterday must be able to today"),
)
