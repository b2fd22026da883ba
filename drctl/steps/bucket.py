"""An S3 bucket as this stack wants each: private, encrypted, versioned, TLS only, with lifecycle rules and tags."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

from botocore.exceptions import ClientError

from drctl.aws import policies
from drctl.aws.errors import Refusal, absent_is_fine, already, code_of, is_gone
from drctl.aws.tags import as_list, as_map, refuse_foreign
from drctl.engine.run import Run
from drctl.engine.step import Finding, Resource, Step
from drctl.engine.waiting import minutes
from drctl.errors import NotOurs
from drctl.steps.bucket_emptying import empty

#: A new bucket is unknown to some hosts of S3 for up to two minutes, and settings of one bucket that are put at the
#: same time abort each other (Terraform provider: 2 min). A new principal makes a policy malformed till then.
NOT_YET = (Refusal("NoSuchBucket"), Refusal("OperationAborted"), Refusal("MalformedPolicy", "principal"))
#: A name that was just freed in another region is taken for a while (Terraform provider: 20 min).
NAME_BUSY = (Refusal("OperationAborted"),)
#: Something else changes the bucket, or puts objects again: access logs and replicas under way (Terraform provider).
IN_USE = (Refusal("BucketNotEmpty"), Refusal("OperationAborted"))
#: Another run of this account was faster: the control bucket is made before anybody can hold the lease in it. Its tags
#: are looked at all the same.
MADE_MEANWHILE = Refusal("BucketAlreadyOwnedByYou")
BLOCKED: Any = {"BlockPublicAcls": True, "IgnorePublicAcls": True, "BlockPublicPolicy": True,
                "RestrictPublicBuckets": True}
SSE_S3 = "AES256"


@dataclass(frozen=True)
class BucketOut:
    """The bucket as it stands; `encryption` is a key's ARN or AES256, `policy` the document in JSON."""

    name: str
    arn: str
    tags: dict[str, str]
    public_access: dict[str, bool]
    encryption: str
    versioned: bool
    policy: str | None
    lifecycle: list[dict[str, Any]]
    logging: dict[str, str]


@dataclass(frozen=True)
class _Setting:
    """One setting of a bucket that is not as it must be: what is wrong, and the call that mends it."""

    wrong: str
    put: Callable[[], Any]


@dataclass(frozen=True, eq=False)
class Bucket(Step[BucketOut]):
    """A bucket found by its name; a class for each kind says what differs.

    A look costs six calls, seven where the bucket's requests are logged: S3 answers each setting separately, and every
    one of them can quietly undo the protection of patient data. Object ownership is put but not read: blocked public
    access already makes ACLs powerless.
    """

    #: What the bucket is for, as its name says it.
    label: ClassVar[str]

    @abstractmethod
    def policy(self, run: Run) -> list[dict[str, Any]]:
        """Statements of the bucket policy beside the one that demands TLS."""

    @abstractmethod
    def lifecycle(self, run: Run) -> list[dict[str, Any]]:
        """Lifecycle rules beside the one that ends forgotten multipart uploads."""

    def encryption(self, run: Run) -> str:
        """ARN of the KMS key, or SSE_S3."""
        return SSE_S3

    def logging(self, run: Run) -> dict[str, str]:
        """Where S3 logs the requests that the bucket gets, as PutBucketLogging takes it; empty for nowhere."""
        return {}

    def name(self, run: Run) -> str:
        """The bucket's name: with the account, because bucket names are unique in all of AWS."""
        return run.name("s3", self.label, self.site)

    def arn(self, run: Run) -> str:
        """The bucket's ARN, known before it stands."""
        return f"arn:aws:s3:::{self.name(run)}"

    def find(self, run: Run) -> BucketOut | None:
        tags = self._tags(run)
        if tags is None:
            return None
        s3 = run.at(self.region).s3
        named = {"Bucket": self.name(run), "ExpectedBucketOwner": run.settings.account_id}
        blocked = _read(partial(s3.get_public_access_block, **named), "PublicAccessBlockConfiguration", {})
        encryption = _read(partial(s3.get_bucket_encryption, **named), "ServerSideEncryptionConfiguration", {})
        versioned = _read(partial(s3.get_bucket_versioning, **named), "Status", "") == "Enabled"
        policy = _read(partial(s3.get_bucket_policy, **named), "Policy", None)
        rules = _read(partial(s3.get_bucket_lifecycle_configuration, **named), "Rules", [])
        logged = _read(partial(s3.get_bucket_logging, **named), "LoggingEnabled", {}) if self.logging(run) else {}
        return BucketOut(self.name(run), self.arn(run), tags, dict(blocked), _encrypted_with(encryption), versioned,
                         policy, list(rules), {key: logged[key] for key in ("TargetBucket", "TargetPrefix") if logged})

    def _tags(self, run: Run) -> dict[str, str] | None:
        """The bucket's tags, None when there is no bucket: the cheapest question that also tells whose it is."""
        try:
            answer = run.at(self.region).s3.get_bucket_tagging(
                Bucket=self.name(run), ExpectedBucketOwner=run.settings.account_id)
        except ClientError as error:
            if code_of(error) == "NoSuchTagSet":
                return {}
            if is_gone(error):
                return None
            if code_of(error) in {"AccessDenied", "403", "PermanentRedirect"}:
                raise NotOurs(f"bucket {self.name(run)} exists but belongs to somebody else or another region",
                              next_step="choose another environment name") from error
            raise
        return as_map(answer["TagSet"])

    def ensure(self, run: Run) -> BucketOut:
        out = run.found(self)
        if out is None:
            self._create(run)
            # Some hosts know a new bucket, and its tags, before others (Terraform provider: 2 min).
            out = run.wait_until(f"bucket {self.name(run)} is there with its tags", lambda: self.find(run),
                                 lambda seen: seen is not None and bool(seen.tags), within=minutes(2), every=5,
                                 show=lambda seen: "not visible yet" if seen is None else "no tags"
                                 ) or run.output(self)
        self._refuse_foreign(run, out.tags)
        if wrong := self._wrong(run, out):
            for setting in wrong:
                run.retry(f"{setting.wrong}: mended", setting.put, NOT_YET, within=minutes(2), every=5)
            # Reads of settings lag (S3 User Guide, "Amazon S3 data consistency model"; Terraform provider: 2-3 min).
            out = run.wait_until(f"bucket {out.name} shows its settings", lambda: self.find(run),
                                 lambda seen: seen is not None and not self._wrong(run, seen), within=minutes(3),
                                 every=5, show=lambda seen: self._words(run, seen)) or run.output(self)
        return out

    def _words(self, run: Run, seen: BucketOut | None) -> str:
        return "not visible" if seen is None else "; ".join(one.wrong for one in self._wrong(run, seen))

    def _create(self, run: Run) -> None:
        """Tags go with the request, so that a run that dies right after it leaves a bucket known to be ours; one that
        is there already, from a call whose answer was lost, is judged by its tags afterwards.

        us-east-1 refuses to be named as a location, every other region wants it (S3 API Reference, CreateBucket).
        """
        s3 = run.at(self.region).s3
        place: Any = {} if self.region == "us-east-1" else {"LocationConstraint": self.region}
        place["Tags"] = as_list(run.tags(self.site, self.name(run)))
        with already(MADE_MEANWHILE):
            run.retry(f"the name {self.name(run)} is free", lambda: s3.create_bucket(
                Bucket=self.name(run), ObjectOwnership="BucketOwnerEnforced", CreateBucketConfiguration=place),
                NAME_BUSY, within=minutes(20))

    def _wanted_policy(self, run: Run) -> dict[str, Any]:
        arn = self.arn(run)
        tls_only = {"Sid": "TlsOnly", "Effect": "Deny", "Principal": "*", "Action": "s3:*",
                    "Resource": [arn, f"{arn}/*"], "Condition": {"Bool": {"aws:SecureTransport": "false"}}}
        return policies.document(tls_only, *self.policy(run))

    def _wanted_rules(self, run: Run) -> list[dict[str, Any]]:
        return [*self.lifecycle(run), {"ID": "unfinished-uploads", "Status": "Enabled", "Filter": {"Prefix": ""},
                                       "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7}}]

    def _wrong(self, run: Run, out: BucketOut) -> list[_Setting]:
        """What differs, in the order S3 wants it put: one after the other, never two at a time."""
        s3, bucket, wrong = run.at(self.region).s3, out.name, []
        key, policy = self.encryption(run), self._wanted_policy(run)
        rules: Any = self._wanted_rules(run)
        if out.public_access != BLOCKED:
            wrong.append(_Setting(f"bucket {bucket}: public access is not blocked", partial(
                s3.put_public_access_block, Bucket=bucket, PublicAccessBlockConfiguration=BLOCKED)))
        if out.encryption != key:
            text = f"bucket {bucket}: new objects are encrypted with {out.encryption}, not {key}"
            wrong.append(_Setting(text, partial(
                s3.put_bucket_encryption, Bucket=bucket, ServerSideEncryptionConfiguration=_encryption(key))))
        if not out.versioned:
            wrong.append(_Setting(f"bucket {bucket}: versioning is not enabled", partial(
                s3.put_bucket_versioning, Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})))
        if not policies.same(out.policy, policy):
            wrong.append(_Setting(f"bucket {bucket}: its policy is not the stack's", partial(
                s3.put_bucket_policy, Bucket=bucket, Policy=json.dumps(policy))))
        if _by_id(out.lifecycle) != _by_id(rules):
            wrong.append(_Setting(f"bucket {bucket}: its lifecycle rules are not the stack's", partial(
                s3.put_bucket_lifecycle_configuration, Bucket=bucket, LifecycleConfiguration={"Rules": rules})))
        if out.logging != (logging := self.logging(run)):
            status: Any = {"LoggingEnabled": logging}
            wrong.append(_Setting(f"bucket {bucket}: its requests are not logged", partial(
                s3.put_bucket_logging, Bucket=bucket, BucketLoggingStatus=status)))
        return wrong

    def refuse_foreign(self, run: Run) -> None:
        """Raise Refused for a bucket of our name without our tag."""
        if (tags := self._tags(run)) is not None:
            self._refuse_foreign(run, tags)

    def _refuse_foreign(self, run: Run, tags: dict[str, str]) -> None:
        refuse_foreign("bucket", self.name(run), tags, run.settings.environment)

    def verify(self, run: Run, out: BucketOut) -> Iterable[Finding]:
        yield from (Finding(setting.wrong) for setting in self._wrong(run, out))

    def destroy(self, run: Run) -> None:
        tags = self._tags(run)
        if tags is None:
            return
        self._refuse_foreign(run, tags)
        s3, bucket = run.at(self.region).s3, self.name(run)
        with absent_is_fine():
            run.retry(f"bucket {bucket} replicates no more", lambda: s3.delete_bucket_replication(Bucket=bucket),
                      IN_USE[1:], within=minutes(2))
        with absent_is_fine():
            run.retry(f"bucket {bucket} is empty", partial(self._empty_and_delete, run), IN_USE, within=minutes(20))

    def _empty_and_delete(self, run: Run) -> None:
        """Deliveries under way can put objects again between the last look and the deletion: then once more."""
        empty(run, self.region, self.name(run))
        run.at(self.region).s3.delete_bucket(Bucket=self.name(run))

    def foreseen(self, run: Run, out: BucketOut | None) -> Mapping[str, Any]:
        return {"name": self.name(run), "arn": self.arn(run)}

    def resources(self, out: BucketOut) -> Iterable[Resource]:
        yield Resource("s3:bucket", out.name, self.region)


def _read(call: Callable[[], Any], field: str, absent: Any) -> Any:
    """One setting of a bucket; S3 answers with an error where nothing was ever set."""
    try:
        return call().get(field, absent)
    except ClientError as error:
        if is_gone(error):
            return absent
        raise


def _encryption(key: str) -> Any:
    """A bucket key spares KMS a request for each object (S3 User Guide, "Using S3 Bucket Keys")."""
    default = {"SSEAlgorithm": SSE_S3} if key == SSE_S3 else {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}
    return {"Rules": [{"ApplyServerSideEncryptionByDefault": default, "BucketKeyEnabled": key != SSE_S3}]}


def _encrypted_with(configuration: Any) -> str:
    rules = configuration.get("Rules") or [{}]
    default = rules[0].get("ApplyServerSideEncryptionByDefault", {})
    return str(default.get("KMSMasterKeyID") or default.get("SSEAlgorithm") or "nothing")


def _by_id(rules: list[dict[str, Any]]) -> dict[str, Any]:
    """Lifecycle rules without what S3 adds or leaves out when it gives them back: an empty filter, empty lists."""
    return {rule["ID"]: {key: value for key, value in rule.items() if value not in ({}, [], {"Prefix": ""})}
            for rule in rules}
