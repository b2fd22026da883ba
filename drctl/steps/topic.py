"""The topic that a region's alarms speak to: encrypted, CloudWatch of this account may publish, e-mail by choice."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from drctl.aws.errors import Refusal, absent_is_fine, already, or_none
from drctl.aws.policies import document, same
from drctl.aws.tags import as_list, as_map, refuse_foreign
from drctl.engine.run import Run
from drctl.engine.step import Finding, Resource, Step
from drctl.engine.waiting import minutes
from drctl.settings import Site
from drctl.steps.key import Key

#: A topic just made is unknown, and a key or principal just made is refused, for a while (Terraform provider: 2 min).
NOT_YET = (Refusal("NotFound"), Refusal("InvalidParameter", "policy"), Refusal("InvalidParameter", "kms"))
#: There is one of the name: perhaps ours, from a call whose answer was lost; it is judged by its tags.
THERE = Refusal("InvalidParameter", "already exists")
PROPAGATION = minutes(2)


@dataclass(frozen=True)
class TopicOut:
    """The topic as it stands; `emails` maps each subscribed address to its subscription's ARN or state."""

    arn: str
    encrypted_with: str
    policy: str
    emails: dict[str, str]


def topic_arn(run: Run, site: Site) -> str:
    """The ARN that the topic of a region has if it stands: known without asking AWS."""
    return f"arn:aws:sns:{site.region}:{run.settings.account_id}:{run.name('sns', 'alarms', site)}"


@dataclass(frozen=True, eq=False)
class Topic(Step[TopicOut]):
    """One topic per region: an alarm can only speak to a topic of its own region."""

    encryption_key: Key

    def _arn(self, run: Run) -> str:
        return topic_arn(run, self.site)

    def _policy(self, run: Run) -> dict[str, Any]:
        return document({
            "Sid": "Alarms", "Effect": "Allow", "Principal": {"Service": "cloudwatch.amazonaws.com"},
            "Action": "sns:Publish", "Resource": self._arn(run),
            "Condition": {"StringEquals": {"aws:SourceAccount": run.settings.account_id}}})

    def _wanted(self, run: Run) -> dict[str, str]:
        return {"KmsMasterKeyId": run.output(self.encryption_key).arn, "Policy": json.dumps(self._policy(run))}

    def find(self, run: Run) -> TopicOut | None:
        sns, arn = run.at(self.site).sns, self._arn(run)
        seen = or_none(lambda: sns.get_topic_attributes(TopicArn=arn)["Attributes"])
        if seen is None:
            return None
        emails = self._emails(run) if run.settings.alarms.email else {}
        return TopicOut(arn, seen.get("KmsMasterKeyId", ""), seen.get("Policy", ""), emails)

    def _emails(self, run: Run) -> dict[str, str]:
        pages = run.at(self.site).sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=self._arn(run))
        return {one["Endpoint"]: one["SubscriptionArn"] for page in pages for one in page["Subscriptions"]
                if one["Protocol"] == "email"}

    def ensure(self, run: Run) -> TopicOut:
        out = run.found(self)
        if out and not list(self.verify(run, out)):
            return out
        out = out or self._create(run)
        self._refuse_foreign(run, self._topic_tags(run))
        sns, arn, email = run.at(self.site).sns, out.arn, run.settings.alarms.email
        if list(self._attribute_findings(run, out)):
            for name, value in self._wanted(run).items():
                run.retry(f"the topic takes its {name}", partial(
                    sns.set_topic_attributes, TopicArn=arn, AttributeName=name, AttributeValue=value), NOT_YET,
                    within=PROPAGATION)
        if email and email not in out.emails:
            run.retry("the topic takes a subscription", lambda: sns.subscribe(
                TopicArn=arn, Protocol="email", Endpoint=email, ReturnSubscriptionArn=True), NOT_YET[:1],
                within=PROPAGATION)
            run.say(f"{email} hears alarms of {self.region} once the link in AWS's message was clicked")
        return run.wait_until("the topic is as it should be", lambda: self.find(run), within=PROPAGATION,
                              ready=lambda seen: seen is not None and not list(self.verify(run, seen)),
                              show=lambda seen: "not up to date yet" if seen else "not visible yet") or run.output(self)

    def _create(self, run: Run) -> TopicOut:
        name, wanted = run.name("sns", "alarms", self.site), self._wanted(run)
        tags = as_list(run.tags(self.site, name))
        with already(THERE):
            run.retry("the topic takes key and policy", lambda: run.at(self.site).sns.create_topic(
                Name=name, Attributes=wanted, Tags=tags), NOT_YET[1:], within=PROPAGATION)
        return run.wait_until("the topic is known", lambda: self.find(run), lambda seen: seen is not None,
                              within=PROPAGATION, show=lambda seen: "known" if seen else "not visible yet"
                              ) or run.output(self)

    def _topic_tags(self, run: Run) -> dict[str, str]:
        return as_map(run.at(self.site).sns.list_tags_for_resource(ResourceArn=self._arn(run))["Tags"])

    def _refuse_foreign(self, run: Run, tags: dict[str, str]) -> None:
        refuse_foreign("topic", self._arn(run), tags, run.settings.environment)

    def _attribute_findings(self, run: Run, out: TopicOut) -> Iterable[Finding]:
        if out.encrypted_with != run.output(self.encryption_key).arn:
            yield Finding(f"topic {out.arn} is not encrypted with the stack's key: CloudWatch cannot publish to it")
        if not same(out.policy or None, self._policy(run)):
            yield Finding(f"topic {out.arn} does not let CloudWatch publish, or lets others: alarms are not heard")

    def verify(self, run: Run, out: TopicOut) -> Iterable[Finding]:
        yield from self._attribute_findings(run, out)
        email = run.settings.alarms.email
        if email and email not in out.emails:
            yield Finding(f"{email} is not subscribed to the alarms of {self.region}")

    def destroy(self, run: Run) -> None:
        sns, arn = run.at(self.site).sns, self._arn(run)
        tags = or_none(lambda: self._topic_tags(run))
        if tags is None:
            return
        self._refuse_foreign(run, tags)
        with absent_is_fine():
            for subscription in self._emails(run).values():
                # What was never confirmed cannot be deleted; it lapses by itself (SNS API Reference, Unsubscribe).
                if subscription.startswith("arn:"):
                    with absent_is_fine(), already(Refusal("InvalidParameter", "pending confirmation")):
                        sns.unsubscribe(SubscriptionArn=subscription)
            sns.delete_topic(TopicArn=arn)

    def foreseen(self, run: Run, out: TopicOut | None) -> Mapping[str, Any]:
        return {"arn": self._arn(run)}

    def resources(self, out: TopicOut) -> Iterable[Resource]:
        yield Resource("sns:topic", out.arn, self.region)
