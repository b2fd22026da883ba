"""The application load balancer of a region: the public door, in the public subnets, with access logs.

Clients keep a connection for a minute at most, so that they follow the name to the other region (ELB User Guide for
Application Load Balancers, "HTTP client keepalive duration": an hour by default).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

from botocore.exceptions import ClientError

from drctl.aws.errors import Refusal, absent_is_fine, is_gone, or_none
from drctl.aws.tags import as_list, as_map, refuse_foreign
from drctl.engine.run import Run
from drctl.engine.step import Finding, Resource, Step
from drctl.engine.usage import CHECK_KB, HOURS, SECONDS, Use, visits
from drctl.engine.waiting import minutes
from drctl.errors import Refused
from drctl.steps.log_bucket import PREFIX, LogBucket
from drctl.steps.network import Network
from drctl.steps.security_groups import SecurityGroups
from drctl.steps.subnets import Subnets

PROTECTION = "deletion_protection.enabled"
#: Network and security groups just made are unknown to load balancing for a moment (Terraform provider: EC2 shows what
#: was made within minutes, mostly seconds).
NETWORK_NOT_YET = (Refusal("SubnetNotFound"), Refusal("InvalidSubnet", "no internet gateway"),
                   Refusal("InvalidSecurityGroup"))
#: Protection that was just lifted is honoured a moment longer.
PROTECTED_STILL = (Refusal("OperationNotPermitted", "deletion protection"),)
#: The log bucket's policy is checked when logging is switched on, and is a minute late at times.
LOGS_NOT_YET = (Refusal("InvalidConfigurationRequest", "access denied"),
                Refusal("InvalidConfigurationRequest", "bucket"), Refusal("LoadBalancerNotFound"))


@dataclass(frozen=True)
class BalancerOut:
    """The balancer as it stands; `zone_id` is the hosted zone of its own DNS name, for aliases."""

    arn: str
    dns_name: str
    zone_id: str
    state: str
    scheme: str
    subnets: frozenset[str]
    groups: frozenset[str]
    attributes: dict[str, str]


@dataclass(frozen=True, eq=False)
class Balancer(Step[BalancerOut]):
    """Found by its name, which is unique in the account's region."""

    waits = ("balancer-create",)

    network: Network
    subnets: Subnets
    groups: SecurityGroups
    logs: LogBucket

    def name(self, run: Run) -> str:
        """The balancer's name."""
        return run.name("alb", "app", self.region)

    def find(self, run: Run) -> BalancerOut | None:
        seen = self._describe(run)
        if seen is None or seen["State"]["Code"] == "failed":
            return None
        answer = or_none(partial(run.at(self.region).elbv2.describe_load_balancer_attributes,
                                 LoadBalancerArn=seen["LoadBalancerArn"]))
        if answer is None:
            return None
        return BalancerOut(
            seen["LoadBalancerArn"], seen["DNSName"].lower(), seen["CanonicalHostedZoneId"], seen["State"]["Code"],
            seen["Scheme"], frozenset(zone["SubnetId"] for zone in seen["AvailabilityZones"]),
            frozenset(seen.get("SecurityGroups", ())),
            {one["Key"]: one["Value"] for one in answer["Attributes"]})

    def dns_name(self, run: Run) -> str:
        """Where the balancer is found, asked with one call; empty when there is none."""
        seen = self._describe(run)
        return str(seen["DNSName"]).lower() if seen else ""

    def _describe(self, run: Run) -> Any:
        try:
            return run.at(self.region).elbv2.describe_load_balancers(Names=[self.name(run)])["LoadBalancers"][0]
        except ClientError as error:
            if is_gone(error):
                return None
            raise

    def ensure(self, run: Run) -> BalancerOut:
        out = run.found(self)
        if out is None or out.state == "provisioning":
            out = self._create(run) if out is None else self._active(run)
        if any(True for _ in self._differences(run, out)):
            self.refuse_foreign(run, out.arn)
            self._converge(run, out)
        return out

    def _create(self, run: Run) -> BalancerOut:
        """The name makes it idempotent: the same settings return what stands, others are refused."""
        name = self.name(run)
        run.retry("load balancing knows subnets and security groups", partial(
            run.at(self.region).elbv2.create_load_balancer, Name=name, Type="application", Scheme="internet-facing",
            IpAddressType="ipv4", Subnets=list(run.output(self.subnets).public),
            SecurityGroups=list(run.output(self.groups).of_balancer), Tags=as_list(run.tags(self.site, name))),
            NETWORK_NOT_YET, within=minutes(2))
        return self._active(run)

    def _active(self, run: Run) -> BalancerOut:
        """Usually two to four minutes (botocore waiter load_balancer_available: 10 min)."""
        run.wait_until("the balancer is active", partial(self._describe, run),
                       lambda seen: seen is not None and seen["State"]["Code"] in {"active", "active_impaired"},
                       within=minutes(10), every=15, failed=_failure,
                       show=lambda seen: seen["State"]["Code"] if seen else "not visible yet")
        out = self.find(run)
        if out is None:
            raise Refused(f"balancer {self.name(run)} disappeared while it was made", next_step="drctl provision")
        return out

    def _attributes(self, run: Run) -> dict[str, str]:
        return {PROTECTION: str(run.settings.deletion_protection).lower(),
                "access_logs.s3.enabled": "true", "access_logs.s3.bucket": self.logs.name(run),
                "access_logs.s3.prefix": PREFIX, "client_keep_alive.seconds": "60",
                "idle_timeout.timeout_seconds": "60",
                "routing.http2.enabled": "true", "routing.http.desync_mitigation_mode": "defensive",
                "routing.http.drop_invalid_header_fields.enabled": "true"}

    def _differences(self, run: Run, out: BalancerOut) -> Iterable[str]:
        for key, value in self._attributes(run).items():
            if out.attributes.get(key) != value:
                yield f"{key} is {out.attributes.get(key) or 'not set'}, not {value}"
        if out.groups != frozenset(run.output(self.groups).of_balancer):
            yield "it does not carry exactly the balancer's security groups"
        if out.subnets != frozenset(run.output(self.subnets).public):
            yield "it is not in exactly the public subnets"

    def _converge(self, run: Run, out: BalancerOut) -> None:
        elbv2, groups, subnets = run.at(self.region).elbv2, run.output(self.groups), run.output(self.subnets)
        if out.groups != frozenset(groups.of_balancer):
            elbv2.set_security_groups(LoadBalancerArn=out.arn, SecurityGroups=list(groups.of_balancer))
        if out.subnets != frozenset(subnets.public):
            elbv2.set_subnets(LoadBalancerArn=out.arn, Subnets=list(subnets.public))
        wanted: Any = [{"Key": key, "Value": value} for key, value in self._attributes(run).items()
                       if out.attributes.get(key) != value]
        if wanted:
            run.retry("the balancer takes its attributes", lambda: elbv2.modify_load_balancer_attributes(
                LoadBalancerArn=out.arn, Attributes=wanted), LOGS_NOT_YET, within=minutes(5))

    def verify(self, run: Run, out: BalancerOut) -> Iterable[Finding]:
        if out.state not in {"active", "active_impaired"}:
            yield Finding(f"balancer {out.dns_name} is {out.state}")
        if out.scheme != "internet-facing":
            yield Finding(f"balancer {out.dns_name} is {out.scheme}: visitors cannot reach it",
                          "drctl teardown, then drctl provision: a balancer's scheme cannot be changed")
        yield from (Finding(f"balancer {out.dns_name}: {text}") for text in self._differences(run, out))

    def refuse_foreign(self, run: Run, arn: str) -> None:
        """Raise Refused for a balancer of our name without our tag."""
        tags = run.at(self.region).elbv2.describe_tags(ResourceArns=[arn])["TagDescriptions"]
        refuse_foreign("balancer", arn, as_map(tags[0]["Tags"] if tags else ()), run.settings.environment)

    def destroy(self, run: Run) -> None:
        seen = self._describe(run)
        if seen is None:
            return
        elbv2, arn = run.at(self.region).elbv2, seen["LoadBalancerArn"]
        with absent_is_fine():  # one that is deleted is still described for a while, and has neither tags nor settings
            self.refuse_foreign(run, arn)
            self._lift_protection(run, arn)
            run.retry("the balancer can be deleted", partial(elbv2.delete_load_balancer, LoadBalancerArn=arn),
                      PROTECTED_STILL, within=minutes(1))
        run.wait_until("the balancer is gone", partial(self._describe, run), lambda one: one is None,
                       within=minutes(15), every=15, show=lambda one: one["State"]["Code"] if one else "gone")
        self._await_interfaces(run, arn)

    def _lift_protection(self, run: Run, arn: str) -> None:
        elbv2 = run.at(self.region).elbv2
        answer = elbv2.describe_load_balancer_attributes(LoadBalancerArn=arn)
        if {"Key": PROTECTION, "Value": "true"} not in answer["Attributes"]:
            return
        if run.settings.deletion_protection:
            raise Refused(f"balancer {self.name(run)} is protected from deletion",
                          next_step="set deletion_protection to false, then drctl teardown")
        elbv2.modify_load_balancer_attributes(LoadBalancerArn=arn, Attributes=[{"Key": PROTECTION, "Value": "false"}])

    def _await_interfaces(self, run: Run, arn: str) -> None:
        """Its interfaces outlive it by minutes and hold groups, subnets and gateway (Terraform provider: 5 min)."""
        ec2 = run.at(self.region).ec2
        description = f"ELB {arn.partition(':loadbalancer/')[2]}"
        run.wait_until(
            "the balancer's network interfaces are gone",
            lambda: len(ec2.describe_network_interfaces(Filters=[
                {"Name": "description", "Values": [description]}])["NetworkInterfaces"]),
            lambda count: count == 0, within=minutes(15), every=15, show=lambda count: f"{count} left")

    def uses(self, run: Run, out: BalancerOut | None) -> Iterable[Use]:
        """An LCU is 25 new connections a second, or 0.4 GB an hour that functions serve, whichever makes more of them
        (Elastic Load Balancing pricing, "LCU details")."""
        estimate, seen = run.settings.estimate, visits(run.settings, self.site)
        gb_an_hour = (seen.checks * CHECK_KB + seen.users * estimate.request_kb) / HOURS
        connections_a_second = seen.all * 1e6 / SECONDS
        yield Use("balancers", "balancer-hour", HOURS)
        yield Use("balancers", "balancer-lcu-hour", max(gb_an_hour / 0.4, connections_a_second / 25) * HOURS)

    def resources(self, out: BalancerOut) -> Iterable[Resource]:
        yield Resource("elbv2:loadbalancer", out.arn, self.region)


def _failure(seen: Any) -> str | None:
    if seen and seen["State"]["Code"] == "failed":
        return f"AWS could not make it: {seen['State'].get('Reason', 'no reason given')}"
    return None
