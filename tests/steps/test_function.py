"""A function is live when code, configuration, version and alias all are; gone when its network interfaces are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest

from drctl.aws.clients import Aws
from drctl.engine.events import Record
from drctl.engine.run import Run
from drctl.engine.step import dependencies
from drctl.errors import Refused
from drctl.packaging import archive
from drctl.settings import App, Settings
from drctl.settings_operation import Logs
from drctl.steps import function_role
from drctl.steps.endpoints import Endpoints
from drctl.steps.function import Function
from drctl.steps.nat import Nat
from drctl.steps.role import Role
from drctl.steps.route_tables import RouteTables
from tests.conftest import changes, ensure_with_needs
from tests.steps.database import HOME, KEYS, NETWORKS, PRIMARY, SECRET, SECURITY, SUBNETS, WORLD
from tests.steps.lifecycle import lagging

TABLES = RouteTables(HOME, NETWORKS[HOME], SUBNETS[HOME])
ENDPOINTS = Endpoints(HOME, NETWORKS[HOME], SUBNETS[HOME], TABLES, SECURITY[HOME])
NAT = Nat(HOME, NETWORKS[HOME], SUBNETS[HOME], TABLES)


def wired(label: str) -> Function:
    """A function as the stack wires it, here without its way out, which no test needs."""
    rights = partial(function_role.policy, site=HOME, label=label, key=KEYS[HOME], secret=SECRET)
    role = Role(HOME, label, "lambda", rights, needs=(KEYS[HOME], SECRET))
    return Function(HOME, label, KEYS[HOME], role, SUBNETS[HOME], SECURITY[HOME], SECRET, PRIMARY, ())


APP, PROBE = wired("app"), wired("probe")
NAME, PROBE_NAME = "lambda-app-us-east-1-lab", "lambda-probe-us-east-1-lab"


def findings(run: Run, step: Function = APP) -> list[str]:
    return [finding.text for finding in step.verify(run, run.refresh(step) or run.output(step))]


def test_a_function_is_live_in_the_private_subnets_with_the_databases_address(run: Run, aws: Aws) -> None:
    out = ensure_with_needs(run, APP)
    assert (out.name, out.version, out.alias_arn[-5:], out.state) == (NAME, "1", ":live", "Active")
    assert out.configuration["VpcConfig"]["SubnetIds"] == sorted(run.output(SUBNETS[HOME]).private)
    variables = out.configuration["Environment"]["Variables"]
    assert variables["DATABASE_HOST"] == run.output(PRIMARY).endpoint
    assert variables["DATABASE_SECRET"] == run.output(SECRET).arn
    assert (variables["DRCTL_REGION"], variables["DRCTL_ROLE"]) == (HOME.region, "primary")
    assert findings(run) == []


def test_the_password_is_not_in_the_environment(run: Run, records: list[Record]) -> None:
    out = ensure_with_needs(run, APP)
    assert SECRET.credentials(run).password not in repr(out) + repr(records)


def test_a_second_run_changes_nothing(run: Run, make_run: Callable[..., Run]) -> None:
    ensure_with_needs(run, APP)
    again = make_run()
    ensure_with_needs(again, APP)
    assert changes(again, APP) == 0


@pytest.mark.parametrize("egress", ["endpoints", "nat", "nat-per-az"])
def test_trap_6_a_function_in_private_subnets_always_waits_for_its_way_out(egress: str) -> None:
    ways = (ENDPOINTS,) if egress == "endpoints" else (NAT,)
    step = Function(HOME, "app", KEYS[HOME], APP.role, SUBNETS[HOME], SECURITY[HOME], SECRET, PRIMARY, ways)
    assert set(ways) <= set(dependencies(step))


def test_trap_13_both_functions_run_code_of_their_own_from_the_package(run: Run) -> None:
    app, probe = ensure_with_needs(run, APP), ensure_with_needs(run, PROBE)
    assert app.configuration["Handler"] != probe.configuration["Handler"]
    assert app.code_sha256 != probe.code_sha256


def test_the_role_may_do_its_work_and_no_more(run: Run) -> None:
    ensure_with_needs(run, APP)
    allowed = {(action, str(statement["Resource"])) for statement in run.output(APP.role).policy["Statement"]
               if statement["Effect"] == "Allow" for action in (
                   [statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])}
    everywhere = {action for action, resource in allowed if resource == "*"}
    assert all(action.startswith("ec2:") for action in everywhere)
    assert ("secretsmanager:GetSecretValue", run.output(SECRET).arn) in allowed
    assert ("logs:PutLogEvents", f"arn:aws:logs:us-east-1:123456789012:log-group:/aws/lambda/{NAME}:*") in allowed


def test_what_may_make_interfaces_is_lambda_not_the_code(run: Run) -> None:
    ensure_with_needs(run, APP)
    denied = [one for one in run.output(APP.role).policy["Statement"] if one["Effect"] == "Deny"]
    assert denied[0]["Condition"]["ArnEquals"]["lambda:SourceFunctionArn"].endswith(f":function:{NAME}")


def test_its_log_ends_and_is_encrypted(run: Run, make_run: Callable[..., Run]) -> None:
    out = ensure_with_needs(run, APP)
    assert out.logs is not None
    assert (out.logs.retention_days, out.logs.key) == (90, run.output(KEYS[HOME]).arn)
    shorter = make_run(Settings(logs=Logs(retention_days=7)))
    assert "log group" in findings(shorter)[0]
    ensure_with_needs(shorter, APP)
    assert findings(shorter) == []


def test_another_configuration_becomes_a_new_live_version(run: Run, make_run: Callable[..., Run]) -> None:
    ensure_with_needs(run, PROBE)
    larger = make_run(Settings(app=App(memory_mb=1024)))
    assert "MemorySize" in findings(larger, PROBE)[0]
    assert ensure_with_needs(larger, PROBE).version == "2"
    assert findings(larger, PROBE) == []


@pytest.mark.notices("Function")
@pytest.mark.parametrize("damage", ["code", "alias gone", "alias of another version", "configuration of the live one"])
def test_verify_notices_damage_and_ensure_mends_it(run: Run, aws: Aws, damage: str) -> None:
    code = ensure_with_needs(run, PROBE).code_sha256
    client = aws[HOME.region].lambda_
    if damage == "alias gone":
        client.delete_alias(FunctionName=PROBE_NAME, Name="live")
        assert run.refresh(PROBE) is None
    else:
        if damage == "code":
            client.update_function_code(FunctionName=PROBE_NAME, ZipFile=archive({"theirs.py": b"1"}))
        else:
            client.update_function_configuration(FunctionName=PROBE_NAME, MemorySize=128)
        PROBE._settled(run)
        version = client.publish_version(FunctionName=PROBE_NAME)["Version"]
        client.update_alias(FunctionName=PROBE_NAME, Name="live", FunctionVersion=version)
        assert len(findings(run, PROBE)) == 1
    ensure_with_needs(run, PROBE)
    assert findings(run, PROBE) == []
    assert run.output(PROBE).code_sha256 == code


def test_a_change_of_the_app_is_made_ready_and_stays_to_be_released(run: Run, make_run: Callable[..., Run]) -> None:
    ensure_with_needs(run, APP)
    larger = make_run(Settings(app=App(memory_mb=1024)))
    assert "MemorySize" in findings(larger)[0]
    assert ensure_with_needs(larger, APP).version == "1"
    assert findings(larger) == []
    assert not APP.is_live(larger, larger.output(APP))
    assert APP.publish(larger) == "2"


def test_a_run_that_died_before_the_alias_is_finished_by_the_next(run: Run, aws: Aws) -> None:
    ensure_with_needs(run, APP.role)
    for need in (PRIMARY, SUBNETS[HOME], SECURITY[HOME]):
        ensure_with_needs(run, need)
    APP._create(run)
    assert APP.find(run) is None
    assert ensure_with_needs(run, APP).version == "1"
    assert findings(run) == []


def test_destroy_ends_when_the_interfaces_are_gone_and_twice_is_fine(run: Run, aws: Aws) -> None:
    ensure_with_needs(run, APP)
    group = run.output(SECURITY[HOME]).app
    assert APP._interfaces(run, group) > 0
    APP.destroy(run)
    APP.destroy(run)
    assert APP._interfaces(run, group) == 0
    assert aws[HOME.region].lambda_.list_functions()["Functions"] == []
    assert aws[HOME.region].logs.describe_log_groups(logGroupNamePrefix="/aws/lambda/")["logGroups"] == []


def test_the_last_of_the_functions_that_share_interfaces_waits_for_them(run: Run) -> None:
    ensure_with_needs(run, APP)
    ensure_with_needs(run, PROBE)
    group = run.output(SECURITY[HOME]).app
    APP.destroy(run)
    assert PROBE._interfaces(run, group) > 0
    PROBE.destroy(run)
    assert PROBE._interfaces(run, group) == 0


def test_the_roles_of_functions_that_share_interfaces_outlive_all_of_them() -> None:
    app, probe = (replace(one, sharing=(APP.role, PROBE.role)) for one in (APP, PROBE))
    assert {APP.role, PROBE.role} <= set(dependencies(app)) & set(dependencies(probe))


def test_somebody_elses_function_of_that_name_is_left_alone(run: Run, aws: Aws) -> None:
    role = ensure_with_needs(run, APP.role)
    client = aws[HOME.region].lambda_
    client.create_function(FunctionName=NAME, Runtime="python3.12", Role=role.arn, Handler="theirs.handler",
                           Code={"ZipFile": archive({"theirs.py": b"1"})})
    for act in (partial(ensure_with_needs, run, APP), partial(APP.destroy, run)):
        with pytest.raises(Refused, match=NAME):
            act()
    assert len(client.list_functions()["Functions"]) == 1
    assert run.found(WORLD) is not None


def test_a_function_goes_live_while_role_key_and_function_are_seen_late(
        run: Run, make_run: Callable[..., Run]) -> None:
    ensure_with_needs(run, PRIMARY)
    with lagging():
        assert ensure_with_needs(run, APP).state == "Active"
    again = make_run()
    ensure_with_needs(again, APP)
    assert (findings(again), changes(again, APP)) == ([], 0)


def test_a_function_that_reads_miss_and_is_somebody_elses_is_refused(run: Run, aws: Aws) -> None:
    for need in dependencies(APP):
        ensure_with_needs(run, need)
    with lagging():
        aws[HOME.region].lambda_.create_function(
            FunctionName=NAME, Role=run.output(APP.role).arn, Handler="app.handler", Runtime="python3.12",
            Code={"ZipFile": archive({"app.py": b""})})
        with pytest.raises(Refused, match=NAME):
            APP.ensure(run)
