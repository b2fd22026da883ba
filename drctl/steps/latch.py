"""The latch: a small function that keeps users in the region that they fled to, until an operator sends them elsewhere.

A health check alone brings users back as soon as the primary's app answers, to a database that may not be the writer
any more. Each region has a latch, which looks every minute at what DNS answers and puts its own region's switch object
once users have been there for a configured time (docs/decisions/0015). It runs outside of the VPC, so that it needs
neither endpoints nor NAT, and never asks a control plane.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from drctl.engine.run import Run
from drctl.packaging import Package
from drctl.settings import Site
from drctl.steps.balancer import Balancer
from drctl.steps.deployed_function import DeployedFunction
from drctl.steps.function_role import log_group_name
from drctl.steps.key import Key
from drctl.steps.role import Statements
from drctl.steps.switch_bucket import SwitchBucket
from drctl.steps.zone import Zone

LABEL = "latch"
#: It has a second or two of work, and gives up a region that does not answer after five (drctl/lambdas/latch).
MEMORY_MB, TIMEOUT_S = 256, 15
#: Where it remembers, beside its switch object.
STATE_KEY = "latch/state.json"


def policy(run: Run, site: Site, key: Key, own: SwitchBucket, other: SwitchBucket) -> Statements:
    """What the latch of `site` may do: write its log, see both regions' objects, put its own; only the pin it deletes.

    Without the right to list a bucket S3 answers 403 for an object that is not there, which tells nothing (Amazon S3
    API Reference, HeadObject).
    """
    switch, state = (f"{own.arn(run)}/{one}" for one in (own.object_key, STATE_KEY))
    delete = ["s3:DeleteObject"] if site.role == "primary" else []
    logs = f"arn:aws:logs:{site.region}:{run.settings.account_id}:log-group:{log_group_name(run, site, LABEL)}:*"
    return [
        {"Effect": "Allow", "Action": ["logs:CreateLogStream", "logs:PutLogEvents"], "Resource": logs},
        {"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject", *delete], "Resource": switch},
        {"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"], "Resource": state},
        {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"{other.arn(run)}/{other.object_key}"},
        {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": [own.arn(run), other.arn(run)]},
        {"Effect": "Allow", "Action": "kms:Decrypt", "Resource": run.output(key).arn},
    ]


@dataclass(frozen=True, eq=False)
class Latch(DeployedFunction):
    """One in each region, with what it asks for in its environment."""

    zone: Zone
    balancer: Balancer
    own: SwitchBucket
    other: SwitchBucket

    @property
    def purpose(self) -> str:
        """There is one of the class in a region."""
        return ""

    def _size(self, run: Run) -> tuple[int, int]:  # the same for everybody
        return MEMORY_MB, TIMEOUT_S

    def _environment(self, run: Run, code: Package) -> dict[str, str]:  # it does not tell its version
        places = {f"{whose}_{part}": value for whose, bucket in (("OWN", self.own), ("OTHER", self.other))
                  for part, value in (("REGION", bucket.region), ("BUCKET", bucket.name(run)),
                                      ("KEY", bucket.object_key))}
        variables: dict[str, Any] = {
            "DRCTL_REGION": self.region, "DRCTL_ROLE": self.site.role, "DRCTL_STACK": run.settings.environment,
            "LATCH_MINUTES": str(run.settings.dns.latch_minutes), "USERS_NAME": run.settings.dns.name,
            "NAME_SERVERS": ",".join(run.output(self.zone).name_servers),
            "BALANCER": run.output(self.balancer).dns_name, **places}
        # The zone's servers stand elsewhere than in the world's DNS: in the lab.
        return variables | ({"NAME_SERVER": "{}:{}".format(*run.name_server)} if run.name_server else {})
