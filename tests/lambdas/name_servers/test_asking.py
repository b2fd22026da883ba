"""Name servers are asked themselves, and trouble is an answer that says why."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from drctl.aws.clients import Aws
from drctl.lab.server import Lab
from drctl.lambdas.name_servers.asking import Answer, Server, addresses_of, answers, ask, ask_zone
from tests.lab.conftest import eventually

NAME = "www.dr.example.com"


@pytest.fixture
def server(lab: Lab, aws: Aws) -> Server:
    """A name server with one name."""
    route53 = aws["us-east-1"].route53
    zone = route53.create_hosted_zone(Name="dr.example.com", CallerReference="dr")["HostedZone"]["Id"]
    route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": [
        {"Action": "CREATE", "ResourceRecordSet": {"Name": NAME, "Type": "A", "TTL": 30, "ResourceRecords": [
            {"Value": "192.0.2.20"}, {"Value": "192.0.2.3"}]}}]})
    where = ("127.0.0.1", lab.dns_port)
    assert eventually(lambda: bool(answers(NAME, where, 2)))
    return where


@pytest.fixture
def silent() -> Iterator[Server]:
    """A port where nobody answers."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()


def test_addresses_come_in_order(server: Server) -> None:
    assert answers(NAME, server, 2) == ("192.0.2.20", "192.0.2.3")
    assert ask(NAME, server, 2) == Answer(("192.0.2.20", "192.0.2.3"), "", f"127.0.0.1:{server[1]}")


def test_an_answer_without_addresses_says_why(server: Server) -> None:
    assert ask("nothing.dr.example.com", server, 2).problem == "NXDOMAIN"
    assert ask("dr.example.com", server, 2).problem == "NOERROR"
    assert not ask("example.org", server, 2)


def test_silence_ends_in_time_and_is_no_exception(silent: Server) -> None:
    assert ask(NAME, silent, 0.2).problem == "no answer within 0.2 s"
    assert answers(NAME, silent, 0.2) == ()


def test_a_zone_is_asked_at_the_place_given_for_its_servers(server: Server) -> None:
    assert ask_zone(NAME, ["ns-1.invalid"], server, 2).addresses == ("192.0.2.20", "192.0.2.3")
    assert ask_zone("nothing.dr.example.com", [], server, 2).problem == "NXDOMAIN"
    assert addresses_of(NAME, server, 2)


def test_a_zone_whose_servers_cannot_be_reached_says_so(silent: Server) -> None:
    assert ask_zone(NAME, [], None, 0.2).problem == "no name server to ask"
    assert "no answer within 0.2 s" in ask_zone(NAME, [], silent, 0.2).problem
