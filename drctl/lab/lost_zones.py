"""An availability zone that is gone, as the databases and balancers of its region feel it.

- Aurora: connections to an instance there break. Was it the writer and stands another instance in another zone, that
  one writes after about half a minute, in which the cluster endpoint does not answer. Was it the only one, it is made
  anew in another zone, in less than ten minutes. The data is not lost: the volume is in three zones.
  Source: Aurora User Guide, High availability for Amazon Aurora; Fault tolerance for an Aurora DB cluster
- Balancers: the address in the zone is taken out of the balancer's name once it has failed its checks. Source: Elastic
  Load Balancing User Guide, How Elastic Load Balancing works (Availability Zones and load balancer nodes)

Not modelled, for nothing in the lab goes that way: NAT gateways, interface endpoints and subnets of the zone (functions
run in the zones that are left, as Lambda's do), its instances of EC2, and what DescribeAvailabilityZones says of it. An
instance that is gone shows `rebooting`: what RDS shows in such an hour is not documented.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from moto.elbv2.models import FakeLoadBalancer
from moto.rds.models import DBCluster, rds_backends

from drctl.aws.durations import seconds
from drctl.lab import gray
from drctl.lab.aurora_states import LOCK, passes_through, stage
from drctl.lab.clock import CLOCK
from drctl.settings import LAB_ACCOUNT

#: AWS seconds until the address of a zone that is gone is out of a balancer's name: three checks in ten seconds each.
WITHDRAWN_AFTER_S = 30.0
#: What an instance shows meanwhile.
GONE = "rebooting"
#: Called with the ARN of a cluster whose connections break.
ON_BREAK: list[Callable[[str], None]] = []


def is_withdrawn(region: str, zone: str) -> bool:
    """Whether balancers answer no more by their address in a zone."""
    lost = gray.find(region, gray.ZONE)
    return lost is not None and lost.zone == zone and CLOCK.now() - lost.since >= WITHDRAWN_AFTER_S


def answering(balancer: FakeLoadBalancer, addresses: tuple[str, ...]) -> tuple[str, ...]:
    """Those of a balancer's addresses, in the order of its subnets, that its name gives out; never none."""
    region = balancer.arn.split(":")[3]
    zones = [subnet.availability_zone for subnet in balancer.subnets]
    left = tuple(one for one, zone in zip(addresses, zones, strict=False) if not is_withdrawn(region, zone))
    return left or addresses


def _lose_or_restore(one: gray.Gray, is_there: bool) -> None:
    if one.kind != gray.ZONE:
        return
    for cluster in list(rds_backends[LAB_ACCOUNT][one.region].clusters.values()):
        with LOCK:
            gone = [instance for instance in cluster._members if instance.availability_zone == one.zone]
        if gone and is_there:
            _lose(cluster, gone)
        elif gone:
            for instance in gone:
                if stage(instance.arn) == GONE:
                    passes_through(instance.arn, [(seconds("instance-failover"), GONE)])


def _lose(cluster: DBCluster, gone: list[Any]) -> None:
    left = [instance for instance in cluster._members if instance not in gone and instance.status == "available"]
    with LOCK:
        writer_is_gone = cluster.writer is None or cluster.writer in gone
        for instance in gone:
            passes_through(instance.arn, [(float("inf") if left else seconds("instance-recreate"), GONE)])
        if not left:
            _move(cluster, gone)
        elif writer_is_gone:
            passes_through(cluster.arn, [(seconds("instance-failover"), "failing-over")])
            CLOCK.after(seconds("instance-failover"), lambda: _take_over(cluster, left))
    if writer_is_gone:
        for listener in ON_BREAK:
            listener(cluster.arn)


def _take_over(cluster: DBCluster, left: list[Any]) -> None:
    """The first of those that are left in the order of failover (the lowest promotion tier) writes from now on."""
    there = [instance for instance in left if instance in cluster._members]
    if there:
        with LOCK:
            cluster.failover(min(there, key=lambda instance: int(instance.promotion_tier or 0)))


def _move(cluster: DBCluster, gone: list[Any]) -> None:
    """They are made anew in another of their subnets' zones."""
    group = cluster.backend.subnet_groups.get(cluster.db_subnet_group_name)
    zones = sorted({subnet.availability_zone for subnet in group._subnets}) if group else []
    for instance in gone:
        others = [zone for zone in zones if zone != instance.availability_zone]
        if others:
            instance.availability_zone = others[0]


gray.ON_CHANGE.append(_lose_or_restore)
