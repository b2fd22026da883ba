"""Flow logs of a region's network: who talked to whom, kept encrypted for as long as the configuration says."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from drctl.aws.errors import Refusal, already, refuse_partial
from drctl.aws.tags import ours, specification
from drctl.engine.run import Run
from drctl.engine.step import Finding, Resource, Step
from drctl.engine.usage import Use
from drctl.engine.waiting import minutes
from drctl.errors import Refused
from drctl.settings import Site
from drctl.steps import log_group
from drctl.steps.key import Key
from drctl.steps.log_group import LogGroup
from drctl.steps.network import PROPAGATION, Network
from drctl.steps.role import Role

#: Seconds over which EC2 gathers packets before it writes a record; 60 or 600 (EC2 API Reference, CreateFlowLogs).
GATHERING_S = 600
#: A role that is too young cannot be assumed yet (Terraform provider: flow log, IAM propagation 2 min).
ROLE_TOO_YOUNG = (Refusal("InvalidParameter", "Unable to assume given IAM role"),)
THERE_ALREADY = Refusal("FlowLogAlreadyExists")
#: What the first delivery complained about is shown until the next one, a gathering later: its role was too young then
#: (VPC User Guide, "Troubleshoot VPC Flow Logs": access error).
YOUNG = timedelta(minutes=15)


@dataclass(frozen=True)
class FlowLogsOut:
    """The flow log and its log group as they stand; `error` is what delivery complains about."""

    id: str
    log_group: str
    group: LogGroup
    status: str
    role_arn: str | None
    error: str | None
    #: So young that an error of its first delivery says nothing yet.
    young: bool


def log_group_name(run: Run, site: Site) -> str:
    """Name of the log group that receives the records of a region."""
    return run.name("logs", "network", site)


def policy(run: Run, site: Site) -> list[dict[str, Any]]:
    """What delivery may do (VPC User Guide, "IAM role for publishing flow logs to CloudWatch Logs").

    Without logs:CreateLogGroup: records that arrive late must not bring a deleted log group back.
    """
    group = f"arn:aws:logs:{site.region}:{run.settings.account_id}:log-group:{log_group_name(run, site)}"
    return [
        {"Effect": "Allow", "Action": ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"],
         "Resource": [group, f"{group}:*"]},
        {"Effect": "Allow", "Action": "logs:DescribeLogGroups", "Resource": "*"},
    ]


def source(run: Run, site: Site) -> str:
    """What delivery assumes its role for: EC2 gives a flow log its id after the role was passed, so any of the region
    (VPC User Guide, "IAM role for publishing flow logs to CloudWatch Logs")."""
    return f"arn:aws:ec2:{site.region}:{run.settings.account_id}:vpc-flow-log/*"


@dataclass(frozen=True, eq=False)
class FlowLogs(Step[FlowLogsOut]):
    """One flow log of all traffic of the network, found by its tag, and its log group, found by its name."""

    network: Network
    encryption_key: Key
    role: Role

    def find(self, run: Run) -> FlowLogsOut | None:
        log, group = self._flow_log(run), log_group.find(run, self.site, log_group_name(run, self.site))
        if log is None or group is None:
            return None
        return FlowLogsOut(log["FlowLogId"], group.name, group, log["FlowLogStatus"],
                           log.get("DeliverLogsPermissionArn"), log.get("DeliverLogsErrorMessage"),
                           datetime.now(UTC) - log["CreationTime"] < YOUNG)

    def _flow_log(self, run: Run) -> Any:
        """The flow log of the network as it is now: one of a former network means nothing."""
        network = run.found(self.network)
        if network is None:
            return None
        return next(iter(run.at(self.region).ec2.describe_flow_logs(Filters=[
            {"Name": "resource-id", "Values": [network.vpc_id]},
            *ours(run.settings.environment, self._name(run))])["FlowLogs"]), None)

    def _name(self, run: Run) -> str:
        return run.name("ec2", "flow-log", self.region)

    def ensure(self, run: Run) -> FlowLogsOut:
        stands = run.found(self)
        if stands is not None and not any(True for _ in self.verify(run, stands)):
            return stands
        log_group.ensure(run, self.site, log_group_name(run, self.site), run.output(self.encryption_key).arn)
        log, replaced = self._flow_log(run), False
        if log is not None and log.get("DeliverLogsPermissionArn") != run.output(self.role).arn:
            # nothing of a flow log can be changed (VPC User Guide, "Flow log limitations")
            run.at(self.region).ec2.delete_flow_logs(FlowLogIds=[log["FlowLogId"]])
            log, replaced = None, True
        if log is None:
            self._create_flow_log(run, replaced=replaced)
        return run.wait_until("the flow log and its log group are there", lambda: self.find(run),
                              lambda out: out is not None, within=PROPAGATION) or self._missing()

    def _missing(self) -> FlowLogsOut:
        raise Refused(f"the flow log of {self.region} disappeared while it was made", next_step="drctl provision")

    def _create_flow_log(self, run: Run, *, replaced: bool) -> None:
        """Failures are told in the body of a successful answer, but FlowLogAlreadyExists is an error of its own.

        It means our own of a lost answer, or the one just deleted, which occupies its destination for a moment.
        """
        vpc_id, name = run.output(self.network).vpc_id, self._name(run)
        call = partial(
            run.at(self.region).ec2.create_flow_logs, ResourceIds=[vpc_id], ResourceType="VPC", TrafficType="ALL",
            LogDestinationType="cloud-watch-logs", LogGroupName=log_group_name(run, self.site),
            DeliverLogsPermissionArn=run.output(self.role).arn, MaxAggregationInterval=GATHERING_S,
            TagSpecifications=specification("vpc-flow-log", run.tags(self.site, name)))
        with already(THERE_ALREADY):
            made = run.retry("the role of the flow log can be assumed", call,
                             (*ROLE_TOO_YOUNG, *((THERE_ALREADY,) if replaced else ())), within=minutes(2))
            refuse_partial("CreateFlowLogs", [one for one in made.get("Unsuccessful", [])
                                              if one["Error"]["Code"] != THERE_ALREADY.code])

    def verify(self, run: Run, out: FlowLogsOut) -> Iterable[Finding]:
        if out.status != "ACTIVE" or (out.error and not out.young):
            yield Finding(f"flow log {out.id} in {self.region} is {out.status}: {out.error or 'no reason given'}")
        if out.role_arn != run.output(self.role).arn:
            yield Finding(f"flow log {out.id} in {self.region} delivers with the role {out.role_arn}", anew=True)
        if wrong := log_group.difference(run, out.group, run.output(self.encryption_key).arn):
            yield Finding(f"log group {out.log_group} in {self.region} {wrong}")

    def destroy(self, run: Run) -> None:
        """The flow log first: delivery that goes on would complain for the rest of its life."""
        ec2 = run.at(self.region).ec2
        mine = ec2.describe_flow_logs(Filters=ours(run.settings.environment, self._name(run)))["FlowLogs"]
        if mine:
            failures = ec2.delete_flow_logs(FlowLogIds=[log["FlowLogId"] for log in mine]).get("Unsuccessful", [])
            refuse_partial("DeleteFlowLogs", [one for one in failures if "NotFound" not in one["Error"]["Code"]])
        log_group.remove(run, self.site, log_group_name(run, self.site))

    def uses(self, run: Run, out: FlowLogsOut | None) -> Iterable[Use]:
        """Of all the region's logs: those of the network are the most."""
        yield Use("logs", "logs-gb", run.settings.estimate.logs_gb / 2)

    def resources(self, out: FlowLogsOut) -> Iterable[Resource]:
        yield Resource("ec2:vpc-flow-log", out.id, self.region)
        yield Resource("logs:log-group", out.group.arn, self.region)
