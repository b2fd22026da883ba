"""The KMS key of a region: encrypts database, buckets, secrets, logs, topics and queues of that region.

Each region has a key of its own: S3, Aurora and Secrets Manager re-encrypt on replication and want a key of the
destination's region; multi-Region keys bring them nothing (Amazon S3 User Guide, "Replicating encrypted objects").
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

from drctl.aws.errors import Refusal, absent_is_fine, already, is_gone, is_one_of
from drctl.aws.policies import same
from drctl.aws.tags import as_kms_list, as_map, is_ours, refuse_foreign
from drctl.engine.run import Run
from drctl.engine.step import NOTHING, Finding, Resource, Step
from drctl.engine.usage import Use
from drctl.engine.waiting import minutes
from drctl.errors import Refused

#: Services that use the key on behalf of the stack, in the region of the key.
SERVICES = ("cloudwatch", "delivery.logs", "sns", "sqs")
#: Days between scheduling and deletion; AWS allows 7 to 30 (KMS API Reference, ScheduleKeyDeletion).
WINDOW_DAYS = 7
#: States of a key that waits for its deletion.
DOOMED = frozenset({"PendingDeletion", "PendingReplicaDeletion"})
#: A key just made is unknown to some hosts of KMS for a while (Terraform provider: up to 10 min).
NOT_YET = (Refusal("NotFoundException"),)
#: Each key's own policy says who may ask about it; somebody else's may not admit us (KMS Developer Guide,
#: "Key policies in AWS KMS").
NOT_FOR_US = Refusal("AccessDeniedException")


@dataclass(frozen=True)
class KeyOut:
    """The key as it stands."""

    id: str
    arn: str
    alias: str
    rotates: bool
    enabled: bool
    policy: str


def account(account_id: str) -> dict[str, Any]:
    """The statement by which the account manages a key through IAM."""
    return {"Sid": "Account", "Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{account_id}:root"},
            "Action": "kms:*", "Resource": "*"}


def policy(account_id: str, region: str) -> dict[str, Any]:
    """The account manages the key through IAM; AWS's own services may use it for this account only."""
    use = ["kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*", "kms:DescribeKey"]
    return {"Version": "2012-10-17", "Statement": [
        account(account_id),
        {"Sid": "Services", "Effect": "Allow",
         "Principal": {"Service": [f"{service}.amazonaws.com" for service in SERVICES]}, "Action": use, "Resource": "*",
         "Condition": {"StringEquals": {"aws:SourceAccount": account_id}}},
        # EventBridge is not sure to name the source account when it sends to an encrypted queue (SQS Developer Guide,
        # "Configure KMS permissions for AWS services"); the queues' own policies name the one rule that may send.
        {"Sid": "Events", "Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"},
         "Action": ["kms:Decrypt", "kms:GenerateDataKey*"], "Resource": "*"},
        # CloudWatch Logs names the log group in the encryption context instead of a source account
        # (CloudWatch Logs User Guide, "Encrypt log data using AWS KMS").
        {"Sid": "Logs", "Effect": "Allow", "Principal": {"Service": f"logs.{region}.amazonaws.com"}, "Action": use,
         "Resource": "*", "Condition": {"ArnLike": {
             "kms:EncryptionContext:aws:logs:arn": f"arn:aws:logs:{region}:{account_id}:log-group:*"}}},
    ]}


@dataclass(frozen=True, eq=False)
class Key(Step[KeyOut]):
    """One key per region, found by its alias; a class for each kind says what it is for and who may use it."""

    #: What the key is for, as its name says it, and in words.
    label: ClassVar[str] = "data"
    meaning: ClassVar[str] = "data"

    def _name(self, run: Run) -> str:
        return run.name("key", self.label, self.region)

    def _alias(self, run: Run) -> str:
        return f"alias/{self._name(run)}"

    def _described(self, run: Run) -> Any:
        """What the alias points at, whoever made it."""
        kms = run.at(self.region).kms
        try:
            return kms.describe_key(KeyId=self._alias(run))["KeyMetadata"]
        except kms.exceptions.NotFoundException:
            return None

    def _tags(self, run: Run, key_id: str) -> dict[str, str]:
        return as_map(run.at(self.region).kms.list_resource_tags(KeyId=key_id).get("Tags"))

    def find(self, run: Run) -> KeyOut | None:
        key = self._described(run)
        if key is None or key["KeyState"] in DOOMED:
            return None
        kms, key_id = run.at(self.region).kms, key["KeyId"]
        try:
            if not is_ours(self._tags(run, key_id), run.settings.environment):
                return None
            rotates = kms.get_key_rotation_status(KeyId=key_id)["KeyRotationEnabled"]
            document = kms.get_key_policy(KeyId=key_id, PolicyName="default")["Policy"]
        except kms.exceptions.NotFoundException:
            return None
        return KeyOut(key_id, key["Arn"], self._alias(run), rotates, key["KeyState"] == "Enabled", document)

    def ensure(self, run: Run) -> KeyOut:
        out = run.found(self)
        kms = run.at(self.region).kms
        if out is None:
            self._refuse_a_doomed_key(self._ours_behind_the_alias(run))
            out = self._make(run)
        if not out.enabled:
            kms.enable_key(KeyId=out.id)
        if not same(out.policy, self._policy(run)):
            self._put_policy(run, out.id)
        if not out.rotates:
            run.retry("rotation can be enabled", lambda: kms.enable_key_rotation(KeyId=out.id),
                      (*NOT_YET, Refusal("DisabledException")), within=minutes(10))
        return out

    def _make(self, run: Run) -> KeyOut:
        """The key that the alias leads to in the end: at most one is left, whatever reads missed."""
        kms, orphan = run.at(self.region).kms, self._orphan(run)
        key_id = orphan or self._create(run)
        with already(Refusal("AlreadyExistsException")):
            run.retry("the new key is known", lambda: kms.create_alias(AliasName=self._alias(run), TargetKeyId=key_id),
                      NOT_YET, within=minutes(10))
        out = run.wait_until("the key answers to its alias", lambda: self.find(run), lambda key: key is not None,
                             within=minutes(10)) or self._missing()
        if out.id != key_id and orphan is None:
            # The alias was there, made moments ago: nothing has been encrypted with the key that is too many.
            kms.schedule_key_deletion(KeyId=key_id, PendingWindowInDays=WINDOW_DAYS)
        return out

    def _ours_behind_the_alias(self, run: Run) -> Any:
        """What the alias points at, in whatever state; Refused when it is somebody else's."""
        if key := self._described(run):
            refuse_foreign("key", f"{key['KeyId']} behind {self._alias(run)} in {self.region}",
                           self._tags(run, key["KeyId"]), run.settings.environment)
        return key

    def _refuse_a_doomed_key(self, key: Any) -> None:
        if key and key["KeyState"] in DOOMED:
            raise Refused(f"key {key['KeyId']} in {self.region} waits for its deletion: what it encrypts would be lost",
                          next_step=f"aws kms cancel-key-deletion --key-id {key['KeyId']} --region {self.region}, then "
                                    "drctl provision")

    def _policy(self, run: Run) -> dict[str, Any]:
        return policy(run.settings.account_id, self.region)

    def _put_policy(self, run: Run, key_id: str) -> None:
        """Hosts of KMS agree on a policy after a while (Terraform provider: up to 10 min)."""
        kms, document = run.at(self.region).kms, json.dumps(self._policy(run))
        run.retry("the key takes its policy", lambda: kms.put_key_policy(
            KeyId=key_id, PolicyName="default", Policy=document), NOT_YET, within=minutes(10))
        run.wait_until("the key has its policy", lambda: self.find(run),
                       lambda seen: seen is not None and same(seen.policy, self._policy(run)), within=minutes(10),
                       show=lambda seen: "not up to date yet" if seen else "not visible yet")

    def _missing(self) -> KeyOut:
        raise Refused(f"the key of {self.region} disappeared while it was made", next_step="drctl provision")

    def _create(self, run: Run) -> str:
        document = json.dumps(self._policy(run))
        tags = as_kms_list(run.tags(self.site, self._name(run)))
        made = run.at(self.region).kms.create_key(
            Description=f"drctl: {self.meaning} of {run.settings.environment} in {self.region}", Policy=document,
            Tags=tags)
        return made["KeyMetadata"]["KeyId"]

    def _orphan(self, run: Run) -> str | None:
        """A key of ours without alias: what a run leaves that died between CreateKey and CreateAlias.

        CreateKey has neither token nor unique name, so the tags of the region's enabled keys are looked at.
        """
        kms = run.at(self.region).kms
        name = self._name(run)
        for page in kms.get_paginator("list_keys").paginate():
            for key in page["Keys"]:
                try:
                    # One that is listed and not found was made moments ago, maybe by a call whose answer was lost.
                    tags = run.retry(f"key {key['KeyId']} shows its tags", partial(self._tags, run, key["KeyId"]),
                                     NOT_YET, within=minutes(1))
                    if not is_ours(tags, run.settings.environment) or tags.get("Name") != name:
                        continue
                    if kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"]["KeyState"] == "Enabled":
                        return key["KeyId"]
                except kms.exceptions.ClientError as error:
                    if not is_gone(error) and not is_one_of(error, NOT_FOR_US):
                        raise
        return None

    def verify(self, run: Run, out: KeyOut) -> Iterable[Finding]:
        if not out.enabled:
            yield Finding(f"key {out.id} in {self.region} is not enabled: nothing encrypted with it can be read")
        if not out.rotates:
            yield Finding(f"key {out.id} in {self.region} does not rotate")
        if not same(out.policy, self._policy(run)):
            yield Finding(f"the policy of key {out.id} in {self.region} is not the stack's: services "
                          "are locked out, or others let in")

    def destroy(self, run: Run) -> None:
        """Everything encrypted with the key must be gone before; the runner's order sees to that."""
        key = self._ours_behind_the_alias(run)
        key_id = key["KeyId"] if key else self._orphan(run)
        if key_id is None:
            return
        kms = run.at(self.region).kms
        with absent_is_fine():
            kms.delete_alias(AliasName=self._alias(run))
        with absent_is_fine(), already(Refusal("KMSInvalidStateException", "pending deletion")):
            kms.schedule_key_deletion(KeyId=key_id, PendingWindowInDays=WINDOW_DAYS)

    def foreseen(self, run: Run, out: KeyOut | None) -> Mapping[str, Any]:
        """A key of ours that has lost its alias gets it back."""
        key_id = self._orphan(run)
        return {"id": key_id, "arn": f"arn:aws:kms:{self.region}:{run.settings.account_id}:key/{key_id}"} \
            if key_id else NOTHING

    def uses(self, run: Run, out: KeyOut | None) -> Iterable[Use]:
        yield Use("keys and secrets", "key", 1)

    def resources(self, out: KeyOut) -> Iterable[Resource]:
        yield Resource("kms:key", out.arn, self.region)
        yield Resource("kms:alias", out.alias, self.region)
