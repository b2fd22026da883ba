"""The steady state: what must be so before anything is moved on purpose; every reason why not is listed.

All questions are asked side by side and each once: a drill must be under way within seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
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
from drctl.steps.zone import ALL_KEYS

#: AWS seconds after which the age of the newest datapoint is told: they come once a minute, and a minute late.
STALE_S = 120.0
#: States of a certificate that was in use and no client takes any more (ACM API Reference, CertificateDetail).
ENDED: Any = ["EXPIRED", "REVOKED", "INACTIVE"]


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
        with ThreadPoolExecutor(max_workers=9) as pool:  # one for each question, and one for what two of them share
            health = pool.submit(copy_context().run, self._health, run)
            questions: tuple[Callable[[], Iterable[str]], ...] = (
                lambda: self._membership(run), lambda: instances(run, self.source), lambda: instances(run, self.target),
                lambda: self._lag(run, health), lambda: self._standby_answers(health), lambda: self._app(run),
                lambda: self.where_users_are(run), lambda: self._certificate(run))
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

    def _health(self, run: Run) -> dict[str, Any]:
        return probe.attempt(probe.ask, run, self.target, action="health")

    def _lag(self, run: Run, health: Future[dict[str, Any]]) -> Iterable[str]:
        """What CloudWatch says last, else what the database says itself: a lag that nobody knows may be any."""
        known = replication_lag(run, self.target)
        lag = known.seconds if known else health.result().get("lag_s")
        if lag is None:
            yield (f"the replication lag of {self.target.region} is not known: CloudWatch has no AuroraGlobalDBRPOLag, "
                   "and the probe does not tell it")
        elif lag > run.settings.objectives.rpo_minutes * 60:
            yield f"replication lag is {lag:.0f} s, over the RPO of {run.settings.objectives.rpo_minutes:g} min"

    def _standby_answers(self, health: Future[dict[str, Any]]) -> Iterable[str]:
        if not health.result().get("ok"):
            yield f"the probe in {self.target.region} cannot read: {probe.in_words(health.result())}"

    def _app(self, run: Run) -> Iterable[str]:
        """An app that a failover has stopped serves nobody until a failback has put its region in order."""
        if is_fenced(run, self.target):
            yield f"the app in {self.target.region} is stopped since a failover: drctl failback"

    def _certificate(self, run: Run) -> Iterable[str]:
        """Health checkers take any certificate (Route 53 Developer Guide, "How Amazon Route 53 determines whether a
        health check is healthy"), so nothing else shows that browsers would not."""
        if run.settings.tls.mode == "off":
            return
        answer = run.at(self.target).acm.list_certificates(CertificateStatuses=ENDED, Includes=ALL_KEYS)
        for one in answer["CertificateSummaryList"]:
            if one.get("InUse") and covers(one["DomainName"], run.settings.dns.name):
                yield (f"the balancer's certificate in {self.target.region} is {one['Status']}, browsers refuse it: "
                       f"{one['CertificateArn']}")

    def where_users_are(self, run: Run) -> Iterable[str]:
        """Users are sent to the region that is to be left, or where they may be, to the one that is moved to."""
        servers = name_servers(run, self.source)
        try:
            sent = where_users_are_sent(run, servers, self.balancer.dns_name(run))
        except AwsError as error:  # balancers may be what users have fled from
            trouble = in_words(error)
        else:
            if sent.is_with_the_balancer:
                return
            trouble = f"users are not sent to {self.source.region}: {run.settings.dns.name} answers {sent}"
        if self.there is not None and where_users_are_sent(
                run, servers, self.there.dns_name(run)).is_with_the_balancer:
            run.say(f"users are sent to {self.target.region} already: the writer follows them")
        else:
            yield trouble


def covers(certified: str, name: str) -> bool:
    """Whether a certificate's domain name, which may begin with a wildcard for one label, is for that name."""
    return certified == name or (certified.startswith("*.") and certified[2:] == name.partition(".")[2])


def instances(run: Run, site: Site) -> Iterable[str]:
    """A member without an available instance cannot take over (Aurora User Guide, headless clusters)."""
    cluster = run.name("aurora", "cluster", site)
    found = run.at(site).rds.describe_db_instances(
        Filters=[{"Name": "db-cluster-id", "Values": [cluster]}])["DBInstances"]
    states = [one["DBInstanceStatus"] for one in found]
    if "available" not in states:
        yield f"no database instance in {site.region} is available: {', '.join(states) or 'there is none'}"


@dataclass(frozen=True)
class Growth:
    """A lag that grows as time passes: nothing has arrived since `since` (seconds since 1970), and `seconds` is what it
    was at the first look after that.

    Either the other region was lost then, and no more than that is gone; or replication alone broke, the region went on
    to acknowledge writes, and the whole lag is gone. The metric cannot tell which.
    """

    since: float
    seconds: float


#: Part of the time between two datapoints by which a lag has to have grown to be taken for one that grows with time.
GROWS_BY = 0.8
#: And the AWS seconds by which it has to in a minute that was not whole.
AT_LEAST_S = 1.0


@dataclass(frozen=True)
class Lag:
    """How far a copy was behind in seconds, and when (seconds since 1970); `age_s`, AWS seconds, is how long that was
    ago when it was asked.

    CloudWatch stamps a datapoint with the beginning of its minute: the value may have been measured up to a minute
    after its stamp, never before. So the moment that it reaches back to is never later than the last one that is known
    to be replicated, and an outage that is dated by it began at that moment or later: at most it is counted too long.
    """

    seconds: float
    measured_at: float
    age_s: float = 0.0
    growth: Growth | None = None

    @property
    def is_old(self) -> bool:
        """Whether it may say little of now."""
        return self.age_s > STALE_S

    def reaches_back_to(self, run: Run) -> float:
        """Up to when all that was written is in the copy, in seconds since 1970."""
        return self.measured_at - self.seconds / run.clock.speed


def replication_lag(run: Run, site: Site) -> Lag | None:
    """Newest AuroraGlobalDBRPOLag of ten minutes; published by the region of the secondary only; None without data."""
    now = datetime.now(UTC)
    query: Any = [{"Id": "lag", "ReturnData": True, "MetricStat": {"Stat": "Maximum", "Period": 60, "Metric": {
        "Namespace": "AWS/RDS", "MetricName": "AuroraGlobalDBRPOLag",
        "Dimensions": [{"Name": "DBClusterIdentifier", "Value": run.name("aurora", "cluster", site)}]}}}]
    answer = run.at(site).cloudwatch.get_metric_data(
        MetricDataQueries=query, StartTime=now - timedelta(minutes=10), EndTime=now + timedelta(minutes=1))
    results: list[Any] = answer["MetricDataResults"][:1]
    points = sorted((stamp.timestamp(), value / 1000) for result in results
                    for stamp, value in zip(result["Timestamps"], result["Values"], strict=True))
    if not points:
        return None
    stamp, value = points[-1]
    age_s = (now.timestamp() - stamp) * run.clock.speed
    return Lag(value, stamp, max(0.0, age_s), growth_of(points, run.clock.speed))


def growth_of(points: Sequence[tuple[float, float]], speed: float) -> Growth | None:
    """Since when a lag grows, of datapoints in order (seconds since 1970, lag in AWS seconds); None when it does not,
    or began to before the first of them.

    The newest minute is not over, and the first was half over when it began: these have grown by less.
    """
    pairs = list(pairwise(points))[::-1]
    begun = 0
    for number, ((before, lag_before), (stamp, lag)) in enumerate(pairs):
        if lag - lag_before < (GROWS_BY * (stamp - before) * speed if number else AT_LEAST_S):
            break
        begun = number + 1
    if begun < len(pairs) and begun > 1 and pairs[begun][1][1] - pairs[begun][0][1] >= AT_LEAST_S:
        begun += 1
    if begun < 2:
        return None
    (before, lag_before), (stamp, lag) = pairs[begun - 1]
    return Growth(before, lag) if lag_before < (stamp - before) * speed else None


def replication_lag_s(run: Run, site: Site) -> float | None:
    """The same in seconds alone."""
    lag = replication_lag(run, site)
    return None if lag is None else lag.seconds


def lag_by_hand(run: Run, site: Site) -> Command:
    """The call that shows the lag's newest datapoints, for a person: it is typed and not sent."""
    return Command(site.region, "cloudwatch", "GetMetricStatistics", {
        "Namespace": "AWS/RDS", "MetricName": "AuroraGlobalDBRPOLag", "Statistics": ["Maximum"], "Period": 60,
        "Dimensions": [{"Name": "DBClusterIdentifier", "Value": run.name("aurora", "cluster", site)}],
        "StartTime": TimeAgo(10), "EndTime": TimeAgo()})


def in_words(error: Exception) -> str:
    """What AWS answered."""
    return f"AWS answered {code_of(error)}: {message_of(error)}"


def _answered(question: Callable[[], Iterable[str]]) -> list[str]:
    """The findings of a question; that it could not be asked is one too."""
    try:
        return list(question())
    except AwsError as error:
        return [in_words(error)]
    except DrctlError as error:
        return [error.message]
