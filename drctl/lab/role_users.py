"""Services that are given a role: each refuses one that it cannot assume, or not yet, in its own words.

Lambda's rule is in lab/functions.py, that of an event target in lab/event_delivery.py. S3 takes any role for
replication without a look, and then its objects fail (lab/replication.py).
"""

from __future__ import annotations

import json
from typing import Any

from moto.backup.exceptions import InvalidParameterValueException
from moto.backup.responses import BackupResponse
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models import EC2Backend
from moto.events.exceptions import ValidationException
from moto.events.models import EventsBackend

from drctl.lab import backup_gaps  # noqa: F401  # its operation must be there before a rule goes round it
from drctl.lab.policies import trusts
from drctl.lab.rules import rule

EVENTS, FLOW_LOGS, BACKUP = "events.amazonaws.com", "vpc-flow-logs.amazonaws.com", "backup.amazonaws.com"


@rule("flow-log-role", EC2Backend, "create_flow_logs")
def flow_log_role(proceed: Any, self: EC2Backend, *args: Any, **kwargs: Any) -> Any:
    """A flow log's role can be assumed by VPC Flow Logs. Refuses with InvalidParameter.

    Source: Terraform provider: aws_flow_log, retries "Unable to assume given IAM role" for 2 min.
    """
    role = kwargs.get("deliver_logs_permission_arn")
    if role and not trusts(role, FLOW_LOGS, {
            "aws:SourceAccount": self.account_id,
            "aws:SourceArn": f"arn:aws:ec2:{self.region_name}:{self.account_id}:vpc-flow-log/fl-new"}):
        raise EC2ClientError("InvalidParameter", f"Unable to assume given IAM role {role}")
    return proceed(*args, **kwargs)


@rule("event-rule-role", EventsBackend, "put_rule")
def event_rule_role(proceed: Any, self: EventsBackend, name: str, **kwargs: Any) -> Any:
    """A rule's role can be assumed by EventBridge. Refuses with ValidationException.

    Source: Terraform provider: aws_cloudwatch_event_rule, retries "cannot be assumed by principal" for 2 min.
    """
    role = kwargs.get("role_arn")
    if role and not trusts(role, EVENTS, {"aws:SourceAccount": self.account_id}):
        raise ValidationException(f"Provided role '{role}' cannot be assumed by principal '{EVENTS}'.")
    return proceed(name, **kwargs)


@rule("backup-selection-role", BackupResponse, "create_backup_selection")
def backup_selection_role(proceed: Any, self: BackupResponse) -> Any:
    """A selection's role can be assumed by AWS Backup. Refuses with InvalidParameterValueException.

    Source: Terraform provider: aws_backup_selection, retries "cannot be assumed" for 2 min.
    """
    role = json.loads(self.body)["BackupSelection"]["IamRoleArn"]
    if not trusts(role, BACKUP, {"aws:SourceAccount": self.current_account}):
        raise InvalidParameterValueException(f"IAM Role {role} cannot be assumed by AWS Backup")
    return proceed()
