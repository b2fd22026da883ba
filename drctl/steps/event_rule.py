"""Rules on a region's event buses: which events, or which moments, go on to which one target.

Rules that choose events are on the stack's own bus; scheduled ones on the default bus, where alone they can be.

Names and ARNs are known before anything stands, so policies on both ends can name a rule that is yet to be made.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from drctl.aws.errors import Refusal, absent_is_fine, or_none, refuse_partial
from drctl.aws.policies import same
from drctl.aws.tags import as_list, as_map, refuse_foreign
from drctl.engine.run import Run
from drctl.engine.step import Finding
from drctl.engine.waiting import minutes
from drctl.errors import Refused
from drctl.settings import Site

#: Purposes of the rules in each region.
FORWARDING, CANARY, LATCH, AWAKE = "event-forwarding", "canary", "latch", "probe-awake"
#: Those that have a schedule (EventBridge API Reference, PutRule: only on the default bus).
SCHEDULED = frozenset({LATCH, AWAKE})
#: Label of the role as which a region's forwarding puts events on the other region's bus.
FORWARDING_ROLE = "forwarding"
#: A role just made cannot be assumed yet, and a rule just made is unknown to some hosts (Terraform provider: 2 min).
PROPAGATION = minutes(2)
#: Somebody else changes the rule at the same moment (EventBridge API Reference, PutTargets: also inside a success).
BUSY = (Refusal("ConcurrentModificationException"), Refusal("PartialFailure", "ConcurrentModificationException"))
TOO_YOUNG = (Refusal("ValidationException", "assumed"), Refusal("ResourceNotFoundException"), *BUSY)


@dataclass(frozen=True)
class RuleOut:
    """The rule as it stands, with its targets as EventBridge gives them back."""

    name: str
    arn: str
    pattern: str
    schedule: str
    enabled: bool
    targets: tuple[Any, ...]


@dataclass(frozen=True)
class WantedRule:
    """A rule as it must be: `pattern` chooses events, or `schedule` moments; `target` is an entry of PutTargets."""

    purpose: str
    description: str
    pattern: dict[str, Any] | None
    target: dict[str, Any]
    schedule: str = ""


def bus_name(run: Run, site: Site) -> str:
    """The name of the stack's bus in a region."""
    return run.name("bus", "events", site)


def bus_arn(run: Run, site: Site) -> str:
    """The ARN of the stack's bus in a region."""
    return f"arn:aws:events:{site.region}:{run.settings.account_id}:event-bus/{bus_name(run, site)}"


def rule_arn(run: Run, site: Site, purpose: str) -> str:
    """The ARN of the rule for `purpose` in a region."""
    name = run.name("rule", purpose, site)
    path = name if purpose in SCHEDULED else f"{bus_name(run, site)}/{name}"
    return f"arn:aws:events:{site.region}:{run.settings.account_id}:rule/{path}"


def _bus_of(run: Run, site: Site, purpose: str) -> str:
    return "default" if purpose in SCHEDULED else bus_name(run, site)


def find_rule(run: Run, site: Site, purpose: str) -> RuleOut | None:
    """The rule for `purpose`; None when rule or bus are absent."""
    events, bus, name = run.at(site).events, _bus_of(run, site, purpose), run.name("rule", purpose, site)
    rule = or_none(lambda: events.describe_rule(Name=name, EventBusName=bus))
    if rule is None:
        return None
    targets = or_none(lambda: events.list_targets_by_rule(Rule=name, EventBusName=bus)["Targets"]) or []
    return RuleOut(name, rule["Arn"], rule.get("EventPattern", ""), rule.get("ScheduleExpression", ""),
                   rule.get("State") == "ENABLED", tuple(targets))


def ensure_rule(run: Run, site: Site, wanted: WantedRule, seen: RuleOut | None) -> RuleOut:
    """Make the rule and its target, or put what differs; `seen` is what a look of this run found."""
    out = seen or find_rule(run, site, wanted.purpose)
    if out and not list(differences(out, wanted)):
        return out
    name = run.name("rule", wanted.purpose, site)
    if out:
        _refuse_foreign(run, site, out)
    if out is None or not out.enabled or not _chooses(out, wanted):
        run.retry(f"the bus of rule {name} is known", lambda: _put_rule(run, site, name, wanted), TOO_YOUNG,
                  within=PROPAGATION)
    if out is None or not _has_target(out, wanted):
        run.retry(f"rule {name} takes its target", lambda: _put_target(run, site, name, wanted), TOO_YOUNG,
                  within=PROPAGATION)
    if stray := [target["Id"] for target in (out.targets if out else ()) if target["Id"] != wanted.target["Id"]]:
        run.retry(f"rule {name} gives up its other targets", lambda: _remove_targets(run, site, wanted.purpose, stray),
                  TOO_YOUNG, within=PROPAGATION)
    return run.wait_until(
        f"rule {name} stands", lambda: find_rule(run, site, wanted.purpose), within=PROPAGATION,
        ready=lambda seen: seen is not None and not list(differences(seen, wanted)),
        show=lambda seen: "not visible yet" if seen is None else "not up to date yet") or _gone(name)


def _refuse_foreign(run: Run, site: Site, out: RuleOut) -> None:
    tags = run.at(site).events.list_tags_for_resource(ResourceARN=out.arn)["Tags"]
    refuse_foreign("rule", out.name, as_map(tags), run.settings.environment)


def _gone(name: str) -> RuleOut:
    raise Refused(f"rule {name} disappeared while it was made", next_step="drctl provision")


def _put_rule(run: Run, site: Site, name: str, wanted: WantedRule) -> None:
    """PutRule resets every field that it is not given (EventBridge API Reference, PutRule)."""
    chosen: Any = {"EventPattern": json.dumps(wanted.pattern)} if wanted.pattern else {
        "ScheduleExpression": wanted.schedule}
    run.at(site).events.put_rule(
        Name=name, EventBusName=_bus_of(run, site, wanted.purpose), State="ENABLED", Description=wanted.description,
        Tags=as_list(run.tags(site, name)), **chosen)


def _put_target(run: Run, site: Site, name: str, wanted: WantedRule) -> None:
    target: Any = wanted.target
    answer = run.at(site).events.put_targets(Rule=name, EventBusName=_bus_of(run, site, wanted.purpose),
                                             Targets=[target])
    refuse_partial("PutTargets", answer.get("FailedEntries", []) if answer.get("FailedEntryCount") else [])


def _remove_targets(run: Run, site: Site, purpose: str, ids: list[str]) -> None:
    answer = run.at(site).events.remove_targets(
        Rule=run.name("rule", purpose, site), EventBusName=_bus_of(run, site, purpose), Ids=ids)
    refuse_partial("RemoveTargets", answer.get("FailedEntries", []) if answer.get("FailedEntryCount") else [])


def _chooses(out: RuleOut, wanted: WantedRule) -> bool:
    """Whether the rule chooses the events or moments that it should, and no others."""
    return same(out.pattern or None, wanted.pattern) and out.schedule == wanted.schedule


def _has_target(out: RuleOut, wanted: WantedRule) -> bool:
    return any(target["Id"] == wanted.target["Id"] and same(target, wanted.target) for target in out.targets)


def differences(out: RuleOut, wanted: WantedRule) -> Iterable[Finding]:
    """What is wrong with the rule."""
    if not out.enabled:
        yield Finding(f"rule {out.name} is disabled")
    if not _chooses(out, wanted):
        yield Finding(f"rule {out.name} matches other events than it should" if wanted.pattern else
                      f"rule {out.name} is due {out.schedule or 'never'}, not {wanted.schedule}")
    if not _has_target(out, wanted):
        yield Finding(f"rule {out.name} does not send to {wanted.target['Arn']} as it should")
    if len(out.targets) > 1:
        yield Finding(f"rule {out.name} has {len(out.targets)} targets, not one")


def delete_rule(run: Run, site: Site, purpose: str) -> None:
    """Remove the rule's targets and the rule, if it is ours; Refused when it is not."""
    out = find_rule(run, site, purpose)
    if out is None:
        return
    events, bus = run.at(site).events, _bus_of(run, site, purpose)
    with absent_is_fine():
        _refuse_foreign(run, site, out)
        if out.targets:
            run.retry(f"rule {out.name} gives up its targets", lambda: _remove_targets(
                run, site, purpose, [target["Id"] for target in out.targets]), BUSY, within=PROPAGATION)
        run.retry(f"rule {out.name} has no targets", lambda: events.delete_rule(Name=out.name, EventBusName=bus),
                  (Refusal("ValidationException", "has targets"), *BUSY), within=minutes(5))
