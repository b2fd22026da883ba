"""A region, or one service of it, can be taken away and given back; the rest goes on as AWS's would."""

from __future__ import annotations

import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import botocore.session
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError

from drctl.aws.clients import Aws
from drctl.aws.durations import seconds
from drctl.lab import compute, extensions, outages
from drctl.lab.aurora_store import LOST
from drctl.lab.called import FUNCTIONS_KEY
from drctl.lab.clock import CLOCK
from drctl.lab.front_doors import NO_CONNECTION, front_door
from drctl.lab.server import THREADS, Lab
from tests.lab import test_dns, test_event_delivery, test_replication
from tests.lab.conftest import Plain, eventually, one_try
from tests.lab.front_door_world import BUCKET, HERE, KEY, THERE, balancer, health_check, switch_bucket

#: Two buckets, and two buses, with all that lets objects and events travel between the regions.
buckets, buses = test_replication.world, test_event_delivery.world


@pytest.fixture
def once(lab: Lab) -> Plain:
    """Clients that show the first answer."""
    return one_try(lab)


def pass_by(aws_seconds: float) -> None:
    """Return when the lab's thread has done what is due until then."""
    done = threading.Event()
    CLOCK.after(aws_seconds, done.set)
    assert done.wait(3)


CALLS: dict[str, Callable[[Any], Any]] = {
    "ec2": lambda at: at.ec2.describe_vpcs(), "elasticloadbalancing": lambda at: at.elbv2.describe_load_balancers(),
    "rds": lambda at: at.rds.describe_db_clusters(), "sqs": lambda at: at.sqs.list_queues(),
    "s3": lambda at: at.s3.list_objects_v2(Bucket="one"), "lambda": lambda at: at.lambda_.list_functions(),
    "logs": lambda at: at.logs.describe_log_groups(), "route53": lambda at: at.route53.list_hosted_zones(),
    "iam": lambda at: at.iam.list_roles(), "monitoring": lambda at: at.cloudwatch.describe_alarms(),
    "backup": lambda at: at.backup.list_backup_vaults(), "sts": lambda at: at.sts.get_caller_identity()}


@pytest.mark.parametrize("service", CALLS)
def test_a_connection_that_is_refused_is_a_connection_error_to_the_sdk(once: Plain, service: str) -> None:
    outages.start(HERE, "", "refuse")
    with pytest.raises(ConnectionClosedError):
        CALLS[service](once[HERE])


@pytest.mark.parametrize(("service", "code"), [
    ("ec2", "Unavailable"), ("elasticloadbalancing", "ServiceUnavailable"), ("rds", "ServiceUnavailable"),
    ("sqs", "ServiceUnavailable"), ("s3", "ServiceUnavailable"), ("lambda", "ServiceUnavailable"),
    ("logs", "ServiceUnavailableException"), ("route53", "ServiceUnavailable"), ("iam", "ServiceUnavailable"),
    ("monitoring", "ServiceUnavailable"), ("backup", "ServiceUnavailableException"), ("sts", "ServiceUnavailable")])
def test_an_error_has_the_shape_of_its_service(once: Plain, service: str, code: str) -> None:
    outages.start(HERE, "", "error")
    with pytest.raises(ClientError) as refused:
        CALLS[service](once[HERE])
    answer = refused.value.response
    assert (answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]) == (code, 503)
    assert "temporary failure" in answer["Error"]["Message"]


def test_one_bucket_can_be_out_while_the_others_answer(lab: Lab, once: Plain) -> None:
    for name in ("one", "another"):
        once[THERE].s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": THERE})
        once[THERE].s3.put_object(Bucket=name, Key="key", Body=b"body")
    assert ask(lab, "POST", "outages", region=THERE, service="s3", bucket="one", mode="error")[1]["started"] is True
    with pytest.raises(ClientError):
        once[THERE].s3.get_object(Bucket="one", Key="key")
    assert once[THERE].s3.get_object(Bucket="another", Key="key")["Body"].read() == b"body"
    assert not outages.is_down(THERE, "s3")
    assert [(one["bucket"], one["struck"]) for one in ask(lab, "GET", "outages")[1]["outages"]] == [("one", 1)]
    outages.end(THERE, "s3")
    assert once[THERE].s3.get_object(Bucket="one", Key="key")["Body"].read() == b"body"


def test_a_bucket_is_one_of_s3(lab: Lab) -> None:
    status, told = ask(lab, "POST", "outages", region=THERE, service="rds", bucket="one")
    assert (status, told["error"]) == (400, "a bucket is of the service s3, not of rds")


def test_a_head_request_gets_an_error_without_a_body(once: Plain) -> None:
    outages.start(HERE, "s3", "error")
    with pytest.raises(ClientError) as refused:
        once[HERE].s3.head_bucket(Bucket="one")
    assert refused.value.response["Error"]["Code"] == "503"


def test_an_outage_ends_for_every_client_at_once(once: Plain) -> None:
    outages.start(HERE, "", "refuse")
    outages.end(HERE)
    for service in ("ec2", "rds", "sqs", "lambda", "iam", "route53"):
        assert CALLS[service](once[HERE])


def test_a_hanging_request_is_never_answered_while_the_outage_lasts(lab: Lab) -> None:
    outages.start(HERE, "", "hang")
    for call in (CALLS["ec2"], lambda at: at.s3.put_object(Bucket="one", Key="a", Body=b"x" * 200_000)):
        with pytest.raises(ReadTimeoutError):
            call(one_try(lab, read_timeout_s=0.2)[HERE])


def test_a_hundred_hanging_requests_leave_the_other_region_alone_and_are_answered_at_the_end(once: Plain) -> None:
    outage, _ = outages.start(HERE, "", "hang")
    ec2, there = once[HERE].ec2, once[THERE].ec2
    there.describe_vpcs()
    with ThreadPoolExecutor(100) as crowd:
        asked = [crowd.submit(ec2.describe_vpcs) for _ in range(100)]
        assert eventually(lambda: outage.struck > THREADS)
        began = time.monotonic()
        assert there.describe_vpcs()["Vpcs"]
        assert time.monotonic() - began < 1
        assert not any(one.done() for one in asked)
        outages.end()
        assert all(one.result(10)["Vpcs"] for one in asked)


def test_a_change_that_hung_happens_once_when_the_outage_ends(once: Plain) -> None:
    outage, _ = outages.start(HERE, "", "hang")
    ec2: Any = once[HERE].ec2
    with ThreadPoolExecutor(1) as other:
        made = other.submit(ec2.create_vpc, CidrBlock="10.9.0.0/16")
        assert eventually(lambda: outage.struck == 1)
        outages.end()
        vpc = made.result(10)["Vpc"]["VpcId"]
    found = ec2.describe_vpcs(Filters=[{"Name": "cidr", "Values": ["10.9.0.0/16"]}])["Vpcs"]
    assert [one["VpcId"] for one in found] == [vpc]


def test_the_clients_of_a_hanging_region_that_go_away_leave_nothing_behind(lab: Lab) -> None:
    outage, _ = outages.start(HERE, "", "hang")
    client = urllib.request.Request(lab.endpoint, headers={  # noqa: S310  # loopback only
        "Authorization": f"AWS4-HMAC-SHA256 Credential=lab/20260101/{HERE}/ec2/aws4_request"})
    with pytest.raises(TimeoutError):
        urllib.request.urlopen(client, timeout=0.1)  # noqa: S310  # loopback only
    assert eventually(lambda: outage.wire()["waiting"] == 0)


@pytest.mark.parametrize("service", ["iam", "route53"])
def test_the_control_planes_without_a_region_go_with_us_east_1_whatever_a_client_signs_for(
        once: Plain, service: str) -> None:
    outages.start(HERE, "", "refuse")
    with pytest.raises(ConnectionClosedError):
        CALLS[service](once[THERE])
    outages.end()
    outages.start(THERE, "", "refuse")
    assert CALLS[service](once[THERE])


def test_sts_answers_for_each_region_by_itself(once: Plain) -> None:
    outages.start(HERE, "", "refuse")
    assert once[THERE].sts.get_caller_identity()["Account"]
    with pytest.raises(ConnectionClosedError):
        once[HERE].sts.get_caller_identity()


def test_one_service_can_be_out_alone_by_either_of_its_names(once: Plain) -> None:
    outages.start(HERE, "elbv2", "refuse")
    with pytest.raises(ConnectionClosedError):
        once[HERE].elbv2.describe_load_balancers()
    assert once[HERE].ec2.describe_vpcs()["Vpcs"]
    assert outages.end(service="elasticloadbalancing")
    once[HERE].elbv2.describe_load_balancers()


def test_a_presigned_request_belongs_to_the_region_it_was_signed_for(lab: Lab, aws: Aws) -> None:
    url = aws[HERE].sts.generate_presigned_url("get_caller_identity")
    outages.start(HERE, "sts", "error")
    with pytest.raises(urllib.error.HTTPError, match="503"):
        urllib.request.urlopen(url)  # noqa: S310  # loopback only


def test_health_checkers_get_no_answer_from_a_balancer_that_is_out(aws: Aws) -> None:
    door = balancer(aws, HERE)
    checker = aws[HERE].route53.get_checker_ip_ranges()["CheckerIpRanges"][0]
    found = front_door(door.host, secure=False, port=80, path="/")
    assert found
    outages.start(HERE, "elbv2", "hang")
    assert found.answer(checker) == NO_CONNECTION
    outages.end()
    outages.start(HERE, "", "error")
    assert found.answer(checker) == NO_CONNECTION
    outages.end()
    outages.start(HERE, "rds", "refuse")
    assert found.answer(checker).status == 200


def test_a_balancer_whose_function_is_out_is_ill(aws: Aws) -> None:
    door = balancer(aws, HERE)
    checker = aws[HERE].route53.get_checker_ip_ranges()["CheckerIpRanges"][0]
    outages.start(HERE, "lambda", "refuse")
    found = front_door(door.host, secure=False, port=80, path="/")
    assert found
    assert found.answer(checker).status == 502
    with pytest.raises(Exception, match="Lambda is out"):
        compute.invoke(HERE, "app", b"{}")


def test_the_switch_object_of_a_region_that_is_out_cannot_be_read_by_checkers(aws: Aws) -> None:
    host = switch_bucket(aws)
    aws[THERE].s3.put_object(Bucket=BUCKET, Key=KEY, Body=b"on")
    found = front_door(host, secure=True, port=443, path=f"/{KEY}")
    checker = aws[HERE].route53.get_checker_ip_ranges()["CheckerIpRanges"][0]
    assert found
    assert found.answer(checker).status == 200
    outages.start(THERE, "s3", "refuse")
    assert found.answer(checker) == NO_CONNECTION


@pytest.mark.parametrize("region", [HERE, THERE])
def test_replication_stops_while_either_region_is_out_and_catches_up(
        buckets: test_replication.World, region: str) -> None:
    buckets.allow()
    buckets.configure()
    if region == THERE:
        outages.start(region, "", "refuse")
        buckets.put()
    else:
        CLOCK.set_speed(1.0)
        buckets.put()
        outages.start(region, "", "refuse")
        CLOCK.set_speed(100_000.0)
    pass_by(2 * seconds("object-replicate"))
    alive = buckets.aws[THERE if region == HERE else HERE].s3
    if region == THERE:
        assert alive.head_object(Bucket="source-bucket", Key="a")["ReplicationStatus"] == "PENDING"
    else:
        assert "Contents" not in alive.list_objects_v2(Bucket="target-bucket")
    outages.end()
    assert buckets.settled() == "COMPLETED"
    assert buckets.arrived()


def test_events_wait_for_the_region_they_go_to(buses: test_event_delivery.World) -> None:
    buses.watch(THERE)
    buses.forward()
    outages.start(THERE, "events", "refuse")
    buses.put()
    pass_by(2 * seconds("event-forward"))
    assert not buses.messages(THERE)
    outages.end(THERE)
    assert eventually(lambda: bool(buses.messages(THERE)))
    assert buses.count("FailedInvocations") == 0


@pytest.mark.usefixtures("lab")
def test_what_waits_for_two_regions_happens_when_both_are_up() -> None:
    done: list[str] = []
    places = [(HERE, "s3"), (THERE, "s3")]
    outages.when_up(places, lambda: done.append("at once"))
    outages.start(HERE, "", "refuse")
    outages.start(THERE, "s3", "refuse")
    outages.when_up(places, lambda: done.append("later"))
    outages.end(THERE)
    pass_by(1)
    assert done == ["at once"]
    outages.end(HERE)
    assert eventually(lambda: done == ["at once", "later"])
    extensions.reset()


@pytest.mark.parametrize("service", ["", "rds"])
def test_aurora_loses_its_members_while_rds_or_the_whole_region_is_out(lab: Lab, service: str) -> None:
    outages.start(HERE, service, "refuse")
    assert HERE in LOST
    outages.end()
    assert HERE not in LOST


def test_aurora_stays_lost_until_the_last_outage_that_covers_it_ends(lab: Lab) -> None:
    outages.start(HERE, "", "refuse")
    outages.start(HERE, "rds", "hang")
    outages.start(HERE, "s3", "hang")
    outages.end(service="s3")
    outages.end(service="rds")
    assert HERE in LOST
    outages.end()
    assert HERE not in LOST


def test_an_outage_is_begun_once(lab: Lab) -> None:
    first, is_new = outages.start(HERE, "rds", "refuse")
    again, is_new_again = outages.start(HERE, "aurora", "hang")
    assert (is_new, is_new_again, again) == (True, False, first)
    assert again.mode == "refuse"


@pytest.mark.parametrize(("region", "service", "mode", "words"), [
    ("us-east-9", "", "refuse", "region 'us-east-9' is unknown"), (HERE, "tea", "refuse", "service 'tea' is unknown"),
    (HERE, "", "sulk", "mode 'sulk' is unknown"), (THERE, "iam", "refuse", "the control plane of iam is in us-east-1")])
def test_an_outage_that_cannot_be_is_refused(lab: Lab, region: str, service: str, mode: str, words: str) -> None:
    with pytest.raises(outages.Impossible, match=words):
        outages.start(region, service, mode)


def test_an_empty_lab_has_no_outages(lab: Lab, aws: Aws) -> None:
    outages.start(HERE, "", "refuse")
    extensions.reset()
    assert not outages.present()
    assert aws[HERE].ec2.describe_vpcs()["Vpcs"]


def ask(lab: Lab, method: str, path: str, **asked: Any) -> tuple[int, Any]:
    request = urllib.request.Request(f"{lab.endpoint}/drctl-lab/{path}", method=method,  # noqa: S310  # loopback only
                                     data=json.dumps(asked).encode() if asked else None)
    try:
        with urllib.request.urlopen(request) as reply:  # noqa: S310  # loopback only
            return reply.status, json.load(reply)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def test_the_labs_own_pages_begin_tell_and_end_outages_even_of_a_hanging_region(lab: Lab, once: Plain) -> None:
    assert ask(lab, "POST", "outages", region=HERE, service="ec2", mode="error")[1]["started"] is True
    assert ask(lab, "POST", "outages", region=HERE, service="ec2", mode="error")[1]["started"] is False
    with pytest.raises(ClientError):
        once[HERE].ec2.describe_vpcs()
    told = ask(lab, "GET", "outages")[1]["outages"]
    assert [(one["region"], one["service"], one["mode"], one["struck"]) for one in told] == [(HERE, "ec2", "error", 1)]
    assert ask(lab, "GET", "status")[1]["outages"] == told
    ended = ask(lab, "DELETE", "outages", region=HERE)[1]["ended"]
    assert [one["service"] for one in ended] == ["ec2"]
    assert ask(lab, "DELETE", "outages")[1] == {"ended": []}


def test_the_labs_own_pages_say_what_is_wrong(lab: Lab) -> None:
    assert ask(lab, "POST", "outages", region="mars") == (400, {"error": "region 'mars' is unknown"})
    status, told = ask(lab, "GET", "weather")
    assert status == 404
    assert "GET outages" in told["pages"]


@pytest.mark.parametrize("mode", outages.MODES)
def test_names_lead_to_the_standby_while_the_region_that_holds_route_53s_control_plane_is_out(
        lab: Lab, aws: Aws, mode: str) -> None:
    zone = test_dns.Zone(lab, aws)
    doors = balancer(aws, HERE), balancer(aws, THERE)
    check = health_check(aws, "app", Type="HTTP", FullyQualifiedDomainName=doors[0].host, Port=80, ResourcePath="/")
    zone.put(*test_dns.pair(*doors, check))
    at_home = zone.ask("app.dr.example.com")
    assert at_home[1]
    outages.start(HERE, "", mode)
    assert eventually(lambda: zone.ask("app.dr.example.com")[1] not in ([], at_home[1]))
    outages.end()
    assert eventually(lambda: zone.ask("app.dr.example.com") == at_home)


def test_the_calls_of_functions_are_struck_like_all_others_and_not_counted(lab: Lab) -> None:
    by_function: Any = botocore.session.Session().create_client(
        "sqs", region_name=HERE, endpoint_url=lab.endpoint, aws_access_key_id=FUNCTIONS_KEY,
        aws_secret_access_key="lab", config=Config(retries={"total_max_attempts": 1, "mode": "standard"}))
    by_function.list_queues()
    assert not lab.counting.calls
    outage, _ = outages.start(HERE, "", "error")
    with pytest.raises(ClientError):
        by_function.list_queues()
    assert outage.struck == 0
