"""One minute of the latch against S3 and DNS of the lab: what it asks, what it writes, and what it leaves alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from drctl.aws.clients import Aws
from drctl.lab import outages
from drctl.lab.server import Lab
from drctl.lambdas.latch import main
from drctl.lambdas.latch.decision import Lies, State
from drctl.lambdas.latch.objects import STATE_KEY, Objects, Place
from drctl.lambdas.name_servers.asking import answers
from drctl.steps import latch
from tests.lab.conftest import eventually

EAST, WEST = "us-east-1", "us-west-2"
OWN, OTHER = Place(WEST, "west", "switch/on"), Place(EAST, "east", "switch/pin")
ENVIRONMENT = {"DRCTL_ROLE": "standby", "LATCH_MINUTES": "2", "USERS_NAME": "app.example.com",
               "BALANCER": "alb.example.com", "NAME_SERVERS": "ns-1.example,ns-2.example"}


@pytest.fixture
def objects(aws: Aws, lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Objects:
    """Both buckets, empty, reached as the function reaches them."""
    for name, value in (("AWS_ENDPOINT_URL", lab.endpoint), ("AWS_ACCESS_KEY_ID", "function"),
                        ("AWS_SECRET_ACCESS_KEY", "x")):
        monkeypatch.setenv(name, value)
    aws[EAST].s3.create_bucket(Bucket="east")
    aws[WEST].s3.create_bucket(Bucket="west", CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    return Objects(OWN, OTHER)


@pytest.fixture
def environment(lab: Lab) -> dict[str, str]:
    """The function's settings; DNS is the lab's."""
    return {**ENVIRONMENT, "NAME_SERVER": f"127.0.0.1:{lab.dns_port}"}


@pytest.fixture
def users(lab: Lab, aws: Aws) -> Callable[..., None]:
    """What DNS says from now on of the users' name; the balancer is always at one address."""
    route53, server = aws[EAST].route53, ("127.0.0.1", lab.dns_port)
    zone = route53.create_hosted_zone(Name="example.com", CallerReference="latch")["HostedZone"]["Id"]
    said: dict[str, tuple[str, ...]] = {}

    def say(name: str, addresses: tuple[str, ...]) -> None:
        changes: Any = [(action, values) for action, values in (("DELETE", said.get(name)), ("CREATE", addresses))
                        if values]
        if changes:
            route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": [
                {"Action": action, "ResourceRecordSet": {"Name": name, "Type": "A", "TTL": 30, "ResourceRecords": [
                    {"Value": value} for value in values]}} for action, values in changes]})
        said[name] = addresses
        assert eventually(lambda: set(answers(name, server, 2)) == set(addresses))

    say(ENVIRONMENT["BALANCER"], ("192.0.2.7",))
    return lambda *addresses: say(ENVIRONMENT["USERS_NAME"], addresses)


@pytest.fixture(autouse=True)
def no_outage() -> Iterator[None]:
    """Whatever a test has begun is over."""
    yield
    outages.end()


def keys(aws: Aws, bucket: str = "west") -> set[str]:
    return {one["Key"] for one in aws[WEST].s3.list_objects_v2(Bucket=bucket).get("Contents", ())}


def test_users_at_home_leave_no_trace(
        objects: Objects, environment: dict[str, str], users: Callable[..., None], aws: Aws) -> None:
    users("192.0.2.1")
    assert main.one_minute("1", objects, environment)["act"] == "nothing"
    assert keys(aws) == {STATE_KEY}  # that the other region's object is not there was seen for the first time
    versions = aws[WEST].s3.head_object(Bucket="west", Key=STATE_KEY)["ETag"]
    main.one_minute("2", objects, environment)
    assert aws[WEST].s3.head_object(Bucket="west", Key=STATE_KEY)["ETag"] == versions


def test_after_its_minutes_it_puts_its_own_object_and_says_so(
        objects: Objects, environment: dict[str, str], users: Callable[..., None], aws: Aws) -> None:
    users("192.0.2.1", "192.0.2.7")
    told = [main.one_minute(str(number), objects, environment) for number in range(4)]
    assert [one["act"] for one in told] == ["nothing", "put", "nothing", "nothing"]
    assert keys(aws) == {STATE_KEY, "switch/on"}
    assert aws[WEST].s3.head_object(Bucket="west", Key="switch/on")["Metadata"] == {"latch": "1"}
    assert keys(aws, "east") == set()


def test_what_dns_does_not_say_counts_for_nothing(
        objects: Objects, environment: dict[str, str], users: Callable[..., None]) -> None:
    users()
    assert [main.one_minute(str(number), objects, environment)["here"] for number in range(4)] == [None] * 4
    assert objects.own_lies() == Lies(known=True)


@pytest.mark.parametrize("mode", ["refuse", "error"])
def test_a_dead_region_is_unknown_and_what_it_said_is_kept(
        objects: Objects, environment: dict[str, str], users: Callable[..., None], mode: str) -> None:
    users("192.0.2.1")
    objects.keep(State(other=Lies(known=True, since=5.0)))
    outages.start(EAST, "", mode)
    assert main.one_minute("1", objects, environment)["other_known"] is False
    assert objects.state().other == Lies(known=True, since=5.0)


@pytest.mark.parametrize("mode", ["refuse", "error"])
def test_when_its_own_region_cannot_be_asked_it_fails_and_does_nothing(
        objects: Objects, environment: dict[str, str], users: Callable[..., None], aws: Aws, mode: str) -> None:
    users("192.0.2.7")
    main.one_minute("1", objects, environment)
    outages.start(WEST, "s3", mode)
    with pytest.raises((ClientError, BotoCoreError)):
        main.one_minute("2", objects, environment)
    outages.end()
    assert "switch/on" not in keys(aws)


def test_the_pin_is_taken_away_once_the_switch_is(
        aws: Aws, objects: Objects, environment: dict[str, str], users: Callable[..., None]) -> None:
    pinned = Objects(OTHER, OWN)
    aws[EAST].s3.put_object(Bucket="east", Key=OTHER.key)
    aws[WEST].s3.put_object(Bucket="west", Key=OWN.key)
    aws[EAST].s3.put_object(Bucket="east", Key=OTHER.key)
    users("192.0.2.7")
    primary = {**environment, "DRCTL_ROLE": "primary"}
    assert main.one_minute("1", pinned, primary)["act"] == "nothing"
    aws[WEST].s3.delete_object(Bucket="west", Key=OWN.key)
    assert main.one_minute("2", pinned, primary)["act"] == "delete"
    assert pinned.own_lies() == Lies(known=True)


@pytest.mark.parametrize("kept", [b"", b"{", b"[]", b'{"astray": 1}', b'{"else": 1, "other": {}}'])
def test_a_state_that_cannot_be_read_is_none(objects: Objects, aws: Aws, kept: bytes) -> None:
    aws[WEST].s3.put_object(Bucket="west", Key=STATE_KEY, Body=kept)
    assert objects.state() == State()


def test_the_state_comes_back_as_it_was_kept(objects: Objects) -> None:
    state = State(3, 1, 1_700_000_000.5, "event", Lies(known=True, since=1_600_000_000.0))
    objects.keep(state)
    assert objects.state() == state


def test_step_and_function_mean_the_same_state() -> None:
    assert latch.STATE_KEY == STATE_KEY


def test_the_handler_takes_its_places_from_the_environment_and_tells_what_it_did(
        objects: Objects, environment: dict[str, str], users: Callable[..., None], monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str]) -> None:
    users("192.0.2.1")
    places: dict[str, Any] = {f"{whose}_{part.upper()}": getattr(place, part) for whose, place in (
        ("OWN", OWN), ("OTHER", OTHER)) for part in ("region", "bucket", "key")}
    for name, value in (environment | places).items():
        monkeypatch.setenv(name, value)
    main._objects.cache_clear()
    told = main.handler({"id": "one"}, None)
    main._objects.cache_clear()
    assert json.loads(capsys.readouterr().out) == told
    assert (told["act"], told["here"], told["other_known"]) == ("nothing", False, True)


@pytest.mark.parametrize(("given", "server"), [("", None), ("127.0.0.1:5353", ("127.0.0.1", 5353))])
def test_another_name_server_is_asked_where_one_is_named(given: str, server: Any) -> None:
    assert main._instead({"NAME_SERVER": given} if given else {}) == server
