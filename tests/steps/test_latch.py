"""The latch stands outside of the VPC, knows both regions' switch objects, and may touch its own alone."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from drctl.aws.clients import Aws
from drctl.engine.run import Run
from drctl.lab.policies import Request, role_verdict
from drctl.settings import Dns, Settings, both
from drctl.steps import latch
from drctl.steps.key import Key
from drctl.steps.latch import Latch
from drctl.steps.role import Role
from drctl.steps.switch_bucket import PIN_KEY, SWITCH_KEY, SwitchBucket
from tests.conftest import ensure_with_needs
from tests.steps.lifecycle import assert_a_second_run_changes_nothing, assert_mended, destroy_twice, given

SITES = HOME, AWAY = Settings().sites
SWITCHES = both(Settings(), SwitchBucket)


def latch_of(site: object) -> Latch:
    """A latch as the stack wires it, between a balancer and a zone that stand as they are told to."""
    place = next(one for one in SITES if one == site)
    key, own, other = Key(place), SWITCHES.at(place), SWITCHES.beside(place)
    role = Role(place, "latch", "lambda", partial(latch.policy, site=place, key=key, own=own, other=other),
                (key, own, other))
    return Latch(place, "latch", key, role, given(place, "zone", name_servers=("ns-1.example", "ns-2.example")),
                 given(place, "balancer", dns_name=f"alb-{place.region}.elb.amazonaws.com"), own, other)


LATCH, PINNER = latch_of(AWAY), latch_of(HOME)


@pytest.mark.parametrize(("step", "own", "other"), [
    (LATCH, ("us-west-2", SWITCH_KEY), ("us-east-1", PIN_KEY)),
    (PINNER, ("us-east-1", PIN_KEY), ("us-west-2", SWITCH_KEY))])
def test_it_is_told_what_it_asks_for(run: Run, step: Latch, own: tuple[str, str], other: tuple[str, str]) -> None:
    out = ensure_with_needs(run, step)
    told = out.configuration["Environment"]["Variables"]
    for whose, (region, key) in (("OWN", own), ("OTHER", other)):
        assert (told[f"{whose}_REGION"], told[f"{whose}_KEY"]) == (region, key)
        assert told[f"{whose}_BUCKET"] == f"s3-switch-{region}-lab-123456789012"
    assert (told["USERS_NAME"], told["NAME_SERVERS"]) == ("app.dr.example.com", "ns-1.example,ns-2.example")
    assert told["BALANCER"] == f"alb-{own[0]}.elb.amazonaws.com"
    assert told["LATCH_MINUTES"] == "5"
    assert "NAME_SERVER" not in told
    assert list(step.verify(run, out)) == []


def test_it_stands_in_no_vpc(run: Run) -> None:
    out = ensure_with_needs(run, LATCH)
    assert out.configuration["VpcConfig"] == {"SubnetIds": [], "SecurityGroupIds": []}


def test_in_the_lab_it_asks_the_labs_own_name_server(run: Run) -> None:
    run.name_server = ("127.0.0.1", 5353)
    out = ensure_with_needs(run, LATCH)
    assert out.configuration["Environment"]["Variables"]["NAME_SERVER"] == "127.0.0.1:5353"


def test_other_minutes_are_taken_over(run: Run, make_run: Callable[..., Run]) -> None:
    ensure_with_needs(run, LATCH)
    other = make_run(Settings(dns=Dns(latch_minutes=10)))
    out = ensure_with_needs(other, LATCH)
    assert out.configuration["Environment"]["Variables"]["LATCH_MINUTES"] == "10"
    assert out.version == "2"


@pytest.mark.parametrize(("step", "key", "other_key"), [(LATCH, SWITCH_KEY, PIN_KEY), (PINNER, PIN_KEY, SWITCH_KEY)])
def test_its_role_may_do_its_work_and_only_the_pin_can_be_deleted(
        run: Run, step: Latch, key: str, other_key: str) -> None:
    role = run.output(step.role).arn if run.found(step.role) else ensure_with_needs(run, step.role).arn
    own, other = step.own.arn(run), step.other.arn(run)

    def may(action: str, resource: str) -> bool:
        return role_verdict(Request(role, action, resource)) == "Allow"

    for action in ("s3:GetObject", "s3:PutObject"):
        assert may(action, f"{own}/{key}")
        assert may(action, f"{own}/latch/state.json")
        assert not may(action, f"{own}/else")
    assert may("s3:DeleteObject", f"{own}/{key}") == (step is PINNER)
    assert may("s3:GetObject", f"{other}/{other_key}")
    assert not may("s3:PutObject", f"{other}/{other_key}")
    assert not may("s3:DeleteObject", f"{other}/{other_key}")
    assert may("s3:ListBucket", own)
    assert may("s3:ListBucket", other)


def test_a_second_run_changes_nothing(run: Run, make_run: Callable[..., Run]) -> None:
    ensure_with_needs(run, LATCH)
    assert_a_second_run_changes_nothing(make_run, LATCH)


@pytest.mark.notices("Latch")
def test_a_latch_that_looks_elsewhere_is_noticed_and_mended(run: Run, aws: Aws) -> None:
    out = ensure_with_needs(run, LATCH)
    client = aws[AWAY.region].lambda_

    def damage() -> None:
        client.update_function_configuration(FunctionName=out.name, Timeout=3)
        client.get_waiter("function_updated_v2").wait(FunctionName=out.name)
        version = client.publish_version(FunctionName=out.name)["Version"]
        client.update_alias(FunctionName=out.name, Name="live", FunctionVersion=version)

    assert_mended(run, LATCH, damage, "Timeout is not as configured")


def test_destroy_leaves_neither_function_nor_log_and_twice_is_fine(run: Run, aws: Aws) -> None:
    ensure_with_needs(run, LATCH)
    destroy_twice(run, LATCH)
    assert aws[AWAY.region].lambda_.list_functions()["Functions"] == []
    assert aws[AWAY.region].logs.describe_log_groups()["logGroups"] == []
