"""The VPC peering between both regions: requested in one, accepted in the other, names resolved over it both ways."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

from drctl.aws.errors import Refusal, absent_is_fine, already
from drctl.aws.tags import as_list, as_map, is_ours, ours, specification
from drctl.engine.run import Run
from drctl.engine.step import Finding, Resource, Step
from drctl.engine.waiting import minutes
from drctl.settings import Site
from drctl.steps.network import PROPAGATION, Network

#: A living connection passes through these; deleted, failed, rejected and expired ones stay visible for hours and mean
#: nothing (VPC Peering Guide, "VPC peering connection lifecycle"). `unknown`: that region does not show it yet.
STAGES = ("unknown", "initiating-request", "pending-acceptance", "provisioning", "active")
ACTIVE = STAGES[-1]
UNKNOWN = Refusal("InvalidVpcPeeringConnectionID.NotFound")
#: Each side lags the other by seconds (Terraform provider: peering, 1 min; here with room for a bad day).
LIFE = minutes(5)


@dataclass(frozen=True)
class Side:
    """The connection as one region shows it: each has tags and options of its own."""

    site: Site
    status: str = "unknown"
    text: str = ""
    resolves_names: bool = False
    tagged: bool = False
    #: "Requester" or "Accepter", as EC2 names the half that lies in this region.
    half: str = "Accepter"


@dataclass(frozen=True)
class PeeringOut:
    """The connection as it stands; `status` is active only when both regions say so."""

    id: str
    sides: tuple[Side, Side]

    @property
    def status(self) -> str:
        """The less advanced of what both regions show."""
        stages = [side.status for side in self.sides]
        return min(stages, key=lambda stage: STAGES.index(stage) if stage in STAGES else -1)

    @property
    def dead(self) -> str | None:
        """Why the connection will never be active; None while it can be."""
        return next((f"{side.status} in {side.site.region}: {side.text}" for side in self.sides
                     if side.status not in STAGES), None)

    def __str__(self) -> str:
        return ", ".join(f"{side.status} in {side.site.region}" for side in self.sides)


@dataclass(frozen=True, eq=False)
class Peering(Step[PeeringOut]):
    """One connection, found in both regions by the pair of its networks, whoever requested it."""

    waits = ("peering-request", "peering-provision")

    here: Network
    there: Network
    other: Site

    def find(self, run: Run) -> PeeringOut | None:
        here, there = run.found(self.here), run.found(self.there)
        if here is None or there is None:
            return None
        return next((one for one in self._seen(run, here.vpc_id, there.vpc_id) if one.dead is None), None)

    def _seen(self, run: Run, *vpc_ids: str) -> list[PeeringOut]:
        """Every connection between the two networks, living or dead."""
        shown = {place: {one["VpcPeeringConnectionId"]: one for one in run.at(place).ec2
                         .describe_vpc_peering_connections(Filters=[
                             {"Name": "requester-vpc-info.vpc-id", "Values": list(vpc_ids)}])["VpcPeeringConnections"]
                         if one["AccepterVpcInfo"].get("VpcId") in vpc_ids} for place in (self.site, self.other)}
        here, there = shown[self.site], shown[self.other]
        return [PeeringOut(peering_id, (_side(run, self.site, here.get(peering_id)),
                                        _side(run, self.other, there.get(peering_id)))) for peering_id in here | there]

    def _look(self, run: Run, peering_id: str) -> PeeringOut:
        seen = self._seen(run, run.output(self.here).vpc_id, run.output(self.there).vpc_id)
        return next((one for one in seen if one.id == peering_id),
                    PeeringOut(peering_id, (Side(self.site), Side(self.other))))

    def ensure(self, run: Run) -> PeeringOut:
        out = run.found(self) or PeeringOut(self._request(run), (Side(self.site), Side(self.other)))
        if out.status != ACTIVE:
            out = self._activate(run, out.id)
        lacking = [side for side in out.sides if not (side.tagged and side.resolves_names)]
        for side in lacking:
            self._complete(run, out.id, side)
        return out if not lacking else run.wait_until(
            "the peering has its tags and resolves names both ways", lambda: self._look(run, out.id),
            lambda seen: all(side.tagged and side.resolves_names for side in seen.sides), within=PROPAGATION)

    def _request(self, run: Run) -> str:
        """There is no token; a second request for a pair that has a living connection gives that one."""
        name = run.name("ec2", "peering", self.region)
        return run.at(self.site).ec2.create_vpc_peering_connection(
            VpcId=run.output(self.here).vpc_id, PeerVpcId=run.output(self.there).vpc_id, PeerRegion=self.other.region,
            TagSpecifications=specification("vpc-peering-connection", run.tags(self.site, name)),
        )["VpcPeeringConnection"]["VpcPeeringConnectionId"]

    def _activate(self, run: Run, peering_id: str) -> PeeringOut:
        """Overlapping ranges show only here: the request succeeds, the connection fails (VPC Peering Guide)."""
        look = partial(self._look, run, peering_id)
        out = run.wait_until(f"both regions know {peering_id}", look,
                             lambda seen: STAGES.index(seen.status) >= STAGES.index("pending-acceptance"),
                             within=LIFE, every=5, failed=lambda seen: seen.dead)
        accepter = next(side for side in out.sides if side.half == "Accepter")
        if accepter.status == "pending-acceptance":
            with already(Refusal("InvalidStateTransition")):
                run.retry(f"{accepter.site.region} can accept {peering_id}", partial(
                    run.at(accepter.site).ec2.accept_vpc_peering_connection, VpcPeeringConnectionId=peering_id),
                    (UNKNOWN,), within=LIFE)
        return run.wait_until(f"{peering_id} is active in both regions", look, lambda seen: seen.status == ACTIVE,
                              within=LIFE, every=5, failed=lambda seen: seen.dead)

    def _complete(self, run: Run, peering_id: str, side: Side) -> None:
        """A create call tags the requester's side alone; each side's option is set in its own region, once active."""
        ec2 = run.at(side.site).ec2
        if not side.tagged:
            run.retry(f"{side.site.region} can tag {peering_id}", partial(
                ec2.create_tags, Resources=[peering_id], Tags=as_list(
                    run.tags(side.site, run.name("ec2", "peering", side.site)))), (UNKNOWN,), within=LIFE)
        if not side.resolves_names:
            options: Any = {f"{side.half}PeeringConnectionOptions": {"AllowDnsResolutionFromRemoteVpc": True}}
            run.retry(f"{peering_id} can be configured in {side.site.region}", partial(
                ec2.modify_vpc_peering_connection_options, VpcPeeringConnectionId=peering_id, **options),
                (Refusal("OperationNotPermitted", "not active"), UNKNOWN), within=LIFE)

    def verify(self, run: Run, out: PeeringOut) -> Iterable[Finding]:
        for side in out.sides:
            if side.status != ACTIVE:
                yield Finding(f"peering {out.id} is {side.status} in {side.site.region}")
            if not side.resolves_names:
                yield Finding(f"peering {out.id} does not resolve names in {side.site.region}")
            if not side.tagged:
                yield Finding(f"peering {out.id} has not our tags in {side.site.region}")

    def destroy(self, run: Run) -> None:
        """Found by our tag on either side, so that it goes even when one of the networks is gone already."""
        for place in (self.site, self.other):
            for peering_id in self._tagged(run, place):
                with absent_is_fine(), already(Refusal("InvalidStateTransition")):
                    run.at(place).ec2.delete_vpc_peering_connection(VpcPeeringConnectionId=peering_id)
        run.wait_until("no peering is left in either region",
                       lambda: [*self._tagged(run, self.site), *self._tagged(run, self.other)],
                       lambda left: not left, within=LIFE, show=lambda left: f"{len(left)} left")

    def _tagged(self, run: Run, place: Site) -> list[str]:
        """Living connections with our tag and name, and those on their way out."""
        names = [run.name("ec2", "peering", site) for site in (self.site, self.other)]
        answer = run.at(place).ec2.describe_vpc_peering_connections(Filters=[
            *ours(run.settings.environment, *names), {"Name": "status-code", "Values": [*STAGES[1:], "deleting"]}])
        return [one["VpcPeeringConnectionId"] for one in answer["VpcPeeringConnections"]]

    def resources(self, out: PeeringOut) -> Iterable[Resource]:
        yield Resource("ec2:vpc-peering-connection", out.id, self.region)


def _side(run: Run, site: Site, connection: Any) -> Side:
    if connection is None:
        return Side(site)
    half = "Requester" if connection["RequesterVpcInfo"].get("Region") == site.region else "Accepter"
    options = connection[f"{half}VpcInfo"].get("PeeringOptions") or {}
    return Side(site, connection["Status"]["Code"], connection["Status"].get("Message", ""),
                bool(options.get("AllowDnsResolutionFromRemoteVpc")),
                is_ours(as_map(connection.get("Tags")), run.settings.environment), half)
