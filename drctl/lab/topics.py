"""SNS topics where moto is kinder than AWS: seen late, other attributes under one name, subscriptions that wait."""

from __future__ import annotations

from typing import Any

from moto.core.utils import camelcase_to_underscores
from moto.sns.exceptions import SNSInvalidParameter, TopicNotFound
from moto.sns.models import SNSBackend, sns_backends
from moto.sns.responses import SNSResponse

from drctl.aws.durations import seconds
from drctl.lab.policies import document
from drctl.lab.rules import hide, is_hidden, rule
from drctl.settings import LAB_ACCOUNT

PENDING = "PendingConfirmation"
#: Protocols whose endpoint must first say that it wants the messages.
ASKED = frozenset({"email", "email-json", "http", "https"})


@rule("topic-visible", SNSBackend, "create_topic", "get_topic")
def topic_visible(proceed: Any, self: SNSBackend, name: str, *args: Any) -> Any:
    """A topic just made is unknown for some seconds. Refuses with NotFound.

    Source: Terraform provider: aws_sns_topic, NotFound after a create is retried for 2 min.
    """
    known = set(self.topics)
    topic = proceed(name, *args)
    if proceed.func.__name__ == "create_topic":
        if topic.arn not in known:
            hide(topic, seconds("topic-visible"))
    elif is_hidden(topic):
        raise TopicNotFound
    return topic


@rule("topic-attributes-differ", SNSBackend, "create_topic")
def topic_attributes_differ(proceed: Any, self: SNSBackend, name: str, attributes: Any = None, tags: Any = None) -> Any:
    """A topic of the same name with other attributes or tags is not made. Refuses with InvalidParameter.

    Source: SNS API Reference, CreateTopic.
    """
    topic = self.topics.get(f"arn:aws:sns:{self.region_name}:{self.account_id}:{name}")
    if topic is not None:
        for one, value in (attributes or {}).items():
            if _plain(getattr(topic, camelcase_to_underscores(one), None)) != _plain(value):
                raise SNSInvalidParameter("Invalid parameter: Attributes Reason: Topic already exists with different "
                                          "attributes")
        if tags and tags != topic._tags:
            raise SNSInvalidParameter("Invalid parameter: Tags Reason: Topic already exists with different tags")
    return proceed(name, attributes, tags)


def _plain(value: Any) -> Any:
    return document(value) or value if isinstance(value, str) and value.startswith("{") else str(value)


@rule("subscription-pending", SNSBackend, "subscribe")
def subscription_pending(proceed: Any, _self: SNSBackend, topic_arn: str, endpoint: str, protocol: str) -> Any:
    """An address must confirm that it wants to hear; until then its subscription is pending.

    Source: SNS API Reference, Subscribe.
    """
    subscription = proceed(topic_arn, endpoint, protocol)
    if protocol in ASKED and not subscription.__dict__.get("_lab_confirmed"):
        subscription.attributes[PENDING] = "true"
    return subscription


def confirm(region: str, endpoint: str) -> str:
    """Let an address confirm its subscription, as a click on the link in SNS's message would; returns its ARN."""
    for subscription in sns_backends[LAB_ACCOUNT][region].subscriptions.values():
        if subscription.endpoint == endpoint:
            subscription.__dict__["_lab_confirmed"] = True
            subscription.attributes[PENDING] = "false"
            return str(subscription.arn)
    raise LookupError(endpoint)


@rule("subscription-listed-pending", SNSResponse, "list_subscriptions_by_topic", "list_subscriptions")
def subscription_listed_pending(proceed: Any, self: SNSResponse) -> Any:
    """A list shows `PendingConfirmation` in place of a pending subscription's ARN.

    Source: SNS API Reference, ListSubscriptionsByTopic.
    """
    answer = proceed()
    known = self.backend.subscriptions
    shown = [{"SubscriptionArn": PENDING if _is_pending(known.get(one.arn)) else one.arn, "Protocol": one.protocol,
              "Endpoint": one.endpoint, "TopicArn": one.topic.arn, "Owner": one.account_id}
             for one in answer.result["Subscriptions"]]
    answer.result["Subscriptions"] = shown
    return answer


@rule("unsubscribe-pending", SNSBackend, "unsubscribe")
def unsubscribe_pending(proceed: Any, self: SNSBackend, subscription_arn: str) -> None:
    """A pending subscription cannot be deleted; it lapses by itself. Refuses with InvalidParameter.

    Source: SNS API Reference, Unsubscribe; Terraform provider: aws_sns_topic_subscription.
    """
    if not subscription_arn.startswith("arn:"):
        raise SNSInvalidParameter("Invalid parameter: SubscriptionArn Reason: An ARN must have at least 6 elements, "
                                  "not 1")
    if _is_pending(self.subscriptions.get(subscription_arn)):
        raise SNSInvalidParameter("Invalid parameter: This subscription is pending confirmation and cannot be deleted")
    proceed(subscription_arn)


def _is_pending(subscription: Any) -> bool:
    return subscription is not None and str(subscription.attributes.get(PENDING)).lower() == "true"
