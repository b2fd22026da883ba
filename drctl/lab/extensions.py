"""Loads every extension of moto; importing this module installs all rules and operations."""

from __future__ import annotations

from moto.moto_api._internal import moto_api_backend

from drctl.lab import (
    alarms,  # noqa: F401  # importing installs its rules
    aurora,
    backup_gaps,  # noqa: F401  # importing installs its rules
    backup_times,  # noqa: F401  # importing installs its rules
    balancer_logs,  # noqa: F401  # importing installs its rules
    balancer_reads,  # noqa: F401  # importing installs its rules
    balancer_requests,  # noqa: F401  # importing installs its rules
    balancing,  # noqa: F401  # importing installs its rules
    certificate_ages,  # noqa: F401  # importing installs its rules
    certificates,  # noqa: F401  # importing installs its rules
    check_settings,  # noqa: F401  # importing installs its rules
    checks,  # noqa: F401  # importing installs its rules
    compute,
    conditional_writes,  # noqa: F401  # importing installs its rules
    dashboards,  # noqa: F401  # importing installs its rules
    database_groups,  # noqa: F401  # importing installs its rules
    ec2_quotas,  # noqa: F401  # importing installs its rules
    ec2_reads,  # noqa: F401  # importing installs its rules
    ec2_tags,  # noqa: F401  # importing installs its rules
    endpoint_names,  # noqa: F401  # importing installs its rules
    event_delivery,  # noqa: F401  # importing installs its rules
    event_rules,  # noqa: F401  # importing installs its rules
    firewall,  # noqa: F401  # importing installs its rules
    function_concurrency,  # noqa: F401  # importing installs its rules
    function_limits,  # noqa: F401  # importing installs its rules
    functions,  # noqa: F401  # importing installs its rules
    gray,
    health,
    health_metrics,  # noqa: F401  # importing installs its rules
    interfaces,  # noqa: F401  # importing installs its rules
    key_material,  # noqa: F401  # importing replaces a slow function
    key_states,  # noqa: F401  # importing installs its rules
    key_times,  # noqa: F401  # importing installs its rules
    key_users,  # noqa: F401  # importing installs its rules
    keys,  # noqa: F401  # importing installs its rules
    log_groups,  # noqa: F401  # importing installs its rules
    logs_gaps,  # noqa: F401  # importing installs its operations
    network,  # noqa: F401  # importing installs its rules
    outages,
    parameters,  # noqa: F401  # importing installs its rules
    peering,  # noqa: F401  # importing installs its rules
    prefix_lists,  # noqa: F401  # importing installs its rules
    principals,  # noqa: F401  # importing installs its rules
    queues,  # noqa: F401  # importing installs its rules
    record_rules,  # noqa: F401  # importing installs its rules
    records,  # noqa: F401  # importing installs its rules
    replication,  # noqa: F401  # importing installs its rules
    replication_configuration,  # noqa: F401  # importing installs its rules
    replication_metrics,  # noqa: F401  # importing installs its rules
    request_quotas,  # noqa: F401  # importing installs its rules
    role_documents,  # noqa: F401  # importing installs its rules
    role_users,  # noqa: F401  # importing installs its rules
    roles,  # noqa: F401  # importing installs its rules
    route53_gaps,  # noqa: F401  # importing installs its rules
    routes,  # noqa: F401  # importing installs its rules
    s3_buckets,  # noqa: F401  # importing installs its rules
    s3_gaps,  # noqa: F401  # importing installs its rules
    s3_listing,  # noqa: F401  # importing replaces a slow method
    s3_requests,  # noqa: F401  # importing installs its rules
    s3_settings,  # noqa: F401  # importing installs its rules
    schedules,
    secret_names,  # noqa: F401  # importing installs its rules
    secret_replicas,  # noqa: F401  # importing installs its rules
    secrets_gaps,  # noqa: F401  # imported for its rules
    security_groups,  # noqa: F401  # importing installs its rules
    throttling,
    topics,  # noqa: F401  # importing installs its rules
    trails,  # noqa: F401  # importing installs its rules
    vpcs,  # noqa: F401  # importing installs its rules
    wafv2_gaps,  # noqa: F401  # importing installs its rules
    web_acls,  # noqa: F401  # importing installs its rules
    zones,  # noqa: F401  # importing installs its rules
)
from drctl.lab.clock import CLOCK
from drctl.lab.faults import FAULTS


def _lose_or_restore(region: str, service: str) -> None:
    """Aurora's members in a region are lost while RDS, or the whole region, is out."""
    if service in {"", "rds"}:
        (aurora.lose if outages.is_down(region, "rds") else aurora.restore)(region)


outages.ON_CHANGE.append(_lose_or_restore)


def stop() -> None:
    """End every process that an extension has started."""
    schedules.WATCH.stop()  # these first: they invoke functions, which would start their processes again
    health.WATCH.stop()
    compute.stop()


def reset() -> None:
    """Empty the lab: moto's backends, what is due, and what extensions keep beside them."""
    FAULTS.stop()
    outages.reset()
    gray.reset()
    throttling.reset()
    CLOCK.forget_all()
    schedules.WATCH.stop()
    health.WATCH.stop()
    compute.empty()
    moto_api_backend.reset()
    aurora.reset()
    health.reset()
