"""What an isolated drill proves of its copy: it holds production's rows, the app's own code works on it, and no way
leads from it to production.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from drctl.actions import probe
from drctl.actions.isolated import mark, mark_in_copy, probe_command
from drctl.actions.prove import until_done
from drctl.aws.commands import Command
from drctl.engine.run import Run
from drctl.engine.runbook import Action
from drctl.engine.waiting import minutes
from drctl.errors import ChecksFailed
from drctl.settings import Site
from drctl.steps.global_cluster import GlobalCluster
from drctl.steps.security_groups import SecurityGroups
from drctl.steps.target_group import as_handed_on
from drctl.steps.temporary_copy import TemporaryCopy
from drctl.steps.temporary_function import DENIED, TemporaryFunction

#: Answers of the app that a minute can change: it, its database or its role are not all there yet.
MAY_PASS = frozenset({502, 503, 504})


@dataclass(frozen=True, eq=False)
class OfACopy(Action):
    """A proof about a copy."""

    copy: TemporaryCopy
    typical_minutes = 0.3
    phase: ClassVar[str] = "prove"

    @property
    def region(self) -> str:
        return self.copy.site.region

    def ask(self, run: Run, /, **request: Any) -> dict[str, Any]:
        """The answer of the probe at the copy."""
        return probe.invoke(run, self.copy.site, self.copy.probe.label, request)

    def log_group(self) -> str:
        """Where to look when a function at the copy does not do as it should."""
        return f"aws logs tail on the log groups of {self.copy.label}-app and {self.copy.label}-probe"


@dataclass(frozen=True, eq=False)
class ProveReads(OfACopy):
    """The copy holds the heartbeat that production was given before the copy was made."""

    why = "a copy without production's last rows is not what would have to be relied on"
    if_stuck = "aws logs tail on the log group of the copy's probe; the copy's cluster endpoint"

    @property
    def title(self) -> str:
        return "prove that the copy holds production's rows"

    def do(self, run: Run) -> None:
        until_done(run, "the copy's database is reached", lambda: self.ask(run, action="health"))
        held = self.ask(run, action="read", run=mark(run)).get("rows")
        if held != [1]:
            raise ChecksFailed("the copy lacks the heartbeat that was written before it was made",
                               findings=(f"heartbeats of {mark(run)} in the copy: {held}",), next_step=self.if_stuck)
        tables = self.ask(run, action="tables")
        run.measure("tables_in_copy", len(tables.get("tables", ())) + len(tables.get("without_key", ())))
        run.measure("reads_proven", True)

    def by_hand(self, run: Run) -> Iterable[Command | str]:
        yield probe_command(run, self.copy.site, self.copy.probe.label, json.dumps(
            {"action": "read", "run": mark(run)}))


@dataclass(frozen=True, eq=False)
class ProveAppWorks(OfACopy):
    """The app's own code answers at the copy; the sample application creates and reads a patient and an appointment."""

    why = "the code that users would meet has to work on this data in this region"
    if_stuck = "aws logs tail on the log group of the copy's app"

    @property
    def title(self) -> str:
        return "prove that the app's code works at the copy"

    def do(self, run: Run) -> None:
        health = self._until_answered(run, "GET", run.settings.app.health_path, range(200, 400))
        run.measure("app_status", health["statusCode"])
        if run.settings.app.package is None:
            run.measure("app_wrote", list(self._use(run)))

    def _use(self, run: Run) -> Iterable[str]:
        """Create and read, as a clinic would; nobody but this drill ever sees it. Yields what was read back."""
        patient = self._created(run, "/patients", {"name": "Isolated Drill", "birth_date": "1980-02-29"})
        yield "patient"
        starts = (datetime.now(UTC) + timedelta(days=1)).replace(microsecond=0).isoformat()
        self._created(run, "/appointments", {"patient_id": patient, "starts_at": starts, "reason": run.id})
        yield "appointment"

    def _created(self, run: Run, path: str, content: dict[str, Any]) -> str:
        """The id of a new thing, which is read back and must be as it was given."""
        made = json.loads(self._until_answered(run, "POST", path, range(201, 202), content)["body"])
        read = json.loads(self._until_answered(run, "GET", f"{path}/{made['id']}", range(200, 201))["body"])
        if read != made:
            raise ChecksFailed(f"what the app at the copy reads under {path} is not what it wrote",
                               next_step=self.if_stuck)
        return str(made["id"])

    def _until_answered(self, run: Run, method: str, path: str, wanted: range,
                        content: dict[str, Any] | None = None) -> dict[str, Any]:
        """Ask as the balancer would; a function and a database just made are given a while."""
        event = as_handed_on(method, path, content, host="isolated")
        return run.wait_until(
            f"the app at the copy answers {method} {path.rpartition('/')[0] or path}",
            lambda: probe.invoke(run, self.copy.site, self.copy.app.label, event),
            lambda answer: answer.get("statusCode") in wanted, within=minutes(5), every=5,
            show=lambda answer: str(answer.get("statusCode", answer))[:80],
            failed=lambda answer: None if answer.get("statusCode") in {*wanted, *MAY_PASS}
            else f"it answered {answer.get('statusCode', answer)}")

    def by_hand(self, run: Run) -> Iterable[Command | str]:
        yield probe_command(run, self.copy.site, self.copy.app.label, json.dumps(
            as_handed_on("GET", run.settings.app.health_path, host="isolated")))


@dataclass(frozen=True, eq=False)
class ProveWrites(OfACopy):
    """The copy takes a heartbeat of its own and gives it back."""

    why = "a standby that only reads could not take over; its copy shows that it can write"
    if_stuck = "aws logs tail on the log group of the copy's probe"

    @property
    def title(self) -> str:
        return "prove that the copy takes writes"

    def do(self, run: Run) -> None:
        until_done(run, "the copy takes a heartbeat",
                   lambda: self.ask(run, action="write", run=mark_in_copy(run), n=1))
        if (held := self.ask(run, action="read", run=mark_in_copy(run)).get("rows")) != [1]:
            raise ChecksFailed("the copy does not give back what it took", findings=(f"rows: {held}",),
                               next_step=self.if_stuck)
        run.measure("writes_proven", True)

    def by_hand(self, run: Run) -> Iterable[Command | str]:
        yield probe_command(run, self.copy.site, self.copy.probe.label, json.dumps(
            {"action": "write", "run": mark_in_copy(run), "n": 1}))


@dataclass(frozen=True, eq=False)
class ProveIsolation(OfACopy):
    """No way leads from the copy to production: by groups, rights, addresses and membership as AWS shows them now, and
    by a row in the copy that production does not hold. ChecksFailed with every way that there is.
    """

    global_cluster: GlobalCluster
    #: The stack's groups in the copy's region.
    security: SecurityGroups
    #: Where production writes.
    writer: Site
    why = "a drill that reaches production is an incident"
    if_stuck = "remove the copy at once; the findings say which wall is open"

    @property
    def title(self) -> str:
        return "prove that the copy is isolated"

    def do(self, run: Run) -> None:
        walls: dict[str, Callable[[Run], Iterable[str]]] = {
            "network": self._network, "stack_groups": self._stack_groups, "endpoint": self._endpoint,
            "rights": self._rights, "addresses": self._addresses, "membership": self._membership, "rows": self._rows}
        found = {name: list(wall(run)) for name, wall in walls.items()}
        run.measure("isolation", {name: "closed" if not open_ else "; ".join(open_) for name, open_ in found.items()})
        if findings := tuple(finding for open_ in found.values() for finding in open_):
            raise ChecksFailed("the copy is not isolated", findings=findings, next_step=self.if_stuck)

    def _network(self, run: Run) -> Iterable[str]:
        """Its groups let nothing through but what they are for."""
        out = run.refresh(self.copy.groups)
        if out is None:
            yield "the copy's security groups are not there"
            return
        yield from (finding.text for finding in self.copy.groups.verify(run, out))
        cluster = run.refresh(self.copy.cluster)
        if cluster is None or cluster.settings["VpcSecurityGroupIds"] != [out.database]:
            yield "the copy's database does not carry its own group alone"
        for function in (self.copy.app, self.copy.probe):
            seen = run.refresh(function)
            if seen is None or seen.configuration["VpcConfig"]["SecurityGroupIds"] != [out.app]:
                yield f"function {function.label} does not carry the copy's group alone"

    def _stack_groups(self, run: Run) -> Iterable[str]:
        """No group of the stack, the production database's first of all, knows one of the copy's."""
        stack, own = run.refresh(self.security), set(run.output(self.copy.groups).ids.values())
        for purpose, rules in (stack.rules if stack else {}).items():
            yield from (f"the stack's group {purpose} admits the copy: {rule}" for rule in rules if rule.peer in own)

    def _endpoint(self, run: Run) -> Iterable[str]:
        out = run.refresh(self.copy.endpoint)
        if out is None:
            yield "the copy's endpoint is not there"
            return
        yield from (finding.text for finding in self.copy.endpoint.verify(run, out))

    def _rights(self, run: Run) -> Iterable[str]:
        for role in self.copy.roles:
            out = run.refresh(role)
            denied = {action for one in (out.policy["Statement"] if out else ()) if one["Effect"] == "Deny"
                      and one["Resource"] == "*" and "Condition" not in one for action in one["Action"]}
            yield from (f"role {role.label} is not denied {action}" for action in DENIED if action not in denied)
            yield from (finding.text for finding in (role.verify(run, out) if out else ()))

    def _addresses(self, run: Run) -> Iterable[str]:
        for function in (self.copy.app, self.copy.probe):
            yield from self._addresses_of(run, function)

    def _addresses_of(self, run: Run, function: TemporaryFunction) -> Iterable[str]:
        """The environment names the copy's own things and the secret, and nothing of the stack's."""
        variables = run.output(function).configuration["Environment"]["Variables"]
        if variables.get("DATABASE_HOST") != run.output(self.copy.cluster).endpoint:
            yield f"function {function.label} is told another database: {variables.get('DATABASE_HOST')}"
        for name, value in variables.items():
            if name != "DATABASE_SECRET" and (run.settings.dns.zone in value or self._is_the_stacks(run, value)):
                yield f"function {function.label} is told something of production: {name} is {value}"

    def _is_the_stacks(self, run: Run, value: str) -> bool:
        regions = "|".join(re.escape(site.region) for site in run.settings.sites)
        named = re.search(rf"-(?:{regions}|global)-{re.escape(run.settings.environment)}", value)
        return named is not None and f"-{self.copy.label}-" not in value

    def _membership(self, run: Run) -> Iterable[str]:
        members, copy = run.refresh(self.global_cluster), run.output(self.copy.cluster)
        if members is None or copy.arn in {member.arn for member in members.members}:
            yield f"cluster {copy.id} is in the global database"

    def _rows(self, run: Run) -> Iterable[str]:
        """What was written to the copy did not reach production; asked of the database that writes."""
        answer = probe.ask(run, self.writer, action="read", run=mark_in_copy(run))
        if not answer.get("ok"):
            yield f"production cannot be asked: {probe.in_words(answer)}"
        elif answer["rows"]:
            yield f"production in {self.writer.region} holds what was written to the copy"

    def by_hand(self, run: Run) -> Iterable[Command | str]:
        copy = self.copy
        yield Command(self.region, "ec2", "DescribeSecurityGroups", {"Filters": [
            {"Name": "group-name", "Values": [run.name("security-group", f"{copy.label}-{purpose}", self.region)
                                              for purpose in copy.groups.described()]}]})
        yield Command(self.region, "iam", "GetRolePolicy", {
            "RoleName": run.name("iam", copy.roles[0].label, self.region), "PolicyName": copy.roles[0].label})
        yield probe_command(run, self.writer, "probe", json.dumps({"action": "read", "run": mark_in_copy(run)}))
