"""The Price List is asked for what is meant and for nothing that is called alike; without an answer the old stays."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from drctl.aws.clients import Aws, Credentials, Door, Region
from drctl.aws.hooks import Unheard
from drctl.aws.price_list import PLACE, Told, Unreachable, ask, write
from drctl.aws.prices import packaged
from tests.aws.price_server import Product, serving

APPLICATION = {"operation": "LoadBalancing:Application"}


def client(url: str) -> Region:
    return Aws(Door(url, Credentials("x", "x"), attempts=1, connect_timeout_s=10, read_timeout_s=10,
                    waits_for_endpoint=False), Unheard())[PLACE]


def told(*products: Product, instance_class: str = "db.serverless", regions: tuple[str, ...] = ("us-east-1",),
         ) -> dict[tuple[str, str], Told]:
    with serving(products) as shop:
        return {(one.price.name, one.region): one for one in ask(client(shop.url), regions, instance_class)}


def test_a_price_comes_with_where_it_is_from() -> None:
    found = told(Product("AmazonEC2", "NatGateway-Hours", {"0": "0.0480000000"}))["nat-hour", "us-east-1"]
    assert (found.value, found.source) == (
        0.048, "AWS Price List, AmazonEC2 NatGateway-Hours, sku SKU-NatGateway-Hours, published 2026-11-20")


def test_each_region_has_prices_of_its_own_under_its_own_short_name() -> None:
    found = told(Product("AmazonEC2", "NatGateway-Hours", {"0": "0.045"}),
                 Product("AmazonEC2", "USW2-NatGateway-Hours", {"0": "0.05"}, "us-west-2"),
                 Product("awskms", "us-west-2-KMS-Keys", {"0": "1.1"}, "us-west-2"), regions=("us-east-1", "us-west-2"))
    assert (found["nat-hour", "us-east-1"].value, found["nat-hour", "us-west-2"].value) == (0.045, 0.05)
    assert found["key", "us-west-2"].value == 1.1


def test_what_is_called_alike_and_is_something_else_is_not_taken() -> None:
    found = told(
        Product("AWSELB", "LoadBalancerUsage", {"0": "0.0225"}, more=APPLICATION),
        Product("AWSELB", "TS-LoadBalancerUsage", {"0": "0.0056"}, more=APPLICATION),
        Product("AWSELB", "Outposts-LoadBalancerUsage", {"0": "0.03"}, more=APPLICATION),
        Product("AWSELB", "LoadBalancerUsage", {"0": "0.025"}, more={"operation": "LoadBalancing"}))
    assert found["balancer-hour", "us-east-1"].value == 0.0225


def test_a_free_amount_is_no_price_and_a_million_is_a_million_of_one() -> None:
    found = told(Product("AmazonRoute53", "Health-Check-AWS", {"0": "0", "50": "0.55"}),
                 Product("AWSLambda", "Request-ARM", {"0": "0.0000002", "1000000000": "0.0000001"}))
    assert found["health-check", "us-east-1"].value == 0.55
    assert found["function-million", "us-east-1"].value == pytest.approx(0.2)


def test_a_class_of_instances_is_asked_for_by_its_name_and_engine() -> None:
    found = told(Product("AmazonRDS", "InstanceUsage:db.r6g.2xlarge", {"0": "1.038"},
                         more={"databaseEngine": "Aurora PostgreSQL"}),
                 Product("AmazonRDS", "InstanceUsage:db.r6g.2xlarge", {"0": "0.9"}, more={"databaseEngine": "MySQL"}),
                 instance_class="db.r6g.2xlarge")
    assert found["db.r6g.2xlarge", "us-east-1"].value == 1.038


def test_several_prices_or_none_are_nobodys_guess() -> None:
    found = told(Product("AmazonEC2", "NatGateway-Hours", {"0": "0.045"}),
                 Product("AmazonEC2", "NatGateway-Hours", {"0": "0.055"}))
    assert (found["nat-hour", "us-east-1"].value, found["nat-hour", "us-east-1"].why) == (
        None, "the Price List has 2 prices of NatGateway-Hours")
    assert found["zone", "us-east-1"].why == "the Price List has no prices of HostedZone"


def test_a_list_that_refuses_is_told_for_each_price() -> None:
    with serving(()) as shop:
        shop.refuses = "AccessDeniedException"
        found = ask(client(shop.url), ["us-east-1"], "db.serverless")
    assert {one.why for one in found} == {"AccessDeniedException: not now"}
    assert not any(one.value for one in found)


def test_a_list_that_does_not_answer_is_unreachable() -> None:
    with pytest.raises(Unreachable):
        ask(client("http://127.0.0.1:9"), ["us-east-1"], "db.serverless")


def test_what_was_told_is_kept_beside_what_was_told_before(tmp_path: Path) -> None:
    file, price = tmp_path / "home" / "prices.yaml", packaged()["key"]
    before = {"us-west-2": {"zone": {"value": 0.6, "source": "AWS Price List", "read": "2026-01-01"}}}
    assert write(file, [Told("us-east-1", price, 1.25, "AWS Price List, here"), Told("us-east-1", packaged()["zone"],
                                                                                    why="no price")], before) == 1
    regions = yaml.safe_load(file.read_text())["regions"]
    assert regions["us-west-2"] == before["us-west-2"]
    kept = regions["us-east-1"]
    assert (kept["key"]["value"], kept["key"]["source"]) == (1.25, "AWS Price List, here")
    assert "zone" not in kept


def test_nothing_told_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    assert write(tmp_path / "prices.yaml", [Told("us-east-1", packaged()["key"], why="no price")], {}) == 0
    assert not (tmp_path / "prices.yaml").exists()
