"""Prices are data with a source and a date; what the Price List has told this machine wins."""

from __future__ import annotations

import pytest

from drctl.aws.prices import Prices, packaged


@pytest.mark.parametrize("name", packaged())
def test_every_price_has_a_value_a_unit_a_source_and_a_date(name: str) -> None:
    price = packaged()[name]
    assert price.value > 0
    assert price.unit
    assert price.source
    assert price.read.startswith("20")
    assert bool(price.service) == bool(price.usage)


def test_what_was_refreshed_wins_in_its_region_alone() -> None:
    prices = Prices({"us-west-2": {"key": {"value": 2, "source": "AWS Price List", "read": "2026-11-29"}}})
    there, here = prices.of("key", "us-west-2"), prices.of("key", "us-east-1")
    assert there
    assert (there.value, there.source, there.read, there.unit) == (2.0, "AWS Price List", "2026-11-29", "month")
    assert here == packaged()["key"]


@pytest.mark.parametrize(("name", "value"), [
    ("db.r6g.large", 0.26), ("db.r6g.xlarge", 0.52), ("db.r6g.2xlarge", 1.04), ("db.r5.16xlarge", 0.29 * 32)])
def test_sizes_of_a_family_cost_in_proportion(name: str, value: float) -> None:
    price = Prices({}).of(name, "us-east-1")
    assert price
    assert price.value == pytest.approx(value)


def test_a_class_that_nobody_has_told_the_price_of_has_none_until_it_is_refreshed() -> None:
    assert Prices({}).of("db.x2g.large", "us-east-1") is None
    told = Prices({"us-east-1": {"db.x2g.large": {"value": 0.377, "source": "AWS Price List", "read": "2026-11-29"}}})
    price = told.of("db.x2g.large", "us-east-1")
    assert price
    assert (price.value, price.unit) == (0.377, "hour")
