"""The database's credentials in Secrets Manager: made once by drctl, replicated to the other region, never shown.

RDS-managed passwords cannot be used in a global database (Aurora User Guide, "Password management with Amazon Aurora
and AWS Secrets Manager": limitations), so the secret is our own.
"""

from __future__ import annotations

import json
import secrets
import string
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from drctl.aws.errors import Refusal, absent_is_fine, already, is_gone
from drctl.aws.tags import as_list, as_map, is_ours
from drctl.engine.run import Run
from drctl.engine.step import Finding, Resource, Step
from drctl.engine.usage import Use
from drctl.engine.waiting import minutes
from drctl.errors import NotOurs, Refused
from drctl.names import GLOBAL
from drctl.settings import Site
from drctl.steps.key import Key

#: Characters that a PostgreSQL master password may have and that need no quoting anywhere; AWS takes 8 to 128 of them.
ALPHABET = string.ascii_letters + string.digits
LENGTH = 40
#: Days in which a deleted secret can be restored; AWS allows 7 to 30 (Secrets Manager API Reference, DeleteSecret).
WINDOW_DAYS = 7
#: The name of a secret deleted by force is free a little later (Terraform provider: 2 min).
NAME_STILL_TAKEN = (Refusal("InvalidRequestException", "scheduled for deletion"),
                    Refusal("InvalidRequestException", "was deleted"))
#: A key just made is unknown to Secrets Manager for a while (KMS Developer Guide, "Eventual consistency"; Secrets
#: Manager API Reference, CreateSecret: EncryptionFailure).
KEY_TOO_YOUNG = (Refusal("EncryptionFailure"),)
REPLICATION = minutes(10)
#: Tag of the secret that says which `database.password_generation` its password is.
GENERATION_TAG = "drctl:password-generation"


@dataclass(frozen=True)
class Credentials:
    """What the secret holds; the password stays out of every representation."""

    username: str
    password: str = field(repr=False)


@dataclass(frozen=True)
class SecretOut:
    """The secret as it stands, without its value."""

    arn: str
    standby_arn: str
    name: str
    version: str
    key: str
    replica: str
    replica_key: str
    #: Which `database.password_generation` the password is; a secret that says nothing has its first one.
    password_generation: int = 1

    @property
    def generation(self) -> str:
        """Changes with the value and with the secret itself, whose ARN ends in six random characters."""
        return f"{self.arn[-6:]}/{self.version}"

    def local(self, region: str) -> str:
        """ARN of the copy in `region`."""
        return self.arn if self.arn.split(":")[3] == region else self.standby_arn


@dataclass(frozen=True, eq=False)
class DatabaseSecret(Step[SecretOut]):
    """One secret, with a copy under the same name in the other region, each encrypted with its region's key."""

    waits = ("secret-replicate",)
    waits_to_change = ("secret-replicate",)

    primary_key: Key
    standby_key: Key

    @property
    def _other(self) -> Site:
        return self.standby_key.site

    def _name(self, run: Run) -> str:
        return run.name("secret", "database", GLOBAL)

    def _describe(self, run: Run, site: Site) -> Any:
        """What a region says of the secret, also when it is being deleted; None when there is none."""
        try:
            return run.at(site).secrets.describe_secret(SecretId=self._name(run))
        except run.at(site).secrets.exceptions.ClientError as error:
            if is_gone(error):
                return None
            raise

    def _is_ours(self, run: Run, secret: Any) -> bool:
        return is_ours(as_map(secret.get("Tags")), run.settings.environment)

    def _refuse_a_foreign(self, run: Run, secret: Any) -> None:
        if not self._is_ours(run, secret):
            raise NotOurs(f"secret {secret['ARN']} exists and does not belong to this stack",
                          next_step="rename or delete that secret, or choose another environment name")

    def find(self, run: Run) -> SecretOut | None:
        secret = self._describe(run, self.site)
        if secret is None or "DeletedDate" in secret or not self._is_ours(run, secret):
            return None
        versions = [version for version, stages in secret.get("VersionIdsToStages", {}).items()
                    if "AWSCURRENT" in stages]
        if not versions:
            return None
        copy: Any = next((status for status in secret.get("ReplicationStatus", [])
                          if status["Region"] == self._other.region), {})
        arn: str = secret["ARN"]
        there = ":".join((*arn.split(":")[:3], self._other.region, *arn.split(":")[4:]))
        return SecretOut(arn, there, secret["Name"], versions[0], secret.get("KmsKeyId", ""),
                         copy.get("Status", "missing") if copy.get("Status") != "Failed" else _failure(copy),
                         copy.get("KmsKeyId", ""), int(as_map(secret.get("Tags")).get(GENERATION_TAG, "1")))

    def credentials(self, run: Run) -> Credentials:
        """User and password, for the call that makes the database and for nothing else."""
        return Credentials(**json.loads(self._value(run, self.site)))

    def ensure(self, run: Run) -> SecretOut:
        out = run.found(self)
        if out is None:
            self._make(run)
            self._visible(run)
            # A copy whose key is too young has failed, and is asked for again below.
            out = self._copied(run, lambda seen: seen.replica != "InProgress")
        elif problem := self._earlier(run, out):
            raise Refused(problem.text, next_step=problem.mend)
        elif out.password_generation < run.settings.database.password_generation:
            out = self._rotated(run, out)
        if out.key != (key := run.output(self.primary_key).arn):
            run.retry("the secret takes its key", lambda: run.at(self.site).secrets.update_secret(
                SecretId=out.arn, KmsKeyId=key), KEY_TOO_YOUNG, within=minutes(2))
        elif out.replica == "InSync":
            return out
        if out.replica == "missing" or _has_failed(out):
            self._replicate(run, out)
        return self._copied(run, lambda seen: seen.replica == "InSync",
                            failed=lambda seen: seen.replica if seen and _has_failed(seen) else None)

    def _earlier(self, run: Run, out: SecretOut) -> Finding | None:
        """What is wrong where the configuration asks for a password that was replaced since."""
        found, wanted = out.password_generation, run.settings.database.password_generation
        if wanted >= found:
            return None
        return Finding(f"the password in secret {out.name} is of generation {found}, the configuration says {wanted}: "
                       "an earlier password does not come back", mend="set database.password_generation to "
                       f"{found}, or to {found + 1} for a new password")

    def _rotated(self, run: Run, out: SecretOut) -> SecretOut:
        """A new password in the secret and in its copy; the cluster takes it from there.

        The token keeps a repeated call from making a second one: AWS then knows the version, and the value that it has
        counts. Until the database has it, functions log in with the version before (AWSPREVIOUS).
        """
        client, wanted = run.at(self.site).secrets, run.settings.database.password_generation
        with already(Refusal("ResourceExistsException")):
            run.retry("the secret takes a new password", lambda: client.put_secret_value(
                SecretId=out.arn, SecretString=_new_value(run), ClientRequestToken=self._token(
                    run, f"password {wanted}")), KEY_TOO_YOUNG, within=minutes(2))
        client.tag_resource(SecretId=out.arn, Tags=as_list({GENERATION_TAG: str(wanted)}))
        run.wait_until(f"the secret's copy in {self._other.region} has the new password", lambda: len({
            self._value(run, site) for site in (self.site, self._other)}), lambda values: values == 1,
            within=REPLICATION, every=5, show=lambda values: "so" if values == 1 else "the old one still")
        return self._copied(run, lambda seen: seen.password_generation == wanted)

    def _value(self, run: Run, site: Site) -> str:
        """The secret's text in a region; whoever asks shows it to nobody."""
        return run.at(site).secrets.get_secret_value(
            SecretId=self._name(run), VersionStage="AWSCURRENT")["SecretString"]

    def _visible(self, run: Run) -> None:
        """The secret just made; Refused when it is somebody else's, made moments ago."""
        secret = run.wait_until("the secret is visible", lambda: self._describe(run, self.site),
                                lambda seen: seen is not None and "DeletedDate" not in seen, within=minutes(2))
        self._refuse_a_foreign(run, secret)

    def _copied(self, run: Run, ready: Callable[[SecretOut], bool],
                failed: Callable[[SecretOut | None], str | None] = lambda _: None) -> SecretOut:
        """The secret once its copy is `ready`; `failed` says why it will not be."""
        return run.wait_until(
            f"the secret's copy in {self._other.region} is in sync", lambda: self.find(run),
            lambda seen: seen is not None and ready(seen), within=REPLICATION, every=5, failed=failed,
            show=lambda seen: seen.replica if seen else "gone") or run.output(self)

    def _make(self, run: Run) -> None:
        """Create it, or bring back what is in its recovery window or lost its value."""
        secret = self._describe(run, self.site)
        if secret is None:
            self._create(run)
            return
        self._refuse_a_foreign(run, secret)
        if "DeletedDate" in secret:
            run.at(self.site).secrets.restore_secret(SecretId=secret["ARN"])
        if not any("AWSCURRENT" in stages for stages in secret.get("VersionIdsToStages", {}).values()):
            value = _new_value(run)
            run.retry("the secret takes a value", lambda: run.at(self.site).secrets.put_secret_value(
                SecretId=secret["ARN"], SecretString=value, ClientRequestToken=self._token(run, "value")),
                KEY_TOO_YOUNG, within=minutes(2))

    def _create(self, run: Run) -> None:
        client, value = run.at(self.site).secrets, _new_value(run)
        with already(Refusal("ResourceExistsException")):
            run.retry("the secret's name is free", lambda: client.create_secret(
                Name=self._name(run), SecretString=value, ClientRequestToken=self._token(run, "create"),
                KmsKeyId=run.output(self.primary_key).arn, Tags=as_list({
                    **run.tags(None, self._name(run)),
                    GENERATION_TAG: str(run.settings.database.password_generation)}),
                Description=f"drctl: database credentials of {run.settings.environment}",
                AddReplicaRegions=self._replicas(run), ForceOverwriteReplicaSecret=self._stands_alone_there(run)),
                (*NAME_STILL_TAKEN, *KEY_TOO_YOUNG), within=minutes(2))

    def _token(self, run: Run, purpose: str) -> str:
        """The same for the same call in every run, so that a repeated call makes no second version."""
        return run.names.token(self._name(run), purpose)

    def _replicas(self, run: Run) -> list[Any]:
        return [{"Region": self._other.region, "KmsKeyId": run.output(self.standby_key).arn}]

    def _replicate(self, run: Run, out: SecretOut) -> None:
        run.at(self.site).secrets.replicate_secret_to_regions(
            SecretId=out.arn, AddReplicaRegions=self._replicas(run),
            ForceOverwriteReplicaSecret=self._stands_alone_there(run))

    def _stands_alone_there(self, run: Run) -> bool:
        """Whether the other region has a secret of ours that is no copy any more and may be written over."""
        secret = self._describe(run, self._other)
        if secret is None:
            return False
        self._refuse_a_foreign(run, secret)
        return not secret.get("PrimaryRegion")

    def verify(self, run: Run, out: SecretOut) -> Iterable[Finding]:
        if problem := self._earlier(run, out):
            yield problem
        elif out.password_generation < (wanted := run.settings.database.password_generation):
            yield Finding(f"the password in secret {out.name} is of generation {out.password_generation}, not {wanted}")
        if out.replica != "InSync":
            yield Finding(f"the copy of secret {out.name} in {self._other.region} is not in sync: {out.replica}")
        if out.key != run.output(self.primary_key).arn:
            yield Finding(f"secret {out.name} is not encrypted with the key of {self.region}")
        if out.replica_key != run.output(self.standby_key).arn:
            yield Finding(f"the copy of secret {out.name} is not encrypted with the key of {self._other.region}",
                          mend=f"remove the copy in {self._other.region}, then drctl provision")

    def destroy(self, run: Run) -> None:
        """Copies first, then the secret: at once, or with a recovery window where deletion protection is wished."""
        secret = self._describe(run, self.site)
        if secret is None or "DeletedDate" in secret:
            return
        self._refuse_a_foreign(run, secret)
        client = run.at(self.site).secrets
        if regions := [status["Region"] for status in secret.get("ReplicationStatus", [])]:
            client.remove_regions_from_replication(SecretId=secret["ARN"], RemoveReplicaRegions=regions)
            run.wait_until("the secret has no copies", lambda: self._describe(run, self.site),
                           lambda seen: not (seen or {}).get("ReplicationStatus"), within=REPLICATION,
                           show=lambda seen: f"{len((seen or {}).get('ReplicationStatus', []))} left")
        how: Any = ({"RecoveryWindowInDays": WINDOW_DAYS} if run.settings.deletion_protection
                    else {"ForceDeleteWithoutRecovery": True})
        with absent_is_fine(), already(*NAME_STILL_TAKEN, Refusal("InvalidRequestException", "marked deleted")):
            client.delete_secret(SecretId=secret["ARN"], **how)

    def uses(self, run: Run, out: SecretOut | None) -> Iterable[Use]:
        yield Use("keys and secrets", "secret", 2)

    def resources(self, out: SecretOut) -> Iterable[Resource]:
        yield Resource("secretsmanager:secret", out.arn, self.region)
        yield Resource("secretsmanager:secret", out.standby_arn, self._other.region)


def _has_failed(out: SecretOut) -> bool:
    return out.replica.startswith("Failed")


def _failure(copy: Any) -> str:
    return f"Failed: {copy.get('StatusMessage', 'no reason given')}"


def _new_value(run: Run) -> str:
    """A password of 238 bits beside the user's name; made here, seen by nobody."""
    password = "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))
    return json.dumps({"username": run.settings.database.username, "password": password})
