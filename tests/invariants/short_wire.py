"""Clients that reach the lab of this process without a wire: the lab's own models and rules decide every call, but no
request is signed, sent, routed, rendered or parsed, which takes 1.3 ms a call and a schedule has a thousand.

What stands on either side of the wire is the same: the listener hears every call before and after, the fence judges it,
an outage strikes it, and what the SDK would raise is raised. `test_short_wire` compares all of it with the real wire.
"""

from __future__ import annotations

import io
import itertools
import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import partial
from typing import Any, Protocol

from botocore import xform_name
from botocore.exceptions import ClientError
from moto.awslambda.utils import get_backend
from moto.core.exceptions import JsonRESTError, ServiceException
from moto.elbv2.models import elbv2_backends
from moto.rds.responses import RDSResponse
from moto.s3.models import FakeKey, s3_backends
from moto.ssm.models import ssm_backends

from drctl.aws.calls import is_mutating, is_whole_value
from drctl.aws.clients import Aws, Door
from drctl.aws.fence import Fence, Fenced
from drctl.aws.hooks import Answer, Call, Listener
from drctl.aws.retries import AnswerLost, NoAnswer
from drctl.errors import DrctlError
from drctl.lab import outages, refusals
from drctl.lab.aurora_metrics import GlobalDatabaseLag
from drctl.lab.aurora_states import LOCK, settle
from drctl.lab.clock import CLOCK
from drctl.settings import LAB_ACCOUNT

#: What the lab's clock counts from, for services that tell times.
EPOCH = datetime(2031, 5, 1, 12, tzinfo=UTC)
#: Names of services in credential scopes, where they differ from the SDK's, and the fence's names of those.
SCOPES = {"elbv2": "elasticloadbalancing", "cloudwatch": "monitoring"}
_numbers = itertools.count(1)


class Killed(BaseException):
    """The process that makes the call is no more: no code of it runs on."""


class Gone(DrctlError):
    """As `Killed`, for threads beside the one that plays the runbook: they end in silence."""

    def __init__(self) -> None:
        super().__init__("the process is no more")


class Line(Protocol):
    """What may befall the calls of one process."""

    def before(self, call: Call) -> None:
        """Before the effect; may raise."""

    def after(self, call: Call, request_id: str) -> None:
        """After the effect of a call that AWS has accepted; may raise."""


class Short(Aws):
    """Clients of one process; `answers` is what the probe function in a region answers to a payload."""

    def __init__(self, listener: Listener, line: Line, probe: Callable[[str, dict[str, Any]], dict[str, Any]],
                 fence: Fence | None = None) -> None:
        super().__init__(Door("http://127.0.0.1:9"), listener, fence)
        self.listener, self.line, self.probe, self.fence = listener, line, probe, fence

    def _new(self, service: str, region: str) -> Any:
        return Client(self, service, region)


class _Exceptions:
    ClientError = ClientError


class Client:
    """One service of one region."""

    exceptions = _Exceptions

    def __init__(self, aws: Short, service: str, region: str) -> None:
        self._aws, self._service, self._region = aws, service, region
        self._operations = {xform_name(name): name for name in OPERATIONS[service]}

    def __getattr__(self, name: str) -> Callable[..., Any]:
        try:
            return partial(self._call, self._operations[name])
        except KeyError:
            raise AttributeError(f"the short wire carries no {self._service} {name}") from None

    def _call(self, operation: str, **params: Any) -> dict[str, Any]:
        aws, call = self._aws, Call(self._region, self._service, operation, params)
        aws.listener.sending(call)
        aws.line.before(call)
        aws.listener.leaving(Call(self._region, self._service, operation, {}))
        request_id = f"request-{next(_numbers)}"
        try:
            self._judge(operation)
            self._strike(operation)
            answer = self._answer(operation, params, request_id)
        except ClientError as refusal:
            aws.listener.answered(call, Answer(_status(refusal), refusal.response["Error"]["Code"], request_id, 0.0))
            raise
        except (NoAnswer, Fenced) as silence:
            aws.listener.answered(call, Answer(0, type(silence).__name__, "", 0.0))
            raise
        aws.line.after(call, request_id)
        aws.listener.answered(call, Answer(200, "", request_id, 0.0))
        return answer

    def _judge(self, operation: str) -> None:
        if (fence := self._aws.fence) is None:
            return
        service, host = SCOPES.get(self._service, self._service), f"{self._service}.{self._region}.amazonaws.com"
        signed = {"Authorization": f"AWS4-HMAC-SHA256 Credential=lab/20310501/{self._region}/{service}/aws4_request, "}
        if why := fence.objection(f"https://{host}/", signed, self._service, operation, self._region):
            raise Fenced(operation, self._service, fence.lost, why)

    def _strike(self, operation: str) -> None:
        """As `drctl.aws.retries` tells an outage to whoever called, once the SDK has given up."""
        service = SCOPES.get(self._service, self._service)
        outage = next((one for one in outages.present() if one.covers(self._region, service)), None)
        if outage is None:
            return
        seen = "no answer (ConnectionClosedError)"
        unavailable = refusals.unavailable(service)
        if is_mutating(operation) and not is_whole_value(operation):
            raise AnswerLost(operation, self._region, seen if outage.mode == "refuse" else f"answered 503 "
                             f"{unavailable.code}")
        if outage.mode == "error":
            bare = operation == "HeadObject"  # its answer has no body, which would name the code
            raise refused("503" if bare else unavailable.code, unavailable.message, operation, 503)
        raise NoAnswer(operation, self._region, f"{seen}, tried 2 times")

    def _answer(self, operation: str, params: dict[str, Any], request_id: str) -> dict[str, Any]:
        effect = OPERATIONS[self._service][operation]
        try:
            told = effect(self._aws, self._region, params)
        except ServiceException as refusal:
            raise refused(str(refusal.code), str(refusal.message), operation) from refusal
        except JsonRESTError as refusal:
            raise refused(refusal.error_type, refusal.message, operation, int(refusal.code)) from refusal
        return {**told, "ResponseMetadata": {"RequestId": request_id, "HTTPStatusCode": 200, "HTTPHeaders": {
            "date": format_datetime(moment(), usegmt=True)}}}

    def get_paginator(self, name: str) -> Any:
        """Everything is one page."""
        return _OnePage(getattr(self, name))


class _OnePage:
    def __init__(self, call: Callable[..., Any]) -> None:
        self._call = call

    def paginate(self, **params: Any) -> Iterator[Any]:
        yield self._call(**params)


def moment() -> datetime:
    """Now, as AWS tells it."""
    return EPOCH + timedelta(seconds=CLOCK.now())


def refused(code: str, text: str, operation: str, status: int = 400) -> ClientError:
    """A refusal as the SDK raises it."""
    return ClientError({"Error": {"Code": code, "Message": text}, "ResponseMetadata": {
        "HTTPStatusCode": status, "RequestId": "", "HTTPHeaders": {}, "RetryAttempts": 0, "HostId": ""}}, operation)


def _status(refusal: ClientError) -> int:
    return int(refusal.response["ResponseMetadata"]["HTTPStatusCode"])


# RDS -----------------------------------------------------------------------------------------------------------------

Effect = Callable[[Short, str, dict[str, Any]], dict[str, Any]]


def _rds(method: str) -> Effect:
    """A method of the lab's RDS, its rules included."""

    def effect(_: Short, region: str, params: dict[str, Any]) -> dict[str, Any]:
        response = RDSResponse()
        response.current_account, response.region, response.partition = LAB_ACCOUNT, region, "aws"
        response.params = params
        with LOCK:
            settle()
            found: Any = getattr(response, method)()
            return dict(found.result)

    return effect


def _instances(aws: Short, region: str, params: dict[str, Any]) -> dict[str, Any]:
    found = _rds("describe_db_instances")(aws, region, params)["DBInstances"]
    return {"DBInstances": [{"DBInstanceIdentifier": one.db_instance_identifier, "DBInstanceStatus": one.status}
                            for one in found]}


def _clusters(aws: Short, region: str, params: dict[str, Any]) -> dict[str, Any]:
    found = _rds("describe_db_clusters")(aws, region, params)["DBClusters"]
    return {"DBClusters": [{"DBClusterIdentifier": one.db_cluster_identifier, "Status": one.status} for one in found]}


def _no_snapshots(_: Short, region: str, params: dict[str, Any]) -> dict[str, Any]:
    """What is saved of a lost tail is not in the small stack, whose runs keep none."""
    return {"DBClusterSnapshots": []}


# S3: times are those of the lab's clock ------------------------------------------------------------------------------

_writing = threading.RLock()


def _buckets() -> Any:
    return s3_backends[LAB_ACCOUNT]["aws"]


def _object(params: dict[str, Any], operation: str) -> FakeKey | None:
    """The newest version of an object, None when there is none or a delete marker lies over it."""
    name = params["Bucket"]
    if name not in _buckets().buckets:
        raise refused("NoSuchBucket", f"The specified bucket does not exist: {name}", operation, 404)
    found = _buckets().buckets[name].keys.get(params["Key"])
    return found if isinstance(found, FakeKey) else None


def _put(_: Short, region: str, params: dict[str, Any]) -> dict[str, Any]:
    """Conditions as in Amazon S3 User Guide, "How to prevent object overwrites with conditional writes"."""
    with _writing:
        there = _object(params, "PutObject")
        if "IfMatch" in params and there is None:
            raise refused("NoSuchKey", "The specified key does not exist.", "PutObject", 404)
        taken = there is not None and ("IfNoneMatch" in params or params.get("IfMatch", there.etag) != there.etag)
        if taken:
            raise refused("PreconditionFailed", "At least one of the pre-conditions you specified did not hold",
                          "PutObject", 412)
        return {"ETag": put(params["Bucket"], params["Key"], params.get("Body", b""), params.get("Metadata")).etag}


def put(bucket: str, key: str, body: bytes = b"", metadata: dict[str, str] | None = None) -> FakeKey:
    """Put an object, whoever does it."""
    made: FakeKey = _buckets().put_object(bucket, key, body)
    made.__dict__["_short"] = (dict(metadata or {}), moment().replace(microsecond=0))
    return made


def lies_since(bucket: str, key: str) -> datetime | None:
    """When an object was put; None when it does not lie there."""
    there = _object({"Bucket": bucket, "Key": key}, "HeadObject")
    return there.__dict__["_short"][1] if there is not None else None


def _delete(_: Short, region: str, params: dict[str, Any]) -> dict[str, Any]:
    with _writing:
        if _object(params, "DeleteObject") is not None:
            _buckets().delete_object(params["Bucket"], params["Key"])
    return {}


def _head(_: Short, region: str, params: dict[str, Any]) -> dict[str, Any]:
    if (there := _object(params, "HeadObject")) is None:
        raise refused("404", "Not Found", "HeadObject", 404)
    metadata, at = there.__dict__.get("_short", ({}, moment()))
    return {"ETag": there.etag, "Metadata": metadata, "LastModified": at}


def _get(_: Short, region: str, params: dict[str, Any]) -> dict[str, Any]:
    if (there := _object(params, "GetObject")) is None:
        raise refused("NoSuchKey", "The specified key does not exist.", "GetObject", 404)
    metadata, at = there.__dict__.get("_short", ({}, moment()))
    return {"ETag": there.etag, "Metadata": metadata, "LastModified": at, "Body": io.BytesIO(there.value)}


def _copy(_: Short, region: str, params: dict[str, Any]) -> dict[str, Any]:
    source = params["CopySource"]
    there = _object(source if isinstance(source, dict) else dict(zip(("Bucket", "Key"), source.split("/", 1),
                                                                     strict=True)), "CopyObject")
    if there is None:
        raise refused("NoSuchKey", "The specified key does not exist.", "CopyObject", 404)
    return {"CopyObjectResult": {"ETag": put(params["Bucket"], params["Key"], there.value).etag}}


def _list(_: Short, region: str, params: dict[str, Any]) -> dict[str, Any]:
    _object({"Bucket": params["Bucket"], "Key": ""}, "ListObjectsV2")
    return {"Contents": [], "KeyCount": 0}


# The others ----------------------------------------------------------------------------------------------------------

def _parameter(_: Short, region: str, params: dict[str, Any]) -> dict[str, Any]:
    found = ssm_backends[LAB_ACCOUNT][region].get_parameter(params["Name"])
    if found is None:
        raise refused("ParameterNotFound", f"Parameter {params['Name']} not found.", "GetParameter")
    return {"Parameter": {"Name": found.name, "Value": found.value}}


def _balancers(_: Short, region: str, params: dict[str, Any]) -> dict[str, Any]:
    found = [one for one in elbv2_backends[LAB_ACCOUNT][region].load_balancers.values() if one.name in params["Names"]]
    return {"LoadBalancers": [{"LoadBalancerName": one.name, "DNSName": one.dns_name} for one in found]}


def _lambda(region: str) -> Any:
    return get_backend(LAB_ACCOUNT, region)


def _reserve(_: Short, region: str, params: dict[str, Any]) -> dict[str, Any]:
    _lambda(region).put_function_concurrency(params["FunctionName"], params["ReservedConcurrentExecutions"])
    return {"ReservedConcurrentExecutions": params["ReservedConcurrentExecutions"]}


def _reserved(_: Short, region: str, params: dict[str, Any]) -> dict[str, Any]:
    number = _lambda(region).get_function_concurrency(params["FunctionName"])
    return {} if number is None else {"ReservedConcurrentExecutions": int(number)}


def _release(_: Short, region: str, params: dict[str, Any]) -> dict[str, Any]:
    _lambda(region).delete_function_concurrency(params["FunctionName"])
    return {}


def _invoke(aws: Short, region: str, params: dict[str, Any]) -> dict[str, Any]:
    told = aws.probe(region, json.loads(params["Payload"]))
    return {"StatusCode": 200, "Payload": io.BytesIO(json.dumps(told).encode())}


def _metric(_: Short, region: str, params: dict[str, Any]) -> dict[str, Any]:
    """The values of one metric, newest first."""
    asked = params["MetricDataQueries"][0]["MetricStat"]["Metric"]
    wanted = {one["Value"] for one in asked["Dimensions"]}
    data = [one for one in GlobalDatabaseLag.get_cloudwatch_metrics(LAB_ACCOUNT, region)
            if one.name == asked["MetricName"] and {each.value for each in one.dimensions} == wanted]
    data.sort(key=lambda one: one.timestamp, reverse=True)
    return {"MetricDataResults": [{"Id": "lag", "Values": [one.value for one in data],
                                   "Timestamps": [one.timestamp.replace(tzinfo=UTC) for one in data]}]}


def _nothing(_: Short, region: str, params: dict[str, Any]) -> dict[str, Any]:
    return {}


#: What is carried, by the SDK's name of the service and AWS's name of the operation.
OPERATIONS: dict[str, dict[str, Effect]] = {
    "rds": {"DescribeGlobalClusters": _rds("describe_global_clusters"), "DescribeDBInstances": _instances,
            "DescribeDBClusters": _clusters, "DescribeDBClusterSnapshots": _no_snapshots,
            "SwitchoverGlobalCluster": _rds("switchover_global_cluster"),
            "FailoverGlobalCluster": _rds("failover_global_cluster")},
    "s3": {"PutObject": _put, "DeleteObject": _delete, "HeadObject": _head, "GetObject": _get,
           "CopyObject": _copy, "ListObjectsV2": _list},
    "ssm": {"GetParameter": _parameter},
    "elbv2": {"DescribeLoadBalancers": _balancers},
    "lambda": {"PutFunctionConcurrency": _reserve, "GetFunctionConcurrency": _reserved,
               "DeleteFunctionConcurrency": _release, "Invoke": _invoke},
    "cloudwatch": {"GetMetricData": _metric, "PutMetricData": _nothing},
}
