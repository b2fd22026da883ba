"""Two linters that know AWS's own lists read every policy: those of the runs, and those of the stack's roles.

cloudsplaining finds what is too wide; policy_sentry, on which it stands, has the Service Authorization Reference: which
actions there are, what resources they are asked for, and which condition keys they look at.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from drctl.engine.run import Run
from drctl.lab.authorization import PREFIXES, table
from drctl.permissions.documents import RUNS, policies_of
from drctl.settings import Settings
from drctl.stack import stack_of
from drctl.steps.role import Role
from tests.conftest import ensure_with_needs

scan: Any = pytest.importorskip("cloudsplaining.scan.policy_document")
reference: Any = pytest.importorskip("policy_sentry.querying.actions")

POLICIES = {one.name: one.document for run in RUNS for one in policies_of(Settings(), run)}
#: What is too wide in cloudsplaining's eyes: its findings, by name of the property.
FINDINGS = ("allows_privilege_escalation", "allows_data_exfiltration_actions", "credentials_exposure",
            "infrastructure_modification", "permissions_management_without_constraints", "service_wildcard",
            "contains_statement_using_not_action")
#: Actions that know no narrower resource and no condition that would fit, each with what it is needed for.
ACCEPTED = {
    # Lambda itself needs them to attach a function to a VPC; the function's code is denied them (function_role.py)
    "ec2:AssignPrivateIpAddresses", "ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface",
    "ec2:UnassignPrivateIpAddresses",
}
#: Condition keys that every action looks at (IAM User Guide, "AWS global condition context keys"), and one that every
#: request of a function brings (Lambda Developer Guide, "Working with Lambda execution environment credentials").
GLOBAL_KEYS = {"aws:requestedregion", "lambda:sourcefunctionarn"}


@pytest.fixture
def role_policies(run: Run) -> dict[str, Any]:
    """The inline policy of every role of the stack and of what its settings may choose, as the lab has it."""
    stack = stack_of(run.settings)
    found = [step for step in (*stack.steps, *stack.retired) if isinstance(step, Role)]
    return {f"{role.label} {role.region}": ensure_with_needs(run, role).policy for role in found}


def too_wide(document: dict[str, Any]) -> dict[str, Any]:
    """What cloudsplaining finds in a policy."""
    read = scan.PolicyDocument(document)
    seen = {name: [one for one in getattr(read, name) if str(one) not in ACCEPTED] for name in FINDINGS}
    return {name: found for name, found in seen.items() if found}


def wrong(document: dict[str, Any]) -> Iterator[str]:
    """Where a policy speaks of what AWS does not have."""
    for statement in document["Statement"]:
        actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        places = statement["Resource"] if isinstance(statement["Resource"], list) else [statement["Resource"]]
        for action in actions:
            entries = known(action)
            if not entries:
                yield f"there is no action {action}"
                continue
            yield from (f"{action} does not look at {key}" for key in unknown_keys(statement, entries))
            if not any(place == "*" or asked_for(place, entry) for place in places for entry in entries):
                yield f"{action} is asked for none of {places}"


def known(action: str) -> list[Any]:
    """What the reference says of an action, for each type of resource; of all that a pattern means."""
    service, _, name = action.partition(":")
    found: list[Any] = reference.get_action_data(service, name).get(service, [])
    return found


def unknown_keys(statement: dict[str, Any], entries: list[Any]) -> set[str]:
    keys = {key.lower() for operator in statement.get("Condition", {}).values() for key in operator}
    has = {one.lower().partition("${")[0] for entry in entries for one in entry["condition_keys"]}
    return {key for key in keys - GLOBAL_KEYS
            if not any(key == one or (one.endswith(("/", ":")) and key.startswith(one)) for one in has)}


def asked_for(place: str, entry: Any) -> bool:
    """Whether an ARN of a policy is one of a type: the same service, and the same words where the type has some."""
    form = entry["resource_arn_format"]
    if form == "*":
        return False
    mine, its = place.split(":", 5), form.split(":", 5)
    word = its[5].partition("${")[0]
    # the ARN of a recovery point is that of the service which it was made of
    return (mine[2] == its[2] or its[2].startswith("${")) and (not word or mine[5].startswith((word, "*")))


@pytest.mark.parametrize("name", POLICIES)
def test_no_policy_of_a_run_is_too_wide(name: str) -> None:
    assert too_wide(POLICIES[name]) == {}


@pytest.mark.parametrize("name", POLICIES)
def test_no_policy_of_a_run_speaks_of_what_aws_does_not_have(name: str) -> None:
    assert list(wrong(POLICIES[name])) == []


def test_no_role_of_the_stack_is_too_wide(role_policies: dict[str, Any]) -> None:
    assert [(name, found) for name, policy in role_policies.items() if (found := too_wide(policy))] == []
    assert [(name, one) for name, policy in role_policies.items() for one in wrong(policy)] == []


def test_the_labs_table_speaks_of_actions_that_there_are() -> None:
    missing = [f"{service}:{operation}: {action}" for service, part in table().items()
               for operation, lines in part.operations.items() for line in lines
               for action in named(service, operation, line.split()) if not known(action)]
    assert missing == []


def named(service: str, operation: str, words: list[str]) -> list[str]:
    """The actions of a line of the table."""
    special: dict[str, Callable[[], list[str]]] = {
        "pass": lambda: ["iam:PassRole"], "linked": lambda: ["iam:CreateServiceLinkedRole"],
        "kms": lambda: [f"kms:{one}" for one in words[1].split(",")]}
    if words[0] in special:
        return special[words[0]]()
    name = operation if words[0] == "=" else words[0]
    return [name if ":" in name else f"{PREFIXES.get(service, service)}:{name}"]


@pytest.mark.parametrize(("change", "finding"), [
    ({"Action": ["s3:DeleteEverything"], "Resource": "*"}, "there is no action s3:DeleteEverything"),
    ({"Action": ["s3:GetObject"], "Resource": "arn:aws:sqs:us-east-1:1:q"},
     "s3:GetObject is asked for none of ['arn:aws:sqs:us-east-1:1:q']"),
    ({"Action": ["sqs:DeleteQueue"], "Resource": "arn:aws:sqs:us-east-1:1:q",
      "Condition": {"StringEquals": {"ec2:CreateAction": "x"}}}, "sqs:DeleteQueue does not look at ec2:createaction"),
])
def test_the_reference_finds_what_is_wrong(change: dict[str, Any], finding: str) -> None:
    assert list(wrong({"Statement": [{"Effect": "Allow", **change}]})) == [finding]


def test_the_linter_finds_what_is_too_wide() -> None:
    wide = json.loads('{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}')
    assert "allows_privilege_escalation" in too_wide(wide)
