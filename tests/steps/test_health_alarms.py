"""Health checks are heard where their metrics are: in us-east-1."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from drctl.aws.clients import Aws
from drctl.aws.tags import as_list
from drctl.engine.run import Run
from drctl.errors import ConfigurationError
from drctl.settings import Settings
from drctl.steps.health_alarms import HealthAlarms
from drctl.steps.key import Key
from drctl.steps.topic import Topic
from tests.conftest import ensure_with_needs
from tests.steps.lifecycle import assert_a_second_run_changes_nothing, assert_mended, destroy_twice, given, lagging

SITE, OTHER = Settings().sites
CHECKS = given(SITE, "checks", primary_app="id-1", standby_app="id-2", switch="id-3", combined="id-4")
ALARMS = HealthAlarms(SITE, Topic(SITE, Key(SITE)), CHECKS)


def test_each_region_and_the_answer_of_dns_has_an_alarm(run: Run, make_run: Callable[..., Run], aws: Aws) -> None:
    ensure_with_needs(run, ALARMS)
    alarms = aws["us-east-1"].cloudwatch.describe_alarms()["MetricAlarms"]
    assert sorted(alarm["Dimensions"][0]["Value"] for alarm in alarms) == ["id-1", "id-2", "id-4"]
    assert {alarm["TreatMissingData"] for alarm in alarms} == {"breaching"}
    assert_a_second_run_changes_nothing(make_run, ALARMS)


@pytest.mark.notices("HealthAlarms")
def test_an_alarm_that_is_gone_is_noticed_and_mended(run: Run, aws: Aws) -> None:
    names = list(ensure_with_needs(run, ALARMS).names)
    assert_mended(run, ALARMS, lambda: aws["us-east-1"].cloudwatch.delete_alarms(AlarmNames=names[:1]), "absent")


def test_in_another_region_they_are_refused(run: Run) -> None:
    with pytest.raises(ConfigurationError, match="us-east-1 alone"):
        ensure_with_needs(run, HealthAlarms(OTHER, Topic(OTHER, Key(OTHER)), CHECKS))


def test_destroy_removes_them_all_and_twice_is_fine(run: Run, aws: Aws) -> None:
    ensure_with_needs(run, ALARMS)
    destroy_twice(run, ALARMS)
    assert aws["us-east-1"].cloudwatch.describe_alarms()["MetricAlarms"] == []


def test_alarms_are_made_while_cloudwatch_lags(run: Run) -> None:
    ensure_with_needs(run, ALARMS.topic)
    with lagging():
        out = ALARMS.ensure(run)
    assert list(ALARMS.verify(run, out)) == []


class Vanishing:
    """CloudWatch whose second alarm goes between the look and the deletion."""

    def __init__(self, tags: list[Any]) -> None:
        self.tags, self.asked, self.there = tags, 0, ["one"]

    def describe_alarms(self, **_: Any) -> Any:
        self.asked += 1
        names = ["one", "two"] if self.asked == 1 else self.there
        return {"MetricAlarms": [{"AlarmName": name, "AlarmArn": name} for name in names]}

    def list_tags_for_resource(self, **_: Any) -> Any:
        return {"Tags": self.tags}

    def delete_alarms(self, AlarmNames: list[str]) -> None:  # noqa: N803  # boto3's signature
        if set(AlarmNames) - set(self.there):
            raise ClientError({"Error": {"Code": "ResourceNotFound", "Message": ""}}, "DeleteAlarms")
        self.there = []


def test_alarms_go_although_one_of_them_went_meanwhile(run: Run) -> None:
    cloudwatch: Any = Vanishing(as_list(run.tags(SITE)))
    run.aws = {SITE.region: SimpleNamespace(cloudwatch=cloudwatch)}  # type: ignore[assignment]  # as much as is asked
    ALARMS.destroy(run)
    assert cloudwatch.there == []
