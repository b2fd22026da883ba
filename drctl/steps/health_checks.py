"""The Route 53 health checks that decide where users go: the app in both regions, switch and pin, and their sum.

The primary record is healthy while two of three say so: the primary app answers, the switch is not turned, the pin is
there. The switch is checked inverted, so that a standby region that cannot be asked sends nobody away from the primary;
the pin is not, so that a primary region that cannot be asked keeps nobody. The pin outvotes a switch that cannot be
deleted, and the app together with either outvotes the third (docs/decisions/0015). The secondary record follows the
standby app alone. No check asks the failover name itself, which would make it follow its own answer.

Route 53 takes no tags when it makes a check. The caller reference, which it keeps and lists, says what a check is and
whose, from its first moment; tags follow for inventories and bills.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from botocore.exceptions import ClientError

from drctl.aws.errors import Refusal, absent_is_fine, is_one_of
from drctl.aws.tags import as_list, as_map, is_ours
from drctl.engine.run import Run
from drctl.engine.step import Finding, Resource, Step
from drctl.engine.usage import Use
from drctl.engine.waiting import minutes
from drctl.steps.balancer import Balancer
from drctl.steps.generation import Generation
from drctl.steps.listeners import Listeners
from drctl.steps.switch_bucket import SwitchBucket

#: The checks by label, children before the one that combines them.
LABELS = ("primary-app", "standby-app", "switch", "pin", "combined")
#: Those that the combined check counts, and how many of them must be healthy.
CHILDREN, NEEDED = ("primary-app", "switch", "pin"), 2
#: What a check keeps for life (Route 53 API Reference, UpdateHealthCheck): another one takes its place.
FOR_LIFE = ("Type", "RequestInterval")
#: The interval that costs extra, in seconds.
FAST = 10
#: Throttling is repeated by the SDK; these are not.
BUSY = (Refusal("HealthCheckInUse"), Refusal("PriorRequestNotComplete"))
#: A check just made is unknown to some hosts for a moment.
NOT_YET = (Refusal("NoSuchHealthCheck"), Refusal("PriorRequestNotComplete"))

Config = dict[str, Any]


@dataclass(frozen=True)
class HealthChecksOut:
    """Ids of the checks, and how they stand by label; `spare` are ids of checks that were replaced."""

    primary_app: str
    standby_app: str
    switch: str
    pin: str
    combined: str
    configs: dict[str, Config]
    tagged: frozenset[str]
    spare: tuple[str, ...]


def reference_prefix(run: Run) -> str:
    """How the caller references of this stack's checks begin."""
    return f"drctl-{run.names.token('health-check')[:12]}"


@dataclass(frozen=True, eq=False)
class HealthChecks(Step[HealthChecksOut]):
    """Found by their caller references, which are never used twice: a deleted check's is refused for ever."""

    primary_balancer: Balancer
    standby_balancer: Balancer
    primary_listeners: Listeners
    standby_listeners: Listeners
    switch: SwitchBucket
    pin: SwitchBucket

    def _prefix(self, run: Run, label: str) -> str:
        return f"{reference_prefix(run)}-{label}-"

    def find(self, run: Run) -> HealthChecksOut | None:
        current, spare = self._checks(run)
        if len(current) < len(LABELS):
            return None
        ids = {label: check["Id"] for label, check in current.items()}
        tags = run.at(self.region).route53.list_tags_for_resources(
            ResourceType="healthcheck", ResourceIds=list(ids.values()))["ResourceTagSets"]
        tagged = frozenset(one["ResourceId"] for one in tags
                           if is_ours(as_map(one["Tags"]), run.settings.environment))
        return HealthChecksOut(ids["primary-app"], ids["standby-app"], ids["switch"], ids["pin"], ids["combined"],
                               {label: check["HealthCheckConfig"] for label, check in current.items()}, tagged, spare)

    def of_apps(self, run: Run) -> tuple[str, str] | None:
        """Ids of the checks of both apps, the primary's first, asked with one call; None unless both are there."""
        current, _ = self._checks(run)
        ids = [current[label]["Id"] for label in LABELS[:2] if label in current]
        return (ids[0], ids[1]) if len(ids) == 2 else None

    def _checks(self, run: Run) -> tuple[dict[str, Any], tuple[str, ...]]:
        """Our checks by label, the newest of each, and the ids of older ones."""
        pages = run.at(self.region).route53.get_paginator("list_health_checks").paginate()
        every = sorted((check for page in pages for check in page["HealthChecks"]),
                       key=lambda check: str(check["CallerReference"]))
        current: dict[str, Any] = {}
        spare = []
        for label in LABELS:
            own = [check for check in every if check["CallerReference"].startswith(self._prefix(run, label))]
            if own:
                current[label] = own[-1]
                spare += [check["Id"] for check in own[:-1]]
        return current, tuple(spare)

    def ensure(self, run: Run) -> HealthChecksOut:
        stands = run.found(self)
        if stands is not None and not any(True for _ in self.verify(run, stands)):
            return stands
        current, _ = self._checks(run)
        ids: dict[str, str] = {}
        for label in LABELS:
            wanted, seen = self._wanted(run, label, ids), current.get(label)
            if seen is None or not _same(seen["HealthCheckConfig"], wanted, FOR_LIFE):
                ids[label] = self._create(run, label, wanted)
            else:
                ids[label] = seen["Id"]
                self._converge(run, seen, wanted)
        out = run.wait_until("the health checks are listed", lambda: run.refresh(self),
                             lambda seen: seen is not None and _ids(seen) == ids,
                             within=minutes(2), every=5, show=lambda seen: "all" if seen else "not all yet")
        for label, check_id in ids.items():
            if out is None or check_id not in out.tagged:
                self._tag(run, label, check_id)
        self._delete(run, out.spare if out else ())
        run.forget(self)
        return run.output(self)

    def _wanted(self, run: Run, label: str, ids: dict[str, str]) -> Config:
        """What a check must be; `ids` are the checks that are combined."""
        match label:
            case "primary-app":
                return self._app(run, self.primary_balancer, self.primary_listeners)
            case "standby-app":
                return self._app(run, self.standby_balancer, self.standby_listeners)
            case "switch":
                return self._endpoint(run, self.switch.host(run), 443, self.switch.path) | {"Inverted": True}
            case "pin":
                return self._endpoint(run, self.pin.host(run), 443, self.pin.path)
            case _:
                return {"Type": "CALCULATED", "ChildHealthChecks": sorted(ids[label] for label in CHILDREN),
                        "HealthThreshold": NEEDED, "Inverted": False, "Disabled": False}

    def _app(self, run: Run, balancer: Balancer, listeners: Listeners) -> Config:
        """As visitors come in: a check of another protocol, port or path would say nothing about them."""
        return self._endpoint(run, run.output(balancer).dns_name, run.output(listeners).port,
                              run.settings.app.health_path)

    def _endpoint(self, run: Run, host: str, port: int, path: str) -> Config:
        """A disabled check would count as healthy; the certificate is not checked, but the name has to be sent."""
        dns, secure = run.settings.dns, port == 443
        return {"Type": "HTTPS" if secure else "HTTP", "FullyQualifiedDomainName": host, "Port": port,
                "ResourcePath": path, "RequestInterval": dns.health_interval_s, "EnableSNI": secure,
                "FailureThreshold": dns.health_threshold, "Inverted": False, "Disabled": False}

    def _create(self, run: Run, label: str, config: Config) -> str:
        """The same reference and settings give the check there is: one whose answer was lost is not made twice."""
        generation, request = Generation(self.site, "health-check"), config
        try:
            check_id = self._create_as(run, label, request)
        except ClientError as error:
            if not is_one_of(error, Refusal("HealthCheckAlreadyExists")):
                raise
            run.forget(generation)  # the reference is used up, by other settings or by a check that is deleted since
            check_id = self._create_as(run, label, request)
        self._tag(run, label, check_id)
        return check_id

    def _create_as(self, run: Run, label: str, config: Any) -> str:
        return run.at(self.region).route53.create_health_check(
            CallerReference=f"{self._prefix(run, label)}{run.output(Generation(self.site, 'health-check'))}",
            HealthCheckConfig=config)["HealthCheck"]["Id"]

    def _tag(self, run: Run, label: str, check_id: str) -> None:
        """A new check is unknown to some hosts for a moment."""
        run.retry(f"health check {label} takes its tags", lambda: run.at(self.region).route53.change_tags_for_resource(
            ResourceType="healthcheck", ResourceId=check_id,
            AddTags=as_list(run.tags(None, run.name("zone", label, "global")))), NOT_YET, within=minutes(2))

    def _converge(self, run: Run, seen: Any, wanted: Config) -> None:
        if _same(seen["HealthCheckConfig"], wanted, tuple(wanted)):
            return
        changeable: Any = {key: value for key, value in wanted.items() if key not in FOR_LIFE}
        run.retry("the health check takes its settings", lambda: self._update(run, seen["Id"], changeable),
                  (*NOT_YET, Refusal("HealthCheckVersionMismatch")), within=minutes(2))

    def _update(self, run: Run, check_id: str, changeable: Any) -> None:
        """As of the version that the check has now."""
        route53 = run.at(self.region).route53
        version = route53.get_health_check(HealthCheckId=check_id)["HealthCheck"]["HealthCheckVersion"]
        route53.update_health_check(HealthCheckId=check_id, HealthCheckVersion=version, **changeable)

    def verify(self, run: Run, out: HealthChecksOut) -> Iterable[Finding]:
        """How they are set, not what they say: that is a proof of the whole way from checker to app."""
        ids = _ids(out)
        for label in LABELS:
            wanted = self._wanted(run, label, ids)
            for key in wanted:
                if not _same(out.configs[label], wanted, (key,)):
                    yield Finding(f"health check {label} ({ids[label]}): {key} is {out.configs[label].get(key)}, "
                                  f"not {wanted[key]}", anew=key in FOR_LIFE)
            if ids[label] not in out.tagged:
                yield Finding(f"health check {label} ({ids[label]}) does not carry this stack's tags")
        for check_id in out.spare:
            yield Finding(f"health check {check_id} was replaced and is still there")

    def destroy(self, run: Run) -> None:
        """The combining check first: its children are in use until then. Records must be gone before all of them."""
        current, spare = self._checks(run)
        self._delete(run, [*(current[label]["Id"] for label in reversed(LABELS) if label in current), *spare])

    def _delete(self, run: Run, ids: Iterable[str]) -> None:
        for check_id in ids:
            with absent_is_fine():
                run.retry(f"health check {check_id} is free", partial(
                    run.at(self.region).route53.delete_health_check, HealthCheckId=check_id), BUSY, within=minutes(2))

    def foreseen(self, run: Run, out: HealthChecksOut | None) -> Mapping[str, Any]:
        """Checks that need not be made anew keep their ids; what the others are to be is known without those."""
        current, _ = self._checks(run)
        kept = {label: check["Id"] for label, check in current.items() if _same(
            check["HealthCheckConfig"], self._wanted(run, label, dict.fromkeys(LABELS, "")), FOR_LIFE)}
        return {label.replace("-", "_"): check_id for label, check_id in kept.items()}

    def uses(self, run: Run, out: HealthChecksOut | None) -> Iterable[Use]:
        """HTTPS and the fast interval are options that cost each."""
        app = (self.primary_listeners.protocol, run.settings.dns.health_interval_s)
        planned = [app, app, *[("HTTPS", run.settings.dns.health_interval_s)] * 2]  # switch and pin are objects in S3
        checks = planned if out is None else [
            (one.get("Type"), one.get("RequestInterval")) for one in out.configs.values()]
        yield Use("DNS and health checks", "health-check", len(LABELS))
        yield Use("DNS and health checks", "health-check-option",
                  sum((kind == "HTTPS") + (interval == FAST) for kind, interval in checks))

    def resources(self, out: HealthChecksOut) -> Iterable[Resource]:
        for check_id in _ids(out).values():
            yield Resource("route53:healthcheck", check_id, "global")


def _ids(out: HealthChecksOut) -> dict[str, str]:
    """The ids by label."""
    return {"primary-app": out.primary_app, "standby-app": out.standby_app, "switch": out.switch, "pin": out.pin,
            "combined": out.combined}


def _same(seen: Config, wanted: Config, keys: Iterable[str]) -> bool:
    """Whether a check is as wanted in these fields; the order of children has no meaning."""
    return all(_plain(seen.get(key)) == _plain(wanted.get(key)) for key in keys)


def _plain(value: Any) -> Any:
    return sorted(value) if isinstance(value, list) else value
