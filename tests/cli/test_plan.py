"""`drctl plan` and `drctl prices` as their users run them, against a lab in which nothing stands."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from drctl.lab.server import Lab
from tests.aws.price_server import Product, serving
from tests.cli.between import Between, refusal
from tests.cli.conftest import Cli, at

EAST, WEST = "us-east-1", "us-west-2"
ON_AWS = """\
target: aws
environment: dev
account_id: "210987654321"
network: {admit_cidrs: [198.51.100.0/24]}
dns: {zone: dev.acme-health.com}
database: {instance_class: db.r6g.large}
"""


def test_a_plan_of_nothing_creates_everything_and_changes_nothing(
        cli: Cli, lab: Lab, at_the_lab: Callable[[], Between]) -> None:
    end = cli("plan", "--json", "--exit-code")
    assert end.code == 4, end.err
    document = end.json
    assert {step["what"] for step in document["steps"]} == {"create", "keep"}
    assert document["counts"]["create"] > 80
    assert document["monthly"]["now"] == 0
    assert document["monthly"]["difference"] == document["monthly"]["planned"] > 200
    assert [one["step"] for one in document["duration"]["path"]][-1] == "database instances us-west-2"
    assert 20 * 60 < document["duration"]["aws_seconds"] < 30 * 60
    assert sum(count for (*_, mutating), count in lab.counting.calls.items() if mutating) == 0


def test_a_plan_on_the_screen_is_a_tree_by_region_with_its_price_and_its_longest_way(
        cli: Cli, at_the_lab: Callable[[], Between]) -> None:
    end = cli("plan")
    assert end.code == 0, end.err
    for words in ("us-east-1 (primary)", "us-west-2 (standby)", "+ network: create", "+ subnets: create, after network",
                  "US dollars a month, both regions", "database_gb 10", "the longest way",
                  "database instances us-west-2"):
        assert words in end.out, words


def test_a_plan_that_could_not_see_everything_says_so_and_is_no_success(
        cli: Cli, at_the_lab: Callable[[], Between]) -> None:
    at_the_lab().decide = lambda request: refusal("AccessDenied", "not for you", 403) if (
        request.operation == "GetRole") else None
    end = cli("plan", "--json", "--exit-code")
    assert end.code == 1
    unseen = [step for step in end.json["steps"] if step["what"] == "unknown"]
    assert "role app us-east-1" in {step["step"] for step in unseen}
    assert all("not for you" in text for step in unseen for text in step["texts"])


def configured(cli: Cli, text: str = ON_AWS) -> str:
    path = cli.home / "aws.yaml"
    path.write_text(text)
    return str(path)


def test_prices_are_told_with_their_sources_and_asked_of_nobody(cli: Cli) -> None:
    cli.environment["AWS_ENDPOINT_URL"] = "http://127.0.0.1:9"
    end = cli("prices", "-c", configured(cli), "--json")
    assert end.code == 0, end.err
    assert {part["part"]: round(part["planned"]) for part in end.json["parts"]}["database instances"] == 380
    assert all(price["source"] and price["read"] for price in end.json["prices"])
    text = cli("prices", "-c", configured(cli)).out
    assert "database instances" in text
    assert "Amazon Aurora pricing; read 20" in text


def test_refreshed_prices_win_and_say_where_they_are_from(cli: Cli) -> None:
    cli.environment |= {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"}
    with serving([Product("AmazonRDS", "InstanceUsage:db.r6g.large", {"0": "0.5"},
                          more={"databaseEngine": "Aurora PostgreSQL"})]) as shop:
        cli.environment["AWS_ENDPOINT_URL"] = shop.url
        end = cli("prices", "refresh", "-c", configured(cli), "--json")
    assert end.code == 0, end.err
    assert end.json["refreshed"] == 1
    kept = next(one for one in end.json["prices"] if one["price"] == "zone")
    assert (kept["value"], kept["was"], kept["why_not"]) == (None, 0.5, "the Price List has no prices of HostedZone")
    assert {request["ServiceCode"] for request in shop.asked} >= {"AmazonRDS", "AWSELB", "awswaf"}
    told = cli("prices", "-c", configured(cli), "--json").json
    assert {part["part"]: round(part["planned"]) for part in told["parts"]}["database instances"] == 365 + 190
    assert any("AWS Price List" in price["source"] for price in told["prices"])


@pytest.mark.parametrize("before", [True, False], ids=["refreshed before", "never refreshed"])
def test_a_price_list_that_cannot_be_reached_leaves_the_old_prices_and_says_so(cli: Cli, before: bool) -> None:
    cli.environment |= {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x",
                        "AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
    kept = Path(cli.environment["DRCTL_HOME"]) / "prices.yaml"
    old = {"regions": {EAST: {"zone": {"value": 0.7, "source": "AWS Price List", "read": "2026-01-01"}}}}
    if before:
        kept.parent.mkdir(parents=True)
        kept.write_text(yaml.safe_dump(old))
    end = cli("prices", "refresh", "-c", configured(cli), "--json")
    assert end.code == 1
    assert "cannot be reached" in end.json["error"]["message"]
    assert "stay" in end.json["error"]["message"]
    assert kept.exists() == before
    assert not before or yaml.safe_load(kept.read_text()) == old


def test_the_lab_has_no_price_list(cli: Cli, lab: Lab) -> None:
    at(cli, lab, 100_000.0)
    end = cli("prices", "refresh")
    assert end.code == 1
    assert "the lab has no Price List" in end.err


