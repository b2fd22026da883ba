"""The steady state: what must be so before anything is moved on purpose; every reason why not is listed.

All questions are asked side by side and each once: a drill must be under way within seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from drctl.actions import probe
from drctl.actions.dns_switch import name_servers, where_users_are_sent
from drctl.actions.fencing import is_fenced
from drctl.aws.commands import Command, TimeAgo
from drctl.aws.errors import AwsError, code_of, message_of
from drctl.engine.run import Run
from drctl.engine.runbook import Action
from drctl.errors import DrctlError, Refused
from drctl.settings import Site
from drctl.steps.balancer import Balancer
from drctl.steps.global_cluster import GlobalCluster


@dataclass(frozen=True, eq=False)
class SteadyState(Action):
    """The gate of a drill: Refused with all findings when the stack is not ready to be moved to `target`."""

    global_cluster: GlobalCluster
    balancer: Balancer
    source: Site
    target: Site
    #: The balancer of `target`, where users may have been sent before: when the writer's region had lost its app its
    #: users fled, and the latch kept them; bringing the writer after them is what mends that.
    there: Balancer | None = None
    why = "a drill that begins on a sick stack makes an outage of it"
    typical_minutes = 0.1
    if_stuck = "mend the findings; drctl status shows the stack"
    phase: ClassVar[str] = "steady state"

    @property
    def title(self) -> str:
        return f"steady state, ready to move to {self.target.region}"

    def by_hand(self, run: Run) -> Iterable[Command]:
        yield Command(self.target.region, "rds", "DescribeGlobalClusters", {
            "GlobalClusterIdentifier": self.global_cluster.name(run)})
        yield Command(self.target.region, "rds", "DescribeDBInstances", {
            "Filters": [{"Name": "db-cluster-id", "Values": [run.name("aurora", "cluster", self.target)]}]})
        yield lag_by_hand(run, self.target)
        yield probe.invocation(run, self.target, "probe", {"action": "health"})

    def do(self, run: Run) -> None:
        questions: tuple[Callable[[], Iterable[str]], ...] = (
            lambda: self._membership(run), lambda: instances(run, self.source), lambda: instances(run, self.target),
            lambda: self._lag(run), lambda: self._standby_answers(run), lambda: self._name(run),
            lambda: self._app(run))
        with ThreadPoolExecutor(max_workers=len(questions)) as pool:
            asked = [pool.submit(copy_context().run, _answered, question) for question in questions]
        findings = tuple(finding for answer in asked for finding in answer.result())
        for finding in findings:
            run.events.emit("finding", text=finding)
        if findings:
            # A run that has put an earlier drill back, or let an app serve again, has done something before this.
            more = "more " if any(run.events.changes.values()) else ""
            raise Refused(f"the stack is not ready for a drill; nothing {more}was moved", findings=findings,
                          next_step="mend the findings (drctl provision converges structure), then the same command")

    def _membership(self, run: Run) -> Iterable[str]:
        out = run.found(self.global_cluster)
        if out is None:
            yield "there is no global database"
            return
        if not out.at_rest:
            yield f"the global database is not at rest: {out}"
        if out.writer != self.source.region:
            yield f"the writer is not in {self.source.region}"
        member = out.member(self.target.region)
        if member is None:
            yield f"the global database has no member in {self.target.region}"
        elif member.synchronization != "connected":
            yield f"replication to {self.target.region} is {member.synchronization or 'not known'}"

    def _lag(self, run: Run) -> Iterable[str]:
        lag = replication_lag_s(run, self.target)
        if lag is not None and lag > run.settings.objectives.rpo_minutes * 60:
            yield f"replication lag is {lag:.0f} s, over the RPO of {run.settings.objectives.rpo_minutes:g} min"

    def _standby_answers(self, run: Run) -> Iterable[str]:
        answer = probe.ask(run, self.target, action="health")
        if not answer.get("ok"):
            yield f"the probe in {self.target.region} cannot read: {answer.get('error')}: {answer.get('text')}"

    def _app(self, run: Run) -> Iterable[str]:
        """An app that a failover has stopped serves nobody until a failback has put its region in order."""
        if is_fenced(run, self.target):
            yield f"the app in {self.target.region} is stopped since a failover: drctl failback"

    def _name(self, run: Run) -> Iterable[str]:
        """Users are sent to the region that is to be left, or where they may be, to the one that is moved to."""
        servers = name_servers(run, self.source)
        sent = where_users_are_sent(run, servers, self.balancer.dns_name(run))
        if sent.is_with_the_balancer:
            return
        if self.there is not None and where_users_are_sent(
                run, servers, self.there.dns_name(run)).is_with_the_balancer:
            run.say(f"users are sent to {self.target.region} already: the writer follows them")
        else:
            yield f"users are not sent to {self.source.region}: {run.settings.dns.name} answers {sent}"


def instances(run: Run, site: Site) -> Iterable[str]:
    """A member without an available instance cannot take over (Aurora User Guide, headless clusters)."""
    cluster = run.name("aurora", "cluster", site)
    found = run.at(site).rds.describe_db_instances(
        Filters=[{"Name": "db-cluster-id", "Values": [cluster]}])["DBInstances"]
    states = [one["DBInstanceStatus"] for one in found]
    if "available" not in states:
        yield f"no database instance in {site.region} is available: {', '.join(states) or 'there is none'}"


def replication_lag_s(run: Run, site: Site) -> float | None:
    """Newest AuroraGlobalDBRPOLag in seconds; published by the region of the secondary only; None without data."""
    now = datetime.now(UTC)
    query: Any = [{"Id": "lag", "ReturnData": True, "MetricStat": {"Stat": "Maximum", "Period": 60, "Metric": {
        "Namespace": "AWS/RDS", "MetricName": "AuroraGlobalDBRPOLag",
        "Dimensions": [{"Name": "DBClusterIdentifier", "Value": run.name("aurora", "cluster", site)}]}}}]
    answer = run.at(site).cloudwatch.get_metric_data(
        MetricDataQueries=query, StartTime=now - timedelta(minutes=10), EndTime=now + timedelta(minutes=1))
    values = answer["MetricDataResults"][0]["Values"] if answer["MetricDataResults"] else []
    return values[0] / 1000 if values else None


def lag_by_hand(run: Run, site: Site) -> Command:
    """The call that shows the lag's newest datapoints, for a person: it is typed and not sent."""
    return Command(site.region, "cloudwatch", "GetMetricStatistics", {
        "Namespace": "AWS/RDS", "MetricName": "AuroraGlobalDBRPOLag", "Statistics": ["Maximum"], "Period": 60,
        "Dimensions": [{"Name": "DBClusterIdentifier", "Value": run.name("aurora", "cluster", site)}],
        "StartTime": TimeAgo(10), "EndTime": TimeAgo()})


def _answered(question: Callable[[], Iterable[str]]) -> list[str]:
    """The findings of a question; that it could not be asked is one too."""
    try:
        return list(question())
    except AwsError as error:
        return [f"AWS answered {code_of(error)}: {message_of(error)}"]
    except DrctlError as error:
        return [error.message]
