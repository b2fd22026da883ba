"""What can go wrong with network, functions, and what users reach."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

from drctl.steps.dashboard import Dashboard
from drctl.steps.function import Function
from drctl.steps.health_alarms import HealthAlarms
from drctl.steps.peering_routes import PeeringRoutes
from drctl.steps.records import FailoverRecords
from drctl.steps.release import UNPROVEN
from drctl.steps.switch_bucket import SWITCH_KEY
from tests.readiness.breakages import Breakage, Here, alias_of_changed
from tests.readiness.data_breakages import lost_right

WORLD: Any = [{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]


def _closed(here: Here, purpose: str, way: str = "in") -> None:
    group = here.group(purpose)
    if way == "in":
        here.aws.ec2.revoke_security_group_ingress(GroupId=group["GroupId"], IpPermissions=group["IpPermissions"])
    else:
        here.aws.ec2.revoke_security_group_egress(GroupId=group["GroupId"], IpPermissions=group["IpPermissionsEgress"])


def _opened(here: Here, purpose: str) -> None:
    here.aws.ec2.authorize_security_group_ingress(GroupId=here.group(purpose)["GroupId"], IpPermissions=WORLD)


def _no_route(here: Here, purpose: str, cidr: str) -> None:
    here.aws.ec2.delete_route(RouteTableId=here.table(purpose)["RouteTableId"], DestinationCidrBlock=cidr)


def _without_resolution(here: Here) -> None:
    ec2, known = here.aws.ec2, here.peering
    one: Any = ec2.describe_vpc_peering_connections(VpcPeeringConnectionIds=[known])["VpcPeeringConnections"][0]
    side = "Requester" if one["RequesterVpcInfo"]["Region"] == here.site.region else "Accepter"
    options: Any = {f"{side}PeeringConnectionOptions": {"AllowDnsResolutionFromRemoteVpc": False}}
    ec2.modify_vpc_peering_connection_options(VpcPeeringConnectionId=known, **options)


def _other_table(here: Here) -> None:
    """A database subnet is led to the public table."""
    link = next(one for one in here.table("database")["Associations"] if one.get("SubnetId"))
    here.aws.ec2.replace_route_table_association(AssociationId=link["RouteTableAssociationId"],
                                                 RouteTableId=here.table("public")["RouteTableId"])


def _flow_log_gone(here: Here) -> None:
    logs = here.aws.ec2.describe_flow_logs(Filters=[{"Name": "resource-id", "Values": [here.vpc]}])["FlowLogs"]
    here.aws.ec2.delete_flow_logs(FlowLogIds=[logs[0]["FlowLogId"]])


NETWORK = (
    Breakage("DNS hostnames are switched off", "NET-02", lambda here: here.aws.ec2.modify_vpc_attribute(
        VpcId=here.vpc, EnableDnsHostnames={"Value": False})),
    Breakage("a subnet uses another route table", "NET-05", _other_table),
    Breakage("the way to the internet is gone", "NET-06", lambda here: _no_route(here, "public", "0.0.0.0/0")),
    Breakage("the peering is deleted", "NET-07", lambda here: here.aws.ec2.delete_vpc_peering_connection(
        VpcPeeringConnectionId=here.peering), also=(PeeringRoutes,)),
    Breakage("the peering does not resolve names", "NET-08", _without_resolution),
    Breakage("the database has no route to the other region", "NET-09", lambda here: _no_route(
        here, "database", str(here.other.site.cidr))),
    Breakage("the public subnets have no route to the other region", "NET-09", lambda here: _no_route(
        here, "public", str(here.other.site.cidr))),
    Breakage("the database admits nobody", "NET-11", lambda here: _closed(here, "database")),
    Breakage("the balancer admits nobody", "NET-11", lambda here: _closed(here, "balancer")),
    Breakage("the endpoints admit nobody", "NET-11", lambda here: _closed(here, "endpoints")),
    Breakage("the app reaches nothing", "NET-11", lambda here: _closed(here, "app", "out")),
    Breakage("the database admits the world", "NET-12", lambda here: _opened(here, "database")),
    Breakage("the default group is opened", "NET-12", lambda here: _opened(here, "default")),
    Breakage("an endpoint is deleted", "NET-13", lambda here: here.aws.ec2.delete_vpc_endpoints(
        VpcEndpointIds=[here.endpoint("events")])),
    Breakage("another endpoint is deleted", "NET-13", lambda here: here.aws.ec2.delete_vpc_endpoints(
        VpcEndpointIds=[here.endpoint("secretsmanager")])),
    Breakage("an endpoint has no private name", "NET-14", lambda here: here.aws.ec2.modify_vpc_endpoint(
        VpcEndpointId=here.endpoint("secretsmanager"), PrivateDnsEnabled=False)),
    Breakage("a flow log is deleted", "NET-16", _flow_log_gone),
    Breakage("flow logs are kept for a day", "NET-16", lambda here: here.aws.logs.put_retention_policy(
        logGroupName=here.name("logs", "network"), retentionInDays=1)),
    Breakage("flow logs may not be delivered", "NET-17", lambda here: lost_right(here, "flow-logs")),
)


def _older_code(here: Here, label: str) -> None:
    package = io.BytesIO()
    with zipfile.ZipFile(package, "w") as file:
        file.writestr("main.py", "def handler(event, context):\n    return {'statusCode': 500}\n")
    functions, name = here.aws.lambda_, here.function(label)
    functions.update_function_code(**name, ZipFile=package.getvalue())
    functions.update_alias(**name, Name="live", FunctionVersion=functions.publish_version(**name)["Version"])


def _more_variables(here: Here, label: str) -> None:
    known = here.aws.lambda_.get_function_configuration(**here.function(label), Qualifier="live")["Environment"]
    alias_of_changed(here, label, Environment={"Variables": {**known["Variables"], "DATABASE_NAME": "another"}})


def _log(here: Here, label: str) -> str:
    return f"/aws/lambda/{here.name('lambda', label)}"


def _reserve(here: Here, label: str, count: int) -> None:
    here.aws.lambda_.put_function_concurrency(**here.function(label), ReservedConcurrentExecutions=count)


def _release(label: str) -> Any:
    return lambda here: here.aws.lambda_.delete_function_concurrency(**here.function(label))


def _schedule(here: Here) -> Any:
    return {"Name": here.name("rule", "latch")}


def _unscheduled(here: Here) -> None:
    rule = here.name("rule", "latch")
    here.aws.events.remove_targets(Rule=rule, Ids=[one["Id"] for one in here.aws.events.list_targets_by_rule(
        Rule=rule)["Targets"]])


def _forbidden(here: Here, label: str) -> None:
    """Whoever was let invoke the function is not any more."""
    name = here.function(label)
    policy = json.loads(here.aws.lambda_.get_policy(**name, Qualifier="live")["Policy"])
    for one in policy["Statement"]:
        here.aws.lambda_.remove_permission(**name, Qualifier="live", StatementId=one["Sid"])


def _unproven(here: Here) -> None:
    """As a release leaves it whose process died before the proof."""
    functions, name = here.aws.lambda_, here.function("app")
    live = functions.get_alias(**name, Name="live")["FunctionVersion"]
    functions.update_alias(**name, Name="live", FunctionVersion=live, Description=f"{UNPROVEN}{live}")


FUNCTIONS = (
    Breakage("the app runs other code", "FN-02", lambda here: _older_code(here, "app"), also=(Function,)),
    Breakage("the app has less memory", "FN-03", lambda here: alias_of_changed(here, "app", MemorySize=128),
             also=(Function,)),
    Breakage("the app has another time-out", "FN-03", lambda here: alias_of_changed(here, "app", Timeout=3),
             also=(Function,)),
    Breakage("the app talks to another database", "FN-03", lambda here: _more_variables(here, "app"), also=(Function,)),
    Breakage("the app's log is kept for a day", "FN-04", lambda here: here.aws.logs.put_retention_policy(
        logGroupName=_log(here, "app"), retentionInDays=1)),
    Breakage("the app may do nothing", "FN-05", lambda here: lost_right(here, "app")),
    Breakage("the probe is not live", "FN-06", lambda here: here.aws.lambda_.delete_alias(
        **here.function("probe"), Name="live")),
    Breakage("the probe runs other code", "FN-07", lambda here: _older_code(here, "probe")),
    Breakage("the probe has another time-out", "FN-07", lambda here: alias_of_changed(here, "probe", Timeout=3)),
    Breakage("the probe's log is deleted", "FN-08", lambda here: here.aws.logs.delete_log_group(
        logGroupName=_log(here, "probe"))),
    Breakage("the probe may do nothing", "FN-09", lambda here: lost_right(here, "probe")),
    Breakage("the app's live version was never proven", "FN-13", _unproven),
    Breakage("nobody calls the probe", "FN-14", lambda here: here.aws.events.disable_rule(
        Name=here.name("rule", "probe-awake"))),
    Breakage("the app is stopped", "FN-10", lambda here: _reserve(here, "app", 0), back=_release("app")),
    Breakage("the follower's app may run five times", "PAR-04", lambda here: _reserve(here, "app", 5), "follower",
             back=_release("app")),
    Breakage("another function has reserved what the follower's app needs", "PAR-04",
             lambda here: _reserve(here, "probe", 800), "follower", back=_release("probe")),
    Breakage("the latch runs other code", "LAT-02", lambda here: _older_code(here, "latch")),
    Breakage("the latch may do nothing", "LAT-03", lambda here: lost_right(here, "latch")),
    Breakage("the latch's log is kept for a day", "LAT-01", lambda here: here.aws.logs.put_retention_policy(
        logGroupName=_log(here, "latch"), retentionInDays=1)),
    Breakage("the latch is invoked by nobody", "LAT-04", _unscheduled),
    Breakage("the latch may not be invoked", "LAT-04", lambda here: _forbidden(here, "latch")),
    Breakage("the latch's schedule is disabled", "LAT-05", lambda here: here.aws.events.disable_rule(
        **_schedule(here))),
    Breakage("a parameter is changed", "SSM-01", lambda here: here.aws.ssm.put_parameter(
        Name=f"/drctl/{here.settings.environment}/app-name", Value="elsewhere", Type="String", Overwrite=True)),
    Breakage("a parameter is deleted", "SSM-01", lambda here: here.aws.ssm.delete_parameter(
        Name=f"/drctl/{here.settings.environment}/bucket")),
)


def _attribute(here: Here, name: str, value: str) -> None:
    here.aws.elbv2.modify_load_balancer_attributes(LoadBalancerArn=here.balancer,
                                                   Attributes=[{"Key": name, "Value": value}])


def _no_targets(here: Here) -> None:
    group = here.target_group
    targets = here.aws.elbv2.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]
    here.aws.elbv2.deregister_targets(TargetGroupArn=group, Targets=[{"Id": one["Target"]["Id"]} for one in targets])


def _unlimited(here: Here) -> None:
    acl = here.acl
    known = acl["WebACL"]
    here.aws.wafv2.update_web_acl(
        Name=known["Name"], Scope="REGIONAL", Id=known["Id"], LockToken=acl["LockToken"],
        Rules=[one for one in known["Rules"] if "RateBasedStatement" not in one["Statement"]],
        DefaultAction={"Allow": {}}, VisibilityConfig=known["VisibilityConfig"])


def _strange_checkers(here: Here) -> None:
    known = next(one for one in here.aws.wafv2.list_ip_sets(Scope="REGIONAL")["IPSets"])
    token = here.aws.wafv2.get_ip_set(Name=known["Name"], Scope="REGIONAL", Id=known["Id"])["LockToken"]
    here.aws.wafv2.update_ip_set(Name=known["Name"], Scope="REGIONAL", Id=known["Id"], Addresses=["198.51.100.0/24"],
                                 LockToken=token)


BALANCERS = (
    Breakage("clients may keep connections for an hour", "LB-02", lambda here: _attribute(
        here, "client_keep_alive.seconds", "3600")),
    Breakage("the balancer has another group", "LB-03", lambda here: here.aws.elbv2.set_security_groups(
        LoadBalancerArn=here.balancer, SecurityGroups=[here.group("default")["GroupId"]])),
    Breakage("the balancer does not log", "LB-04", lambda here: _attribute(here, "access_logs.s3.enabled", "false")),
    Breakage("the balancer is protected", "LB-04", lambda here: _attribute(
        here, "deletion_protection.enabled", "true")),
    Breakage("port 80 is closed", "LB-05", lambda here: here.aws.elbv2.delete_listener(
        ListenerArn=here.listener(80))),
    Breakage("the listener takes old TLS", "LB-05", lambda here: here.aws.elbv2.modify_listener(
        ListenerArn=here.listener(443), SslPolicy="ELBSecurityPolicy-2016-08")),
    Breakage("the target group is empty", "LB-06", _no_targets),
    Breakage("the balancer may not invoke the app", "LB-07", lambda here: _forbidden(here, "app")),
    Breakage("the target group looks rarely", "LB-08", lambda here: here.aws.elbv2.modify_target_group(
        TargetGroupArn=here.target_group, HealthCheckIntervalSeconds=300)),
    Breakage("access logs are not taken", "LB-09", lambda here: here.aws.s3.delete_bucket_policy(
        **here.bucket("access-logs"))),
    Breakage("a web ACL is taken away", "WAF-02", lambda here: here.aws.wafv2.disassociate_web_acl(
        ResourceArn=here.balancer)),
    Breakage("a web ACL limits nobody", "WAF-03", _unlimited),
    Breakage("a web ACL does not know the checkers", "WAF-04", _strange_checkers),
    Breakage("a web ACL does not log", "WAF-05", lambda here: here.aws.wafv2.delete_logging_configuration(
        ResourceArn=here.acl["WebACL"]["ARN"])),
    Breakage("a web ACL's log is kept for a day", "WAF-05", lambda here: here.aws.logs.put_retention_policy(
        logGroupName=f"aws-waf-logs-{here.name('waf', 'app')}", retentionInDays=1)),
)


def _no_renewal(here: Here) -> None:
    proofs = [one for one in here.records("CNAME") if one["ResourceRecords"][0]["Value"].rstrip(".").endswith("aws")]
    here.change_records(*(("DELETE", one) for one in proofs))


def _half_a_name(here: Here) -> None:
    here.change_records(("DELETE", here.records()[1]))


def _elsewhere(here: Here) -> None:
    primary, standby = here.records()
    here.change_records(("UPSERT", {**primary, "AliasTarget": standby["AliasTarget"]}))


def _long_ttl(here: Here) -> None:
    record = dict(here.records()[1])
    del record["AliasTarget"]
    here.change_records(("UPSERT", {**record, "TTL": 3600, "ResourceRecords": [{"Value": "203.0.113.9"}]}))


def _unchecked(here: Here) -> None:
    record = dict(here.records()[0])
    del record["HealthCheckId"]
    here.change_records(("UPSERT", record))


def _untagged(here: Here) -> None:
    tags = here.aws.route53.list_tags_for_resource(ResourceType="hostedzone", ResourceId=here.zone)["ResourceTagSet"]
    here.aws.route53.change_tags_for_resource(ResourceType="hostedzone", ResourceId=here.zone,
                                              RemoveTagKeys=[one["Key"] for one in tags["Tags"]])


def _check(label: str, **change: Any) -> Any:
    return lambda here: here.aws.route53.update_health_check(**here.check(label), **change)


def _put(here: Here, key: str) -> None:
    here.aws.s3.put_object(**here.bucket("switch"), Key=key)


def _take(here: Here, key: str) -> None:
    here.aws.s3.delete_object(**here.bucket("switch"), Key=key)


def _turned(here: Here) -> bool:
    """Whether the standby region writes, so that the switch has to lie there."""
    known = here.aws.rds.describe_global_clusters()["GlobalClusters"][0]["GlobalClusterMembers"]
    writer = next(one for one in known if one["IsWriter"])
    return str(writer["DBClusterArn"]).split(":")[3] == here.settings.standby.region


def _wrong_switch(here: Here) -> None:
    (_take if _turned(here) else _put)(here, SWITCH_KEY)


def _right_switch(here: Here) -> None:
    (_put if _turned(here) else _take)(here, SWITCH_KEY)


NAMES = (
    Breakage("the record that renews certificates is deleted", "CRT-03", _no_renewal, "primary"),
    Breakage("one of the failover records is deleted", "DNS-02", _half_a_name, "primary"),
    Breakage("the primary record leads to the standby", "DNS-02", _elsewhere, "primary"),
    Breakage("the answer is kept for an hour", "DNS-03", _long_ttl, "primary"),
    Breakage("a record depends on no check", "DNS-04", _unchecked, "primary"),
    Breakage("the zone has lost its tags", "DNS-01", _untagged, "primary"),
    Breakage("the standby's check asks for another path", "DNS-05", _check("standby-app", ResourcePath="/"),
             "primary"),
    Breakage("the primary's check asks another host", "DNS-05", _check(
        "primary-app", FullyQualifiedDomainName="elsewhere.example.org"), "primary"),
    Breakage("the standby's check is deleted", "DNS-05", lambda here: here.aws.route53.delete_health_check(
        **here.check("standby-app")), "primary", also=(FailoverRecords, HealthAlarms, Dashboard)),
    Breakage("a check turns late", "DNS-06", _check("primary-app", FailureThreshold=9), "primary"),
    Breakage("a check is disabled", "DNS-07", _check("standby-app", Disabled=True), "primary"),
    Breakage("the switch's check is not inverted", "DNS-07", _check("switch", Inverted=False), "primary"),
    Breakage("nobody may read the switch", "SWI-02", lambda here: here.aws.s3.delete_bucket_policy(
        **here.bucket("switch"))),
    Breakage("the switch's bucket can be made public", "SWI-03", lambda here: here.aws.s3.delete_public_access_block(
        **here.bucket("switch"))),
    Breakage("the switch says another region", "SWI-04", _wrong_switch, "standby", back=_right_switch),
)
