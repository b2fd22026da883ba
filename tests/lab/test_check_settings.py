"""Health checks are of a number, ask whom checkers can reach, and are seen some seconds after they were made."""

from __future__ import annotations

from typing import Any

import pytest
from moto.core import DEFAULT_ACCOUNT_ID
from moto.route53.models import HealthCheck, route53_backends

from drctl.aws.clients import Aws
from drctl.aws.durations import seconds
from drctl.lab.check_settings import LIMIT
from drctl.lab.clock import LabClock
from tests.lab.test_checks import HTTPS, Checks


@pytest.fixture
def checks(aws: Aws) -> Checks:
    return Checks(aws)


def refused(checks: Checks, **settings: Any) -> str:
    return checks.refused(checks.make, reference="one", **{**HTTPS, **settings})


@pytest.mark.rule("check-limit")
def test_an_account_has_200_checks(checks: Checks) -> None:
    there = route53_backends[DEFAULT_ACCOUNT_ID]["aws"].health_checks
    there |= {str(number): HealthCheck(str(number), str(number), {"type": "CALCULATED"}) for number in range(LIMIT - 1)}
    checks.make("one")
    assert checks.refused(checks.make, reference="two") == "TooManyHealthChecks"


@pytest.mark.rule("check-interval")
def test_checkers_ask_every_10_or_30_seconds(checks: Checks) -> None:
    assert refused(checks, RequestInterval=20) == "InvalidInput"


@pytest.mark.rule("check-endpoint")
@pytest.mark.parametrize("settings", [{"IPAddress": "10.0.0.1"}, {"FullyQualifiedDomainName": f"{'a.' * 130}org"},
                                      {"FullyQualifiedDomainName": ""}])
def test_a_check_asks_whom_checkers_can_reach(checks: Checks, settings: dict[str, Any]) -> None:
    assert refused(checks, **settings) == "InvalidInput"


@pytest.mark.rule("check-path")
def test_a_path_has_255_characters_and_a_text_is_needed_to_search_for_it(checks: Checks) -> None:
    assert refused(checks, ResourcePath="/" + "a" * 255) == "InvalidInput"
    assert refused(checks, Type="HTTPS_STR_MATCH") == "InvalidInput"
    check = checks.make("two")["Id"]
    assert checks.refused(checks.dns.update_health_check, HealthCheckId=check,
                          ResourcePath="/" + "a" * 255) == "InvalidInput"


@pytest.mark.rule("check-visible")
def test_a_new_check_is_missing_for_some_seconds_and_its_reference_leads_to_it(
        checks: Checks, clock: LabClock) -> None:
    check = checks.make("one")["Id"]
    assert checks.dns.list_health_checks()["HealthChecks"] == []
    assert checks.refused(checks.dns.get_health_check, HealthCheckId=check) == "NoSuchHealthCheck"
    assert checks.make("one")["Id"] == check
    clock.skip(seconds("check-visible"))
    assert [one["Id"] for one in checks.dns.list_health_checks()["HealthChecks"]] == [check]
