"""The one naming function: `{service}-{purpose}-{region}-{environment}`, within each service's limits.

Limits are those of the services' API references (name length and character sets). All names are lower case with
single hyphens, start with a letter and never end in a hyphen, which satisfies the strictest of them (RDS and ALB).
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

#: Region slot of what exists once for both regions.
GLOBAL = "global"

#: Longest name by service prefix, in characters.
LIMITS = {
    "acm": 128, "alb": 32, "alarm": 255, "archive": 48, "aurora": 63, "backup": 50, "bus": 64, "cluster-params": 63,
    "dashboard": 255, "ec2": 255, "iam": 64, "key": 200, "lambda": 64, "logs": 200, "params": 63, "queue": 80,
    "rule": 64, "s3": 63, "secret": 200, "security-group": 255, "snapshot": 63, "sns": 200, "subnets": 63, "tg": 32,
    "trail": 128, "waf": 128, "zone": 64,
}


def name(service: str, purpose: str, region: str, environment: str, *, suffix: str = "") -> str:
    """The name of one resource; a name over the service's limit is cut and ends in a short hash of the whole.

    `suffix` follows the environment where a name must be unique beyond the account (S3 buckets: the account id).
    Raises KeyError for a service without a stated limit, which is a defect in drctl.
    """
    limit = LIMITS[service]
    parts = [service, purpose, region, environment] + ([suffix] if suffix else [])
    full = re.sub(r"[^a-z0-9]+", "-", "-".join(parts).lower()).strip("-")
    if len(full) <= limit:
        return full
    digest = hashlib.sha256(full.encode()).hexdigest()[:6]
    return f"{full[: limit - 7].rstrip('-')}-{digest}"


@dataclass(frozen=True)
class Names:
    """The names of one stack: an environment in an account."""

    environment: str
    account_id: str

    def __call__(self, service: str, purpose: str, region: str) -> str:
        """The name of `purpose` in `region` (GLOBAL for what both regions share)."""
        suffix = self.account_id if service == "s3" else ""
        return name(service, purpose, region, self.environment, suffix=suffix)

    def token(self, *parts: str) -> str:
        """A deterministic idempotency token of 32 word characters for a create call of this stack."""
        return hashlib.sha256("/".join((self.account_id, self.environment, *parts)).encode()).hexdigest()[:32]
