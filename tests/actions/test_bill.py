"""The estimate adds up what each step uses, as configured and as it stands, and says what it rests on."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from drctl.actions.bill import Bill, bill
from drctl.aws.prices import Prices
from drctl.cli.by_hand import offline_run
from drctl.configuration import load
from drctl.engine.step import Step
from drctl.settings import Settings
from drctl.stack import stack_of
from drctl.steps.nat import Nat
from tests.actions.plan_world import changed

ROOT = Path(__file__).parents[2]


def of(settings: Settings, stands: dict[Step[Any], Any] | None = None, prices: Prices | None = None) -> Bill:
    steps = stack_of(settings).steps
    return bill(offline_run(settings), stands or dict.fromkeys(steps), prices or Prices({}))


def part(settings: Settings, name: str) -> float:
    return next((one.planned for one in of(settings).parts if one.name == name), 0.0)


@pytest.mark.parametrize("column", [1, 2])
def test_the_example_configurations_cost_what_the_readme_says(column: int) -> None:
    row = re.search(r"\| \*\*sum\*\* \| \*\*about (\d+)\*\* \| \*\*about (\d+)\*\* \|",
                    (ROOT / "README.md").read_text(encoding="utf-8"))
    assert row
    settings = load(ROOT / "config" / f"{'dev' if column == 1 else 'production'}.yaml")
    assert of(settings).planned == pytest.approx(float(row[column]), rel=0.02)


def test_the_lines_are_those_that_aws_charges_for() -> None:
    settings = changed(Settings(), {"backup": {"enabled": True}})
    assert {one.name for one in of(settings).parts} == {
        "keys and secrets", "database storage", "database instances", "balancers", "endpoints and NAT", "functions",
        "objects and events", "DNS and health checks", "alarms and dashboard", "logs", "web ACLs", "backup"}


@pytest.mark.parametrize(("choice", "name", "more"), [
    ({"network": {"egress": "nat"}}, "endpoints and NAT", 65.7 + 5 * 0.045 - 87.6 - 5 * 0.01),
    ({"network": {"egress": "nat-per-az"}}, "endpoints and NAT", 3 * 65.7 + 5 * 0.045 - 87.6 - 5 * 0.01),
    ({"database": {"instances": 2}}, "database instances", 87.6),
    ({"database": {"min_acu": 1}}, "database instances", 87.6),
    ({"database": {"instance_class": "db.r6g.xlarge"}}, "database instances", 2 * 0.52 * 730 - 87.6),
    ({"dns": {"health_interval_s": 30}}, "DNS and health checks", -4),
    ({"dns": {"zone_id": "Z0123456789"}}, "DNS and health checks", -0.5),
    ({"estimate": {"requests_millions": 10}}, "web ACLs", 6),
    ({"estimate": {"database_gb": 110}}, "database storage", 20),
    ({"estimate": {"logs_gb": 12}}, "logs", 5),
], ids=str)
def test_a_choice_changes_its_line(choice: dict[str, Any], name: str, more: float) -> None:
    assert part(changed(Settings(), choice), name) - part(Settings(), name) == pytest.approx(more, abs=0.05)


def test_what_stands_costs_what_it_is_and_not_what_is_wished() -> None:
    settings = Settings()
    stands: dict[Step[Any], Any] = {step: SimpleNamespace(ids=("nat-1", "nat-2")) if isinstance(step, Nat) else None
                                    for step in stack_of(settings).steps}
    found = next(one for one in of(settings, stands).parts if one.name == "endpoints and NAT")
    assert found.now == pytest.approx(4 * 32.85 + 5 * 0.045, abs=0.1)
    assert found.planned == pytest.approx(87.65, abs=0.1)


def test_a_refreshed_price_is_in_the_sum_with_its_source() -> None:
    told = {"us-east-1": {"dashboard": {"value": 30, "source": "AWS Price List, here", "read": "2026-11-29"}}}
    found = of(Settings(), prices=Prices(told))
    assert found.planned - of(Settings()).planned == pytest.approx(27)
    assert found.prices["dashboard us-east-1"].source == "AWS Price List, here"


def test_what_nobody_knows_the_price_of_is_told_and_not_in_the_sum() -> None:
    found = of(changed(Settings(), {"database": {"instance_class": "db.x2g.large"}}))
    assert found.unpriced == ("db.x2g.large in us-east-1", "db.x2g.large in us-west-2")
    assert "database instances" not in {one.name for one in found.parts}
    assert found.as_dict()["unpriced"] == list(found.unpriced)


def test_the_document_says_what_it_rests_on() -> None:
    document = of(Settings()).with_prices()
    assert document["assumptions"]["database_gb"] == 10
    assert document["difference"] == document["planned"] > 0
    assert {"price", "value", "unit", "source", "read"} == set(document["prices"][0])
