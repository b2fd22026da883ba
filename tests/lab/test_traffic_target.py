"""Rows are written and read by the requests that the configuration describes, whatever the users' app looks like."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from drctl.cli.traffic import target_of
from drctl.configuration import parse
from drctl.errors import Refused
from drctl.settings import Network, Settings
from tests.lab.traffic_world import target

PRODUCTION = Path(__file__).parents[2] / "config/production.yaml"


def test_by_default_the_sample_application_is_asked() -> None:
    asked = target_of(Settings(network=Network.model_validate({"admit_cidrs": ["198.51.100.0/24"]})))
    write, read = asked.write("run-1-7"), asked.read("run-1-7", "4711")
    assert (asked.name, asked.tls, asked.port, asked.client) == ("app.dr.example.com", True, 443, "198.51.100.1")
    assert (write.method, write.path) == ("POST", "/patients")
    assert json.loads(write.body) == {"name": "run-1-7", "birth_date": "1980-02-29"}
    assert read is not None
    assert (read.method, read.path, read.body) == ("GET", "/patients/4711", b"")


def test_the_lines_that_the_production_example_shows_say_what_is_the_default() -> None:
    lines = PRODUCTION.read_text(encoding="utf-8").splitlines()
    begin = lines.index(next(line for line in lines if line.startswith("# lab:")))
    block = "\n".join(line.removeprefix("# ") for line in lines[begin:begin + 5])
    assert "id_field" in block
    assert parse(f"{block}\nnetwork: {{admit_cidrs: [10.0.0.0/8]}}\n", "x.yaml").lab == Settings().lab


def test_rows_stand_in_any_text_of_the_body_and_quoted_in_paths() -> None:
    asked = target(method="PUT", path="/orders/{row}", body={"lines": [{"sku": "x {row}", "count": 1}], "rush": None},
                   read_path="/orders/{row}/lines/{id}")
    write, read = asked.write("a b"), asked.read("a b", "1/2")
    assert (write.method, write.path) == ("PUT", "/orders/a%20b")
    assert json.loads(write.body) == {"lines": [{"sku": "x a b", "count": 1}], "rush": None}
    assert read is not None
    assert read.path == "/orders/a%20b/lines/1%2F2"


@pytest.mark.parametrize(("field", "answer", "known_as"), [
    ("id", {"id": "a"}, "a"), ("id", {"id": 7}, "7"), ("data.order.id", {"data": {"order": {"id": "b"}}}, "b"),
    ("id", {"key": "a"}, None), ("id", ["a"], None), ("id.x", {"id": "a"}, None), ("id", {"id": None}, None),
])
def test_the_app_tells_in_its_answer_how_it_calls_the_row(field: str, answer: object, known_as: str | None) -> None:
    assert target(id_field=field).id_in(json.dumps(answer).encode()) == known_as


def test_an_answer_that_is_not_json_tells_nothing_and_only_a_path_without_an_id_can_be_read_then() -> None:
    assert target().id_in(b"<html>") is None
    assert target().read("a", None) is None
    assert target(read_path="/orders/{row}").read("a", None) is not None


@pytest.mark.parametrize(("network", "client"), [
    ({"admit_cidrs": ["192.0.2.7/32"]}, "192.0.2.7"), ({"admit_cidrs": ["10.9.0.0/16", "192.0.2.0/24"]}, "10.9.0.1"),
    ({"open_to_the_world": True}, "198.51.100.1"),
    ({"open_to_the_world": True, "admit_cidrs": ["0.0.0.0/0"]}, "198.51.100.1"),
])
def test_clients_come_from_where_the_balancers_admit_them(network: dict[str, object], client: str) -> None:
    assert target_of(Settings(network=Network.model_validate(network))).client == client


def test_where_cloudfront_alone_is_admitted_no_client_can_be() -> None:
    with pytest.raises(Refused, match="CloudFront alone"):
        target_of(Settings(network=Network(admit_cloudfront=True)))
