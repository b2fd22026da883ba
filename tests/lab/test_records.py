"""Route 53's records: changes that are pending, batches that hold as a whole, and who may stand beside whom."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from botocore.exceptions import ClientError

from drctl.aws.clients import Aws
from drctl.aws.durations import seconds
from drctl.lab import records
from drctl.lab.clock import LabClock

US_EAST, US_WEST = "Z35SXDOTRQ7X7K", "Z1H1FL5HABSF5"


class Zone:
    """A public zone made by hand."""

    _references = itertools.count()

    def __init__(self, aws: Aws) -> None:
        self.dns: Any = aws["us-east-1"].route53
        reference = f"zone-{next(self._references)}"
        self.made: Any = self.dns.create_hosted_zone(Name="example.org", CallerReference=reference)
        self.id: str = self.made["HostedZone"]["Id"].replace("/hostedzone/", "")

    def change(self, *changes: tuple[str, dict[str, Any]]) -> Any:
        batch = [{"Action": action, "ResourceRecordSet": record} for action, record in changes]
        return self.dns.change_resource_record_sets(HostedZoneId=self.id, ChangeBatch={"Changes": batch})["ChangeInfo"]

    def refused(self, *changes: tuple[str, dict[str, Any]]) -> tuple[str, str]:
        with pytest.raises(ClientError) as refused:
            self.change(*changes)
        error = refused.value.response["Error"]
        return error["Code"], error["Message"]

    def names(self) -> list[tuple[str, str]]:
        found = self.dns.list_resource_record_sets(HostedZoneId=self.id)["ResourceRecordSets"]
        return [(record["Name"], record["Type"]) for record in found if record["Type"] not in {"NS", "SOA"}]

    def status(self, change: Any) -> str:
        return str(self.dns.get_change(Id=change["Id"])["ChangeInfo"]["Status"])


def text(name: str = "note.example.org", value: str = "one") -> dict[str, Any]:
    return {"Name": name, "Type": "TXT", "TTL": 60, "ResourceRecords": [{"Value": f'"{value}"'}]}


def alias(role: str, region: str = "us-east-1", zone: str = US_EAST, **more: Any) -> dict[str, Any]:
    target = {"HostedZoneId": zone, "DNSName": f"app-1.{region}.elb.amazonaws.com", "EvaluateTargetHealth": False}
    return {"Name": "app.example.org", "Type": "A", "SetIdentifier": role.lower(), "Failover": role,
            "AliasTarget": target, **more}


@pytest.fixture
def zone(aws: Aws) -> Zone:
    return Zone(aws)


@pytest.mark.rule("change-pending")
def test_a_change_is_pending_until_every_server_has_it(zone: Zone, clock: LabClock) -> None:
    change = zone.change(("CREATE", text()))
    assert (change["Status"], zone.status(change)) == ("PENDING", "PENDING")
    assert not records.is_in_sync(change["Id"])
    clock.skip(seconds("record-change"))
    assert zone.status(change) == "INSYNC"
    assert records.is_in_sync(change["Id"])


@pytest.mark.rule("change-pending")
def test_each_change_has_its_own_id(zone: Zone, clock: LabClock) -> None:
    first = zone.change(("CREATE", text()))
    clock.skip(seconds("record-change"))
    second = zone.change(("UPSERT", text(value="two")))
    assert [zone.status(change) for change in (first, second, zone.made["ChangeInfo"])] == [
        "INSYNC", "PENDING", "INSYNC"]


@pytest.mark.rule("change-status")
def test_an_unknown_change_is_refused(zone: Zone) -> None:
    with pytest.raises(ClientError) as refused:
        zone.status({"Id": "C0NOTHING"})
    assert refused.value.response["Error"]["Code"] == "NoSuchChange"


def test_a_record_cannot_be_created_twice(zone: Zone) -> None:
    zone.change(("CREATE", text()))
    assert zone.refused(("CREATE", text(value="two")))[1].endswith("but it already exists]")


def test_a_record_can_be_created_again_after_it_was_deleted(zone: Zone) -> None:
    zone.change(("CREATE", text("zebra.example.org")))
    for action in ("CREATE", "DELETE", "CREATE"):
        zone.change((action, text()))
    assert len(zone.names()) == 2


@pytest.mark.rule("change-batch")
def test_a_delete_must_name_what_is_there(zone: Zone) -> None:
    assert zone.refused(("DELETE", text())) == (
        "InvalidChangeBatch", "[Tried to delete resource record set [name='note.example.org.', type='TXT'] but it was "
        "not found]")
    zone.change(("UPSERT", text()))
    assert "values provided do not match" in zone.refused(("DELETE", text(value="two")))[1]
    zone.change(("DELETE", text()))
    assert zone.names() == []


@pytest.mark.rule("change-batch")
def test_a_batch_holds_as_a_whole(zone: Zone) -> None:
    for second in (("DELETE", text()), ("CREATE", text("note.example.com"))):
        assert zone.refused(("CREATE", text("first.example.org")), second)[0] == "InvalidChangeBatch"
        assert zone.names() == []


@pytest.mark.rule("change-batch")
def test_records_are_kept_inside_their_zone_and_names_are_normalised(zone: Zone) -> None:
    assert zone.refused(("CREATE", text("note.example.com")))[0] == "InvalidChangeBatch"
    zone.change(("CREATE", text("*.Wild.example.org")))
    assert zone.names() == [("\\052.wild.example.org.", "TXT")]


@pytest.mark.rule("change-batch")
def test_a_name_has_one_primary(zone: Zone) -> None:
    zone.change(("CREATE", alias("PRIMARY")), ("CREATE", alias("SECONDARY", "us-west-2", US_WEST)))
    other = {**alias("PRIMARY"), "SetIdentifier": "another"}
    assert zone.refused(("CREATE", other))[0] == "InvalidChangeBatch"
    zone.change(("DELETE", alias("SECONDARY", "us-west-2", US_WEST)))
    assert zone.names() == [("app.example.org.", "A")]


@pytest.mark.rule("change-batch")
def test_a_failover_record_does_not_stand_beside_a_simple_one(zone: Zone) -> None:
    simple = {"Name": "app.example.org", "Type": "A", "TTL": 60, "ResourceRecords": [{"Value": "192.0.2.1"}]}
    zone.change(("CREATE", simple))
    assert zone.refused(("CREATE", alias("PRIMARY")))[0] == "InvalidChangeBatch"
    zone.change(("DELETE", simple), ("CREATE", alias("PRIMARY")))


CNAME = {"Name": "note.example.org", "Type": "CNAME", "TTL": 60, "ResourceRecords": [{"Value": "example.net"}]}


@pytest.mark.rule("change-batch")
def test_a_cname_stands_alone(zone: Zone) -> None:
    zone.change(("CREATE", text()))
    assert "conflicts with other records" in zone.refused(("CREATE", CNAME))[1]


@pytest.mark.rule("record-apex")
def test_the_name_of_the_zone_is_no_cname(zone: Zone) -> None:
    assert "not permitted at apex" in zone.refused(("CREATE", {**CNAME, "Name": "example.org"}))[1]


@pytest.mark.rule("record-alias-zone")
def test_an_alias_names_the_zone_of_the_balancers_region(zone: Zone) -> None:
    assert zone.refused(("CREATE", alias("PRIMARY", zone=US_WEST)))[0] == "InvalidChangeBatch"


@pytest.mark.rule("record-health-check")
def test_a_record_cannot_name_a_health_check_that_does_not_exist(zone: Zone) -> None:
    wanted = alias("PRIMARY", HealthCheckId="00000000-0000-0000-0000-000000000000")
    assert zone.refused(("CREATE", wanted))[0] == "NoSuchHealthCheck"


@pytest.mark.rule("zone-reference")
def test_a_caller_reference_makes_one_zone(aws: Aws) -> None:
    dns = aws["us-east-1"].route53
    dns.create_hosted_zone(Name="example.org", CallerReference="once")
    with pytest.raises(ClientError) as refused:
        dns.create_hosted_zone(Name="example.org", CallerReference="once")
    assert refused.value.response["Error"]["Code"] == "HostedZoneAlreadyExists"
    dns.create_hosted_zone(Name="example.org", CallerReference="twice")
    assert len(dns.list_hosted_zones_by_name(DNSName="example.org")["HostedZones"]) == 2


def test_a_zone_with_records_stays(zone: Zone) -> None:
    zone.change(("CREATE", text()))
    with pytest.raises(ClientError) as refused:
        zone.dns.delete_hosted_zone(Id=zone.id)
    assert refused.value.response["Error"]["Code"] == "HostedZoneNotEmpty"
    zone.change(("DELETE", text()))
    zone.dns.delete_hosted_zone(Id=zone.id)


def test_a_batch_has_1000_values_and_an_upsert_counts_twice(zone: Zone) -> None:
    many = {**text(), "ResourceRecords": [{"Value": f'"{number}"'} for number in range(501)]}
    assert zone.refused(("UPSERT", many))[0] == "InvalidChangeBatch"
    zone.change(("CREATE", many))


@pytest.mark.rule("record-batch-size")
def test_the_values_of_a_batch_have_32000_characters(zone: Zone) -> None:
    long = {**text(), "ResourceRecords": [{"Value": f'"{number}{"x" * 200}"'} for number in range(100)]}
    assert zone.refused(("UPSERT", long))[0] == "InvalidChangeBatch"
    zone.change(("CREATE", long))


ADDRESS = {"Name": "app.example.org", "Type": "A", "TTL": 60, "ResourceRecords": [{"Value": "192.0.2.1"}]}


@pytest.mark.rule("record-one-target")
@pytest.mark.parametrize("without", ["TTL", "ResourceRecords"])
def test_a_record_has_values_and_a_ttl(zone: Zone, without: str) -> None:
    wanted = {key: value for key, value in ADDRESS.items() if key != without}
    code, words = zone.refused(("CREATE", wanted))
    assert code == "InvalidInput"
    assert "Expected exactly one of" in words


@pytest.mark.rule("record-one-target")
def test_an_alias_has_no_ttl(zone: Zone) -> None:
    assert zone.refused(("CREATE", alias("PRIMARY", TTL=60)))[0] == "InvalidInput"


@pytest.mark.rule("record-routing")
def test_a_failover_record_needs_a_set_identifier_and_that_a_policy(zone: Zone) -> None:
    nameless = {key: value for key, value in alias("PRIMARY").items() if key != "SetIdentifier"}
    assert zone.refused(("CREATE", nameless))[0] == "InvalidInput"
    assert zone.refused(("CREATE", {**ADDRESS, "SetIdentifier": "one"}))[0] == "InvalidInput"


@pytest.mark.rule("record-primary-checked")
def test_a_primary_that_is_no_alias_needs_a_health_check(zone: Zone) -> None:
    primary = {**ADDRESS, "SetIdentifier": "one", "Failover": "PRIMARY"}
    assert "must have an associated health check" in zone.refused(("CREATE", primary))[1]
    zone.change(("CREATE", {**primary, "Failover": "SECONDARY"}))


@pytest.mark.rule("record-values")
@pytest.mark.parametrize(("kind", "value"), [("A", "example.org"), ("AAAA", "192.0.2.1"), ("TXT", "bare"),
                                             ("TXT", f'"{"x" * 256}"')])
def test_a_value_has_the_form_of_its_type(zone: Zone, kind: str, value: str) -> None:
    wrong = {**ADDRESS, "Type": kind, "ResourceRecords": [{"Value": value}]}
    assert "FATAL problem" in zone.refused(("CREATE", wrong))[1]


@pytest.mark.rule("record-values")
def test_a_cname_has_one_value(zone: Zone) -> None:
    two = {**CNAME, "ResourceRecords": [{"Value": "example.net"}, {"Value": "example.com"}]}
    assert zone.refused(("CREATE", two))[0] == "InvalidChangeBatch"
