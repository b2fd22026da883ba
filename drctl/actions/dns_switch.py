"""The DNS switch: an object in the standby region that turns traffic without editing DNS.

Its health check is inverted: while the object is there, the primary record counts as unhealthy and Route 53 answers
with the standby's. Putting and deleting the object needs S3 in the standby region and nothing in us-east-1
(AWS blog, "Creating Disaster Recovery Mechanisms Using Amazon Route 53").
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from drctl.aws import dns
from drctl.aws.errors import AwsError, is_gone
from drctl.engine.run import Run
from drctl.engine.runbook import Action, Change
from drctl.engine.waiting import minutes
from drctl.settings import Site
from drctl.steps.balancer import Balancer
from drctl.steps.switch_bucket import SWITCH_KEY, SwitchBucket
from drctl.steps.zone import Zone

#: Health check interval x threshold, plus an interval, plus seconds; ten times that is a fault.
WITHIN = minutes(20)
#: Real seconds the name servers may take to answer.
ANSWER_WITHIN_S = 2.0


@dataclass(frozen=True, eq=False)
class TurnDns(Change):
    """Turn the switch so that users are sent to `to`."""

    switch: SwitchBucket
    to: Site
    why = "health checks see the object and Route 53's data plane moves users; no record is edited"
    typical_minutes = 0.1
    if_stuck = "aws s3api put-object or delete-object on the switch object by hand has the same effect"
    phase: ClassVar[str] = "dns"

    @property
    def title(self) -> str:
        return f"turn the DNS switch to {self.to.region}"

    @property
    def region(self) -> str:
        return self.switch.region

    def done(self, run: Run) -> bool:
        return is_turned(run, self.switch) == (self.to.role == "standby")

    def do(self, run: Run) -> None:
        s3, bucket = run.at(self.switch.site).s3, run.name("s3", "switch", self.switch.site)
        if self.to.role == "standby":
            s3.put_object(Bucket=bucket, Key=SWITCH_KEY, Body=run.id.encode(), ContentType="text/plain")
        else:
            s3.delete_object(Bucket=bucket, Key=SWITCH_KEY)


def is_turned(run: Run, switch: SwitchBucket) -> bool:
    """Whether the switch sends users to the standby region."""
    try:
        run.at(switch.site).s3.head_object(Bucket=run.name("s3", "switch", switch.site), Key=SWITCH_KEY)
    except AwsError as error:
        if is_gone(error):
            return False
        raise
    return True


@dataclass(frozen=True, eq=False)
class ProveDns(Action):
    """Ask the zone's own name servers until all of them answer with the balancer of `at`."""

    zone: Zone
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

    def do(self, run: Run) -> None:
        balancer = run.output(self.balancer).dns_name
        run.wait_until(f"{run.settings.dns.name} answers with {self.at.region}",
                       lambda: where_users_are_sent(run, self.zone, balancer),
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


def where_users_are_sent(run: Run, zone: Zone, balancer: str) -> Sent:
    """Ask the zone's own name servers for the users' name, and for the addresses of the balancer of that DNS name."""
    servers = run.output(zone).name_servers
    return Sent(dns.ask_zone(run.settings.dns.name, servers, run.name_server, ANSWER_WITHIN_S),
                dns.addresses_of(balancer, run.name_server, ANSWER_WITHIN_S))
