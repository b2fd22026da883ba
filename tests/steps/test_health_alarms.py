"""Health checks are heard where their metrics are: in us-east-1."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from drctl.aws.clients import Aws
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
