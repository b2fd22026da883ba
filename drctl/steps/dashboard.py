"""One dashboard over both regions: where traffic and writer are, how far behind the follower is, whether it is ready.

Dashboards are global, one name space for the account (CloudWatch User Guide); each metric names its region. The link
opens the console of the standby region, which is the one that answers when it is needed most.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from drctl.aws.errors import absent_is_fine, or_none
from drctl.aws.policies import same
from drctl.aws.tags import as_list
from drctl.engine.run import Run
from drctl.engine.step import Finding, Resource, Step
from drctl.engine.usage import Use
from drctl.engine.waiting import minutes
from drctl.errors import NotOurs
from drctl.names import GLOBAL

if TYPE_CHECKING:
    from drctl.steps.balancer import Balancer
    from drctl.steps.dead_letters import DeadLetters
    from drctl.steps.deployed_function import DeployedFunction
    from drctl.steps.health_checks import HealthChecks
    from drctl.steps.primary_cluster import PrimaryCluster
    from drctl.steps.replication import Replication
    from drctl.steps.standby_cluster import StandbyCluster

#: Where readiness is published: 1 when a failover can begin now, with the dimension Environment, in both regions.
NAMESPACE, READINESS = "drctl", "FailoverReadiness"
#: And beside it what `drctl verify --publish` has counted, of 100.
SCORE = "ReadinessScore"

#: One line of a graph: region, namespace, metric, dimensions.
Line = tuple[str, str, str, dict[str, str]]


@dataclass(frozen=True)
class DashboardOut:
    """The dashboard as it stands."""

    name: str
    url: str
    body: str


@dataclass(frozen=True, eq=False)
class Dashboard(Step[DashboardOut]):
    """Fields name what is drawn, of both regions."""

    clusters: tuple[PrimaryCluster | StandbyCluster, ...]
    balancers: tuple[Balancer, ...]
    functions: tuple[DeployedFunction, ...]
    replications: tuple[Replication, ...]
    dead_letters: tuple[DeadLetters, ...]
    checks: HealthChecks

    def _name(self, run: Run) -> str:
        return run.name("dashboard", "dr", GLOBAL)

    def _sign(self, run: Run) -> str:
        """What the first widget says; it also tells whose dashboard it is."""
        return f"drctl stack **{run.settings.environment}**"

    def _body(self, run: Run) -> dict[str, Any]:
        settings = run.settings
        text = (f"# {self._sign(run)}\n{settings.regions.primary} and {settings.regions.standby}, objectives: "
                f"RTO {settings.objectives.rto_minutes:g} min, RPO {settings.objectives.rpo_minutes:g} min")
        head = {"type": "text", "x": 0, "y": 0, "width": 24, "height": 2, "properties": {"markdown": text}}
        graphs = [_graph(n, settings.regions.standby, *graph) for n, graph in enumerate(self._graphs(run))]
        return {"widgets": [head, *graphs]}

    def _graphs(self, run: Run) -> Iterator[tuple[str, str, list[Line]]]:
        """Title, statistic and lines of each graph."""
        environment = {"Environment": run.settings.environment}
        yield "Ready to fail over", "Minimum", [(site.region, NAMESPACE, READINESS, environment)
                                                for site in run.settings.sites]
        yield "Readiness score", "Minimum", [(site.region, NAMESPACE, SCORE, environment)
                                             for site in run.settings.sites]
        checks = run.output(self.checks)
        yield "Health checks", "Minimum", [("us-east-1", "AWS/Route53", "HealthCheckStatus", {"HealthCheckId": check})
                                           for check in (checks.primary_app, checks.standby_app, checks.combined)]
        for title, metric in (("Replication lag, ms", "AuroraGlobalDBReplicationLag"),
                              ("Loss of a failover now, ms", "AuroraGlobalDBRPOLag"),
                              ("Database CPU, %", "CPUUtilization"), ("Connections", "DatabaseConnections")):
            yield title, "Maximum", [(step.region, "AWS/RDS", metric, {"DBClusterIdentifier": run.output(step).id})
                                     for step in self.clusters]
        yield from self._graphs_of_the_app(run)
        yield "Object replication, s late", "Maximum", [
            (run.settings.other(step.site).region, "AWS/S3", "ReplicationLatency",
             {"SourceBucket": out.source, "DestinationBucket": out.target, "RuleId": out.rule_id})
            for step in self.replications for out in [run.output(step)]]
        yield "Events not forwarded", "Maximum", [
            (step.region, "AWS/SQS", "ApproximateNumberOfMessagesVisible",
             {"QueueName": run.output(step).arn.rpartition(":")[2]}) for step in self.dead_letters]

    def _graphs_of_the_app(self, run: Run) -> Iterator[tuple[str, str, list[Line]]]:
        for title, metric in (("Requests", "RequestCount"), ("Errors answered", "HTTPCode_ELB_5XX_Count")):
            yield title, "Sum", [(step.region, "AWS/ApplicationELB", metric,
                                  {"LoadBalancer": run.output(step).arn.partition(":loadbalancer/")[2]})
                                 for step in self.balancers]
        for title, metric in (("Failed invocations", "Errors"), ("Throttled invocations", "Throttles")):
            yield title, "Sum", [(step.region, "AWS/Lambda", metric, {"FunctionName": run.output(step).name})
                                 for step in self.functions]

    def find(self, run: Run) -> DashboardOut | None:
        name, standby = self._name(run), run.settings.regions.standby
        seen = or_none(lambda: run.at(self.site).cloudwatch.get_dashboard(DashboardName=name))
        if seen is None:
            return None
        url = (f"https://{standby}.console.aws.amazon.com/cloudwatch/home?region={standby}"
               f"#dashboards/dashboard/{name}")
        return DashboardOut(name, url, seen["DashboardBody"])

    def ensure(self, run: Run) -> DashboardOut:
        out = run.found(self)
        if out and not list(self.verify(run, out)):
            return out
        if out:
            self._refuse_foreign(run, out)
        answer = run.at(self.site).cloudwatch.put_dashboard(
            DashboardName=self._name(run), DashboardBody=json.dumps(self._body(run)),
            Tags=as_list(run.tags(None, self._name(run))))
        # Success may come with complaints; a graph that CloudWatch cannot draw is no reason to stop.
        for message in answer.get("DashboardValidationMessages", []):
            run.say(f"dashboard: {message.get('DataPath', '')} {message.get('Message', '')}")
        return run.wait_until("the dashboard stands", lambda: self.find(run), within=minutes(2),
                              ready=lambda seen: seen is not None and not list(self.verify(run, seen)),
                              show=lambda seen: "not up to date yet" if seen else "absent") or run.output(self)

    def _refuse_foreign(self, run: Run, out: DashboardOut) -> None:
        if self._sign(run) not in out.body:
            raise NotOurs(f"dashboard {out.name} does not say that it is this stack's",
                          next_step="rename or delete that dashboard")

    def verify(self, run: Run, out: DashboardOut) -> Iterable[Finding]:
        if not same(out.body, self._body(run)):
            yield Finding(f"dashboard {out.name} does not show what it should")

    def destroy(self, run: Run) -> None:
        if (out := self.find(run)) is None:
            return
        self._refuse_foreign(run, out)
        with absent_is_fine():
            run.at(self.site).cloudwatch.delete_dashboards(DashboardNames=[out.name])

    def uses(self, run: Run, out: DashboardOut | None) -> Iterable[Use]:
        yield Use("alarms and dashboard", "dashboard", 1)

    def resources(self, out: DashboardOut) -> Iterable[Resource]:
        yield Resource("cloudwatch:dashboard", out.name, self.region)


def _graph(n: int, region: str, title: str, statistic: str, lines: list[Line]) -> dict[str, Any]:
    """A graph in a grid of three columns below the text; every line names its own region."""
    metrics = [[namespace, metric, *(part for pair in dimensions.items() for part in pair), {"region": place}]
               for place, namespace, metric, dimensions in lines]
    return {"type": "metric", "x": n % 3 * 8, "y": 2 + n // 3 * 6, "width": 8, "height": 6,
            "properties": {"title": title, "region": region, "stat": statistic, "period": 60, "view": "timeSeries",
                           "metrics": metrics}}
