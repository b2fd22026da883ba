"""The app and the probe at a temporary copy: their own code, with rights and an environment that lead nowhere else."""

from __future__ import annotations

from dataclasses import dataclass, field

from drctl.engine.run import Run
from drctl.packaging import Package
from drctl.settings import Site
from drctl.steps import function_role
from drctl.steps.function import Function
from drctl.steps.key import Key
from drctl.steps.role import Statements
from drctl.steps.secret import DatabaseSecret
from drctl.steps.temporary_endpoint import VARIABLE, TemporaryEndpoint

#: What no function at a copy may do, whatever a resource policy of the stack or of somebody else allows it. The second
#: wall: its security group has no way to any of them.
DENIED = ("dynamodb:*", "events:*", "execute-api:*", "firehose:*", "kinesis:*", "lambda:*", "rds:*", "rds-data:*",
          "rds-db:*", "route53:*", "route53domains:*", "s3:*", "ses:*", "sns:*", "sqs:*", "ssm:*", "states:*", "sts:*")


def policy(run: Run, site: Site, label: str, key: Key, secret: DatabaseSecret) -> Statements:
    """What function `label` at a copy may do: what the stack's functions may, with all else denied in words."""
    return [*function_role.policy(run, site, label, key, secret),
            {"Effect": "Deny", "Action": list(DENIED), "Resource": "*"}]


@dataclass(frozen=True, eq=False)
class TemporaryFunction(Function):
    """A function whose label ends in the package that it runs: `isolated-app`, `isolated-probe`."""

    endpoint: TemporaryEndpoint = field(kw_only=True)

    @property
    def code(self) -> str:
        return self.label.rpartition("-")[2]

    def _environment(self, run: Run, code: Package) -> dict[str, str]:
        """The copy's database and its own way to the secret; nothing of the stack's bus, buckets or topic."""
        return {**super()._environment(run, code), VARIABLE: run.output(self.endpoint).url,
                "DRCTL_COPY": self.label.rpartition("-")[0]}
