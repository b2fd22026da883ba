"""Real clients come in by the lab's edge, to the balancers whose addresses its name server tells."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
from collections.abc import Iterator

import pytest

from drctl.aws.clients import Aws
from drctl.lab.clock import CLOCK
from drctl.lab.edge import THREADS
from drctl.lab.server import Lab
from tests.conftest import SPEED
from tests.lab.front_door_world import HERE, THERE, Balancer, admitting, balancer
from tests.lab.internet import NAME, Internet, admit, certify, change_proof, open_door
from tests.steps.lifecycle import lagging

A_DAY = 86_400.0


@pytest.fixture
def internet(lab: Lab) -> Iterator[Internet]:
    """Clients outside the lab."""
    made = Internet(lab.endpoint)
    yield made
    made.go()


@pytest.fixture
def door(aws: Aws) -> Iterator[Balancer]:
    """A balancer that some of the internet may come in to; from then on time passes as on AWS."""
    made = open_door(aws)
    with lagging(1.0):
        yield made


@pytest.fixture
def certificate(aws: Aws) -> Iterator[str]:
    """The certificate of a balancer that speaks TLS."""
    arn = certify(aws, open_door(aws))
    with lagging(1.0):
        yield arn


def test_requests_of_one_connection_are_answered_one_after_the_other(internet: Internet, door: Balancer) -> None:
    line = internet.line()
    assert line.ask("/one").status == 200
    first = line.sock
    assert line.event("/two", "POST", "text", Content_Type="text/plain")["body"] == "text"
    assert line.sock is first


def test_the_clients_page_tells_edge_name_server_authority_speed_and_regions(
        internet: Internet, lab: Lab, door: Balancer) -> None:
    told = internet.told
    assert told["edge"] == lab.edge
    assert told["dns"] == f"127.0.0.1:{lab.dns_port}"
    assert told["speed"] == 1
    assert told["ca"].startswith("-----BEGIN CERTIFICATE-----")
    assert set(told["regions"].values()) == {HERE}
    assert len(told["regions"]) == 2


def test_a_name_in_place_of_the_address_is_looked_up_in_the_labs_dns(internet: Internet, door: Balancer) -> None:
    assert internet.line(door.host).ask().status == 200


@pytest.mark.parametrize(("to", "client", "status"), [("203.0.113.250", "198.51.100.7", 502),
                                                      ("nobody.example.com", "198.51.100.7", 502),
                                                      ("203.0.113.1", "nowhere", 400)])
def test_the_proxy_says_what_it_cannot_do(internet: Internet, door: Balancer, to: str, client: str,
                                          status: int) -> None:
    with pytest.raises(OSError, match=f"Tunnel connection failed: {status}"):
        internet.line(to, client).ask()


def test_the_edge_is_no_web_server(lab: Lab) -> None:
    plain = http.client.HTTPConnection(lab.edge)
    plain.request("GET", "/")
    assert plain.getresponse().status == 405
    plain.close()


def test_whom_the_security_group_does_not_admit_is_never_answered(internet: Internet, aws: Aws, door: Balancer) -> None:
    with pytest.raises(TimeoutError):
        internet.line(client="192.0.2.1", patience_s=0.3).ask()
    admit(aws, door, "192.0.2.0/31", 80)
    assert internet.line(client="192.0.2.1").ask().status == 200


def test_a_port_that_nobody_listens_on_is_never_answered(internet: Internet, door: Balancer) -> None:
    with pytest.raises(TimeoutError):
        internet.line(port=443, patience_s=0.3).ask()


def test_whoever_waits_in_vain_takes_nothing_from_others(internet: Internet, lab: Lab, door: Balancer) -> None:
    waiting, to = [], internet.address()
    for _ in range(2 * THREADS):
        one = socket.create_connection(("127.0.0.1", int(lab.edge.rpartition(":")[2])))
        one.sendall(f"CONNECT {to}:81 HTTP/1.1\r\nHost: {to}:81\r\n\r\n".encode())
        waiting.append(one)
    assert internet.line().ask().status == 200
    for one in waiting:
        one.close()


def test_a_client_that_says_nothing_is_somewhere_in_the_documentation(internet: Internet, door: Balancer) -> None:
    line = internet.line()
    line.set_tunnel(internet.address(), 80)
    assert line.event()["headers"]["x-forwarded-for"] == "198.51.100.7"


def test_both_regions_are_reached_at_addresses_of_their_own(internet: Internet, aws: Aws, door: Balancer) -> None:
    with lagging(SPEED):
        other = balancer(aws, THERE, status=201)
    admit(aws, other, "198.51.100.0/24", 80, region=THERE)
    assert internet.line().ask().status == 200
    assert internet.line(internet.address(THERE)).ask().status == 201


def test_a_balancer_that_goes_takes_its_connections_along(internet: Internet, aws: Aws, door: Balancer) -> None:
    line = internet.line()
    assert line.ask().status == 200
    aws[HERE].elbv2.delete_load_balancer(LoadBalancerArn=door.arn)
    with pytest.raises(ConnectionError):
        line.ask()


def test_a_connection_ends_with_the_answer_after_the_time_that_the_balancer_gives_it(
        internet: Internet, aws: Aws, door: Balancer) -> None:
    aws[HERE].elbv2.modify_load_balancer_attributes(LoadBalancerArn=door.arn, Attributes=[
        {"Key": "client_keep_alive.seconds", "Value": "60"}])
    line = internet.line()
    assert line.ask().headers["Connection"] is None
    CLOCK.skip(60)
    assert line.ask().headers["Connection"] == "close"
    assert line.sock is None


def test_tls_ends_at_the_balancer_with_the_certificate_that_acm_shows(
        internet: Internet, aws: Aws, certificate: str) -> None:
    line = internet.line(trust=internet.trust)
    assert line.event()["headers"]["x-forwarded-proto"] == "https"
    assert isinstance(line.sock, ssl.SSLSocket)
    presented, shown = line.sock.getpeercert(), aws[HERE].acm.describe_certificate(CertificateArn=certificate)
    assert presented is not None
    assert presented["subjectAltName"] == (("DNS", NAME),)
    ends = ssl.cert_time_to_seconds(str(presented["notAfter"]))
    assert abs(ends - shown["Certificate"]["NotAfter"].timestamp()) < 60
    assert line.ask("/again", "POST", json.dumps({"some": "text"})).status == 200


def test_another_name_or_authority_is_the_clients_to_refuse(internet: Internet, certificate: str) -> None:
    for trust, name in ((internet.trust, "other.example.com"), (ssl.create_default_context(), NAME)):
        with pytest.raises(ssl.SSLCertVerificationError):
            internet.line(trust=trust, name=name).ask()
    assert internet.line(trust=internet.trust).ask().status == 200


@pytest.mark.rule("certificate-ages")
def test_a_certificate_that_has_ended_is_refused_by_whoever_looks(
        internet: Internet, aws: Aws, certificate: str) -> None:
    acm = aws[HERE].acm
    zone = aws[HERE].route53.list_hosted_zones()["HostedZones"][0]["Id"]
    proof = acm.describe_certificate(CertificateArn=certificate)["Certificate"]["DomainValidationOptions"][0]
    change_proof(aws, zone, proof["ResourceRecord"], "DELETE")
    CLOCK.skip(366 * A_DAY)
    with pytest.raises(ssl.SSLCertVerificationError, match="expired"):
        internet.line(trust=internet.trust).ask()
    careless = ssl.create_default_context()
    careless.check_hostname, careless.verify_mode = False, ssl.CERT_NONE
    assert internet.line(trust=careless).ask().status == 200


def test_health_checkers_and_clients_are_judged_by_the_same_rules_of_the_group(
        internet: Internet, aws: Aws, door: Balancer) -> None:
    checker = aws[HERE].route53.get_checker_ip_ranges()["CheckerIpRanges"][0].partition("/")[0]
    assert internet.line(client=checker).ask().status == 200
    aws[HERE].ec2.revoke_security_group_ingress(GroupId=door.group, IpPermissions=admitting(aws, HERE))
    with pytest.raises(TimeoutError):
        internet.line(client=checker, patience_s=0.3).ask()
