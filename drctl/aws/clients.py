"""Clients by region, made once and shared: one session, one place for time-outs, retries and endpoints.

boto3 clients may be shared between threads, sessions may not (Boto3 guide, "Multithreading or multiprocessing with
clients"): clients are made under a lock.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

import boto3
import botocore.credentials
import botocore.loaders
import botocore.session
from botocore.config import Config

from drctl import __version__
from drctl.aws.fence import Fence
from drctl.aws.hooks import Listener, listen
from drctl.aws.retries import retry_with_care
from drctl.settings_operation import Failover

if TYPE_CHECKING:
    from mypy_boto3_acm import ACMClient
    from mypy_boto3_backup import BackupClient
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_elbv2 import ElasticLoadBalancingv2Client
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_kms import KMSClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_rds import RDSClient
    from mypy_boto3_resourcegroupstaggingapi import ResourceGroupsTaggingAPIClient
    from mypy_boto3_route53 import Route53Client
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_service_quotas import ServiceQuotasClient
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_ssm import SSMClient
    from mypy_boto3_sts import STSClient
    from mypy_boto3_wafv2 import WAFV2Client


@dataclass(frozen=True)
class Credentials:
    """Static credentials, used for the lab alone: real ones come from the SDK's own chain."""

    access_key: str
    secret_key: str


@dataclass(frozen=True)
class Door:
    """Where requests go: AWS's own endpoints, or one endpoint that stands for all of them."""

    endpoint_url: str | None = None
    credentials: Credentials | None = None
    connect_timeout_s: float = 5
    read_timeout_s: float = 60
    attempts: int = 8
    #: AWS seconds in a second behind this door: the pauses between the SDK's tries are AWS's time too.
    speed: float = 1.0
    #: Whether a refused connection is tried again: AWS comes back, a lab that has ended does not.
    waits_for_endpoint: bool = True
    #: Credentials of roles that the SDK has assumed. All sessions behind a door share them, so that STS is asked once,
    #: in a region that answers, and a person for one code of a second factor.
    assumed: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)

    def in_a_hurry(self, failover: Failover) -> Door:
        """The same door for calls that nobody may wait for: with the time-outs of a failover."""
        return replace(self, connect_timeout_s=failover.connect_timeout_s, read_timeout_s=failover.read_timeout_s,
                       attempts=failover.attempts)


#: One string: the SDK would put a longer one together for every request, a tenth of the time that a call takes here.
_USER_AGENT = f"drctl/{__version__} Boto3/{boto3.__version__}"


def boto_version() -> str:
    """The SDK's own version."""
    return str(boto3.__version__)


#: boto3 service names that are not Python names, or too long to read well.
SERVICE_NAMES = {"lambda_": "lambda", "quotas": "service-quotas", "secrets": "secretsmanager",
                 "tagging": "resourcegroupstaggingapi"}


class Region:
    """The clients of one region, each made at its first use."""

    acm: ACMClient
    backup: BackupClient
    #: Plain enough without types.
    cloudtrail: Any
    cloudwatch: CloudWatchClient
    ec2: EC2Client
    elbv2: ElasticLoadBalancingv2Client
    events: EventBridgeClient
    iam: IAMClient
    kms: KMSClient
    lambda_: LambdaClient
    logs: CloudWatchLogsClient
    #: Of the Price List; its requests and answers are plain enough without types.
    pricing: Any
    quotas: ServiceQuotasClient
    rds: RDSClient
    route53: Route53Client
    s3: S3Client
    secrets: SecretsManagerClient
    sns: SNSClient
    sqs: SQSClient
    ssm: SSMClient
    sts: STSClient
    tagging: ResourceGroupsTaggingAPIClient
    wafv2: WAFV2Client

    def __init__(self, name: str, make: Callable[[str, str], Any]) -> None:
        self.name = name
        self._make = make

    def __getattr__(self, attribute: str) -> Any:
        if attribute not in type(self).__annotations__:
            raise AttributeError(attribute)
        client = self._make(SERVICE_NAMES.get(attribute, attribute), self.name)
        setattr(self, attribute, client)
        return client


@cache
def _models() -> Any:
    """The service models, read once: that of EC2 alone takes a quarter of a second."""
    return botocore.loaders.create_loader()


class Aws:
    """All regions behind one door; every request passes the listener before it is sent, and the fence if there is one.

    The fence raises `drctl.aws.fence.Fenced`; what is behind it belongs behind `Door.in_a_hurry`.
    """

    def __init__(self, door: Door, listener: Listener, fence: Fence | None = None) -> None:
        self._door = door
        self._listener = listener
        self._fence = fence
        #: The region whose STS is asked: the survivor's, otherwise that of the first client.
        self._home = fence.survivor if fence is not None else ""
        self._lock = threading.Lock()
        self._regions: dict[str, Region] = {}
        self._clients: dict[tuple[str, str], Any] = {}

    def __getitem__(self, region: str) -> Region:
        with self._lock:
            return self._regions.setdefault(region, Region(region, self._make))

    @cached_property
    def _session(self) -> Any:
        core = botocore.session.Session()
        core.register_component("data_loader", _models())
        core.set_default_client_config(self._config())  # for the clients, too, that it makes to get credentials
        if self._fence is not None:
            self._fence.enclose(core)
        if self._door.credentials is None:
            core.register_component("credential_provider", botocore.credentials.create_credential_resolver(
                core, cache=self._door.assumed, region_name=self._home))
        return boto3.session.Session(botocore_session=core)

    def _config(self) -> Config:
        door = self._door
        style: Any = {"s3": {"addressing_style": "path"}} if door.endpoint_url else {
            "s3": {"us_east_1_regional_endpoint": "regional"}}
        return Config(connect_timeout=door.connect_timeout_s, read_timeout=door.read_timeout_s,
                      retries={"mode": "standard", "total_max_attempts": door.attempts},
                      max_pool_connections=32, user_agent=_USER_AGENT, **style)

    def _make(self, service: str, region: str) -> Any:
        with self._lock:
            if (service, region) not in self._clients:
                self._clients[service, region] = self._new(service, region)
            return self._clients[service, region]

    def _new(self, service: str, region: str) -> Any:
        door = self._door
        self._home = self._home or region
        given = door.credentials
        keys = {} if given is None else {
            "aws_access_key_id": given.access_key, "aws_secret_access_key": given.secret_key}
        client = self._session.client(service, region_name=region, endpoint_url=door.endpoint_url, **keys)
        retry_with_care(client, region, door.attempts, door.speed, waits_for_endpoint=door.waits_for_endpoint)
        listen(client, region, self._listener)
        return client
