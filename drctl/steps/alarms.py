"""The alarms of a region: everything that can stop serving, lose data, or make a failover fail, said in a sentence.

Both regions carry the same alarms. Metrics of the database's role exist only where the role is, so their absence is
no alarm. Lag is published in the region that follows (Aurora User Guide, "Monitoring an Aurora global database").
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from drctl.engine.run import Run
from drctl.steps.alarm import Alarm, ratio
from drctl.steps.alarm_set import AlarmSet

if TYPE_CHECKING:
    from drctl.steps.balancer import Balancer
    from drctl.steps.certificate import Certificate
    from drctl.steps.dead_letters import DeadLetters
    from drctl.steps.function import Function
    from drctl.steps.given_certificate import GivenCertificate
    from drctl.steps.latch import Latch
    from drctl.steps.listeners import Listeners
    from drctl.steps.primary_cluster import PrimaryCluster
    from drctl.steps.replication import Replication
    from drctl.steps.standby_cluster import StandbyCluster

DATABASE = ("database-cpu", "database-connections", "replication-lag", "rpo-lag")
FUNCTIONS = ("app-errors", "app-throttles", "probe-errors", "probe-throttles", "latch-errors", "latch-throttles",
             "latch-idle")
BALANCER = ("unhealthy-hosts", "balancer-5xx", "app-5xx")
STORAGE = ("object-replication-latency", "object-replication-failed", "dead-letters")
#: Errors of the balancer itself in a minute that are more than a client giving up.
BALANCER_ERRORS = 10


@dataclass(frozen=True, eq=False)
class Alarms(AlarmSet):
    """Alarms on everything of one region; `replication` is either direction, their buckets and rule id are the same."""

    balancer: Balancer
    listeners: Listeners
    cluster: PrimaryCluster | StandbyCluster
    app: Function
    probe: Function
    latch: Latch
    dead_letters: DeadLetters
    replication: Replication
    certificate: Certificate | GivenCertificate | None

    def purposes(self) -> tuple[str, ...]:
        certificate = ("certificate-expiry",) if self.certificate else ()
        return (*DATABASE, *FUNCTIONS, *BALANCER, *STORAGE, *certificate)

    def alarms(self, run: Run) -> tuple[Alarm, ...]:
        return (*self._of_the_database(run), *self._of_the_functions(run), *self._of_the_balancer(run),
                *self._of_storage_and_events(run), *self._of_the_certificate(run))

    def _of_the_database(self, run: Run) -> Iterable[Alarm]:
        limits, cluster = run.settings.alarms, (("DBClusterIdentifier", run.output(self.cluster).id),)
        yield Alarm("database-cpu", f"the database of {self.region} is short of CPU", limits.database_cpu_percent,
                    "AWS/RDS", "CPUUtilization", cluster, statistic="Average", period_s=300)
        yield Alarm("database-connections", f"the database of {self.region} has too many connections",
                    limits.database_connections, "AWS/RDS", "DatabaseConnections", cluster)
        # Both lags are in milliseconds.
        yield Alarm("replication-lag", f"the database of {self.region} lags behind the writer",
                    limits.replication_lag_s * 1000, "AWS/RDS", "AuroraGlobalDBReplicationLag", cluster)
        yield Alarm("rpo-lag", f"a failover to {self.region} would lose more than the objective allows",
                    run.settings.objectives.rpo_minutes * 60_000, "AWS/RDS", "AuroraGlobalDBRPOLag", cluster)

    def _of_the_functions(self, run: Run) -> Iterable[Alarm]:
        for label, function in (("app", self.app), ("probe", self.probe), ("latch", self.latch)):
            name = run.output(function).name
            yield Alarm(f"{label}-errors", f"too many invocations of {name} fail", run.settings.alarms.error_percent,
                        metrics=ratio(("Errors",), "Invocations", "AWS/Lambda", {"FunctionName": name}))
            yield Alarm(f"{label}-throttles", f"invocations of {name} are throttled", 0, "AWS/Lambda", "Throttles",
                        (("FunctionName", name),), statistic="Sum")
        # It is invoked every minute: a quarter of an hour without data is as bad as without invocations.
        yield Alarm("latch-idle", f"the latch of {self.region} does not look: users who flee may be brought back", 1,
                    "AWS/Lambda", "Invocations", (("FunctionName", run.output(self.latch).name),), statistic="Sum",
                    comparison="LessThanThreshold", period_s=900, periods=1, missing="breaching")

    def _of_the_balancer(self, run: Run) -> Iterable[Alarm]:
        balancer = run.output(self.balancer).arn.partition(":loadbalancer/")[2]
        group = run.output(self.listeners).target_group_arn.rpartition(":")[2]
        both = {"LoadBalancer": balancer, "TargetGroup": group}
        yield Alarm("unhealthy-hosts", f"the balancer of {self.region} finds the app unhealthy", 0,
                    "AWS/ApplicationELB", "UnHealthyHostCount", tuple(both.items()))
        yield Alarm("balancer-5xx", f"the balancer of {self.region} answers with errors of its own", BALANCER_ERRORS,
                    "AWS/ApplicationELB", "HTTPCode_ELB_5XX_Count", (("LoadBalancer", balancer),), statistic="Sum")
        yield Alarm("app-5xx", f"the app in {self.region} answers with errors", run.settings.alarms.error_percent,
                    metrics=ratio(("HTTPCode_Target_5XX_Count",), "RequestCount", "AWS/ApplicationELB", both))

    def _of_storage_and_events(self, run: Run) -> Iterable[Alarm]:
        """Latency is published at the destination, failures at the source (S3 User Guide, "Monitoring replication
        with metrics"): the two alarms watch opposite directions."""
        out = run.output(self.replication)
        near, far = (out.source, out.target) if self.replication.region == self.region else (out.target, out.source)
        yield Alarm("object-replication-latency", f"objects reach {near} more than 15 minutes late", 900, "AWS/S3",
                    "ReplicationLatency", (("SourceBucket", far), ("DestinationBucket", near), ("RuleId", out.rule_id)))
        yield Alarm("object-replication-failed", f"objects of {near} could not be replicated to {far}", 0, "AWS/S3",
                    "OperationsFailedReplication", (("SourceBucket", near), ("DestinationBucket", far),
                                                    ("RuleId", out.rule_id)), statistic="Sum", periods=1)
        queue = run.output(self.dead_letters).arn.rpartition(":")[2]
        yield Alarm("dead-letters", f"events of {self.region} could not be forwarded and wait in {queue}", 0,
                    "AWS/SQS", "ApproximateNumberOfMessagesVisible", (("QueueName", queue),), period_s=300, periods=1)

    def _of_the_certificate(self, run: Run) -> Iterable[Alarm]:
        """ACM publishes the metric once a day at least (ACM User Guide, "Supported CloudWatch metrics")."""
        if self.certificate:
            arn, days = run.output(self.certificate).arn, run.settings.alarms.certificate_days
            yield Alarm("certificate-expiry", f"the certificate of {self.region} expires within {days} days", days,
                        "AWS/CertificateManager", "DaysToExpiry", (("CertificateArn", arn),), statistic="Minimum",
                        comparison="LessThanThreshold", period_s=86_400, periods=1)
