"""What scenarios break by hand: what somebody with a console, or time, does to a stack while nobody looks.

All but the end of a certificate is done through the APIs, as that somebody would.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from drctl.aws.clients import Aws, Region
from drctl.aws.errors import AwsError, code_of
from drctl.lab.process import LabState, ask
from drctl.names import Names
from drctl.settings import Settings

#: What an app of long ago does: it is well, and cannot write.
OLDER_APP = '''
import json

def handler(event, context):
    status, told = (200, {{"ok": True}}) if event["path"] == "{health}" else (500, {{"error": "no such column"}})
    return {{"statusCode": status, "headers": {{"content-type": "application/json"}}, "body": json.dumps(told)}}
'''


@dataclass(frozen=True)
class Stricken:
    """The stack that is damaged: its clients, settings and lab."""

    aws: Aws
    settings: Settings
    lab: LabState

    @property
    def standby(self) -> Region:
        """Clients of the standby region."""
        return self.aws[self.settings.standby.region]

    def named(self, service: str, purpose: str) -> str:
        """The name of something of the standby region."""
        return self._names(service, purpose, self.settings.standby.region)

    @property
    def _names(self) -> Names:
        return Names(self.settings.environment, self.settings.account_id)


def _certificate_expired(stack: Stricken) -> None:
    ask(stack.lab, "certificates", "DELETE", region=stack.settings.standby.region)


def _key_disabled(stack: Stricken) -> None:
    cluster = stack.standby.rds.describe_db_clusters(DBClusterIdentifier=stack.named("aurora", "cluster"))
    stack.standby.kms.disable_key(KeyId=cluster["DBClusters"][0]["KmsKeyId"].rpartition("/")[2])


def _no_vpc_left(stack: Stricken) -> None:
    """Networks of somebody else until the quota is reached."""
    for number in range(250):
        try:
            stack.standby.ec2.create_vpc(CidrBlock=f"172.16.{number}.0/24")
        except AwsError as error:
            if code_of(error) == "VpcLimitExceeded":
                return
            raise


def _web_acl_without_rate_limit(stack: Stricken) -> None:
    waf, name = stack.standby.wafv2, stack.named("waf", "app")
    found = next(one for one in waf.list_web_acls(Scope="REGIONAL")["WebACLs"] if one["Name"] == name)
    acl = waf.get_web_acl(Name=name, Scope="REGIONAL", Id=found["Id"])
    waf.update_web_acl(Name=name, Scope="REGIONAL", Id=found["Id"], LockToken=acl["LockToken"],
                       Rules=[one for one in acl["WebACL"]["Rules"] if "RateBasedStatement" not in one["Statement"]],
                       DefaultAction={"Allow": {}}, VisibilityConfig=acl["WebACL"]["VisibilityConfig"])


def _older_app(stack: Stricken) -> None:
    package, module = io.BytesIO(), stack.settings.app.entry_point.rpartition(".")[0].replace(".", "/")
    with zipfile.ZipFile(package, "w") as file:
        file.writestr(f"{module}.py", OLDER_APP.format(health=stack.settings.app.health_path))
    functions, name = stack.standby.lambda_, stack.named("lambda", "app")
    functions.update_function_code(FunctionName=name, ZipFile=package.getvalue())
    functions.get_waiter("function_updated_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})
    version = functions.publish_version(FunctionName=name)["Version"]
    functions.update_alias(FunctionName=name, Name="live", FunctionVersion=version)


def _app_throttled(stack: Stricken) -> None:
    stack.standby.lambda_.put_function_concurrency(FunctionName=stack.named("lambda", "app"),
                                                     ReservedConcurrentExecutions=0)


def _instances_deleted(stack: Stricken) -> None:
    rds = stack.standby.rds
    for one in rds.describe_db_instances(Filters=[
            {"Name": "db-cluster-id", "Values": [stack.named("aurora", "cluster")]}])["DBInstances"]:
        rds.delete_db_instance(DBInstanceIdentifier=one["DBInstanceIdentifier"])


def _replication_removed(stack: Stricken) -> None:
    stack.standby.s3.delete_bucket_replication(Bucket=stack.named("s3", "data"))


def _balancer_closed(stack: Stricken) -> None:
    ec2 = stack.standby.ec2
    group = ec2.describe_security_groups(Filters=[
        {"Name": "group-name", "Values": [stack.named("security-group", "balancer")]}])["SecurityGroups"][0]
    ec2.revoke_security_group_ingress(GroupId=group["GroupId"], IpPermissions=group["IpPermissions"])


def _long_ttl(stack: Stricken) -> None:
    """The users' alias records become CNAMEs that resolvers keep for an hour."""
    route53 = stack.aws[stack.settings.primary.region].route53
    name = f"{stack.settings.dns.name}."
    zone = next(one for one in route53.list_hosted_zones()["HostedZones"]
                if name.endswith(one["Name"]))["Id"].rpartition("/")[2]
    changes: list[Any] = []
    for record in route53.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]:
        if record["Name"] == name and "AliasTarget" in record:
            changes.append({"Action": "DELETE", "ResourceRecordSet": record})
            if record["Type"] == "A":
                kept: Any = {key: value for key, value in record.items() if key not in {"AliasTarget", "Type"}}
                target = record["AliasTarget"]["DNSName"].removeprefix("dualstack.")
                changes.append({"Action": "CREATE", "ResourceRecordSet": {
                    **kept, "Type": "CNAME", "TTL": 3600, "ResourceRecords": [{"Value": target}]}})
    route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": changes})


#: By the name that scenarios call it.
DAMAGES: dict[str, Callable[[Stricken], None]] = {
    "standby-certificate-expired": _certificate_expired,
    "standby-key-disabled": _key_disabled,
    "standby-vpc-quota-used-up": _no_vpc_left,
    "standby-web-acl-without-rate-limit": _web_acl_without_rate_limit,
    "standby-runs-older-app": _older_app,
    "standby-app-throttled": _app_throttled,
    "standby-database-instances-deleted": _instances_deleted,
    "standby-balancer-closed": _balancer_closed,
    "replication-removed": _replication_removed,
    "ttl-of-an-hour": _long_ttl,
}
