"""Which version of the app is live in each region: a new one goes live where nobody uses it first, and is proven there.

Then the region that users work with follows. Where the new version does not answer as a balancer asks it, the aliases
go back to what they named before. Which region is which is observed: the database's writer is where users are.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from drctl.aws.errors import AwsError, Refusal, is_gone
from drctl.engine.run import Run
from drctl.engine.step import Finding, Step
from drctl.engine.waiting import minutes
from drctl.errors import DrctlError, Interrupted, Refused
from drctl.steps.deployed_function import ALIAS, BUSY, FunctionOut
from drctl.steps.function import Function
from drctl.steps.global_cluster import GlobalCluster
from drctl.steps.listeners import Listeners
from drctl.steps.steady import PAUSE, steadily
from drctl.steps.target_group import as_handed_on, wanted_check

#: How the description of an alias begins whose version is not proven; the version that it named before follows.
UNPROVEN = "drctl: not proven, before it "
#: How long a new version may take to answer: a cold start in a VPC, and a moment in which the alias is not seen.
PROOF = minutes(3)
#: A version that was published a moment ago is not on every host yet, nor is the alias that names it.
NOT_YET = (*BUSY, Refusal("ResourceConflictException", "Pending"), Refusal("ResourceNotReadyException"),
           Refusal("ENINotReadyException"), Refusal("ResourceNotFoundException"))


class NotReleased(DrctlError):
    """A version of the app did not answer; what was live before is live again."""


@dataclass(frozen=True)
class Live:
    """The version that an alias names, and while that one is not proven the version that it named before."""

    version: str
    before: str = ""


@dataclass(frozen=True)
class ReleaseOut:
    """What is live, by region."""

    live: Mapping[str, Live]


@dataclass(frozen=True, eq=False)
class Release(Step[ReleaseOut]):
    """The app's aliases of both regions. A function that is made is live at once: nobody uses it yet."""

    waits_to_change = ("function-update", "function-update")

    functions: tuple[Function, Function]
    listeners: tuple[Listeners, Listeners]
    global_cluster: GlobalCluster

    def find(self, run: Run) -> ReleaseOut | None:
        live = {one.region: found for one in self.functions if (found := self._live(run, one)) is not None}
        return ReleaseOut(live) if live else None

    def _live(self, run: Run, function: Function) -> Live | None:
        lambda_ = run.at(function.site).lambda_
        try:
            alias = lambda_.get_alias(FunctionName=function.name(run), Name=ALIAS)
        except lambda_.exceptions.ClientError as error:
            if is_gone(error):
                return None
            raise
        told = alias.get("Description", "")
        return Live(alias["FunctionVersion"], told.removeprefix(UNPROVEN) if told.startswith(UNPROVEN) else "")

    def _order(self, run: Run) -> list[Function]:
        """The region that only reads, then the one whose database writes."""
        writer = run.output(self.global_cluster).writer
        return sorted(self.functions, key=lambda one: (one.region == writer, one.site.role == "primary"))

    def _due(self, run: Run, out: ReleaseOut) -> list[Function]:
        """Functions whose alias does not name what is configured."""
        return [one for one in self._order(run)
                if one.region in out.live and not one.is_live(run, run.output(one))]

    def ensure(self, run: Run) -> ReleaseOut:
        out = run.found(self)
        if out is None:
            return ReleaseOut({})
        due = self._due(run, out)
        unproven = {region for region, live in out.live.items() if live.before}
        new = [one for one in self._order(run) if one in due or one.region in unproven]
        if not new:
            return out
        self._refuse_a_stopped_app(run, new)
        versions = {one: one.publish(run) if one in due else out.live[one.region].version for one in new}
        self._go_live(run, new, versions, out.live)
        for one in new:
            self._name(run, one, versions[one], "")
            run.forget(one)
        return self.find(run) or out

    def _refuse_a_stopped_app(self, run: Run, functions: Iterable[Function]) -> None:
        """A failover stops the app of the region that it leaves: what is stopped cannot be proven."""
        for one in functions:
            limit = run.at(one.site).lambda_.get_function_concurrency(FunctionName=one.name(run))
            if limit.get("ReservedConcurrentExecutions") == 0:
                raise Refused(f"the app in {one.region} is stopped since a failover: a new version of it cannot be "
                              "proven; nothing went live", next_step="drctl failback, then drctl provision")

    def _go_live(self, run: Run, order: list[Function], versions: Mapping[Function, str],
                 live: Mapping[str, Live]) -> None:
        before = {one: live[one.region].before or live[one.region].version for one in order}
        begun = [one for one in order if live[one.region].before]
        for one in order:
            try:
                if live[one.region].version != versions[one]:
                    begun = [*(other for other in begun if other is not one), one]
                    self._name(run, one, versions[one], f"{UNPROVEN}{before[one]}")
                self._prove(run, one, versions[one])
            except Interrupted:
                raise
            except (DrctlError, *AwsError) as error:
                for other in reversed(begun):
                    self._name(run, other, before[other], "")
                raise NotReleased(self._told(one, versions[one], {other: before[other] for other in begun}, str(error)),
                                  next_step=f"aws logs tail /aws/lambda/{one.name(run)} --region {one.region}; then "
                                  "mend the app, or put its settings back, and drctl provision") from error

    def _told(self, failed: Function, version: str, back: Mapping[Function, str], why: str) -> str:
        stands = ", ".join(f"version {number} in {one.region}" for one, number in back.items())
        return (f"version {version} of the app in {failed.region} did not answer: {why}; live again is {stands}, "
                "and no other region was changed")

    def _name(self, run: Run, function: Function, version: str, description: str) -> None:
        """The alias names another version, or is proven; the description is AWS's memory of what it named before."""
        run.retry(f"{function.name(run)} can go live", lambda: run.at(function.site).lambda_.update_alias(
            FunctionName=function.name(run), Name=ALIAS, FunctionVersion=version, Description=description), BUSY,
            within=minutes(5))

    def _prove(self, run: Run, function: Function, version: str) -> None:
        """The live version answers the balancer's health check, several times in a row."""
        path = run.settings.app.health_path
        wanted = int(wanted_check(run.settings)["Matcher"]["HttpCode"])
        run.wait_until(
            f"version {version} of the app in {function.region} answers {path}", lambda: self._ask(run, function, path),
            steadily(lambda answer: answer.get("statusCode") == wanted), within=PROOF, every=PAUSE,
            failed=lambda answer: str(answer["errorMessage"]) if "errorMessage" in answer else None,
            show=lambda answer: str(answer.get("statusCode", "no status")))

    def _ask(self, run: Run, function: Function, path: str) -> dict[str, Any]:
        answer = run.retry(f"{function.name(run)} can be asked", lambda: run.at(function.site).lambda_.invoke(
            FunctionName=function.name(run), Qualifier=ALIAS,
            Payload=json.dumps(as_handed_on("GET", path, host=run.settings.dns.name)).encode()), NOT_YET,
            within=minutes(5))
        found = json.loads(answer["Payload"].read() or b"{}")
        return found if isinstance(found, dict) else {"errorMessage": f"it answers {found!r}"}

    def verify(self, run: Run, out: ReleaseOut) -> Iterable[Finding]:
        for one in self._due(run, out):
            yield Finding(f"the app's live version in {one.region} is not as configured: {_differences(run, one)}")
        for region, live in out.live.items():
            if live.before:
                yield Finding(f"version {live.version} of the app in {region} is not proven; before it {live.before} "
                              "was live")

    def destroy(self, run: Run) -> None:
        """Aliases go with their functions."""


def _differences(run: Run, function: Function) -> str:
    out: FunctionOut = run.output(function)
    return ", ".join(function.differences(run, out)) or "another version"
