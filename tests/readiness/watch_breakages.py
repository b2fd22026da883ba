"""What can go wrong with alarms, backups and what runs leave behind."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from drctl.engine.lease import LEASE_KEY, Terms
from drctl.engine.owner import Owner
from drctl.lab import topics
from drctl.steps.topic import Topic
from tests.readiness.breakages import Breakage, Here
from tests.readiness.data_breakages import lost_right

DASHBOARD = ("dashboard", "dr", "global")


def _alarm(here: Here, purpose: str) -> str:
    return here.name("alarm", purpose)


def _looser(here: Here) -> None:
    known: Any = here.aws.cloudwatch.describe_alarms(AlarmNames=[_alarm(here, "rpo-lag")])["MetricAlarms"][0]
    kept = ("AlarmName", "AlarmDescription", "AlarmActions", "OKActions", "ActionsEnabled", "Namespace", "MetricName",
            "Dimensions", "Statistic", "Period", "EvaluationPeriods", "ComparisonOperator", "TreatMissingData")
    here.aws.cloudwatch.put_metric_alarm(**{name: known[name] for name in kept}, Threshold=1e9)


def _unheard(here: Here) -> None:
    for one in here.aws.sns.list_subscriptions_by_topic(TopicArn=here.topic)["Subscriptions"]:
        here.aws.sns.unsubscribe(SubscriptionArn=one["SubscriptionArn"])


def _heard(here: Here) -> None:
    email = here.settings.alarms.email or ""
    here.aws.sns.subscribe(TopicArn=here.topic, Protocol="email", Endpoint=email)
    topics.confirm(here.site.region, email)


def _topic_again(here: Here) -> None:
    here.world.build(Topic)
    topics.confirm(here.site.region, here.settings.alarms.email or "")


def _state(state: str) -> Any:
    return lambda here: here.aws.cloudwatch.set_alarm_state(
        AlarmName=_alarm(here, "database-cpu"), StateValue=state, StateReason="by hand")


def _plan_id(here: Here) -> str:
    return here.aws.backup.list_backup_plans()["BackupPlansList"][0]["BackupPlanId"]


def _selects_nothing(here: Here) -> None:
    known = _plan_id(here)
    for one in here.aws.backup.list_backup_selections(BackupPlanId=known)["BackupSelectionsList"]:
        here.aws.backup.delete_backup_selection(BackupPlanId=known, SelectionId=one["SelectionId"])


def _opt(*, into: bool) -> Any:
    return lambda here: here.aws.backup.update_region_settings(ResourceTypeOptInPreference={"Aurora": into})


def _no_points(here: Here) -> None:
    vault = here.name("backup", "vault")
    for one in here.aws.backup.list_recovery_points_by_backup_vault(BackupVaultName=vault)["RecoveryPoints"]:
        here.aws.backup.delete_recovery_point(BackupVaultName=vault, RecoveryPointArn=one["RecoveryPointArn"])


def _reports(here: Here) -> Any:
    return [(site, one["Key"]) for site in (here, here.other) for one in here.world.at(site.site).s3.list_objects_v2(
        **site.bucket("control"), Prefix="runs/").get("Contents", [])]


def _long_ago(here: Here) -> None:
    for site, key in _reports(here):
        site.aws.s3.delete_object(**site.bucket("control"), Key=key)
        here.world.keep_report(site.site, "drill", timedelta(days=200))


def _lately(here: Here) -> None:
    for site, key in _reports(here):
        site.aws.s3.delete_object(**site.bucket("control"), Key=key)
        here.world.keep_report(site.site, "drill", timedelta(days=3))


def _never(here: Here) -> None:
    for site, key in _reports(here):
        site.aws.s3.delete_object(**site.bucket("control"), Key=key)
        here.world.keep_report(site.site, "provision", timedelta(days=200))


def _note(here: Here) -> None:
    here.aws.s3.put_object(**here.bucket("control"), Key="aftermath.json", Body=json.dumps({
        "run": "x", "lost": here.other.site.region, "to": here.site.region, "at": 1.0}).encode())


def _stopped_run(here: Here) -> None:
    terms = Terms(Owner("somebody@elsewhere", "elsewhere", "another-machine", 1, ""), "run-1", "failback",
                  "2026-01-01T00:00:00Z", 30.0, released=True,
                  unfinished={"command": "failback", "run": "run-1", "source": here.site.region})
    here.aws.s3.put_object(**here.bucket("control"), Key=LEASE_KEY, Body=json.dumps(asdict(terms)).encode())


def _without(key: str) -> Any:
    return lambda here: here.aws.s3.delete_object(**here.bucket("control"), Key=key)


def _trail(here: Here) -> str:
    return here.name("trail", "account")


def _unfiltered(here: Here) -> None:
    group = here.name("logs", "trail")
    filters = here.aws.logs.describe_metric_filters(logGroupName=group)["metricFilters"]
    here.aws.logs.delete_metric_filter(logGroupName=group, filterName=filters[0]["filterName"])


WATCH = (
    Breakage("an alarm is deleted", "ALM-01", lambda here: here.aws.cloudwatch.delete_alarms(
        AlarmNames=[_alarm(here, "database-cpu")])),
    Breakage("all alarms are deleted", "ALM-01", lambda here: here.aws.cloudwatch.delete_alarms(
        AlarmNames=[one["AlarmName"] for one in here.aws.cloudwatch.describe_alarms(
            AlarmNamePrefix="alarm-")["MetricAlarms"]])),
    Breakage("an alarm is looser", "ALM-02", _looser),
    Breakage("an alarm speaks to nobody", "ALM-02", lambda here: here.aws.cloudwatch.disable_alarm_actions(
        AlarmNames=[_alarm(here, "rpo-lag")])),
    Breakage("the topic is deleted", "ALM-03", lambda here: here.aws.sns.delete_topic(TopicArn=here.topic),
             back=_topic_again),
    Breakage("the topic has no key", "ALM-04", lambda here: here.aws.sns.set_topic_attributes(
        TopicArn=here.topic, AttributeName="KmsMasterKeyId", AttributeValue="")),
    Breakage("nobody hears the alarms", "ALM-05", _unheard, back=_heard),
    Breakage("an alarm is on", "ALM-06", _state("ALARM"), back=_state("OK")),
    Breakage("the dashboard is deleted", "ALM-07", lambda here: here.aws.cloudwatch.delete_dashboards(
        DashboardNames=[here.world.names(*DASHBOARD)]), "primary"),
    Breakage("the dashboard shows something else", "ALM-07", lambda here: here.aws.cloudwatch.put_dashboard(
        DashboardName=here.world.names(*DASHBOARD), DashboardBody=json.dumps({"widgets": [{
            "type": "text", "x": 0, "y": 0, "width": 6, "height": 2,
            "properties": {"markdown": f"drctl stack **{here.settings.environment}**"}}]})), "primary"),
    Breakage("the backup plan selects nothing", "BAK-03", _selects_nothing, "primary"),
    Breakage("the account does not back Aurora up", "BAK-04", _opt(into=False), "primary", back=_opt(into=True)),
    Breakage("backup jobs may do nothing", "BAK-05", lambda here: lost_right(here, "backup"), "primary"),
    Breakage("the newest backup has no copy", "BAK-07", _no_points, "standby",
             back=lambda here: here.world.keep_recovery_point(here.site)),
    Breakage("the trail records no access to data", "AUD-01", lambda here: here.aws.cloudtrail.put_event_selectors(
        TrailName=_trail(here), EventSelectors=[{"ReadWriteType": "All", "IncludeManagementEvents": True}]), "primary"),
    Breakage("the trail is stopped", "AUD-02", lambda here: here.aws.cloudtrail.stop_logging(Name=_trail(here)),
             "primary"),
    Breakage("the trail's bucket can be made public", "AUD-03", lambda here: here.aws.s3.delete_public_access_block(
        **here.bucket("trail")), "standby"),
    Breakage("the trail may write no log", "AUD-04", lambda here: lost_right(here, "trail"), "primary"),
    Breakage("a filter of the trail's log is deleted", "AUD-05", _unfiltered, "primary"),
    Breakage("a control bucket can be made public", "OPS-01", lambda here: here.aws.s3.delete_public_access_block(
        **here.bucket("control"))),
    Breakage("the last drill was long ago", "OPS-02", _long_ago, "primary", back=_lately),
    Breakage("nobody has ever drilled", "OPS-02", _never, "primary", back=_lately),
    Breakage("a failover has left something", "OPS-03", _note, back=_without("aftermath.json")),
    Breakage("a run has stopped on its way", "OPS-04", _stopped_run, back=_without(LEASE_KEY)),
)
