"""What a request's parameters alone do not tell of what it asks for: it is worked out, or looked up in the lab."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from moto.acm.models import acm_backends
from moto.awslambda.utils import get_backend
from moto.backup.models import backup_backends
from moto.ec2.models import ec2_backends
from moto.iam.models import iam_backends
from moto.kms.models import kms_backends
from moto.s3.models import s3_backends
from moto.secretsmanager.models import secretsmanager_backends
from moto.sns.models import sns_backends
from moto.sqs.models import sqs_backends
from moto.wafv2.models import wafv2_backends

from drctl.aws.tags import as_map
from drctl.lab.api_requests import ApiRequest
from drctl.lab.policies import key_arn, key_by_arn
from drctl.settings import LAB_ACCOUNT

#: Parameters that carry the tags of what is made, in whatever shape.
_TAGS = ("Tags", "tags", "AddTags", "BackupPlanTags", "BackupVaultTags", "TagsList")
#: Types of EC2's resources, by the beginning of an id.
_TYPES = {"acl": "network-acl", "eipalloc": "elastic-ip", "fl": "vpc-flow-log", "igw": "internet-gateway",
          "nat": "natgateway", "pcx": "vpc-peering-connection", "rtb": "route-table", "sg": "security-group",
          "subnet": "subnet", "vpc": "vpc", "vpce": "vpc-endpoint"}


def request_tags(request: ApiRequest) -> dict[str, str | tuple[str, ...]]:
    """The condition keys for the tags that a request carries."""
    params = request.params
    given: Any = [params[name] for name in _TAGS if params.get(name)]
    given += [one.get("Tags") for one in params.get("TagSpecifications") or []]
    given += [(params.get("CreateBucketConfiguration") or {}).get("Tags")]
    tags: dict[str, str] = {}
    for one in given:
        tags |= {str(key): str(value) for key, value in one.items()} if isinstance(one, dict) else as_map(one)
    return {f"aws:RequestTag/{key}": value for key, value in tags.items()} | (
        {"aws:TagKeys": tuple(tags)} if tags else {})


def resource_tags(arn: str) -> dict[str, str | tuple[str, ...]]:
    """The condition keys for the tags of a resource of a service whose names say nothing: EC2, KMS, ACM, Backup."""
    parts = arn.split(":")
    look = _TAGGED.get(parts[2]) if len(parts) > 5 else None
    tags = look(parts[3], parts[5], arn) if look else {}
    return {f"aws:ResourceTag/{key}": value for key, value in tags.items()}


def _ec2_tags(region: str, name: str, _arn: str) -> dict[str, str]:
    return dict(ec2_backends[LAB_ACCOUNT][region].tags.get(name.rpartition("/")[2]) or {})


def _kms_tags(region: str, name: str, _arn: str) -> dict[str, str]:
    return dict(kms_backends[LAB_ACCOUNT][region].tagger.get_tag_dict_for_resource(name.removeprefix("key/")))


def _acm_tags(region: str, _name: str, arn: str) -> dict[str, str]:
    bundle = acm_backends[LAB_ACCOUNT][region]._certificates.get(arn)
    return {str(key): str(value or "") for key, value in bundle.tags.items()} if bundle else {}


def _backup_tags(region: str, _name: str, arn: str) -> dict[str, str]:
    return dict(backup_backends[LAB_ACCOUNT][region].tagger.get_tag_dict_for_resource(arn))


_TAGGED = {"ec2": _ec2_tags, "kms": _kms_tags, "acm": _acm_tags, "backup": _backup_tags}


def fact(request: ApiRequest, name: str) -> list[Any]:
    """A fact of authorization.yaml by name, none or several; KeyError for one that nobody works out."""
    return [one for one in _FACTS[name](request) if one]


def _associated_table(request: ApiRequest) -> list[str]:
    """The route table and the subnet that an association is between."""
    tables = list(ec2_backends[LAB_ACCOUNT][request.region].route_tables.values())
    wanted, place = request.params.get("AssociationId"), f"arn:aws:ec2:{request.region}:{LAB_ACCOUNT}"
    return [arn for table in tables if wanted in table._associations
            for arn in (f"{place}:route-table/{table.id}", f"{place}:subnet/{table._associations[wanted]}")]


def _tagged(request: ApiRequest) -> list[str]:
    return [f"arn:aws:ec2:{request.region}:{LAB_ACCOUNT}:{_TYPES[one.split('-')[0]]}/{one}"
            for one in request.params.get("Resources") or []]


def _accepter(request: ApiRequest) -> list[str]:
    found = ec2_backends[LAB_ACCOUNT][request.region].vpc_pcxs.get(str(request.params["VpcPeeringConnectionId"]))
    return [f"arn:aws:ec2:{request.region}:{LAB_ACCOUNT}:vpc/{found.peer_vpc.id}"] if found else []


def _boundary(request: ApiRequest) -> list[str]:
    roles: Any = list(iam_backends[LAB_ACCOUNT]["aws"].roles.values())
    return [one.permissions_boundary for one in roles if one.name == request.params["RoleName"]]


def _new_listener(request: ApiRequest) -> list[str]:
    return [str(request.params["LoadBalancerArn"]).replace(":loadbalancer/", ":listener/") + "/*"]


def _rule(request: ApiRequest) -> list[str]:
    bus, name = request.params.get("EventBusName") or "default", request.params.get("Rule") or request.params["Name"]
    return [str(name) if bus == "default" else f"{bus}/{name}"]


def _key(request: ApiRequest) -> list[str]:
    """The key that a request means; one that is not there is told as such by KMS, whoever asks."""
    named = next(request.params[one] for one in ("TargetKeyId", "KeyId", "AliasName") if request.params.get(one))
    key = key_by_arn(key_arn(str(named), request.region, LAB_ACCOUNT))
    return [key.arn] if key is not None else []


def _invoked(request: ApiRequest) -> list[str]:
    qualifier = request.params.get("Qualifier")
    return [f"{request.params['FunctionName']}:{qualifier}" if qualifier else str(request.params["FunctionName"])]


def _function_key(request: ApiRequest) -> list[str]:
    with suppress(Exception):  # there is no such function
        return [get_backend(LAB_ACCOUNT, request.region).get_function(str(request.params["FunctionName"])).kms_key_arn]
    return []


def _bucket(request: ApiRequest) -> Any:
    return s3_backends[LAB_ACCOUNT]["aws"].buckets.get(str(request.params["Bucket"]))


def _bucket_key(request: ApiRequest) -> list[str]:
    """The key that S3 encrypts a bucket's objects with, unless the bucket has none of its own."""
    encryption = getattr(_bucket(request), "encryption", None) or {}
    rule: Any = encryption.get("Rule") or {}
    return [str((rule.get("ApplyServerSideEncryptionByDefault") or {}).get("KMSMasterKeyID") or "")]


def _missing(request: ApiRequest) -> list[bool]:
    bucket = _bucket(request)
    return [bucket is None or str(request.params["Key"]) not in bucket.keys]


def _keys(request: ApiRequest, *, versions: bool) -> list[str]:
    return [str(one["Key"]) for one in request.params["Delete"]["Objects"] if bool(one.get("VersionId")) == versions]


def _secret_of(request: ApiRequest) -> Any:
    wanted = str(request.params["SecretId"])
    store: Any = secretsmanager_backends[LAB_ACCOUNT][request.region].secrets
    return next((one for one in list(store.values()) if wanted in {one.arn, one.name}), None)


def _secret(request: ApiRequest) -> list[str]:
    """A secret that is not there is asked for by its name alone."""
    wanted, found = str(request.params["SecretId"]), _secret_of(request)
    if found is not None or wanted.startswith("arn:"):
        return [found.arn if found is not None else wanted]
    return [f"arn:aws:secretsmanager:{request.region}:{LAB_ACCOUNT}:secret:{wanted}"]


def _secret_key(request: ApiRequest) -> list[str]:
    found = _secret_of(request)
    return [str(found.kms_key_id or "")] if found is not None else []


def _topic_key(request: ApiRequest) -> list[str]:
    topic: Any = sns_backends[LAB_ACCOUNT][request.region].topics.get(str(request.params["TopicArn"]))
    return [str(getattr(topic, "kms_master_key_id", "") or "")]


def _queue_name(request: ApiRequest) -> list[str]:
    return [str(request.params.get("QueueName") or request.params["QueueUrl"]).rpartition("/")[2]]


def _queue_key(request: ApiRequest) -> list[str]:
    queue: Any = sqs_backends[LAB_ACCOUNT][request.region].queues.get(_queue_name(request)[0])
    return [str(getattr(queue, "kms_master_key_id", "") or "")]


def _plain_id(*names: str) -> Callable[[ApiRequest], list[str]]:
    def look(request: ApiRequest) -> list[str]:
        return [str(request.params[one]).rpartition("/")[2] for one in names if request.params.get(one)][:1]

    return look


def _record_names(request: ApiRequest) -> list[str]:
    """Names in the form in which policies speak of them (Route 53 Developer Guide, "Using IAM policy conditions for
    fine-grained access control": lower case, without the last dot)."""
    changes = request.params["ChangeBatch"]["Changes"]
    return [str(one["ResourceRecordSet"]["Name"]).lower().rstrip(".") for one in changes]


def _balancers_acl(request: ApiRequest) -> list[str]:
    acls: Any = list(wafv2_backends[LAB_ACCOUNT][request.region].wacls.values())
    return [one.arn for one in acls if request.params["ResourceArn"] in one.associated_resources]


_FACTS: dict[str, Callable[[ApiRequest], list[Any]]] = {
    "_AccepterVpc": _accepter, "_AssociatedTable": _associated_table, "_BalancersAcl": _balancers_acl,
    "_Boundary": _boundary,
    "_BucketKey": _bucket_key, "_FunctionKey": _function_key, "_Id": _plain_id("Id"), "_Invoked": _invoked,
    "_Key": _key, "_Missing": _missing, "_NewListener": _new_listener,
    "_PlainKeys": lambda request: _keys(request, versions=False), "_QueueKey": _queue_key, "_QueueName": _queue_name,
    "_RecordNames": _record_names,
    "_ResourceIds": lambda request: [request.params.get("ResourceId"), *(request.params.get("ResourceIds") or [])],
    "_Rule": _rule, "_Secret": _secret, "_SecretKey": _secret_key, "_Tagged": _tagged, "_TopicKey": _topic_key,
    "_VersionKeys": lambda request: _keys(request, versions=True), "_ZoneId": _plain_id("HostedZoneId", "Id"),
}
