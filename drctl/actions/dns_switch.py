"""The DNS switch: objects in both regions' buckets that turn traffic without editing DNS.

The switch lies in the standby region; its health check is inverted: while it is there, the primary record counts as
unhealthy and Route 53 answers with the standby's. The pin lies in the primary region and outvotes a switch that cannot
be deleted, because the standby region is lost (docs/decisions/0015). Putting and deleting them needs S3 in the region
itself and nothing in us-east-1 (AWS blog, "Creating Disaster Recovery Mechanisms Using Amazon Route 53").
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, ClassVar

from drctl.aws import dns
from drctl.aws.commands import Command
from drctl.aws.errors import AwsError, or_none
from drctl.engine.run import Run
from drctl.engine.runbook import Action, Change
from drctl.engine.waiting import minutes
from drctl.errors import DrctlError, Refused
from drctl.settings import Both, Site
from drctl.steps import parameters
from drctl.steps.balancer import Balancer
from drctl.steps.switch_bucket import SwitchBucket

#: Health check interval x threshold, plus an interval, plus seconds; ten times that is a fault.
WITHIN = minutes(20)
#: Real seconds the name servers may take to answer.
ANSWER_WITHIN_S = 2.0
#: The parameter that holds the zone's name servers.
NAME_SERVERS = "name-servers"


@dataclass(frozen=True, eq=False)
class TurnDns(Change):
    """Turn the switches so that users are sent to `to`; a region that is taken for lost is asked nothing.

    In a region that is not asked an older object may be left. An object that was put later counts more, for the latches
    too, so one that is there already is put anew.
    """

    switches: Both[SwitchBucket]
    to: Site
    why = "health checks see the object and Route 53's data plane moves users; no record is edited"
    typical_minutes = 0.1
    if_stuck = "aws s3api put-object or delete-object on the switch objects by hand has the same effect"
    phase: ClassVar[str] = "dns"

    @property
    def title(self) -> str:
        return f"turn the DNS switch to {self.to.region}"

    def by_hand(self, run: Run) -> Iterable[Command]:
        """What sends users to the region comes before what no longer holds them in the other."""
        standby, pin = self.switches.standby, self.switches.primary
        if self.to.region == run.lost:
            raise Refused(f"users cannot be sent to {self.to.region}, which is taken for lost")
        if self.to.role == "standby":
            calls = [_put(run, standby), _delete(run, pin)]
        elif standby.region == run.lost:
            calls = [_put(run, pin)]
        else:
            calls = [_delete(run, standby), _delete(run, pin)]
        return [call for call in calls if call.region != run.lost]

    def done(self, run: Run) -> bool:
        return all(self._shows(run, call) for call in self.by_hand(run))

    def _shows(self, run: Run, call: Command) -> bool:
        bucket = next(one for one in self.switches.all if one.region == call.region)
        there = head(run, bucket)
        if call.operation == "DeleteObject":
            return there is None
        return there is not None and (not run.lost or there["Metadata"].get("run") == run.id)

    def do(self, run: Run) -> None:
        for call in self.by_hand(run):
            call.send(run.aws)


def _named(run: Run, bucket: SwitchBucket) -> dict[str, str]:
    return {"Bucket": bucket.name(run), "Key": bucket.object_key}


def _put(run: Run, bucket: SwitchBucket) -> Command:
    return Command(bucket.region, "s3", "PutObject", {
        **_named(run, bucket), "Body": run.id.encode(), "ContentType": "text/plain", "Metadata": {"run": run.id}})


def _delete(run: Run, bucket: SwitchBucket) -> Command:
    return Command(bucket.region, "s3", "DeleteObject", {**_named(run, bucket)})


def head(run: Run, bucket: SwitchBucket) -> Any:
    """What S3 tells of the switch object of a region, None when it is not there."""
    return or_none(lambda: run.at(bucket.site).s3.head_object(
        Bucket=bucket.name(run), Key=bucket.object_key))


def is_turned(run: Run, bucket: SwitchBucket) -> bool:
    """Whether the switch object of a region is there."""
    return head(run, bucket) is not None


@dataclass(frozen=True, eq=False)
class ProveDns(Action):
    """Ask the zone's own name servers until they answer with the balancer of `at`; only that region is asked."""

    balancer: Balancer
    at: Site
    why = "what users are told is what counts, not what a status field says"
    typical_minutes = 1.5
    if_stuck = "dig the name at each of the zone's name servers; look at the health checks"
    phase: ClassVar[str] = "dns"

    @property
    def title(self) -> str:
        return f"prove that the name answers with {self.at.region}"

    @property
    def region(self) -> str:
        return self.at.region

    def by_hand(self, run: Run) -> Iterable[Command | str]:
        servers = Command(self.at.region, "ssm", "GetParameter", {"Name": parameters.full_name(run, NAME_SERVERS)})
        yield servers
        yield (f"dig +short {run.settings.dns.name} @$({servers} --query Parameter.Value --output text "
               "| cut -d, -f1)")
        yield Command(self.at.region, "elbv2", "DescribeLoadBalancers", {"Names": [self.balancer.name(run)]})

    def do(self, run: Run) -> None:
        servers, balancer = name_servers(run, self.at), self.balancer.dns_name(run)
        run.wait_until(f"{run.settings.dns.name} answers with {self.at.region}",
                       lambda: where_users_are_sent(run, servers, balancer),
                       lambda seen: seen.is_with_the_balancer, within=WITHIN, every=5.0)


@dataclass(frozen=True)
class Sent:
    """What the zone's name servers answer for the users' name, beside the addresses of one balancer."""

    answer: dns.Answer
    balancer: dns.Answer

    @property
    def is_with_the_balancer(self) -> bool:
        """A balancer has more addresses than one answer shows, and they change: one in common is enough."""
        return bool(set(self.answer.addresses) & set(self.balancer.addresses))

    def __str__(self) -> str:
        told = ", ".join(self.answer.addresses) or self.answer.problem
        return f"{told}; the balancer is {', '.join(self.balancer.addresses) or self.balancer.problem}"


def name_servers(run: Run, site: Site) -> tuple[str, ...]:
    """The zone's own name servers, as a region's parameter tells them: Route 53 itself may be lost with us-east-1.

    Raises NotBuilt when the parameter is absent.
    """
    return tuple(parameters.value_of(run, site, NAME_SERVERS).split(","))


def where_users_are_sent(run: Run, servers: tuple[str, ...], balancer: str) -> Sent:
    """Ask the zone's own name servers for the users' name, and for the addresses of the balancer of that DNS name."""
    return Sent(dns.ask_zone(run.settings.dns.name, servers, run.name_server, ANSWER_WITHIN_S),
                dns.addresses_of(balancer, run.name_server, ANSWER_WITHIN_S))


def sent_by_name(run: Run, balancer: Balancer) -> Sent:
    """The same beside a balancer, as the name servers tell that its own region knows."""
    return where_users_are_sent(run, name_servers(run, balancer.site), balancer.dns_name(run))


@dataclass(frozen=True)
class UsersAreAt:
    """Whether users are sent to a balancer; what cannot be seen does not tell so."""

    balancer: Balancer

    def __call__(self, run: Run) -> bool:
        """Ask the name servers, as the balancer's own region knows them."""
        with suppress(DrctlError, *AwsError):
            return sent_by_name(run, self.balancer).is_with_the_balancer
        return False
