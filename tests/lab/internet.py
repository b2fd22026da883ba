"""Clients outside the lab, who come in by its edge; and a balancer that they are let in to."""

from __future__ import annotations

import http.client
import json
import ssl
import urllib.request
from functools import partial
from typing import Any

from botocore.exceptions import ClientError

from drctl.aws.clients import Aws
from tests.lab.front_door_world import HERE, Balancer, balancer, until

NAME = "app.dr.example.com"
#: Tells what it was asked, or does what the path says.
PROGRAM = """
import json, pathlib, time

def go(event, context):
    asked = event["path"].strip("/")
    if asked == "answer":
        return json.loads(event["body"])
    if asked == "error":
        raise ValueError(asked)
    if asked == "slow":
        folder = pathlib.Path(event["body"])
        (folder / "began").touch()
        while not (folder / "go").exists():
            time.sleep(0.005)
    return {"statusCode": 200, "headers": {"Content-Type": "application/json"}, "body": json.dumps(event)}
"""


class Line(http.client.HTTPConnection):
    """A client's connection to port 80 of an address, or with `trust` by TLS to port 443."""

    def __init__(self, edge: str, to: str, client: str = "198.51.100.7", trust: ssl.SSLContext | None = None,
                 name: str = NAME, port: int = 0, patience_s: float = 20) -> None:
        super().__init__(edge, timeout=patience_s)
        self.set_tunnel(to, port or (443 if trust else 80), {"X-Lab-Client": client})
        self._trust, self._name = trust, name

    def connect(self) -> None:
        """Through the edge."""
        super().connect()
        if self._trust is not None:
            self.sock = self._trust.wrap_socket(self.sock, server_hostname=self._name)

    def ask(self, path: str = "/", method: str = "GET", body: bytes | str | None = None, **headers: str) -> Any:
        """The response, with all of its body in `content`."""
        self.request(method, path, body, {"Host": self._name, **{
            name.replace("_", "-"): value for name, value in headers.items()}})
        response: Any = self.getresponse()
        response.content = response.read()
        return response

    def event(self, path: str = "/", method: str = "GET", body: bytes | str | None = None, **headers: str) -> Any:
        """The event that the function got."""
        return json.loads(self.ask(path, method, body, **headers).content)


class Internet:
    """Everybody outside a lab, who know what it tells its clients."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint
        self._lines: list[Line] = []

    @property
    def told(self) -> Any:
        """What the lab tells clients."""
        with urllib.request.urlopen(f"{self._endpoint}/drctl-lab/clients") as page:  # noqa: S310  # loopback only
            return json.load(page)

    def address(self, region: str = HERE) -> str:
        """An address of the region's balancer."""
        return str(next(one for one, where in sorted(self.told["regions"].items()) if where == region))

    @property
    def trust(self) -> ssl.SSLContext:
        """That of a client who trusts the lab's authority alone."""
        return ssl.create_default_context(cadata=self.told["ca"])

    def line(self, to: str = "", client: str = "198.51.100.7", **more: Any) -> Line:
        """A new connection, by default to a balancer in us-east-1; it is closed in the end."""
        made = Line(self.told["edge"], to or self.address(), client, **more)
        self._lines.append(made)
        return made

    def go(self) -> None:
        """Close every connection."""
        for line in self._lines:
            line.close()


def admit(aws: Aws, door: Balancer, cidr: str, *ports: int, region: str = HERE) -> None:
    """Let addresses in to ports of a balancer."""
    aws[region].ec2.authorize_security_group_ingress(GroupId=door.group, IpPermissions=[
        {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "IpRanges": [{"CidrIp": cidr}]} for port in ports])


def open_door(aws: Aws, region: str = HERE) -> Balancer:
    """A balancer before PROGRAM; 198.51.100.0/24 may come in by HTTP and HTTPS."""
    door = balancer(aws, region, program=PROGRAM)
    admit(aws, door, "198.51.100.0/24", 80, 443, region=region)
    return door


def certify(aws: Aws, door: Balancer, region: str = HERE) -> str:
    """Let a balancer listen on port 443 too, with a certificate of ACM for NAME that DNS proves; answers its ARN."""
    acm, route53 = aws[region].acm, aws[HERE].route53
    zone = route53.create_hosted_zone(Name=NAME.partition(".")[2], CallerReference=region)["HostedZone"]["Id"]
    arn = acm.request_certificate(DomainName=NAME, ValidationMethod="DNS")["CertificateArn"]

    def described() -> Any:
        try:
            return acm.describe_certificate(CertificateArn=arn)["Certificate"]
        except acm.exceptions.ResourceNotFoundException:
            return {}

    until(lambda: bool(described().get("DomainValidationOptions", [{}])[0].get("ResourceRecord")))
    change_proof(aws, zone, described()["DomainValidationOptions"][0]["ResourceRecord"], "UPSERT")
    until(lambda: described()["Status"] == "ISSUED")
    until(partial(_listens, aws, region, door, arn))
    return arn


def change_proof(aws: Aws, zone: str, record: Any, action: Any) -> None:
    """Make or delete the record that proves a name to ACM."""
    aws[HERE].route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": [{
        "Action": action, "ResourceRecordSet": {"Name": record["Name"], "Type": "CNAME", "TTL": 60,
                                                "ResourceRecords": [{"Value": record["Value"]}]}}]})


def _listens(aws: Aws, region: str, door: Balancer, arn: str) -> bool:
    try:
        aws[region].elbv2.create_listener(
            LoadBalancerArn=door.arn, Protocol="HTTPS", Port=443, Certificates=[{"CertificateArn": arn}],
            SslPolicy="ELBSecurityPolicy-TLS13-1-2-2021-06",
            DefaultActions=[{"Type": "forward", "TargetGroupArn": door.target_group}])
    except ClientError:
        return False  # balancers know a certificate some seconds late
    return True
