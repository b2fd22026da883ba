"""The lab's name server answers as Route 53 would for the zones, records and health checks there are."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import pytest

from drctl.aws.clients import Aws
from drctl.lab.clock import CLOCK
from drctl.lab.server import Lab
from tests.conftest import SPEED
from tests.lab.front_door_world import HERE, THERE, ZONE_IDS, Balancer, balancer, health_check, until

NOWHERE = {"Type": "HTTP", "FullyQualifiedDomainName": "nowhere.example.com", "Disabled": True}


class Zone:
    """A hosted zone and questions to it."""

    def __init__(self, lab: Lab, aws: Aws, name: str = "dr.example.com") -> None:
        self._lab, self._route53, self.name = lab, aws[HERE].route53, name
        self.id = self._route53.create_hosted_zone(Name=name, CallerReference=name)["HostedZone"]["Id"].split("/")[-1]

    def change(self, action: str, *records: dict[str, Any]) -> str:
        wanted: Any = [{"Action": action, "ResourceRecordSet": record} for record in records]
        return self._route53.change_resource_record_sets(HostedZoneId=self.id, ChangeBatch={"Changes": wanted})[
            "ChangeInfo"]["Id"]

    def put(self, *records: dict[str, Any]) -> None:
        """Records that all servers have."""
        change = self.change("UPSERT", *records)
        until(lambda: self._route53.get_change(Id=change)["ChangeInfo"]["Status"] == "INSYNC")

    def ask(self, name: str, rtype: str = "A", *, tcp: bool = False) -> tuple[str, list[str]]:
        """Response code and sorted values."""
        reply = self.reply(name, rtype, tcp=tcp)
        return dns.rcode.to_text(reply.rcode()), sorted(str(one) for rrset in reply.answer for one in rrset)

    def reply(self, name: str, rtype: str = "A", *, tcp: bool = False) -> dns.message.Message:
        send = dns.query.tcp if tcp else dns.query.udp
        return send(dns.message.make_query(name, rtype), "127.0.0.1", 5, self._lab.dns_port)

    def test(self, name: str, rtype: str = "A") -> tuple[str, list[str]]:
        """The same by TestDNSAnswer."""
        got = self._route53.test_dns_answer(HostedZoneId=self.id, RecordName=name, RecordType=rtype)  # type: ignore[arg-type]  # any type
        return got["ResponseCode"], sorted(got["RecordData"])


@pytest.fixture
def zone(lab: Lab, aws: Aws) -> Zone:
    return Zone(lab, aws)


def plain(name: str, *values: str, rtype: str = "A", ttl: int = 30) -> dict[str, Any]:
    return {"Name": name, "Type": rtype, "TTL": ttl, "ResourceRecords": [{"Value": value} for value in values]}


def alias(door: Balancer, region: str, evaluate: bool = False, **more: Any) -> dict[str, Any]:
    return {"Name": "app.dr.example.com", "Type": "A", **more, "AliasTarget": {
        "HostedZoneId": ZONE_IDS[region], "DNSName": f"dualstack.{door.host}", "EvaluateTargetHealth": evaluate}}


def pair(here: Balancer, there: Balancer, check: str | None = None, **more: Any) -> list[dict[str, Any]]:
    """Failover records of two balancers."""
    first = alias(here, HERE, SetIdentifier="primary", Failover="PRIMARY", **more)
    return [{**first, "HealthCheckId": check} if check else first,
            alias(there, THERE, SetIdentifier="secondary", Failover="SECONDARY", **more)]


def test_a_record_is_answered_over_udp_and_tcp_with_its_ttl(zone: Zone) -> None:
    zone.put(plain("www.dr.example.com", "192.0.2.7", "192.0.2.8", ttl=17))
    for tcp in (False, True):
        assert zone.ask("WWW.dr.example.com", tcp=tcp) == ("NOERROR", ["192.0.2.7", "192.0.2.8"])
    reply = zone.reply("www.dr.example.com")
    assert reply.answer[0].ttl == 17
    assert reply.flags & dns.flags.AA


def test_the_zone_tells_its_servers_and_what_it_does_not_have(zone: Zone) -> None:
    zone.put(plain("a.b.dr.example.com", "192.0.2.7"))
    assert len(zone.ask("dr.example.com", "NS")[1]) == 4
    assert zone.ask("nothing.dr.example.com") == ("NXDOMAIN", [])
    assert zone.ask("a.b.dr.example.com", "AAAA") == ("NOERROR", [])
    assert zone.ask("b.dr.example.com") == ("NOERROR", [])
    assert zone.ask("example.org") == ("REFUSED", [])
    assert zone.reply("nothing.dr.example.com").authority[0].rdtype == dns.rdatatype.SOA


def test_names_and_wildcards_lead_to_names(zone: Zone) -> None:
    zone.put(plain("www.dr.example.com", "192.0.2.7"), plain("*.dr.example.com", "192.0.2.9"),
             plain("short.dr.example.com", "www.dr.example.com", rtype="CNAME"),
             plain("text.dr.example.com", '"one two"', rtype="TXT"))
    assert zone.ask("short.dr.example.com")[1] == ["192.0.2.7", "www.dr.example.com."]
    assert zone.ask("anything.dr.example.com")[1] == ["192.0.2.9"]
    assert zone.ask("text.dr.example.com", "TXT")[1] == ['"one two"']


@pytest.mark.rule("records-spread")
def test_a_change_is_answered_once_it_is_in_sync_and_the_old_value_until_then(zone: Zone) -> None:
    zone.put(plain("www.dr.example.com", "192.0.2.7"))
    CLOCK.set_speed(1)
    try:
        zone.change("UPSERT", plain("www.dr.example.com", "192.0.2.8"), plain("new.dr.example.com", "192.0.2.9"))
        assert zone.ask("www.dr.example.com")[1] == ["192.0.2.7"]
        assert zone.ask("new.dr.example.com")[0] == "NXDOMAIN"
    finally:
        CLOCK.set_speed(SPEED)
    until(lambda: zone.ask("www.dr.example.com")[1] == ["192.0.2.8"])
    assert zone.ask("new.dr.example.com")[1] == ["192.0.2.9"]


@pytest.mark.rule("test-dns-answer")
def test_an_alias_gives_the_balancers_own_addresses_for_a_minute(zone: Zone, aws: Aws) -> None:
    door = balancer(aws, HERE)
    zone.put(alias(door, HERE))
    code, addresses = zone.ask("app.dr.example.com")
    assert (code, len(addresses)) == ("NOERROR", 2)
    assert zone.ask(door.host) == (code, addresses)
    assert zone.reply("app.dr.example.com").answer[0].ttl == 60
    assert zone.ask("nobody-1.us-east-1.elb.amazonaws.com")[0] == "NXDOMAIN"
    assert zone.test("app.dr.example.com") == (code, addresses)


def test_failover_goes_to_the_secondary_while_the_primarys_check_is_unhealthy(zone: Zone, aws: Aws) -> None:
    here, there = balancer(aws, HERE), balancer(aws, THERE)
    check = health_check(aws, "a", **NOWHERE)
    zone.put(*pair(here, there, check))
    at = {door.host: zone.ask(door.host)[1] for door in (here, there)}
    assert not set(at[here.host]) & set(at[there.host])
    assert zone.ask("app.dr.example.com")[1] == at[here.host]
    aws[HERE].route53.update_health_check(HealthCheckId=check, Inverted=True)
    assert zone.ask("app.dr.example.com")[1] == at[there.host]
    assert zone.test("app.dr.example.com")[1] == at[there.host]
    aws[HERE].route53.update_health_check(HealthCheckId=check, Inverted=False)
    assert zone.ask("app.dr.example.com")[1] == at[here.host]


def test_the_primary_is_answered_when_both_are_unhealthy(zone: Zone, aws: Aws) -> None:
    here, there = balancer(aws, HERE), balancer(aws, THERE)
    bad = health_check(aws, "a", Inverted=True, **NOWHERE)
    zone.put(*pair(here, there, HealthCheckId=bad))
    assert zone.ask("app.dr.example.com")[1] == zone.ask(here.host)[1]


def test_targets_are_evaluated_only_where_the_record_says_so(zone: Zone, aws: Aws) -> None:
    here, there = balancer(aws, HERE), balancer(aws, THERE)
    zone.put(*pair(here, there, health_check(aws, "a", **NOWHERE)))
    aws[HERE].elbv2.deregister_targets(TargetGroupArn=here.target_group, Targets=[{"Id": here.function}])
    assert zone.ask("app.dr.example.com")[1] == zone.ask(here.host)[1]
    zone.put(*pair(here, there, evaluate=True))
    assert zone.ask("app.dr.example.com")[1] == zone.ask(there.host)[1]


def test_a_private_zone_is_not_answered(lab: Lab, aws: Aws, zone: Zone) -> None:
    vpc = aws[HERE].ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    aws[HERE].route53.create_hosted_zone(Name="inside.example.com", CallerReference="inside",
                                         HostedZoneConfig={"PrivateZone": True},
                                         VPC={"VPCRegion": HERE, "VPCId": vpc})
    assert zone.ask("inside.example.com", "SOA")[0] == "REFUSED"


def test_the_labs_status_tells_where_its_name_server_is(lab: Lab) -> None:
    with urllib.request.urlopen(f"{lab.endpoint}/drctl-lab/status") as reply:  # noqa: S310  # loopback only
        assert json.load(reply)["dns"] == f"127.0.0.1:{lab.dns_port}"


@pytest.mark.rule("checker-ip-ranges")
def test_aws_tells_where_its_health_checkers_ask_from(aws: Aws) -> None:
    assert "15.177.0.0/18" in aws[HERE].route53.get_checker_ip_ranges()["CheckerIpRanges"]
