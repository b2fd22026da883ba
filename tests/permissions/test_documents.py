"""What each run's policies say, and what none of them may ever say."""

from __future__ import annotations

import json
import os
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from drctl.cli.commands import policy as command
from drctl.configuration import load, packaged_lab
from drctl.lab.authorization import PREFIXES, table
from drctl.permissions import documents
from drctl.permissions.documents import FOR, LIMIT, RUNS, allowed, policies_of, size, statements
from drctl.permissions.scopes import SCOPES
from drctl.settings import Settings
from drctl.settings_operation import Iam
from tests.permissions.spelled import SPOKEN_OF, operations_in_the_code

GOLDEN = Path(__file__).parent / "golden"
PRODUCTION = Path(__file__).parents[2] / "config" / "production.yaml"
EVERY = [(run, part) for run, parts in RUNS.items() for part in parts]
LAB = Settings()
BOUNDARY = "arn:aws:iam::123456789012:policy/boundary"
#: Longest names: of the environment, and of both regions.
LONGEST = Settings.model_validate({"environment": "a-long-environment-x", "regions": {
    "primary": "ap-southeast-2", "standby": "ap-northeast-1"}})


def actions(part: str) -> set[str]:
    return {action for some in allowed(part).values() for action in some}


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize(("name", "path"), [("lab", packaged_lab()), ("production", PRODUCTION)])
def test_the_policies_are_those_in_the_golden_files(name: str, path: Path, run: str) -> None:
    """RENEW_GOLDEN=1 writes them anew."""
    told = {one.name: one.document for one in policies_of(load(path), run)}
    file = GOLDEN / f"{name}-{run}.json"
    if os.environ.get("RENEW_GOLDEN"):
        file.parent.mkdir(exist_ok=True)
        file.write_text(json.dumps(told, indent=1) + "\n")
    assert told == json.loads(file.read_text())


@pytest.mark.parametrize("settings", [LAB, LONGEST], ids=["lab", "longest names"])
@pytest.mark.parametrize("run", RUNS)
def test_every_policy_fits_into_what_iam_takes(run: str, settings: Settings) -> None:
    found = policies_of(settings, run)
    assert found
    assert all(one.characters <= LIMIT for one in found)
    assert len({one.name for one in found}) == len(found)
    for one, following in pairwise(found):  # no policy is begun while there is room
        if one.part == following.part:
            assert size({"Version": "2012-10-17", "Statement": [*one.statements, following.statements[0]]}) > LIMIT


@pytest.mark.parametrize(("_run", "part"), EVERY)
def test_every_statement_has_a_name_of_its_own_and_says_what_it_is_for(_run: str, part: str) -> None:
    every = statements(LAB, part)
    sids = [one["Sid"] for one in every]
    assert len(set(sids)) == len(sids)
    assert all(sid.isalnum() for sid in sids), "IAM takes letters and digits only"
    assert all(one["Action"] == sorted(set(one["Action"])) for one in every)
    assert part in FOR


@pytest.mark.parametrize(("_run", "part"), EVERY)
def test_no_action_has_a_wildcard_and_nothing_but_looking_is_allowed_everywhere_without_a_condition(
        _run: str, part: str) -> None:
    for one in statements(LAB, part):
        assert not [action for action in one["Action"] if "*" in action]
        assert "*" not in one["Resource"] or one["Condition"], one["Sid"]


def test_a_failover_makes_and_deletes_nothing_but_objects_that_drctl_knows() -> None:
    """What is stopped by a limit of nothing is started again by taking the limit away: it deletes no resource."""
    changing = {one for one in actions("failover") if one.partition(":")[2].startswith(("Create", "Delete", "Restore"))}
    assert changing == {"s3:DeleteObject", "lambda:DeleteFunctionConcurrency"}
    objects = next(one for one in statements(LAB, "failover") if "s3:DeleteObject" in one["Action"])
    assert objects["Resource"] == ["arn:aws:s3:::s3-switch-us-east-1-lab-123456789012/switch/traffic-to-primary",
                                   "arn:aws:s3:::s3-switch-us-west-2-lab-123456789012/switch/traffic-to-standby"]


@pytest.mark.parametrize("part", [part for _, part in EVERY if part != "failover"])
def test_nobody_but_who_fails_over_can_accept_the_loss_of_data(part: str) -> None:
    """SwitchoverGlobalCluster loses nothing; FailoverGlobalCluster with AllowDataLoss does (RDS API Reference). IAM has
    no condition for the parameter, so the action itself is withheld."""
    assert "rds:FailoverGlobalCluster" not in actions(part)
    assert "rds:RemoveFromGlobalCluster" not in actions(part) or part in {"teardown", "failback"}


def test_a_driller_moves_by_a_switchover() -> None:
    assert "rds:SwitchoverGlobalCluster" in actions("drill")


def test_who_reads_changes_nothing() -> None:
    reading = ("Describe", "Get", "List")
    #: The probe answers what the database is; a key opens what is read.
    asking = {"lambda:InvokeFunction", "kms:Decrypt"}
    assert {one for one in actions("read") if not one.partition(":")[2].startswith(reading)} <= asking


@pytest.mark.parametrize("part", [part for _, part in EVERY])
def test_who_may_make_a_key_the_stacks_own_may_not_destroy_keys(part: str) -> None:
    """KMS cannot tell a tag at a key's birth from one that is put on somebody's key, so no part has both."""
    assert not {"kms:TagResource", "kms:ScheduleKeyDeletion"} <= actions(part)


def test_another_stack_in_the_account_has_other_policies() -> None:
    def places(settings: Settings) -> set[str]:
        return {place for one in statements(settings, "teardown") for place in one["Resource"] if "lab" in place}

    assert not places(LAB) & places(Settings(environment="lab2"))


def test_with_a_boundary_roles_are_made_and_given_rights_only_with_it() -> None:
    def new_roles(settings: Settings) -> Any:
        return next(one for one in statements(settings, "provision") if one["Sid"] == "NewRoles")

    assert "Condition" not in new_roles(LAB)
    bound = new_roles(LAB.model_copy(update={"iam": Iam(permissions_boundary=BOUNDARY)}))
    assert bound["Condition"] == {"StringEquals": {"iam:PermissionsBoundary": BOUNDARY}}
    assert {"iam:CreateRole", "iam:PutRolePolicy"} <= set(bound["Action"])


def test_whoever_makes_roles_within_a_boundary_takes_it_off_none() -> None:
    def allowed(settings: Settings) -> set[str]:
        return {action for one in statements(settings, "provision") for action in one["Action"]}

    bound = LAB.model_copy(update={"iam": Iam(permissions_boundary=BOUNDARY)})
    assert allowed(LAB) - allowed(bound) == {"iam:DeleteRolePermissionsBoundary"}


def test_a_given_zone_is_the_only_one_that_is_touched() -> None:
    given = LAB.model_copy(update={"dns": LAB.dns.model_copy(update={"zone_id": "Z123"})})
    zones = {place for one in statements(given, "provision") for place in one["Resource"] if ":hostedzone/" in place}
    assert zones == {"arn:aws:route53:::hostedzone/Z123"}


def test_the_command_knows_every_run() -> None:
    assert tuple(RUNS) == command.RUNS


def test_every_call_that_the_code_spells_is_allowed_to_somebody() -> None:
    """A new call is recorded (`python -m tests.permissions.record`), or goes into foreseen.yaml with its reason."""
    everything = {action for _, part in EVERY for action in actions(part)}
    for spelled in sorted(operations_in_the_code() - SPOKEN_OF):
        service, _, operation = spelled.partition(":")
        lines = table()[service].operations.get(operation, []) if service in table() else []
        if lines and not lines[0].startswith("tag:"):
            assert first_action(service, operation, lines[0]) in everything, f"nobody may {spelled}"


def first_action(service: str, operation: str, line: str) -> str:
    """What an operation is called in a policy."""
    word = line.split(maxsplit=1)[0]
    return f"{PREFIXES.get(service, service)}:{operation if word == '=' else word}"


@pytest.mark.parametrize("part", [part for _, part in EVERY])
def test_what_is_foreseen_has_a_reason_and_a_statement_that_was_recorded(part: str) -> None:
    foreseen = documents._table("foreseen.yaml").get(part, {})
    recorded = documents._table("recorded.yaml")[part]
    assert set(foreseen) <= set(recorded), "a statement that is foreseen alone is proven by nothing"
    for sid, some in foreseen.items():
        assert all(isinstance(reason, str) and reason for reason in some.values())
        assert not set(some) & set(recorded[sid]), "what is recorded needs no foreseeing"


def test_every_scope_is_used() -> None:
    assert {sid for _, part in EVERY for sid in allowed(part)} == {scope.sid for scope in SCOPES}
