"""AWS gives policies back in other words; what they say is compared."""

from __future__ import annotations

import json

from drctl.aws.policies import contains, document, same

ONE = {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::123456789012:root"}, "Action": ["a:B", "a:A"],
       "Resource": "*", "Condition": {"Bool": {"aws:SecureTransport": "false"}}}


def test_order_single_lists_ids_and_root_principals_make_no_difference() -> None:
    other = {**ONE, "Principal": {"AWS": ["123456789012"]}, "Action": ["a:A", "a:B"], "Resource": ["*"],
             "Condition": {"Bool": {"aws:SecureTransport": False}}}
    assert same(document(ONE), json.dumps({"Id": "x", **document(other)}))


def test_another_action_is_another_policy_and_none_equals_none_only() -> None:
    assert not same(document(ONE), document({**ONE, "Action": "a:A"}))
    assert same(None, None)
    assert not same(None, document(ONE))


def test_what_aws_adds_is_no_difference_but_another_item_or_value_is() -> None:
    wanted = {"rules": [{"name": "a", "limit": 5}]}
    assert contains({"id": "x", "rules": [{"name": "a", "limit": 5, "excluded": []}]}, wanted)
    assert not contains({"rules": [{"name": "a", "limit": 6}]}, wanted)
    assert not contains({"rules": [{"name": "a", "limit": 5}, {"name": "b"}]}, wanted)
    assert not contains({}, wanted)
