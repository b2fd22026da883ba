"""All traffic of the network is logged, encrypted with the region's key and kept as long as configured."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial

import pytest

from drctl.aws.clients import Aws
from drctl.engine.run import Run
from drctl.errors import Refused
from drctl.lab import interfaces
from drctl.settings import Settings
from drctl.settings_operation import Logs
from drctl.steps import flow_logs
from drctl.steps.flow_logs import FlowLogs, FlowLogsOut, log_group_name
from drctl.steps.key import Key
from drctl.steps.network import Network
from drctl.steps.role import Role
from tests.conftest import changes, ensure_with_needs
from tests.steps.lifecycle import lagging

SITE = Settings().primary
NETWORK, KEY = Network(SITE), Key(SITE)
ROLE = Role(SITE, "flow-logs", "vpc-flow-logs.amazonaws.com", partial(flow_logs.policy, site=SITE))
FLOW_LOGS = FlowLogs(SITE, NETWORK, KEY, ROLE)


def stands(run: Run) -> FlowLogsOut:
    """The flow log as another look shows it."""
    out = run.refresh(FLOW_LOGS)
    assert out is not None
    return out


def findings(run: Run) -> list[str]:
    """What verify says now."""
    return [finding.text for finding in FLOW_LOGS.verify(run, stands(run))]


def test_all_traffic_is_logged_into_an_encrypted_group_with_an_end(run: Run, aws: Aws) -> None:
    ensure_with_needs(run, FLOW_LOGS)
    out = stands(run)
    (log,) = aws[SITE.region].ec2.describe_flow_logs()["FlowLogs"]
    assert (log["TrafficType"], log["ResourceId"]) == ("ALL", run.output(NETWORK).vpc_id)
    assert (out.group.retention_days, out.group.key) == (run.settings.logs.retention_days, run.output(KEY).arn)
    assert findings(run) == []


def test_delivery_may_write_to_its_own_group_and_cannot_bring_it_back(run: Run) -> None:
    write, _ = flow_logs.policy(run, SITE)
    assert "logs:CreateLogGroup" not in write["Action"]
    assert all(log_group_name(run, SITE) in resource for resource in write["Resource"])


def test_a_second_run_changes_nothing(run: Run, make_run: Callable[..., Run]) -> None:
    ensure_with_needs(run, FLOW_LOGS)
    again = make_run()
    ensure_with_needs(again, FLOW_LOGS)
    assert changes(again, FLOW_LOGS) == 0


def test_another_retention_is_taken_over_in_place(run: Run, make_run: Callable[..., Run]) -> None:
    before = ensure_with_needs(run, FLOW_LOGS)
    later = make_run(Settings(logs=Logs(retention_days=365)))
    ensure_with_needs(later, ROLE)
    ensure_with_needs(later, FLOW_LOGS)
    assert (stands(later).id, stands(later).group.retention_days) == (before.id, 365)


def test_an_error_of_delivery_is_a_finding_once_the_flow_log_is_no_longer_young(run: Run) -> None:
    log = interfaces.backend(SITE.region).flow_logs[ensure_with_needs(run, FLOW_LOGS).id]
    log.deliver_logs_error_message = "Access error"
    assert (stands(run).error, findings(run)) == ("Access error", [])
    log.creation_time -= timedelta(minutes=16)
    assert ["Access error" in text for text in findings(run)] == [True]


@pytest.mark.notices("FlowLogs")
def test_verify_notices_a_group_without_encryption_or_end_and_ensure_mends_it(run: Run, aws: Aws) -> None:
    group = ensure_with_needs(run, FLOW_LOGS).log_group
    aws[SITE.region].logs.disassociate_kms_key(logGroupName=group)
    aws[SITE.region].logs.delete_retention_policy(logGroupName=group)
    assert ["for ever, not for 90 d and is encrypted with no key of ours" in text for text in findings(run)] == [True]
    ensure_with_needs(run, FLOW_LOGS)
    assert findings(run) == []


def test_a_flow_log_with_another_role_is_noticed_and_replaced(run: Run, aws: Aws) -> None:
    former = ensure_with_needs(run, FLOW_LOGS)
    other = ensure_with_needs(run, Role(SITE, "other", "vpc-flow-logs.amazonaws.com", ROLE.policy)).arn
    ec2 = aws[SITE.region].ec2
    ec2.delete_flow_logs(FlowLogIds=[former.id])
    assert run.refresh(FLOW_LOGS) is None
    theirs = ec2.create_flow_logs(
        ResourceIds=[run.output(NETWORK).vpc_id], ResourceType="VPC", TrafficType="ALL", LogGroupName=former.log_group,
        DeliverLogsPermissionArn=other)["FlowLogIds"]
    ec2.create_tags(Resources=theirs, Tags=[{"Key": key, "Value": value} for key, value in run.tags(
        SITE, run.name("ec2", "flow-log", SITE)).items()])
    assert len(findings(run)) == 1
    ensure_with_needs(run, FLOW_LOGS)
    assert findings(run) == []


def test_a_log_group_of_our_name_without_our_tags_is_not_deleted(run: Run, aws: Aws) -> None:
    logs, name = aws[SITE.region].logs, log_group_name(run, SITE)
    logs.create_log_group(logGroupName=name)
    with pytest.raises(Refused, match=name):
        FLOW_LOGS.destroy(run)
    assert logs.describe_log_groups()["logGroups"][0]["logGroupName"] == name


def test_destroy_leaves_foreign_logs_and_twice_is_fine(run: Run, aws: Aws, make_run: Callable[..., Run]) -> None:
    ensure_with_needs(run, FLOW_LOGS)
    aws[SITE.region].logs.create_log_group(logGroupName=f"{log_group_name(run, SITE)}-theirs")
    again = make_run()
    FLOW_LOGS.destroy(again)
    FLOW_LOGS.destroy(again)
    assert aws[SITE.region].ec2.describe_flow_logs()["FlowLogs"] == []
    assert [group["logGroupName"] for group in aws[SITE.region].logs.describe_log_groups()["logGroups"]] == [
        f"{log_group_name(run, SITE)}-theirs"]
    assert FLOW_LOGS.find(again) is None


def test_the_flow_log_stands_while_role_and_group_are_seen_late(run: Run, make_run: Callable[..., Run]) -> None:
    with lagging():
        ensure_with_needs(run, FLOW_LOGS)
        FLOW_LOGS.destroy(run)
        ensure_with_needs(make_run(), FLOW_LOGS)
    run.forget(FLOW_LOGS)
    assert findings(run) == []


@pytest.mark.parametrize("ours", [True, False])
def test_a_log_group_that_the_list_misses_is_taken_when_it_is_ours_and_refused_when_not(
        run: Run, aws: Aws, ours: bool) -> None:
    name = log_group_name(run, SITE)
    for need in (NETWORK, KEY, ROLE):
        ensure_with_needs(run, need)
    with lagging():
        aws[SITE.region].logs.create_log_group(logGroupName=name, tags=run.tags(SITE) if ours else {})
        if ours:
            ensure_with_needs(run, FLOW_LOGS)
            assert findings(run) == []
        else:
            with pytest.raises(Refused, match=name):
                FLOW_LOGS.ensure(run)
