"""What goes to the lost region is not sent, whoever asks for it; everything else is."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from botocore.credentials import SSOCredentialFetcher
from botocore.exceptions import ClientError

from drctl.aws.clients import Aws, Credentials, Door, Region
from drctl.aws.errors import AwsError
from drctl.aws.fence import Fence, Fenced, region_of_host
from drctl.aws.hooks import Answer, Call
from drctl.lab import outages
from drctl.lab.faults import FAULTS
from drctl.lab.server import Lab
from drctl.settings import Settings
from tests.conftest import SPEED
from tests.straight import Straight

EAST, WEST = "us-east-1", "us-west-2"
EAST_IS_LOST, WEST_IS_LOST = Fence(EAST, WEST), Fence(WEST, EAST)
KEYS = Credentials("lab", "lab")


class Ear:
    """Hears how calls ended."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []

    def sending(self, call: Call) -> None:
        return

    def leaving(self, call: Call) -> None:
        return

    def answered(self, call: Call, answer: Answer) -> None:
        self.answers.append(answer)


def real_names(lab: Lab, fence: Fence | None) -> Aws:
    """Clients that ask AWS's own host names; what they send arrives in the lab."""
    return Straight(lab.counting, Door(credentials=KEYS, speed=SPEED), Ear(), fence)


def lab_alone(lab: Lab, fence: Fence | None, ear: Ear | None = None) -> Aws:
    """Clients that send everything to the lab's one address, by a socket."""
    return Aws(Door(lab.endpoint, KEYS, speed=SPEED), ear or Ear(), fence)


# What is judged ------------------------------------------------------------------------------------------------------

CALLS: dict[str, Callable[[Region], Any]] = {
    "rds": lambda at: at.rds.describe_db_clusters(), "s3": lambda at: at.s3.list_buckets(),
    "lambda": lambda at: at.lambda_.list_functions(), "sqs": lambda at: at.sqs.list_queues(),
    "cloudwatch": lambda at: at.cloudwatch.describe_alarms(), "sts": lambda at: at.sts.get_caller_identity(),
    "elbv2": lambda at: at.elbv2.describe_load_balancers(), "secrets": lambda at: at.secrets.list_secrets()}


@pytest.mark.parametrize("clients", [real_names, lab_alone], ids=["by host and signature", "by signature alone"])
@pytest.mark.parametrize("fence", [EAST_IS_LOST, WEST_IS_LOST], ids=lambda fence: f"{fence.lost} is lost")
def test_calls_to_the_lost_region_are_refused_and_those_to_the_survivor_arrive(
        lab: Lab, fence: Fence, clients: Callable[[Lab, Fence | None], Aws]) -> None:
    aws = clients(lab, fence)
    for service, call in CALLS.items():
        lab.counting.calls.clear()
        with pytest.raises(Fenced, match=f"{fence.lost} is taken for lost"):
            call(aws[fence.lost])
        assert not lab.counting.calls, service
        call(aws[fence.survivor])
        assert {region for region, *_ in lab.counting.calls} == {fence.survivor}


@pytest.mark.parametrize("clients", [real_names, lab_alone])
def test_without_a_fence_the_lost_region_would_have_been_asked(
        lab: Lab, clients: Callable[[Lab, Fence | None], Aws]) -> None:
    aws = clients(lab, None)
    for call in CALLS.values():
        call(aws[EAST])
    assert {region for region, *_ in lab.counting.calls} == {EAST}
    assert lab.counting.calls.total() == len(CALLS)


@pytest.mark.parametrize("clients", [real_names, lab_alone])
@pytest.mark.parametrize("call", [lambda at: at.iam.list_roles(), lambda at: at.route53.list_hosted_zones()])
def test_control_planes_of_the_lost_region_are_refused_whatever_region_asks(
        lab: Lab, clients: Callable[[Lab, Fence | None], Aws], call: Callable[[Region], Any]) -> None:
    for region in (EAST, WEST):
        with pytest.raises(Fenced, match=r"the control plane of (iam|route-53) lives in us-east-1"):
            call(clients(lab, EAST_IS_LOST)[region])
    assert not lab.counting.calls
    for region in (EAST, WEST):
        assert call(clients(lab, WEST_IS_LOST)[region])


def test_buckets_are_set_up_in_us_east_1_and_objects_where_they_are(lab: Lab) -> None:
    lab_alone(lab, None)[WEST].s3.create_bucket(
        Bucket="objects", CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    s3: Any = lab_alone(lab, EAST_IS_LOST)[WEST].s3
    s3.put_object(Bucket="objects", Key="k", Body=b"x")
    s3.head_bucket(Bucket="objects")
    calls: dict[str, dict[str, Any]] = {"put_bucket_tagging": {"Tagging": {"TagSet": []}}, "delete_bucket": {},
                                        "create_bucket": {}, "delete_public_access_block": {}}
    for operation, params in calls.items():
        with pytest.raises(Fenced, match="how buckets are set up is decided in us-east-1"):
            getattr(s3, operation)(Bucket="objects", **params)


HEADER = "AWS4-HMAC-SHA256 Credential=AK/20260101/{}/{}/aws4_request, SignedHeaders=host, Signature=0"
IN_QUERY = "?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AK%2F20260101%2F{}%2Fs3%2Faws4_request&X-Amz-Signature=0"


@pytest.mark.parametrize(("url", "headers", "service", "lost"), [
    ("https://proxy.internal/", {"Authorization": HEADER.format(EAST, "rds")}, "rds", {EAST}),
    ("https://proxy.internal/" + IN_QUERY.format(WEST), {}, "s3", {WEST}),
    ("https://b.s3.us-west-2.amazonaws.com/", {"Authorization": HEADER.format(EAST, "s3")}, "s3", {EAST, WEST}),
    # SigV4A: the signature is good for several regions, or for all, and any of them may answer.
    ("https://x.accesspoint.s3-global.amazonaws.com/", {"X-Amz-Region-Set": "*"}, "s3", {EAST, WEST}),
    ("https://proxy.internal/", {"X-Amz-Region-Set": "eu-west-1, us-west-*"}, "events", {WEST}),
    ("https://proxy.internal/?X-Amz-Region-Set=us-east-1%2Ceu-west-1", {}, "s3", {EAST}),
    # Unsigned, or signed without a region: the host tells.
    ("https://rds.us-east-1.amazonaws.com/", {}, "rds", {EAST}),
    ("https://b.s3.dualstack.us-west-2.amazonaws.com/k", {"Authorization": "AWS AK:sig"}, "s3", {WEST}),
    ("https://b.s3-us-west-2.amazonaws.com/", {}, "s3", {WEST}),
    ("https://b.s3-website-us-east-1.amazonaws.com/", {}, "s3", {EAST}),
    ("https://rds-fips.us-east-1.amazonaws.com/", {}, "rds", {EAST}),
    ("https://lambda.us-east-1.api.aws/", {}, "lambda", {EAST}),
    ("https://x.lambda-url.us-west-2.on.aws/", {}, "lambda", {WEST}),
    ("https://vpce-1-a-us-east-1a.ec2.us-east-1.vpce.amazonaws.com/", {}, "ec2", {EAST}),
    ("https://us-west-2.signin.aws.amazon.com/", {}, "signin", {WEST}),
    ("https://portal.sso.us-east-1.amazonaws.com/", {}, "sso", {EAST}),
    # A bucket may be called like a region.
    ("https://data-us-east-1.s3.us-west-2.amazonaws.com/", {}, "s3", {WEST}),
    ("https://us-east-1.s3.us-west-2.amazonaws.com/", {}, "s3", {WEST}),
    # Global endpoints are in us-east-1.
    ("https://s3.amazonaws.com/b", {}, "s3", {EAST}),
    ("https://b.s3-external-1.amazonaws.com/", {}, "s3", {EAST}),
    ("https://sts.amazonaws.com/", {"Authorization": HEADER.format(EAST, "sts")}, "sts", {EAST}),
    ("https://iam.global.api.aws/", {}, "iam", {EAST}),
    ("https://iam.amazonaws.com/", {}, "iam", {EAST}),
    ("https://route53.amazonaws.com/", {"Authorization": HEADER.format(EAST, "route53")}, "route-53", {EAST}),
    # Control planes, whatever region signs.
    ("https://proxy.internal/", {"Authorization": HEADER.format(WEST, "organizations")}, "organizations", {EAST}),
    ("https://proxy.internal/", {"Authorization": HEADER.format(WEST, "ce")}, "cost-explorer", {EAST}),
    ("https://proxy.internal/", {"Authorization": HEADER.format(EAST, "globalaccelerator")}, "global-accelerator",
     {WEST}),
    # Nothing tells: the client's own region does, here us-west-2.
    ("https://proxy.internal/", {}, "sts", {WEST}),
    ("https://sts.eu-west-1.amazonaws.com/", {}, "sts", set()),
    ("https://proxy.internal/", {"Authorization": "Bearer t"}, "sso", {WEST})])
def test_where_a_request_goes_is_read_from_signature_host_and_service(url: str, headers: dict[str, str], service: str,
                                                                       lost: set[str]) -> None:
    refused = {fence.lost for fence in (EAST_IS_LOST, WEST_IS_LOST)
               if fence.objection(url, headers, service, "GetThing", client_region=WEST)}
    assert refused == lost


@pytest.mark.parametrize(("host", "region"), [
    ("RDS.US-EAST-1.AMAZONAWS.COM", EAST), ("s3.us-gov-west-1.amazonaws.com", "us-gov-west-1"),
    ("sqs.cn-north-1.amazonaws.com.cn", "cn-north-1"), ("rds.eusc-de-east-1.amazonaws.eu", "eusc-de-east-1"),
    ("iam.amazonaws.com", EAST),
    ("127.0.0.1", ""), ("localhost", ""), ("", ""), ("amazonaws.com.example", "")])
def test_the_region_in_a_name(host: str, region: str) -> None:
    assert region_of_host(host) == region


# Redirects and tries --------------------------------------------------------------------------------------------------

class Redirecting(ThreadingHTTPServer):
    """S3 that knows every bucket, but elsewhere: it redirects once, then answers."""

    daemon_threads = True

    def __init__(self, tells: dict[str, str], body: bytes) -> None:
        self.tells, self.body, self.scopes = tells, body, list[str]()
        super().__init__(("127.0.0.1", 0), _S3)


class _S3(BaseHTTPRequestHandler):
    server: Redirecting

    def do_GET(self) -> None:
        self.server.scopes.append(self.headers["Authorization"].split("/")[2])
        elsewhere = len(self.server.scopes) == 1
        self.send_response(301 if elsewhere else 200)
        body = self.server.body if elsewhere else b"content"
        for name, value in {**(self.server.tells if elsewhere else {}), "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        return


@contextmanager
def redirecting(tells: dict[str, str], body: bytes = b"") -> Iterator[tuple[Redirecting, str]]:
    server = Redirecting(tells, body)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield server, f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


IN_BODY = b"<Error><Code>PermanentRedirect</Code><Message>m</Message><Region>us-east-1</Region></Error>"


@pytest.mark.parametrize(("tells", "body"), [({"x-amz-bucket-region": EAST}, b""), ({}, IN_BODY)])
def test_a_redirect_to_the_lost_region_is_judged_anew(tells: dict[str, str], body: bytes) -> None:
    with redirecting(tells, body) as (server, url):
        with pytest.raises(Fenced, match=r"GetObject \(s3\) was not sent: it is signed for us-east-1"):
            Aws(Door(url, KEYS, speed=SPEED), Ear(), EAST_IS_LOST)[WEST].s3.get_object(Bucket="b", Key="k")
        assert server.scopes == [WEST]
    with redirecting(tells, body) as (server, url):
        found = Aws(Door(url, KEYS, speed=SPEED), Ear())[WEST].s3.get_object(Bucket="b", Key="k")
        assert found["Body"].read() == b"content"
        assert server.scopes == [WEST, EAST], "without the fence the SDK follows"


def test_a_redirect_among_the_living_is_followed() -> None:
    with redirecting({"x-amz-bucket-region": "eu-west-1"}) as (server, url):
        Aws(Door(url, KEYS, speed=SPEED), Ear(), EAST_IS_LOST)[WEST].s3.get_object(Bucket="b", Key="k")
        assert server.scopes == [WEST, "eu-west-1"]


def test_a_refusal_comes_unwrapped_at_once_and_is_told_to_the_listener(lab: Lab) -> None:
    """A change whose answer is lost is looked into, a read is tried again: neither may happen to what was not sent."""
    ear, signed = Ear(), list[str]()
    aws = lab_alone(lab, EAST_IS_LOST, ear)
    ec2: Any = aws[EAST].ec2
    ec2.meta.events.register("before-sign.*.*", lambda operation_name, **_: signed.append(operation_name))
    FAULTS.start(1.0, kinds=("unavailable",))
    outages.start(EAST, "", "hang")
    began = time.monotonic()
    try:
        for call in (ec2.describe_vpcs, lambda: ec2.create_vpc(CidrBlock="10.0.0.0/16")):
            with pytest.raises(Fenced) as refused:
                call()
            assert type(refused.value) is Fenced
            assert not isinstance(refused.value, AwsError)
            assert (refused.value.__cause__, refused.value.__context__) == (None, None)
    finally:
        FAULTS.stop()
        outages.end()
    assert time.monotonic() - began < 1
    assert signed == ["DescribeVpcs", "CreateVpc"]
    assert [(answer.status, answer.code) for answer in ear.answers] == [(0, "Fenced")] * 2


def test_an_error_says_what_was_not_sent_why_and_what_to_do(lab: Lab) -> None:
    with pytest.raises(Fenced) as refused:
        lab_alone(lab, EAST_IS_LOST)[EAST].rds.describe_db_clusters()
    assert refused.value.message == ("DescribeDBClusters (rds) was not sent: it is signed for us-east-1; "
                                     "us-east-1 is taken for lost")
    assert refused.value.next_step == ("nothing was sent; what DescribeDBClusters is for has to wait until us-east-1 "
                                       "is back")
    assert (refused.value.operation_name, refused.value.region) == ("DescribeDBClusters", EAST)


# Credentials ----------------------------------------------------------------------------------------------------------

ROLE = """
[default]
role_arn = arn:aws:iam::123456789012:role/drctl
source_profile = keys
region = us-east-1
[profile keys]
aws_access_key_id = AKIAKEYS
aws_secret_access_key = secret
"""
WEB_IDENTITY = """
[default]
role_arn = arn:aws:iam::123456789012:role/drctl
web_identity_token_file = {here}/token
region = us-east-1
"""

@pytest.fixture
def profile(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Door]:
    """Writes the SDK's configuration file, and returns the door of somebody who has it; STS too is in the lab."""
    def write(text: str) -> Door:
        (tmp_path / "config").write_text(text.format(here=tmp_path))
        (tmp_path / "token").write_text("a.web.token")
        monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
        monkeypatch.setenv("AWS_ENDPOINT_URL", lab.endpoint)
        return Door(lab.endpoint, speed=SPEED)

    return write


def asked_sts(lab: Lab) -> list[str]:
    return [region for region, _, operation, _ in lab.counting.calls if operation.startswith("AssumeRole")]


@pytest.mark.parametrize("legacy", [False, True])
def test_a_role_is_assumed_in_the_surviving_region(lab: Lab, profile: Callable[[str], Door], legacy: bool,
                                                   monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the profile's own region is, and whatever region's client was the first."""
    if legacy:
        monkeypatch.setenv("AWS_STS_REGIONAL_ENDPOINTS", "legacy")
    aws = Aws(profile(ROLE), Ear(), EAST_IS_LOST)
    assert aws[EAST].sqs.meta.region_name == EAST
    aws[WEST].sqs.list_queues()
    assert asked_sts(lab) == [WEST]


def test_all_sessions_behind_a_door_share_the_role_that_one_of_them_has_assumed(
        lab: Lab, profile: Callable[[str], Door]) -> None:
    """Whoever did not need the lost region for it lends it to the others, also to those with other time-outs."""
    door = profile(ROLE)
    Aws(door, Ear(), EAST_IS_LOST)[WEST].sqs.list_queues()
    Aws(door.in_a_hurry(Settings().failover), Ear())[EAST].sqs.list_queues()
    Aws(replace(door, attempts=1), Ear(), Fence(WEST, EAST))[EAST].sqs.list_queues()
    assert asked_sts(lab) == [WEST]
    assert "secret" not in repr(door).lower()
    assert door.assumed


def test_without_the_fence_the_role_would_have_been_assumed_in_the_lost_region(
        lab: Lab, profile: Callable[[str], Door]) -> None:
    aws = Aws(profile(ROLE), Ear())
    assert aws[EAST].sqs.meta.region_name == EAST
    aws[WEST].sqs.list_queues()
    assert asked_sts(lab) == [EAST]


def test_sts_is_that_of_the_surviving_region_by_its_real_name_too(
        profile: Callable[[str], Door], monkeypatch: pytest.MonkeyPatch) -> None:
    profile(ROLE)
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    monkeypatch.setenv("AWS_STS_REGIONAL_ENDPOINTS", "legacy")
    aws = Aws(Door(), Ear(), Fence(EAST, WEST))
    assert aws._session._session.create_client("sts").meta.endpoint_url == "https://sts.us-west-2.amazonaws.com"


def test_a_role_that_can_be_assumed_in_the_lost_region_only_is_refused_not_waited_for(
        lab: Lab, profile: Callable[[str], Door]) -> None:
    outages.start(EAST, "", "hang")
    began = time.monotonic()
    try:
        with pytest.raises(Fenced, match=r"AssumeRole \(sts\) was not sent") as refused:
            Aws(profile(ROLE), Ear(), Fence(EAST, EAST))[WEST].sqs.list_queues()
    finally:
        outages.end()
    assert time.monotonic() - began < 3
    assert "AWS_ACCESS_KEY_ID" in refused.value.next_step
    assert not lab.counting.calls


def test_a_web_identity_is_brought_to_the_surviving_region(lab: Lab, profile: Callable[[str], Door]) -> None:
    """This request is not signed: the client's region tells where it goes."""
    door = profile(WEB_IDENTITY)
    with pytest.raises(Fenced, match=r"AssumeRoleWithWebIdentity \(sts\)"):
        Aws(door, Ear(), Fence(EAST, EAST))[WEST].sqs.list_queues()
    assert not asked_sts(lab)
    Aws(door, Ear(), EAST_IS_LOST)[WEST].sqs.list_queues()
    assert len(asked_sts(lab)) == 1


def test_a_sign_in_that_lives_in_the_lost_region_is_refused(lab: Lab, profile: Callable[[str], Door]) -> None:
    """Asked for as the SDK does for a profile with `sso_region`; the request is not signed."""
    session = Aws(profile(ROLE), Ear(), EAST_IS_LOST)._session._session
    fetcher = SSOCredentialFetcher("https://company.awsapps.com/start", EAST, "drctl", "123456789012",
                                   session.create_client, token_loader=token)
    with pytest.raises(Fenced, match=r"GetRoleCredentials \(sso\).*us-east-1") as refused:
        fetcher.fetch_credentials()
    assert "a profile whose sign-in is in another region" in refused.value.next_step
    assert not lab.counting.calls


def token(_: str) -> dict[str, str]:
    """What `aws sso login` has left."""
    until = datetime.now(UTC) + timedelta(hours=8)
    return {"accessToken": "t", "expiresAt": until.strftime("%Y-%m-%dT%H:%M:%SZ")}


def test_credentials_are_asked_for_with_the_short_time_outs_too(profile: Callable[[str], Door]) -> None:
    door = profile(ROLE).in_a_hurry(Settings().failover)
    aws = Aws(door, Ear(), EAST_IS_LOST)
    for client in (aws[WEST].rds, aws._session._session.create_client("sts", region_name=WEST)):
        config: Any = client.meta.config
        assert (config.connect_timeout, config.read_timeout, config.retries["total_max_attempts"]) == (2, 5, 2)


def test_a_hurried_door_leads_to_the_same_place() -> None:
    door = Door("http://127.0.0.1:9", KEYS, speed=60, waits_for_endpoint=False)
    hurried = door.in_a_hurry(Settings().failover)
    assert (hurried.endpoint_url, hurried.credentials, hurried.speed, hurried.waits_for_endpoint) == (
        door.endpoint_url, KEYS, 60, False)
    assert (hurried.connect_timeout_s, hurried.read_timeout_s, hurried.attempts) == (2, 5, 2)


def test_refusals_of_aws_stay_what_they_are(lab: Lab) -> None:
    with pytest.raises(ClientError):
        lab_alone(lab, EAST_IS_LOST)[WEST].rds.describe_db_clusters(DBClusterIdentifier="nothing")
