"""A stack in the lab of this process that is ready to be failed over, and how readiness judges it.

What a stack has got by living is put there through the plain API: journals of drills, a recovery point, somebody who
hears the alarms. Nobody waits: AWS's time passes for the lab when a run waits.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from drctl.aws.clients import Aws, Credentials, Door, Region
from drctl.engine import runner
from drctl.engine.clock import Clock
from drctl.engine.events import Events
from drctl.engine.run import Run
from drctl.engine.step import Step
from drctl.engine.survey import Looking, survey
from drctl.lab import backup_gaps, topics
from drctl.lab.clock import CLOCK
from drctl.lab.server import Lab
from drctl.names import Names
from drctl.readiness.readiness import Readiness, readiness
from drctl.settings import LAB_ACCOUNT, Settings, Site
from drctl.stack import stack_of
from drctl.steps.switch_bucket import SWITCH_KEY
from tests.conftest import SPEED, Relay
from tests.straight import Straight

#: AWS seconds after which everything that is only shown late is shown, and what was begun has ended.
QUIET_S = 900.0
#: Real seconds for a look at the stack: no busy machine makes anything unknown.
PATIENCE_S = 600.0
#: Who hears the alarms.
EMAIL = "on-call@example.org"
#: The settings under which stacks are broken: everything that can be chosen beside the rest.
BASE = Settings.model_validate({"backup": {"enabled": True}, "trail": {"enabled": True}, "alarms": {"email": EMAIL}})


@dataclass
class World:
    """The lab, and drctl's runs against it, each of which remembers nothing of the one before."""

    lab: Lab
    settings: Settings = BASE
    relay: Relay = field(default_factory=Relay)

    def __post_init__(self) -> None:
        self.aws: Aws = Straight(self.lab.counting, Door(self.lab.endpoint, Credentials("lab", "lab"), speed=SPEED),
                                 self.relay)

    def at(self, site: Site) -> Region:
        """Plain clients of a region."""
        return self.aws[site.region]

    def run(self) -> Run:
        """A run as another process would make it."""
        clock = Clock(SPEED)
        events = Events(clock)
        self.relay.to = events
        return Run("ready", self.settings, self.aws, clock, events, name_server=("127.0.0.1", self.lab.dns_port))

    def by_hand(self) -> None:
        """From now on the clients are somebody's with a console."""
        self.relay.to = Events(Clock(SPEED))

    # What stands -------------------------------------------------------------------------------------------------

    def build(self, *kinds: type[Step[Any]]) -> None:
        """Converge the steps of these classes, all without any, in the order of what stands on what."""
        run = self.run()
        for step in stack_of(self.settings).steps:
            if not kinds or type(step) in kinds:
                runner.build(run, [step])
        self.by_hand()

    def make_ready(self, settings: Settings) -> None:
        """Let a stack of these settings stand that has been drilled and backed up, and whose alarms are heard."""
        self.settings = settings
        self.build()
        for site in settings.sites:
            self.keep_report(site, "drill", timedelta(days=3))
            if settings.backup.enabled:
                self.keep_recovery_point(site)
            if settings.alarms.email:
                topics.confirm(site.region, settings.alarms.email)
        CLOCK.skip(QUIET_S)

    def keep_report(self, site: Site, command: str, ago: timedelta) -> str:
        """The report of a run that came to its end, in a control bucket; the run's id."""
        run_id = f"{datetime.now(UTC) - ago:%Y%m%d-%H%M%S}-{command}-abcd"
        self.at(site).s3.put_object(Bucket=self.name(site, "s3", "control"), Key=f"runs/{run_id}/report.json",
                                    Body=json.dumps({"run": run_id, "outcome": "done"}).encode())
        return run_id

    def keep_recovery_point(self, site: Site) -> str:
        """What a backup job, or its copy, leaves in a vault; its ARN."""
        cluster = f"arn:aws:rds:{site.region}:{LAB_ACCOUNT}:cluster:{self.name(site, 'aurora', 'cluster')}"
        return backup_gaps.add_recovery_point(site.region, self.name(site, "backup", "vault"), cluster)

    def move(self, to: Site) -> None:
        """A switchover by hand: the database, and the switch."""
        rds = self.at(self.settings.other(to)).rds  # the region that writes is asked
        known = rds.describe_global_clusters()["GlobalClusters"][0]
        member = next(one["DBClusterArn"] for one in known["GlobalClusterMembers"]
                      if one["DBClusterArn"].split(":")[3] == to.region)
        rds.switchover_global_cluster(GlobalClusterIdentifier=known["GlobalClusterIdentifier"],
                                      TargetDbClusterIdentifier=member)
        standby = self.settings.standby
        switch: Any = {"Bucket": self.name(standby, "s3", "switch"), "Key": SWITCH_KEY}
        if to == standby:
            self.at(standby).s3.put_object(**switch)
        else:
            self.at(standby).s3.delete_object(**switch)
        CLOCK.skip(QUIET_S)

    def name(self, site: Site, service: str, purpose: str) -> str:
        """The stack's name for it."""
        return self.names(service, purpose, site.region)

    @property
    def names(self) -> Names:
        """The naming function of this stack."""
        return Names(self.settings.environment, self.settings.account_id)

    # Judging -----------------------------------------------------------------------------------------------------

    def judged(self) -> tuple[Readiness, float]:
        """What `drctl verify` would say, and how many seconds of a core it took, the lab's part included: other work on
        this machine says nothing of it. Raises when it has changed anything.
        """
        stack, run = stack_of(self.settings), Looking.of(self.run())
        before, began = self.changes(), time.process_time()
        try:
            found = readiness(run, stack, survey(run, stack.steps, PATIENCE_S, looks=1), within_s=PATIENCE_S)
        finally:
            self.by_hand()
        assert self.changes() == before, "verify has changed something"
        return found, time.process_time() - began

    def wrong_with(self, *kinds: type[Step[Any]]) -> dict[str, list[str]]:
        """What a look at the steps of these classes alone finds."""
        run = Looking.of(self.run())
        try:
            steps = [step for step in stack_of(self.settings).steps if type(step) in kinds]
            seen = survey(run, steps, PATIENCE_S, looks=1)
        finally:
            self.by_hand()
        return {step.key: [one.unknown or ", ".join(each.text for each in one.findings) or "absent"]
                for step, one in seen.items() if one.findings or one.unknown or one.out is None}

    def calls(self) -> int:
        """Calls that the lab has counted."""
        return sum(self.lab.counting.calls.values())

    def changes(self) -> int:
        """Those of them that could change something."""
        return sum(count for (*_, mutating), count in self.lab.counting.calls.items() if mutating)


def amiss(found: Readiness) -> dict[str, list[str]]:
    """What was found or not seen, by rule."""
    return {one.rule.id: [*(each.text for each in one.found), *(f"not seen: {each.why}" for each in one.unseen)]
            for one in found.those("not ready", "unknown")}
