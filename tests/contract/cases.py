"""The steps to be tried: all of the packaged configuration's, and those that only other settings choose."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from random import Random

from drctl.configuration import load
from drctl.settings import Settings
from drctl.stack import stack_of
from tests.contract.wire import Sent, Where
from tests.contract.world import Case, Point, given_certificate

PACKAGED = load(Path(__file__).parents[2] / "config/lab.yaml")


def _with(**parts: object) -> Settings:
    return Settings.model_validate({**PACKAGED.model_dump(), **parts})


def _network(egress: str) -> Settings:
    return _with(network={**PACKAGED.network.model_dump(), "egress": egress})


ONE_NAT, MANY_NATS = _network("nat"), _network("nat-per-az")
NO_TLS, GIVEN_TLS = _with(tls={"mode": "off"}), _with(tls={
    "mode": "given", "primary_certificate_arn": given_certificate("us-east-1"),
    "standby_certificate_arn": given_certificate("us-west-2")})
WITH_BACKUP, WITH_TRAIL = _with(backup={"enabled": True}), _with(trail={"enabled": True})


def _steps(settings: Settings, under: str, *keys: str) -> Iterable[Case]:
    return (Case(step, settings, under) for step in stack_of(settings).steps if not keys or step.key in keys)


def _retired(chosen: Settings, now: Settings, under: str) -> Iterable[Case]:
    """Steps of former settings, made under those and removed by the stack that does not choose them any more."""
    former = {step.key: step for step in stack_of(chosen).steps}
    return (Case(former[step.key], chosen, under, retired=Case(step, now)) for step in stack_of(now).retired
            if step.key in former)


def _copies() -> Iterable[Case]:
    """Steps of a temporary copy by snapshot, and of one that is a clone."""
    stack = stack_of(PACKAGED)
    cloned = stack.copy_in(PACKAGED.primary, "clone")
    return (*(Case(step, PACKAGED) for step in stack.copy_in(PACKAGED.standby).steps),
            Case(cloned.cluster, PACKAGED, "clone"))


CASES: tuple[Case, ...] = (
    *_steps(PACKAGED, ""),
    *_copies(),
    *_steps(ONE_NAT, "one NAT", "nat us-east-1", "endpoints us-east-1"),
    *_steps(MANY_NATS, "NAT in each zone", "nat us-west-2"),
    *_steps(WITH_BACKUP, "backup", "role backup us-east-1", "backup vault us-east-1", "backup us-east-1"),
    *_steps(WITH_TRAIL, "trail", "role trail us-east-1", "trail key us-west-2", "trail bucket us-west-2",
            "trail us-east-1", "trail filters us-east-1", "trail alarms us-east-1"),
    *_retired(WITH_BACKUP, PACKAGED, "retired backup"),
    *_retired(WITH_TRAIL, PACKAGED, "retired trail"),
    *_steps(NO_TLS, "TLS off", "listeners us-east-1"),
    *_retired(PACKAGED, NO_TLS, "retired by TLS off"),
    *_steps(GIVEN_TLS, "TLS given", "given certificate us-east-1", "given certificate us-west-2",
            "listeners us-west-2"),
)
#: Settings of which each difference can be put right where it stands.
OTHERWISE: dict[str, dict[str, object]] = {
    "alarms": {"database_connections": 300}, "app": {"memory_mb": 256, "timeout_s": 20},
    "backup": {"retention_days": 7}, "database": {"backup_retention_days": 3, "max_acu": 8, "rpo_limit_s": 60},
    "dns": {"health_threshold": 5}, "events": {"archive_days": 5}, "logs": {"retention_days": 30},
    "network": {"admit_cidrs": ["203.0.113.0/24"]}, "storage": {"noncurrent_days": 10, "access_log_days": 30},
    "waf": {"rate_limit": 3000}}


def _changed(settings: Settings, under: str, *keys: str) -> Iterable[Case]:
    """Steps that stood under other settings, with deletion protection on."""
    document = settings.model_dump()
    former = Settings.model_validate({**document, "deletion_protection": True, **{
        part: {**document[part], **values} for part, values in OTHERWISE.items()}})
    return (Case(step, settings, under, former=former) for step in stack_of(settings).steps if step.key in keys)


CASES += (
    *_changed(PACKAGED, "settings changed", *(f"{name} us-east-1" for name in (
        "global cluster", "security groups", "database groups", "primary cluster", "log bucket", "data bucket",
        "balancer", "listeners", "function app", "flow logs", "waf", "alarms", "event bus", "health checks")),
        "standby cluster us-west-2"),
    *_changed(WITH_BACKUP, "backup changed", "backup us-east-1"),
)
#: Ends of a call. A cut before a change leaves what a cut after the one before it leaves.
ENDS: tuple[Where, ...] = ("lost", "after", "before")


def all_points(changes: list[Sent]) -> list[Point]:
    """Every end of every change."""
    return [Point(end, number) for number in range(len(changes)) for end in ENDS]


def some_cases(seed: int) -> tuple[Case, ...]:
    """Of steps that are alike but for their region one; of those under other settings one in three."""
    chosen: dict[tuple[str, str, str], Case] = {}
    for case in sorted(CASES, key=lambda one: Random(f"{seed} {one}").random()):  # noqa: S311  # repeatable
        chosen.setdefault((type(case.step).__name__, case.step.purpose, case.under), case)
    return tuple(case for case in CASES if case in chosen.values()
                 and (not case.under or Random(f"{seed} {case}").randrange(3) == 0))  # noqa: S311  # repeatable


def some_points(changes: list[Sent], random: Random) -> list[Point]:
    """The first change and another with the answer lost, and any with a power cut."""
    last = len(changes) - 1
    if last < 0:
        return []
    lost = {0, random.randint(0, last)}
    return [*(Point("lost", number) for number in sorted(lost)),
            Point(random.choice(("before", "after")), random.randint(0, last))]
