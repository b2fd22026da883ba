"""Route 53's health checks as objects: references, children, updates."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from drctl.aws.clients import Aws

HTTPS = {"Type": "HTTPS", "FullyQualifiedDomainName": "app.example.org", "ResourcePath": "/health",
         "RequestInterval": 10, "FailureThreshold": 3}


class Checks:
    """Health checks made by hand."""

    def __init__(self, aws: Aws) -> None:
        self.dns: Any = aws["us-east-1"].route53

    def make(self, reference: str, **settings: Any) -> Any:
        settings = settings or HTTPS
        return self.dns.create_health_check(CallerReference=reference, HealthCheckConfig=settings)["HealthCheck"]

    def parent(self, *children: str) -> Any:
        return self.make("parent", Type="CALCULATED", HealthThreshold=1, ChildHealthChecks=list(children))

    def refused(self, call: Any, **given: Any) -> str:
        with pytest.raises(ClientError) as refused:
            call(**given)
        return refused.value.response["Error"]["Code"]


@pytest.fixture
def checks(aws: Aws) -> Checks:
    return Checks(aws)


@pytest.mark.rule("check-reference")
def test_the_same_reference_and_settings_give_the_same_check(checks: Checks) -> None:
    assert checks.make("one")["Id"] == checks.make("one")["Id"] != checks.make("two")["Id"]


@pytest.mark.rule("check-reference")
def test_a_reference_is_never_used_for_another_check(checks: Checks) -> None:
    check = checks.make("one")
    assert checks.refused(checks.make, reference="one", **{**HTTPS, "Inverted": True}) == "HealthCheckAlreadyExists"
    checks.dns.delete_health_check(HealthCheckId=check["Id"])
    assert checks.refused(checks.make, reference="one") == "HealthCheckAlreadyExists"


@pytest.mark.rule("check-defaults")
def test_an_https_check_asks_port_443_and_sends_the_name(checks: Checks) -> None:
    settings = checks.make("one")["HealthCheckConfig"]
    assert (settings["Port"], settings["EnableSNI"]) == (443, True)


@pytest.mark.rule("check-in-use")
def test_a_child_stays_while_its_parent_does(checks: Checks) -> None:
    child = checks.make("child")["Id"]
    parent = checks.parent(child)["Id"]
    assert checks.refused(checks.dns.delete_health_check, HealthCheckId=child) == "HealthCheckInUse"
    for check in (parent, child):
        checks.dns.delete_health_check(HealthCheckId=check)
    assert checks.refused(checks.dns.delete_health_check, HealthCheckId=child) == "NoSuchHealthCheck"


@pytest.mark.rule("check-children")
def test_children_exist_and_are_not_calculated(checks: Checks) -> None:
    calculated = checks.parent(checks.make("child")["Id"])["Id"]
    for child in ("00000000-0000-0000-0000-000000000000", calculated):
        assert checks.refused(checks.make, reference="another", Type="CALCULATED", HealthThreshold=1,
                              ChildHealthChecks=[child]) == "InvalidInput"


@pytest.mark.rule("check-update")
def test_an_update_keeps_what_it_does_not_name(checks: Checks) -> None:
    regions = ["us-east-1", "us-west-2", "eu-west-1"]
    check = checks.make("one", **HTTPS, Regions=regions)
    parent = checks.parent(check["Id"])
    changed = checks.dns.update_health_check(HealthCheckId=check["Id"], FailureThreshold=2)["HealthCheck"]
    assert changed["HealthCheckConfig"]["Regions"] == regions
    assert changed["HealthCheckVersion"] == 2
    changed = checks.dns.update_health_check(HealthCheckId=parent["Id"], HealthThreshold=1)["HealthCheck"]
    assert changed["HealthCheckConfig"]["ChildHealthChecks"] == [check["Id"]]


@pytest.mark.rule("check-children-changed")
def test_children_that_are_changed_exist_too(checks: Checks) -> None:
    parent = checks.parent(checks.make("child")["Id"])["Id"]
    assert checks.refused(checks.dns.update_health_check, HealthCheckId=parent,
                          ChildHealthChecks=["00000000-0000-0000-0000-000000000000"]) == "InvalidInput"


@pytest.mark.rule("check-version")
def test_an_update_of_an_old_version_is_refused(checks: Checks) -> None:
    check = checks.make("one")
    checks.dns.update_health_check(HealthCheckId=check["Id"], HealthCheckVersion=1, FailureThreshold=2)
    assert checks.refused(checks.dns.update_health_check, HealthCheckId=check["Id"], HealthCheckVersion=1,
                          FailureThreshold=3) == "HealthCheckVersionMismatch"
