"""EventBridge: events reach a target, in this region or the other, only where roles and policies let them."""

from __future__ import annotations

import contextlib
import copy
import json
import logging
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

from moto.awslambda.exceptions import UnknownFunctionException
from moto.awslambda.utils import get_backend
from moto.cloudwatch.models import cloudwatch_backends
from moto.core.utils import iso_8601_datetime_without_milliseconds, utcfromtimestamp
from moto.events.exceptions import ValidationException
from moto.events.models import EventBus, EventsBackend, Rule, events_backends
from moto.events.utils import EventTemplateParser
from moto.moto_api._internal import mock_random
from moto.sqs.models import sqs_backends

from drctl.aws.durations import seconds
from drctl.lab import compute, outages
from drctl.lab.clock import CLOCK
from drctl.lab.policies import Request, key_arn, may_use_key, resource_verdict, role_verdict, trusts
from drctl.lab.rules import rule

log = logging.getLogger(__name__)
SERVICE = "events.amazonaws.com"


class Received(dict[str, Any]):
    """An event that came from another bus."""


class Undeliverable(Exception):
    """A target did not take an event: EventBridge's error code and words."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code, self.text = code, text


@rule("event-targets", Rule, "send_to_targets")
def event_targets(proceed: Any, self: Rule, original_event: dict[str, Any], transform_input: bool = True) -> None:
    """Each target of an enabled rule is served by itself; what one does not take never concerns the publisher.

    A permission that is missing is not tried again: the event goes to the target's dead-letter queue, or is lost.

    Source: EventBridge User Guide, "How EventBridge retries delivering events".
    """
    pattern = self.event_pattern.dump()
    if self.state != "ENABLED" or not pattern or not self.event_pattern.matches_event(original_event):
        return
    _send(self, original_event, lambda only, event: proceed.func(only, event, transform_input))


def send_to(one: Rule, event: dict[str, Any]) -> None:
    """Serve each target of a rule with an event that no pattern has to match."""
    _send(one, event, _nobody)


def _nobody(only: Rule, event: dict[str, Any]) -> None:
    raise NotImplementedError


def _send(one: Rule, original_event: dict[str, Any], by_moto: Callable[[Rule, dict[str, Any]], None]) -> None:
    for target in list(one.targets):
        event = copy.deepcopy(original_event)
        only = copy.copy(one)
        only.targets = [target]
        _count(one, "Invocations")
        _serve(only, event, partial(by_moto, only, event))


def _serve(only: Rule, event: dict[str, Any], by_moto: Callable[[], None]) -> None:
    service, resource = _parts(only.targets[0]["Arn"])
    if service == "events" and resource.startswith("event-bus/"):
        # A bus cannot hand on to a third bus what it received from a second one.
        if not isinstance(event, Received):
            both = [(region, "events") for region in {only.region_name, only.targets[0]["Arn"].split(":")[3]}]
            CLOCK.after(seconds("event-forward"), lambda: outages.when_up(
                both, lambda: _deliver(only, event, lambda: _forward(only, event))))
    elif service == "lambda":
        outages.when_up([(only.region_name, "lambda")], lambda: _deliver(only, event, lambda: _invoke(only, event)))
    elif service == "sqs":
        outages.when_up([(only.region_name, "sqs")], lambda: _deliver(only, event, lambda: _enqueue(only, event)))
    else:
        # Kinds of target that moto does not know are accepted by PutTargets; the lab has nothing behind them.
        with contextlib.suppress(NotImplementedError):
            _deliver(only, event, by_moto)


def _deliver(only: Rule, event: dict[str, Any], do: Callable[[], None]) -> None:
    try:
        do()
    except NotImplementedError:
        raise
    except Undeliverable as refused:
        _to_dead_letters(only, event, refused)
    except Exception as wrong:
        # Whatever moto meets, a log group that is gone for one, must not concern the publisher.
        _to_dead_letters(only, event, Undeliverable("RESOURCE_NOT_FOUND", str(wrong)))


def _forward(only: Rule, event: dict[str, Any]) -> None:
    """Put the event on the other bus: as the role of the target, and as the policy of the receiving bus lets.

    AWS asks for the bus policy between accounts alone; the lab asks for it always, as this stack states one.
    """
    target = only.targets[0]
    may_put(only, target, event)
    bus = _bus(target["Arn"])
    if bus is None:
        raise Undeliverable("RESOURCE_NOT_FOUND", f"Event bus {target['Arn']} does not exist.")
    received = Received(event)
    received["id"] = str(mock_random.uuid4())
    for each in list(bus.rules.values()):
        each.send_to_targets(received)


def may_put(only: Rule, target: dict[str, Any], event: dict[str, Any]) -> None:
    """Raise Undeliverable unless role and receiving bus let the rule put events there.

    The service assumes the role, then the role puts the event: only the first call has the rule as its source.
    """
    role = target.get("RoleArn", "")
    source = {"aws:SourceArn": only.arn, "aws:SourceAccount": only.account_id, "aws:SecureTransport": "true"}
    about = {"aws:PrincipalArn": role, "aws:PrincipalAccount": only.account_id,
             "events:source": str(event.get("source", "")),
             "events:detail-type": str(event.get("detail-type", "")), "aws:SecureTransport": "true"}
    request = Request(role, "events:PutEvents", target["Arn"], about)
    bus = _bus(target["Arn"])
    if not trusts(role, SERVICE, source) or role_verdict(request) != "Allow":
        raise Undeliverable("NO_PERMISSIONS", f"The role {role} may not put events on {target['Arn']}.")
    if bus is not None and resource_verdict(_policy_of(bus), request) != "Allow":
        raise Undeliverable("NO_PERMISSIONS", f"The policy of {target['Arn']} does not admit the rule.")


def _enqueue(only: Rule, event: dict[str, Any], *, letter: dict[str, Any] | None = None, arn: str = "") -> None:
    """Put the event, or the dead letter it has become, on a queue that admits the rule."""
    target = only.targets[0]
    arn = arn or target["Arn"]
    _, name = _parts(arn)
    queue = sqs_backends[only.account_id][arn.split(":")[3]].queues.get(name)
    if queue is None:
        raise Undeliverable("RESOURCE_NOT_FOUND", f"Queue {arn} does not exist.")
    about = {"aws:SourceArn": only.arn, "aws:SourceAccount": only.account_id, "aws:SecureTransport": "true"}
    if resource_verdict(queue.attributes.get("Policy"), Request(SERVICE, "sqs:SendMessage", arn, about)) != "Allow":
        raise Undeliverable("NO_PERMISSIONS", f"The policy of {arn} does not admit the rule.")
    if not _may_encrypt(queue, about):
        raise Undeliverable("NO_PERMISSIONS", f"The key of {arn} does not admit EventBridge.")
    body = json.dumps(_as_sent(event) if letter else _input(target, event))
    group = (target.get("SqsParameters") or {}).get("MessageGroupId")
    sqs_backends[only.account_id][queue.region].send_message(
        queue_name=name, message_body=body, message_attributes=letter, group_id=group)


def _invoke(only: Rule, event: dict[str, Any]) -> None:
    """Invoke a function that admits the rule, by exactly the name of the target, and do not wait for its answer.

    Source: EventBridge User Guide, "Using resource-based policies for Amazon EventBridge": Lambda permissions.
    """
    target = only.targets[0]
    arn, about = target["Arn"], {"aws:SourceArn": only.arn, "aws:SourceAccount": only.account_id}
    try:
        function = get_backend(only.account_id, only.region_name).get_function(arn)
    except UnknownFunctionException as missing:
        raise Undeliverable("RESOURCE_NOT_FOUND", f"Function {arn} does not exist.") from missing
    policy = {"Statement": function.policy.statements}
    if resource_verdict(policy, Request(SERVICE, "lambda:InvokeFunction", arn, about)) != "Allow":
        raise Undeliverable("NO_PERMISSIONS", f"The policy of {arn} does not admit the rule.")
    threading.Thread(target=compute.run_later, args=(function, json.dumps(_input(target, event)).encode()),
                     name="event-invocation", daemon=True).start()


def _may_encrypt(queue: Any, about: dict[str, str]) -> bool:
    """A queue under a key of the customer takes events only if the key's policy names EventBridge, which does not name
    its account to KMS.

    Source: Amazon SQS Developer Guide, "Configure KMS permissions for AWS services".
    """
    named = queue.attributes.get("KmsMasterKeyId")
    if not named:
        return True
    arn = key_arn(named, queue.region, queue.account_id)
    wanted = ("kms:GenerateDataKey", "kms:Decrypt")
    said = {key: value for key, value in about.items() if key != "aws:SourceAccount"}
    return all(may_use_key(arn, Request(SERVICE, action, "", said)) for action in wanted)


def _input(target: dict[str, Any], event: dict[str, Any]) -> Any:
    if "Input" in target:
        return json.loads(target["Input"])
    if transformer := target.get("InputTransformer"):
        return EventTemplateParser.parse(transformer.get("InputTemplate"), transformer.get("InputPathsMap", {}), event)
    return _as_sent(event)


def _as_sent(event: dict[str, Any]) -> dict[str, Any]:
    """The event as targets see it: its time in ISO 8601, without moto's own field."""
    sent = {key: value for key, value in event.items() if key != "ingestion-time"}
    if not isinstance(sent.get("time"), str):
        sent["time"] = iso_8601_datetime_without_milliseconds(utcfromtimestamp(float(sent["time"])))
    return sent


def _to_dead_letters(only: Rule, event: dict[str, Any], refused: Undeliverable) -> None:
    """The dead-letter queue takes what could not be delivered, if its own policy lets it; else it is lost.

    Source: EventBridge User Guide, "Using dead-letter queues to process undelivered events".
    """
    target = only.targets[0]
    _count(only, "FailedInvocations")
    arn = (target.get("DeadLetterConfig") or {}).get("Arn")
    log.info("event %s was not delivered to %s: %s", event.get("id"), target["Arn"], refused.text)
    if not arn:
        return
    said = {"RULE_ARN": only.arn, "TARGET_ARN": target["Arn"], "ERROR_CODE": refused.code,
            "ERROR_MESSAGE": refused.text}
    letter = {key: {"DataType": "String", "StringValue": value} for key, value in said.items()}
    try:
        _enqueue(only, event, letter=letter, arn=arn)
    except Undeliverable:
        _count(only, "InvocationsFailedToBeSentToDlq")
    else:
        _count(only, "InvocationsSentToDlq")


def _count(only: Rule, metric: str) -> None:
    """One more in the rule's metric.

    Source: EventBridge User Guide, "Monitoring Amazon EventBridge": namespace AWS/Events.
    """
    dimensions = [{"Name": "RuleName", "Value": only.name}]
    if only.event_bus_name != "default":
        dimensions.append({"Name": "EventBusName", "Value": only.event_bus_name})
    cloudwatch_backends[only.account_id][only.region_name].put_metric_data(
        "AWS/Events", [{"MetricName": metric, "Dimensions": dimensions, "Value": 1.0, "Unit": "Count"}])


@rule("event-target-region", EventsBackend, "put_targets")
def event_target_region(proceed: Any, self: EventsBackend, name: str, event_bus_arn: str | None,
                        targets: list[dict[str, Any]]) -> Any:
    """Another region can only be reached through its event bus and a role that trusts EventBridge: ValidationException.

    Source: EventBridge User Guide, "Sending and receiving events between AWS Regions"; API Reference, PutTargets.
    """
    for target in targets:
        arn, role = str(target["Arn"]), target.get("RoleArn")
        region = (arn.split(":") + [""] * 4)[3]
        if region not in {"", self.region_name} and not _parts(arn)[1].startswith("event-bus/"):
            raise ValidationException(f"Parameter {arn} is not valid. Reason: Provided Arn is not in correct region.")
        if region not in {"", self.region_name} and not role:
            raise ValidationException(f"RoleArn is required for target {arn}.")
        about = {"aws:SourceAccount": self.account_id, "aws:SourceArn": _rule_arn(self, name, event_bus_arn)}
        if role and not trusts(role, SERVICE, about):
            raise ValidationException(f"Provided role '{role}' cannot be assumed by principal '{SERVICE}'.")
    return proceed(name, event_bus_arn, targets)


def _rule_arn(self: EventsBackend, name: str, event_bus_arn: str | None) -> str:
    bus = self._normalize_event_bus_arn(event_bus_arn)
    path = name if bus == "default" else f"{bus}/{name}"
    return f"arn:aws:events:{self.region_name}:{self.account_id}:rule/{path}"


@rule("bus-with-rules", EventsBackend, "delete_event_bus")
def bus_with_rules(proceed: Any, self: EventsBackend, name: str) -> Any:
    """A bus that has rules, an archive's included, is not deleted: ValidationException.

    Source: EventBridge API Reference, DeleteEventBus.
    """
    bus = self.event_buses.get(name)
    if bus is not None and bus.rules:
        raise ValidationException("EventBus can't be deleted since it has rules.")
    return proceed(name)


def _parts(arn: str) -> tuple[str, str]:
    """Service and resource of an ARN."""
    parts = arn.split(":", 5)
    return (parts[2], parts[5]) if len(parts) == 6 else ("", "")


def _bus(arn: str) -> EventBus | None:
    parts = arn.split(":", 5)
    return events_backends[parts[4]][parts[3]].event_buses.get(parts[5].removeprefix("event-bus/"))


def _policy_of(bus: EventBus) -> str | None:
    """PutPermission for everybody is kept by moto as the account `*`."""
    return bus.policy.replace("arn:aws:iam::*:root", "*") if bus.policy else None
