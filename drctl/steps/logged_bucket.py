"""A bucket that holds what not everybody may read: encrypted with a key of the stack's, its requests logged."""

from __future__ import annotations

from dataclasses import dataclass

from drctl.engine.run import Run
from drctl.steps.bucket import Bucket
from drctl.steps.key import Key
from drctl.steps.log_bucket import LogBucket


@dataclass(frozen=True, eq=False)
class LoggedBucket(Bucket):
    """Key and log bucket are those of its own region: S3 takes no others."""

    encryption_key: Key
    logs: LogBucket

    def encryption(self, run: Run) -> str:
        return run.output(self.encryption_key).arn

    def logging(self, run: Run) -> dict[str, str]:
        return self.logs.of(run, self)
