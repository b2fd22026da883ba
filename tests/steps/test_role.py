"""A role is trusted to one service, may do one thing, and is found again by its name and tags."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from drctl.aws.clients import Aws
from drctl.aws.tags import as_list
from drctl.engine.run import Run
from drctl.errors import Refused
from drctl.settings import Settings, Site
from drctl.settings_operation import Iam
from drctl.stack import stack_of
from drctl.steps import flow_logs
from drctl.steps.role import Role
from tests.conftest import changes, ensure_with_needs
from tests.steps.lifecycle import lagging

SITE = Settings().primary
BOUNDARY = "arn:aws:iam::123456789012:policy/boundary"


def statements(_: Run) -> list[dict[str, Any]]:
    return [{"Effect": "Allow", "Action": ["logs:PutLogEvents"], "Resource": ["arn:aws:logs:us-east-1:1:x"]}]


ROLE = Role(SITE, "flow-logs", "vpc-flow-logs", statements)


def test_a_role_stands_and_a_second_run_changes_nothing(run: Run, make_run: Callable[..., Run]) -> None:
    out = ensure_with_needs(run, ROLE)
    assert out.name == "iam-flow-logs-us-east-1-lab"
    assert out.policy["Statement"] == statements(run)
    assert list(ROLE.verify(run, out)) == []
    again = make_run()
    ensure_with_needs(again, ROLE)
    assert changes(again, ROLE) == 0


def test_only_this_account_may_make_the_service_use_the_role(run: Run) -> None:
    trust = ensure_with_needs(run, ROLE).trust["Statement"][0]
    assert trust["Principal"] == {"Service": "vpc-flow-logs.amazonaws.com"}
    assert trust["Condition"] == {"StringEquals": {"aws:SourceAccount": run.settings.account_id}}


def test_a_service_that_tells_what_it_uses_a_role_for_may_use_it_for_that_alone(run: Run) -> None:
    role = Role(SITE, "flow-logs", "vpc-flow-logs", statements, source=lambda run: flow_logs.source(run, SITE))
    condition = ensure_with_needs(run, role).trust["Statement"][0]["Condition"]
    assert condition == {"StringEquals": {"aws:SourceAccount": run.settings.account_id},
                         "ArnLike": {"aws:SourceArn": "arn:aws:ec2:us-east-1:123456789012:vpc-flow-log/*"}}


@pytest.mark.parametrize("site", Settings().sites, ids=lambda site: site.region)
def test_every_service_that_tells_what_it_uses_a_role_for_is_held_to_it(run: Run, site: Site) -> None:
    roles = [step for step in stack_of(run.settings).steps if isinstance(step, Role) and step.site == site]
    told = {role.label: role._trust(run)["Statement"][0].get("Condition", {}) for role in roles}
    bus = f"rule/bus-events-{site.region}-lab/rule-event-forwarding-{site.region}-lab"
    assert {label: one["ArnLike"]["aws:SourceArn"] for label, one in told.items() if one} == {
        "flow-logs": f"arn:aws:ec2:{site.region}:123456789012:vpc-flow-log/*",
        "forwarding": f"arn:aws:events:{site.region}:123456789012:{bus}"}


def bound(boundary: str | None) -> Settings:
    return Settings(iam=Iam(permissions_boundary=boundary))


def test_a_role_is_made_with_the_boundary_of_the_configuration(make_run: Callable[..., Run]) -> None:
    run = make_run(bound(BOUNDARY))
    out = ensure_with_needs(run, ROLE)
    assert out.boundary == BOUNDARY
    assert list(ROLE.verify(run, out)) == []
    again = make_run(bound(BOUNDARY))
    ensure_with_needs(again, ROLE)
    assert changes(again, ROLE) == 0


@pytest.mark.parametrize("before", [None, "arn:aws:iam::123456789012:policy/another"])
def test_a_boundary_that_is_missing_or_another_is_told_and_put(
        make_run: Callable[..., Run], before: str | None) -> None:
    ensure_with_needs(make_run(bound(before)), ROLE)
    run = make_run(bound(BOUNDARY))
    seen = run.refresh(ROLE)
    assert seen is not None
    assert [str(one.text) for one in ROLE.verify(run, seen)] == [f"role {seen.name} has not the boundary {BOUNDARY}"]
    assert ensure_with_needs(run, ROLE).boundary == BOUNDARY


def test_a_boundary_that_drctl_did_not_put_is_somebody_elses_and_stays(
        run: Run, make_run: Callable[..., Run], aws: Aws) -> None:
    name = ensure_with_needs(run, ROLE).name
    aws["us-east-1"].iam.put_role_permissions_boundary(RoleName=name, PermissionsBoundary=BOUNDARY)
    again = make_run()
    assert ensure_with_needs(again, ROLE).boundary == BOUNDARY
    assert changes(again, ROLE) == 0


def test_a_boundary_that_drctl_has_put_goes_when_the_configuration_names_none_any_more(
        make_run: Callable[..., Run]) -> None:
    ensure_with_needs(make_run(bound(BOUNDARY)), ROLE)
    run = make_run()
    seen = run.refresh(ROLE)
    assert seen is not None
    assert [one.text for one in ROLE.verify(run, seen)] == [
        f"role {seen.name} has the boundary {BOUNDARY} of former settings"]
    out = ensure_with_needs(run, ROLE)
    assert (out.boundary, out.put, changes(run, ROLE)) == (None, None, 2)
    again = make_run()
    ensure_with_needs(again, ROLE)
    assert changes(again, ROLE) == 0


def test_a_boundary_that_somebody_has_put_in_place_of_ours_stays_and_our_note_goes(
        make_run: Callable[..., Run], aws: Aws) -> None:
    name = ensure_with_needs(make_run(bound(BOUNDARY)), ROLE).name
    aws["us-east-1"].iam.put_role_permissions_boundary(RoleName=name, PermissionsBoundary=f"{BOUNDARY}-of-theirs")
    out = ensure_with_needs(make_run(), ROLE)
    assert (out.boundary, out.put) == (f"{BOUNDARY}-of-theirs", None)


def test_a_role_for_lambda_has_the_trust_that_lambda_documents(run: Run) -> None:
    trust = ensure_with_needs(run, Role(SITE, "app", "lambda", statements)).trust["Statement"][0]
    assert "Condition" not in trust


@pytest.mark.notices("Role")
@pytest.mark.parametrize("damage", ["trust", "policy", "policy gone"])
def test_verify_notices_changed_policies_and_ensure_mends_them(run: Run, aws: Aws, damage: str) -> None:
    name, iam = ensure_with_needs(run, ROLE).name, aws[SITE.region].iam
    anyone = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    if damage == "trust":
        wide = {**anyone, "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}]}
        iam.update_assume_role_policy(RoleName=name, PolicyDocument=json.dumps(wide))
    elif damage == "policy":
        iam.put_role_policy(RoleName=name, PolicyName="flow-logs", PolicyDocument=json.dumps(anyone))
    else:
        iam.delete_role_policy(RoleName=name, PolicyName="flow-logs")
    seen = run.refresh(ROLE)
    assert seen is None if damage == "policy gone" else seen and len(list(ROLE.verify(run, seen))) == 1
    mended = ensure_with_needs(run, ROLE)
    assert list(ROLE.verify(run, mended)) == []


def test_destroy_removes_the_role_and_twice_is_fine(run: Run, aws: Aws) -> None:
    ensure_with_needs(run, ROLE)
    ROLE.destroy(run)
    ROLE.destroy(run)
    assert aws[SITE.region].iam.list_roles()["Roles"] == []


def test_a_policy_that_somebody_attached_does_not_keep_the_role(run: Run, aws: Aws) -> None:
    name, iam = ensure_with_needs(run, ROLE).name, aws[SITE.region].iam
    arn = iam.create_policy(PolicyName="boundary", PolicyDocument=json.dumps(
        {"Version": "2012-10-17", "Statement": statements(run)}))["Policy"]["Arn"]
    iam.attach_role_policy(RoleName=name, PolicyArn=arn)
    ROLE.destroy(run)
    assert iam.list_roles()["Roles"] == []
    assert iam.get_policy(PolicyArn=arn)["Policy"]["AttachmentCount"] == 0


def test_somebody_elses_role_of_that_name_is_neither_taken_over_nor_deleted(run: Run, aws: Aws) -> None:
    name = run.name("iam", "flow-logs", SITE)
    trust = {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
    aws[SITE.region].iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))
    with pytest.raises(Refused, match=name):
        ROLE.ensure(run)
    with pytest.raises(Refused, match=name):
        ROLE.destroy(run)


def test_a_role_stands_and_goes_while_iam_shows_everything_late(run: Run, aws: Aws) -> None:
    with lagging():
        out = ensure_with_needs(run, ROLE)
        assert (out.policy["Statement"], list(ROLE.verify(run, out))) == (statements(run), [])
        ROLE.destroy(run)
    assert aws[SITE.region].iam.list_roles()["Roles"] == []


def test_a_role_of_ours_that_reads_miss_is_taken_not_made_again(run: Run, make_run: Callable[..., Run]) -> None:
    with lagging():
        run.at(SITE).iam.create_role(RoleName=run.name("iam", "flow-logs", SITE), Tags=as_list(run.tags(SITE)),
                                     AssumeRolePolicyDocument=json.dumps(ROLE._trust(run)))
        assert list(ROLE.verify(run, ensure_with_needs(make_run(), ROLE))) == []


def test_a_role_left_without_its_policy_gets_the_trust_of_today(run: Run) -> None:
    old = {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
    run.at(SITE).iam.create_role(RoleName=run.name("iam", "flow-logs", SITE), Tags=as_list(run.tags(SITE)),
                                 AssumeRolePolicyDocument=json.dumps(old))
    assert list(ROLE.verify(run, ensure_with_needs(run, ROLE))) == []
