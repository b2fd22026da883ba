"""The network interfaces of Aurora instances, which hold their subnets and security groups in place."""

from __future__ import annotations

from moto.rds.models import DBCluster, DBInstanceClustered, RDSBackend

from drctl.lab import interfaces


def attach(rds: RDSBackend, instance: DBInstanceClustered) -> None:
    """Put the interface of a new instance into the subnet of its zone."""
    cluster = instance.cluster
    group = rds.subnet_groups.get(cluster.db_subnet_group_name)
    subnet = next((subnet for subnet in getattr(group, "_subnets", ())
                   if subnet.availability_zone == instance.availability_zone), None)
    if subnet is not None:
        instance._lab_interface = interfaces.make(
            rds.region_name, subnet.id, list(cluster.vpc_security_group_ids), "RDSNetworkInterface", "interface",
            "amazon-rds")


def detach(instance: DBInstanceClustered) -> None:
    """Take the interface of an instance away with it."""
    interfaces.remove(instance.region, [getattr(instance, "_lab_interface", "")])


def follow_groups(cluster: DBCluster) -> None:
    """The interfaces wear the security groups that the cluster has now."""
    ec2 = interfaces.backend(cluster.region)
    for instance in cluster._members:
        if interface := ec2.enis.get(getattr(instance, "_lab_interface", "")):
            interface._group_set = [ec2.get_security_group_from_id(group) for group in cluster.vpc_security_group_ids]
