"""The KMS key of a region: encrypts database, buckets, secrets, logs, topics and queues of that region.

Each region has a key of its own: S3, Aurora and Secrets Manager re-encrypt on replication and want a key of the
destination's region; multi-Region keys bring them nothing (Amazon S3 User Guide, "Replicating encrypted objects").
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from drctl.aws.errors import Refusal, absent_is_fine, already, is_gone
from drctl.aws.tags import as_kms_list, as_map, is_ours
from drctl.engine.run import Run
from drctl.engine.step import Finding, Resource, Step
from drctl.engine.waiting import minutes
from drctl.errors import Refused

#: Services that use the key on behalf of the stack, in the region of the key.
SERVICES = ("cloudwatch", "delivery.logs", "events", "sns", "sqs")
#: Days between scheduling and deletion; AWS allows 7 to 30 (KMS API Reference, ScheduleKeyDeletion).
WINDOW_DAYS = 7
#: A key just made is unknown to some hosts of KMS for a while (Terraform provider: up to 10 min).
NOT_YET = (Refusal("NotFoundException"),)


@dataclass(frozen=True)
class KeyOut:
    """The key as it stands."""

    id: str
    arn: str
    alias: str
    rotates: bool
    enabled: bool


def policy(account_id: str, region: str) -> dict[str, Any]:
    """The account manages the key through IAM; AWS's own services may use it for this account only."""
    root = f"arn:aws:iam::{account_id}:root"
    use = ["kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*", "kms:DescribeKey"]
    return {"Version": "2012-10-17", "Statement": [
        {"Sid": "Account", "Effect": "Allow", "Principal": {"AWS": root}, "Action": "kms:*", "Resource": "*"},
        {"Sid": "Services", "Effect": "Allow",
         "Principal": {"Service": [f"{service}.amazonaws.com" for service in SERVICES]}, "Action": use, "Resource": "*",
         "Condition": {"StringEquals": {"aws:SourceAccount": account_id}}},
        # CloudWatch Logs names the log group in the encryption context instead of a source account
        # (CloudWatch Logs User Guide, "Encrypt log data using AWS KMS").
        {"Sid": "Logs", "Effect": "Allow", "Principal": {"Service": f"logs.{region}.amazonaws.com"}, "Action": use,
         "Resource": "*", "Condition": {"ArnLike": {
             "kms:EncryptionContext:aws:logs:arn": f"arn:aws:logs:{region}:{account_id}:log-group:*"}}},
    ]}


@dataclass(frozen=True, eq=False)
class Key(Step[KeyOut]):
    """One key per region, found by its alias."""

    def _alias(self, run: Run) -> str:
        return f"alias/{run.name('key', 'data', self.region)}"

    def find(self, run: Run) -> KeyOut | None:
        kms = run.at(self.region).kms
        try:
            key = kms.describe_key(KeyId=self._alias(run))["KeyMetadata"]
        except kms.exceptions.NotFoundException:
            return None
        if key["KeyState"] in {"PendingDeletion", "PendingReplicaDeletion"}:
            return None
        rotates = kms.get_key_rotation_status(KeyId=key["KeyId"])["KeyRotationEnabled"]
        return KeyOut(key["KeyId"], key["Arn"], self._alias(run), rotates, key["KeyState"] == "Enabled")

    def ensure(self, run: Run) -> KeyOut:
        out = run.found(self)
        kms = run.at(self.region).kms
        if out is None:
            key_id = self._orphan(run) or self._create(run)
            run.retry("the new key is known", lambda: kms.create_alias(AliasName=self._alias(run), TargetKeyId=key_id),
                      NOT_YET, within=minutes(10))
            out = run.wait_until("the key answers to its alias", lambda: self.find(run), lambda key: key is not None,
                                 within=minutes(10)) or self._missing()
        if not out.enabled:
            kms.enable_key(KeyId=out.id)
        if not out.rotates:
            run.retry("rotation can be enabled", lambda: kms.enable_key_rotation(KeyId=out.id),
                      (*NOT_YET, Refusal("DisabledException")), within=minutes(10))
        return out

    def _missing(self) -> KeyOut:
        raise Refused(f"the key of {self.region} disappeared while it was made", next_step="drctl provision")

    def _create(self, run: Run) -> str:
        document = json.dumps(policy(run.settings.account_id, self.region))
        tags = as_kms_list(run.tags(self.site, run.name("key", "data", self.region)))
        made = run.at(self.region).kms.create_key(
            Description=f"drctl: data of {run.settings.environment} in {self.region}", Policy=document, Tags=tags)
        return made["KeyMetadata"]["KeyId"]

    def _orphan(self, run: Run) -> str | None:
        """A key of ours without alias: what a run leaves that died between CreateKey and CreateAlias.

        CreateKey has neither token nor unique name, so the tags of the region's enabled keys are looked at.
        """
        kms = run.at(self.region).kms
        name = run.name("key", "data", self.region)
        for page in kms.get_paginator("list_keys").paginate():
            for key in page["Keys"]:
                try:
                    tags = as_map(kms.list_resource_tags(KeyId=key["KeyId"]).get("Tags"))
                    if not is_ours(tags, run.settings.environment) or tags.get("Name") != name:
                        continue
                    if kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"]["KeyState"] == "Enabled":
                        return key["KeyId"]
                except kms.exceptions.ClientError as error:
                    if not is_gone(error):
                        raise
        return None

    def verify(self, run: Run, out: KeyOut) -> Iterable[Finding]:
        if not out.enabled:
            yield Finding(f"key {out.id} in {self.region} is not enabled: nothing encrypted with it can be read")
        if not out.rotates:
            yield Finding(f"key {out.id} in {self.region} does not rotate")

    def destroy(self, run: Run) -> None:
        """Everything encrypted with the key must be gone before; the runner's order sees to that."""
        out = self.find(run)
        key_id = out.id if out else self._orphan(run)
        if key_id is None:
            return
        kms = run.at(self.region).kms
        with absent_is_fine():
            kms.delete_alias(AliasName=self._alias(run))
        with absent_is_fine(), already(Refusal("KMSInvalidStateException", "pending deletion")):
            kms.schedule_key_deletion(KeyId=key_id, PendingWindowInDays=WINDOW_DAYS)

    def resources(self, out: KeyOut) -> Iterable[Resource]:
        yield Resource("kms:key", out.arn, self.region)
        yield Resource("kms:alias", out.alias, self.region)
