"""EventBridge's buses, rules and archives where moto is kinder than AWS: late, limited, guarded."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from moto.core.exceptions import JsonRESTError
from moto.events.exceptions import ResourceNotFoundException, ValidationException
from moto.events.models import Archive, EventBus, EventsBackend, Rule
from moto.events.responses import EventsHandler

from drctl.aws.durations import seconds
from drctl.lab import event_delivery  # noqa: F401  # its rules go nearer to moto than these
from drctl.lab.clock import CLOCK
from drctl.lab.rules import Pending, hide, is_hidden, rule, take

#: Targets of one rule.
MOST_TARGETS = 5

Pending.install(Archive, "state", "CREATING")


def _rule_of(self: EventsHandler, name: str) -> Rule | None:
    bus = self.events_backend.event_buses.get((self._get_param("EventBusName") or "default").split("/")[-1])
    return bus.rules.get(name) if bus else None


@contextmanager
def changing(thing: Any) -> Iterator[None]:
    """Be the only one that changes a rule or a bus; raises ConcurrentModificationException when somebody else does."""
    lock: Any = thing.__dict__.setdefault("_lab_changing", threading.RLock())
    if not lock.acquire(blocking=False):
        raise JsonRESTError("ConcurrentModificationException",
                            "The resource you are trying to modify is being modified by another request.")
    try:
        yield
    finally:
        lock.release()


@rule("bus-visible", EventsBackend, "create_event_bus", "_get_event_bus")
def bus_visible(proceed: Any, self: EventsBackend, name: str, *args: Any, **kwargs: Any) -> Any:  # noqa: ARG001  # moto's own signature
    """A bus just made is unknown for some seconds. Refuses with ResourceNotFoundException.

    Source: Terraform provider: event bus policy, rule and archive, retry ResourceNotFoundException for 2 min.
    """
    bus: EventBus = proceed(name, *args, **kwargs)
    if proceed.func.__name__ == "create_event_bus":
        hide(bus, seconds("bus-visible"))
    elif is_hidden(bus):
        raise ResourceNotFoundException(f"Event bus {bus.name} does not exist.")
    return bus


@rule("bus-name", EventsBackend, "create_event_bus")
def bus_name_rules(proceed: Any, _self: EventsBackend, name: str, *args: Any, **kwargs: Any) -> Any:
    """Names that begin with `aws.` belong to AWS. Refuses with ValidationException.

    Source: EventBridge API Reference, CreateEventBus and "Partner event sources".
    """
    if name.startswith("aws."):
        raise ValidationException(f"Event bus name {name} is reserved for AWS partners.")
    return proceed(name, *args, **kwargs)


@rule("bus-policy-in-turn", EventsBackend, "put_permission", "remove_permission")
def bus_policy_in_turn(proceed: Any, self: EventsBackend, name: str, *args: Any) -> Any:
    """Two changes of a bus's policy at the same time do not both succeed. Refuses with
    ConcurrentModificationException.

    Source: EventBridge API Reference, PutPermission.
    """
    bus = self.event_buses.get(name or "default")
    if bus is None:
        return proceed(name, *args)
    with changing(bus):
        return proceed(name, *args)


@rule("event-rule-visible", EventsHandler, "put_rule", "describe_rule", "put_targets", "list_targets_by_rule")
def event_rule_visible(proceed: Any, self: EventsHandler) -> Any:
    """A rule just made is unknown for some seconds. Refuses with ResourceNotFoundException.

    Source: Terraform provider: aws_cloudwatch_event_rule, retries ResourceNotFoundException for 2 min.
    """
    name = self._get_param("Name") or self._get_param("Rule")
    before = _rule_of(self, name)
    if proceed.func.__name__ != "put_rule":
        if before is not None and is_hidden(before):
            raise ResourceNotFoundException(f"Rule {name} does not exist.")
        return proceed()
    answer, made = proceed(), _rule_of(self, name)
    if made is not None and before is None:
        hide(made, seconds("event-rule-visible"))
    elif made is not None and before is not None:
        made.__dict__["_lab_hidden_until"] = before.__dict__.get("_lab_hidden_until", 0.0)
    return answer


@rule("event-rule-acts", EventsHandler, "put_rule", "put_targets")
def event_rule_acts(proceed: Any, self: EventsHandler) -> Any:
    """A new rule, or one with a new target, does nothing for some seconds: events of that time pass it by.

    Source: EventBridge API Reference, PutRule and PutTargets: changes may not be in effect at once.
    """
    name = self._get_param("Name") or self._get_param("Rule")
    before = _rule_of(self, name)
    known = {target["Id"] for target in before.targets} if before else set()
    answer, made = proceed(), _rule_of(self, name)
    if made is None:
        return answer
    acts_at = before.__dict__.get("_lab_acts_at", 0.0) if before else CLOCK.now() + seconds("event-rule-acts")
    if {target["Id"] for target in made.targets} - known:
        acts_at = CLOCK.now() + seconds("event-rule-acts")
    made.__dict__["_lab_acts_at"] = acts_at
    return answer


@rule("event-rule-idle", Rule, "send_to_targets")
def event_rule_idle(proceed: Any, self: Rule, *args: Any, **kwargs: Any) -> None:
    """A rule that does not act yet lets events pass.

    Source: EventBridge API Reference, PutRule and PutTargets: changes may not be in effect at once.
    """
    if CLOCK.now() >= self.__dict__.get("_lab_acts_at", 0.0):
        proceed(*args, **kwargs)


@rule("event-rule-tags", EventsHandler, "put_rule")
def event_rule_tags(proceed: Any, self: EventsHandler) -> Any:
    """Tags count when a rule is made, not when it is changed.

    Source: EventBridge API Reference, PutRule.
    """
    before, tagger = _rule_of(self, self._get_param("Name")), self.events_backend.tagger
    tags = tagger.list_tags_for_resource(before.arn)["Tags"] if before else []
    answer = proceed()
    if before is not None:
        tagger.delete_all_tags_for_resource(before.arn)
        tagger.tag_resource(before.arn, tags)
    return answer


@rule("managed-rule", EventsHandler, "put_rule", "delete_rule", "disable_rule", "put_targets", "remove_targets")
def managed_rule(proceed: Any, self: EventsHandler) -> Any:
    """The rule that AWS made for an archive is not for others to change. Refuses with ManagedRuleException.

    Source: EventBridge API Reference, DeleteRule, RemoveTargets.
    """
    name = self._get_param("Name") or self._get_param("Rule")
    one = _rule_of(self, name)
    if one is not None and one.managed_by and not self._get_param("Force"):
        raise JsonRESTError("ManagedRuleException", f"Rule {name} is a managed rule and can't be modified.")
    return proceed()


@rule("targets-limit", EventsHandler, "put_targets")
def targets_limit(proceed: Any, self: EventsHandler) -> Any:
    """A rule has five targets at most. Refuses with LimitExceededException.

    Source: EventBridge User Guide, "Amazon EventBridge quotas".
    """
    one = _rule_of(self, self._get_param("Rule"))
    ids = {target["Id"] for target in [*(one.targets if one else []), *self._get_param("Targets")]}
    if len(ids) > MOST_TARGETS:
        raise JsonRESTError("LimitExceededException", "The requested resource exceeds the maximum number allowed.")
    return proceed()


@rule("targets-in-turn", EventsHandler, "put_targets", "remove_targets")
def targets_in_turn(proceed: Any, self: EventsHandler) -> Any:
    """Two changes of a rule's targets at once: 200, and each entry of the second has failed with
    ConcurrentModificationException.

    Source: EventBridge API Reference, PutTargets and RemoveTargets, FailedEntries.
    """
    one = _rule_of(self, self._get_param("Rule"))
    if one is None:
        return proceed()
    try:
        with changing(one):
            return proceed()
    except JsonRESTError as error:
        if error.error_type != "ConcurrentModificationException":
            raise
        ids = self._get_param("Ids") or [target["Id"] for target in self._get_param("Targets")]
        failed = [{"TargetId": target, "ErrorCode": error.error_type, "ErrorMessage": error.message} for target in ids]
        return json.dumps({"FailedEntryCount": len(failed), "FailedEntries": failed}), self.response_headers


@rule("archive-creating", EventsBackend, "create_archive")
def archive_creating(proceed: Any, _self: EventsBackend, *args: Any, **kwargs: Any) -> Any:
    """An archive is CREATING for a moment, then ENABLED.

    Source: EventBridge API Reference, DescribeArchive.
    """
    archive = proceed(*args, **kwargs)
    take(archive, seconds("archive-create"))
    return archive


@rule("archive-deleting", EventsBackend, "delete_archive")
def archive_deleting(proceed: Any, self: EventsBackend, name: str) -> None:
    """An archive is gone at once, its managed rule a moment later; until then its bus has a rule.

    Source: EventBridge User Guide, "Archiving and replaying events".
    """
    archive = self.archives.get(name)
    if archive is None or archive.rule is None:
        proceed(name)
        return
    managed, archive.rule = archive.rule, None
    proceed(name)
    CLOCK.after(seconds("archive-delete"), partial(managed.delete, self.account_id, self.region_name))
