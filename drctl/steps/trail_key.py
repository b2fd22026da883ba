"""The key of the trail's files: apart from the key of the data, so that who reads the one need not read the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from drctl.aws.policies import document
from drctl.engine.run import Run
from drctl.steps.key import Key, account
from drctl.steps.trail_name import LABEL, trail_arn


@dataclass(frozen=True, eq=False)
class TrailKey(Key):
    """In the region of the trail's bucket, as CloudTrail demands."""

    label: ClassVar[str] = LABEL
    meaning: ClassVar[str] = "record of calls"

    def _policy(self, run: Run) -> dict[str, Any]:
        """CloudTrail may encrypt for this trail alone (CloudTrail User Guide, "Configure AWS KMS key policies for
        CloudTrail"); whoever may read is left to IAM, in the account."""
        anywhere = f"arn:aws:cloudtrail:*:{run.settings.account_id}:trail/*"
        trail = {"Principal": {"Service": "cloudtrail.amazonaws.com"}, "Effect": "Allow", "Resource": "*"}
        return document(
            account(run.settings.account_id),
            {"Sid": "Encrypt", **trail, "Action": "kms:GenerateDataKey*", "Condition": {
                "StringEquals": {"aws:SourceArn": trail_arn(run)},
                "StringLike": {"kms:EncryptionContext:aws:cloudtrail:arn": anywhere}}},
            {"Sid": "Describe", **trail, "Action": "kms:DescribeKey", "Condition": {
                "StringEquals": {"aws:SourceArn": trail_arn(run)}}})
