"""How often AWS lets itself be asked: one rule for each service, with the rates that AWS publishes.

Where a document gives a rate but no burst, the burst is one second's worth. Where AWS publishes no rate at all, the
docstring says so: the figure is the lab's, and only the code is AWS's.
"""

from __future__ import annotations

from collections.abc import Mapping

from drctl.lab.called import Call
from drctl.lab.refusals import Refusal
from drctl.lab.throttling import Limit, throttle

#: What query and REST-XML services say (AWS API references, "Common Errors").
THROTTLING = Refusal("Throttling", "Rate exceeded")


def _each(call: Call, rates: Mapping[str, float], otherwise: float | None = None) -> Limit | None:
    """A bucket for this operation alone."""
    rate = rates.get(call.operation, otherwise)
    return Limit(call.operation, rate, max(1.0, rate)) if rate else None


@throttle("route53", THROTTLING, account_wide=True)
def route53(_call: Call) -> Limit:
    """Route 53 takes five requests a second from an account, over all operations and regions.

    Refuses with Throttling. Source: Route 53 Developer Guide, Quotas: Maximums on API requests.
    """
    return Limit("all", 5, 5)


#: Buckets and refill rates of EC2's actions that have their own.
_EC2 = {"CreateVpcEndpoint": (4, 0.3), "ModifyVpcEndpoint": (4, 0.3), "DeleteVpcEndpoints": (4, 0.3),
        "CreateNatGateway": (10, 1), "DeleteNatGateway": (10, 1), "DescribeVpcEndpointServices": (10, 1),
        "CreateTags": (100, 10), "DeleteTags": (100, 10), "CreateDefaultVpc": (1, 1),
        "CreateNetworkInterface": (100, 5), "DeleteNetworkInterface": (100, 5)}


@throttle("ec2", Refusal("RequestLimitExceeded", "Request limit exceeded.", 503))
def ec2(call: Call) -> Limit:
    """Each EC2 action has a bucket: 100 and 20 a second for reads, 50 and 5 for changes, less for endpoints and NAT.

    Refuses with RequestLimitExceeded. Source: Amazon EC2 Developer Guide, Request throttling for the Amazon EC2 API.
    """
    burst, rate = _EC2.get(call.operation, (50, 5) if call.mutating else (100, 20))
    return Limit(call.operation, rate, burst)


#: Actions that take the Elastic Load Balancing service more work than others.
_HEAVY = frozenset({"CreateLoadBalancer", "DeleteLoadBalancer", "SetSubnets", "SetSecurityGroups", "SetIpAddressType"})


@throttle("elasticloadbalancing", THROTTLING)
def elastic_load_balancing(call: Call) -> Limit:
    """ELB's reads share a bucket of 40, filled by 10 a second; its changes share smaller ones, heavy ones the smallest.

    Refuses with Throttling. AWS publishes the figures of reads, registrations and changes; that of the heavy ones is
    the lab's. Source: Elastic Load Balancing User Guide, Request throttling for the Elastic Load Balancing API.
    """
    if not call.mutating:
        return Limit("reads", 10, 40)
    if call.operation in {"RegisterTargets", "DeregisterTargets"}:
        return Limit("registrations", 4, 20)
    return Limit("heavy changes", 1, 10) if call.operation in _HEAVY else Limit("changes", 3, 20)


@throttle("rds", THROTTLING)
def rds(call: Call) -> Limit:
    """RDS slows down who looks or changes too often.

    Refuses with Throttling. AWS publishes no rate: 20 reads and 5 changes a second are the lab's.
    Source: RDS API Reference, Common errors.
    """
    return Limit("changes", 5, 20) if call.mutating else Limit("reads", 20, 40)


@throttle("iam", THROTTLING, account_wide=True)
def iam(call: Call) -> Limit:
    """IAM slows down an account that asks too often, whatever the region.

    Refuses with Throttling. AWS publishes no rate: 20 reads and 10 changes a second are the lab's.
    Source: AWS re:Post Knowledge Center, How do I resolve API throttling or "Rate exceeded" errors for IAM and AWS STS?
    """
    return Limit("changes", 10, 20) if call.mutating else Limit("reads", 20, 40)


@throttle("sts", THROTTLING)
def sts(_call: Call) -> Limit:
    """STS takes 600 requests a second from an account in a region.

    Refuses with Throttling. Source: IAM User Guide, IAM and AWS STS quotas: AWS STS request quotas.
    """
    return Limit("all", 600, 600)


@throttle("lambda", Refusal("TooManyRequestsException", "Rate exceeded", 429))
def functions(call: Call) -> Limit | None:
    """Lambda's control plane takes 15 requests a second over all operations, GetFunction 100, GetPolicy 15 more.

    Refuses with TooManyRequestsException (429). Source: Lambda Developer Guide, Lambda quotas: API requests.
    """
    parts = call.path.strip("/").split("/")
    if call.path.endswith("/invocations"):
        return None
    if call.operation.startswith("GET") and parts[1:2] == ["functions"] and len(parts) == 3:
        return Limit("GetFunction", 100, 100)
    if call.operation.startswith("GET") and parts[-1] == "policy":
        return Limit("GetPolicy", 15, 15)
    return Limit("control plane", 15, 15)


_KMS: dict[str, float] = {
    "CreateKey": 5, "ReplicateKey": 5, "CreateAlias": 5, "UpdateAlias": 5, "DeleteAlias": 15, "PutKeyPolicy": 15,
    "ScheduleKeyDeletion": 15, "CancelKeyDeletion": 5, "EnableKey": 5, "DisableKey": 5, "EnableKeyRotation": 15,
    "DisableKeyRotation": 5, "UpdateKeyDescription": 5, "UpdatePrimaryRegion": 5, "TagResource": 10, "UntagResource": 5,
    "CreateGrant": 50, "RevokeGrant": 30, "DescribeKey": 2000, "GetKeyPolicy": 1000, "GetKeyRotationStatus": 1000,
    "ListAliases": 500, "ListKeys": 500, "ListResourceTags": 2000, "ListGrants": 100, "ListKeyPolicies": 100}


@throttle("kms", Refusal("ThrottlingException", "You have exceeded the rate at which you may call KMS. Reduce the "
                         "frequency of your calls."))
def kms(call: Call) -> Limit | None:
    """Each operation of KMS has its rate: CreateKey, ReplicateKey and CreateAlias five a second.

    Refuses with ThrottlingException. Source: KMS Developer Guide, Request quotas.
    """
    return _each(call, _KMS)


#: What queues are for: these are nearly unlimited.
_MESSAGES = frozenset({"SendMessage", "SendMessageBatch", "ReceiveMessage", "DeleteMessage", "DeleteMessageBatch",
                       "ChangeMessageVisibility", "ChangeMessageVisibilityBatch"})


@throttle("sqs", Refusal("RequestThrottled", "The request was denied due to request throttling.", 403))
def sqs(call: Call) -> Limit | None:
    """SQS slows down who changes queues too often; messages of standard queues are nearly unlimited.

    Refuses with RequestThrottled. AWS publishes no rate: 50 a second are the lab's.
    Source: SQS API Reference, CreateQueue; SQS Developer Guide, Message quotas.
    """
    return None if call.operation in _MESSAGES else Limit("queues", 50, 50)


_SNS: dict[str, float] = {
    "ListTopics": 30, "ListSubscriptions": 30, "ListSubscriptionsByTopic": 30, "Subscribe": 100, "Unsubscribe": 100,
    "ListTagsForResource": 10, "TagResource": 10, "UntagResource": 10}


@throttle("sns", THROTTLING)
def sns(call: Call) -> Limit | None:
    """SNS lists 30 times a second, tags ten times and subscribes a hundred times.

    Refuses with Throttling. Source: AWS General Reference, Amazon SNS endpoints and quotas: API throttling.
    """
    return _each(call, _SNS)


_CLOUDWATCH: dict[str, float] = {
    "PutMetricAlarm": 3, "PutCompositeAlarm": 3, "DeleteAlarms": 3, "SetAlarmState": 3, "EnableAlarmActions": 3,
    "DisableAlarmActions": 3, "DescribeAlarms": 9, "DescribeAlarmsForMetric": 9, "DescribeAlarmHistory": 20,
    "PutDashboard": 10, "GetDashboard": 10, "ListDashboards": 10, "DeleteDashboards": 10, "GetMetricStatistics": 400,
    "GetMetricData": 50, "ListMetrics": 25, "PutMetricData": 500}


@throttle("monitoring", THROTTLING)
def cloudwatch(call: Call) -> Limit | None:
    """Each operation of CloudWatch has its rate: PutMetricAlarm and DeleteAlarms three a second, DescribeAlarms nine.

    Refuses with Throttling. Source: CloudWatch User Guide, CloudWatch service quotas.
    """
    return _each(call, _CLOUDWATCH)


_REPLICAS = frozenset({"PutSecretValue", "RemoveRegionsFromReplication", "ReplicateSecretToRegions",
                       "StopReplicationToReplica", "UpdateSecret", "UpdateSecretVersionStage"})
_SECRETS: dict[str, float] = {
    "CreateSecret": 50, "DeleteSecret": 50, "RestoreSecret": 50, "GetRandomPassword": 50, "ListSecretVersionIds": 50,
    "ListSecrets": 100, "DescribeSecret": 10_000, "GetSecretValue": 10_000}


@throttle("secretsmanager")
def secrets_manager(call: Call) -> Limit:
    """Secrets Manager takes 50 changes a second, those of values and replicas counted together.

    Refuses with ThrottlingException. Source: Secrets Manager User Guide, AWS Secrets Manager quotas: Rate quotas.
    """
    if call.operation in _REPLICAS:
        return Limit("values and replicas", 50, 50)
    return _each(call, _SECRETS) or Limit(call.operation, 50, 50)


_PARAMETER_READS = frozenset({"GetParameter", "GetParameters", "GetParametersByPath"})


@throttle("ssm")
def parameters(call: Call) -> Limit | None:
    """The parameter store takes three puts a second, and 40 reads over all read operations.

    Refuses with ThrottlingException. Source: AWS General Reference, Systems Manager endpoints and quotas.
    """
    return Limit("reads", 40, 40) if call.operation in _PARAMETER_READS else _each(call, {"PutParameter": 3})


_ACM: dict[str, float] = {
    "RequestCertificate": 5, "DeleteCertificate": 10, "DescribeCertificate": 10, "GetCertificate": 10,
    "ListCertificates": 8, "ListTagsForCertificate": 10, "AddTagsToCertificate": 5, "RemoveTagsFromCertificate": 5,
    "ImportCertificate": 1, "ExportCertificate": 10, "RenewCertificate": 5, "ResendValidationEmail": 1,
    "UpdateCertificateOptions": 5}


@throttle("acm")
def certificates(call: Call) -> Limit | None:
    """Each operation of ACM has its rate: RequestCertificate five a second, DescribeCertificate ten.

    Refuses with ThrottlingException. Source: ACM User Guide, Quotas: API rate quotas.
    """
    return _each(call, _ACM)


_WAF = {"AssociateWebACL": 0.5, "DisassociateWebACL": 0.5, "GetWebACLForResource": 1.0, "ListResourcesForWebACL": 1.0}


@throttle("wafv2")
def firewall(call: Call) -> Limit | None:
    """WAF takes one Create, Put or Update a second of a kind, five Gets or Lists, one association in two seconds.

    Refuses with ThrottlingException. Source: AWS WAF Developer Guide, AWS WAF quotas.
    """
    if call.operation.startswith(("Get", "List")):
        return _each(call, _WAF, 5)
    return _each(call, _WAF, 1 if call.operation.startswith(("Create", "Put", "Update")) else None)


_LOGS: dict[str, float] = {
    "CreateLogGroup": 10, "DeleteLogGroup": 10, "DescribeLogGroups": 10, "CreateLogStream": 50, "DeleteLogStream": 15,
    "DescribeLogStreams": 25, "PutLogEvents": 5000, "FilterLogEvents": 10, "GetLogEvents": 10, "StartQuery": 10,
    "GetQueryResults": 10}
_LOGS |= dict.fromkeys((
    "AssociateKmsKey", "PutRetentionPolicy", "DeleteRetentionPolicy", "PutSubscriptionFilter", "PutMetricFilter",
    "DeleteSubscriptionFilter", "DescribeSubscriptionFilters", "DescribeMetricFilters", "DeleteMetricFilter",
    "ListTagsForResource", "ListTagsLogGroup", "TagResource", "TagLogGroup", "UntagResource", "UntagLogGroup"), 5.0)


@throttle("logs")
def logs(call: Call) -> Limit | None:
    """Each operation of CloudWatch Logs has its rate: log groups ten a second, their settings and tags five.

    Refuses with ThrottlingException. Source: CloudWatch Logs User Guide, CloudWatch Logs quotas.
    """
    return _each(call, _LOGS)


@throttle("events")
def event_bridge(call: Call) -> Limit | None:
    """EventBridge takes five PutRule and five PutTargets a second, 50 of any other operation, 10,000 PutEvents.

    Refuses with ThrottlingException. Source: EventBridge User Guide, Amazon EventBridge quotas.
    """
    return _each(call, {"PutRule": 5, "PutTargets": 5, "PutEvents": 10_000}, 50)


@throttle("backup")
def backup(_call: Call) -> Limit:
    """AWS Backup slows down who asks too often.

    Refuses with ThrottlingException. AWS publishes no rate: 20 a second are the lab's.
    Source: AWS Backup Developer Guide, API Reference: Common Errors.
    """
    return Limit("all", 20, 20)


@throttle("s3", Refusal("SlowDown", "Please reduce your request rate.", 503))
def s3(call: Call) -> Limit:
    """A prefix takes 3,500 writes and 5,500 reads a second; the lab counts by bucket.

    Refuses with SlowDown (503). Source: Amazon S3 User Guide, Best practices design patterns: optimizing performance.
    """
    bucket = call.path.strip("/").partition("/")[0]
    return Limit(f"writes {bucket}", 3500, 3500) if call.mutating else Limit(f"reads {bucket}", 5500, 5500)


@throttle("tagging", Refusal("ThrottledException", "Rate exceeded"))
def tagging(call: Call) -> Limit | None:
    """The tagging API takes 15 GetResources a second, and five changes.

    Refuses with ThrottledException. Source: AWS General Reference, Resource Groups Tagging API endpoints and quotas.
    """
    return _each(call, {"GetResources": 15, "TagResources": 5, "UntagResources": 5})
