"""A Lambda function as this stack wants every function: our package, an encrypted log, a version that is live.

Callers use the alias `live`, which names a published version: a change is live only when it is complete.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from drctl.aws.errors import Refusal, absent_is_fine, already, is_gone, is_one_of
from drctl.aws.tags import refuse_foreign
from drctl.engine.run import Run
from drctl.engine.step import Finding, Resource, Step
from drctl.engine.waiting import minutes
from drctl.packaging import Package, package
from drctl.steps import log_group
from drctl.steps.function_role import log_group_name
from drctl.steps.key import Key
from drctl.steps.role import Role

ALIAS = "live"
RUNTIME = "python3.12"
#: How a role or a key that is too young shows itself (Terraform provider: aws_lambda_function, 5 min).
TOO_YOUNG = tuple(Refusal("InvalidParameterValueException", fragment) for fragment in (
    "cannot be assumed by Lambda", "execution role does not have permissions", "KMS key is invalid for CreateGrant"))
#: EC2 is asked for interfaces and may be busy (Terraform provider: up to 9 min).
THROTTLED = tuple(Refusal("InvalidParameterValueException", fragment)
                  for fragment in ("throttled by EC2", "EC2 request limit exceeded"))
#: Changes of a function must not overlap (Lambda Developer Guide, "Lambda function states").
BUSY = (Refusal("ResourceConflictException", "in progress"), Refusal("ResourceConflictException", "following state"))
#: The name of a function or an alias is taken (Lambda API Reference, CreateFunction and CreateAlias).
EXISTS = Refusal("ResourceConflictException", "already exist")


@dataclass(frozen=True)
class FunctionOut:
    """The live version as it stands; `configuration` under the names that UpdateFunctionConfiguration gives it."""

    name: str
    arn: str
    alias_arn: str
    version: str
    code_sha256: str
    state: str
    architecture: str
    configuration: Mapping[str, Any]
    logs: log_group.LogGroup | None


@dataclass(frozen=True, eq=False)
class DeployedFunction(Step[FunctionOut]):
    """One function with its log group, found by its name and the alias `live`; each kind says what differs."""

    waits: ClassVar[tuple[str, ...]] = ("function-create", "function-update")
    waits_to_change = ("function-update",)

    label: str
    encryption_key: Key
    role: Role

    @property
    def purpose(self) -> str:
        return self.label

    def name(self, run: Run) -> str:
        """Name of the function."""
        return run.name("lambda", self.label, self.site)

    def _arn(self, run: Run) -> str:
        return f"arn:aws:lambda:{self.region}:{run.settings.account_id}:function:{self.name(run)}"

    def _get(self, run: Run, qualifier: str = "$LATEST") -> Any:
        client = run.at(self.site).lambda_
        try:
            # tags are shown for the function alone, not for a version of it
            return client.get_function(FunctionName=self.name(run)) if qualifier == "$LATEST" else \
                client.get_function(FunctionName=self.name(run), Qualifier=qualifier)
        except client.exceptions.ClientError as error:
            if is_gone(error):
                return None
            raise

    def _refuse_a_foreign(self, run: Run, seen: Any) -> None:
        refuse_foreign("function", f"{self.name(run)} in {self.region}", seen.get("Tags", {}),
                       run.settings.environment)

    def find(self, run: Run) -> FunctionOut | None:
        seen = self._get(run, ALIAS)
        if seen is None:
            return None
        return self._as_out(run, seen["Configuration"], log_group.find(run, self.site, self._log_group(run)))

    def _as_out(self, run: Run, found: Any, logs: log_group.LogGroup | None) -> FunctionOut:
        arn = self._arn(run)
        return FunctionOut(self.name(run), arn, f"{arn}:{ALIAS}", found["Version"], found["CodeSha256"],
                           found.get("State", "Active"), found.get("Architectures", ["x86_64"])[0],
                           _configuration(found), logs)

    def _log_group(self, run: Run) -> str:
        return log_group_name(run, self.site, self.label)

    # What it should be -------------------------------------------------------------------------------------------

    @property
    def code(self) -> str:
        """Which of the packages it runs."""
        return self.label

    def _package(self, run: Run) -> Package:
        return package(run.settings, self.code)

    def _architecture(self, run: Run) -> Literal["arm64", "x86_64"]:
        """Our packages are pure Python and run where a second costs less; a user's may hold code for x86."""
        return "x86_64" if self.code == "app" and run.settings.app.package else "arm64"

    def _wanted(self, run: Run) -> dict[str, Any]:
        code = self._package(run)
        memory_mb, timeout_s = self._size(run)
        return {"Role": run.output(self.role).arn, "Handler": code.entry_point, "Runtime": RUNTIME,
                "MemorySize": memory_mb, "Timeout": timeout_s, "KMSKeyArn": run.output(self.encryption_key).arn,
                "Environment": {"Variables": self._environment(run, code)}, "VpcConfig": self._network(run)}

    @abstractmethod
    def _size(self, run: Run) -> tuple[int, int]:
        """Memory in MB and time-out in seconds."""

    @abstractmethod
    def _environment(self, run: Run, code: Package) -> dict[str, str]:
        """Its environment variables."""

    def _network(self, run: Run) -> dict[str, list[str]]:
        """Where it is attached; outside of every VPC unless a class says where."""
        return {"SubnetIds": [], "SecurityGroupIds": []}

    @property
    def is_released_apart(self) -> bool:
        """Whether a change of what stands is made live by another step: `Release`."""
        return False

    def is_live(self, run: Run, out: FunctionOut) -> bool:
        """Whether the live version is as configured."""
        return not any(True for _ in self.differences(run, out))

    def differences(self, run: Run, out: FunctionOut) -> Iterable[str]:
        """What of a version is not as configured: code, or names of UpdateFunctionConfiguration."""
        if out.code_sha256 != self._package(run).sha256 or out.architecture != self._architecture(run):
            yield "code"
        yield from (name for name, value in self._wanted(run).items() if out.configuration.get(name) != value)

    # Making it so ------------------------------------------------------------------------------------------------

    def ensure(self, run: Run) -> FunctionOut:
        out, key = run.found(self), run.output(self.encryption_key).arn
        lives = out is not None and self.is_live(run, out) and out.state in {"Active", "Inactive"}
        latest = None if lives else self._get(run)
        if latest is not None:
            self._refuse_a_foreign(run, latest)
        if out is None or not log_group.is_as_wanted(run, out.logs, key):
            log_group.ensure(run, self.site, self._log_group(run), key)
        if out is not None and lives:
            return out
        if latest is None:
            self._create(run)
        self._update(run)
        if out is not None and self.is_released_apart:
            return out
        self._go_live(run, self.publish(run))
        return run.wait_until(f"{self.name(run)} is live", lambda: self.find(run),
                              lambda seen: seen is not None and self.is_live(run, seen), within=minutes(2),
                              show=lambda seen: f"version {seen.version}" if seen else "no version") or run.output(self)

    def _create(self, run: Run) -> None:
        client, name, code = run.at(self.site).lambda_, self.name(run), self._package(run)
        wanted = self._wanted(run)
        if not wanted["VpcConfig"]["SubnetIds"]:
            del wanted["VpcConfig"]
        try:
            run.retry(f"{name} can be made", lambda: client.create_function(
                FunctionName=name, Code={"ZipFile": code.content}, Architectures=[self._architecture(run)],
                Tags=run.tags(self.site, name), Description=f"drctl: {self.label} of {run.settings.environment}",
                **wanted), (*TOO_YOUNG, *THROTTLED), within=minutes(9))
        except client.exceptions.ResourceConflictException as error:
            if not is_one_of(error, EXISTS):
                raise
            # Made moments ago, by a call whose answer was lost or by somebody else: reads miss it still.
            self._refuse_a_foreign(run, run.wait_until(f"{name} can be seen", lambda: self._get(run),
                                                       lambda seen: seen is not None, within=minutes(2)))

    def _update(self, run: Run) -> None:
        """Configuration, then code, each only where it differs and each waited for."""
        client, name, code = run.at(self.site).lambda_, self.name(run), self._package(run)
        found, wanted = self._settled(run), self._wanted(run)
        if changes := {key: value for key, value in wanted.items() if _configuration(found).get(key) != value}:
            run.retry(f"{name} takes its configuration", lambda: client.update_function_configuration(
                FunctionName=name, **changes), (*TOO_YOUNG, *BUSY), within=minutes(5))
            found = self._settled(run)
        if (found["CodeSha256"], found.get("Architectures", ["x86_64"])) != (code.sha256, [self._architecture(run)]):
            run.retry(f"{name} takes its code", lambda: client.update_function_code(
                FunctionName=name, ZipFile=code.content, Architectures=[self._architecture(run)]), BUSY,
                within=minutes(5))
            self._settled(run)

    def _settled(self, run: Run, qualifier: str = "$LATEST") -> Any:
        """The configuration once the function is active and no update is in progress."""
        return run.wait_until(
            f"{self.name(run)} {'' if qualifier == '$LATEST' else f'version {qualifier} '}is active",
            lambda: (self._get(run, qualifier) or {}).get("Configuration", {}), within=minutes(10), every=5,
            ready=lambda now: now.get("State") in {"Active", "Inactive"}
            and now.get("LastUpdateStatus", "Successful") == "Successful",
            failed=_failure, show=lambda now: f"{now.get('State', 'not visible yet')}, update "
            f"{now.get('LastUpdateStatus', 'none')}")

    def publish(self, run: Run) -> str:
        """The version of what is configured: publishing what has not changed gives the last one again."""
        client, name = run.at(self.site).lambda_, self.name(run)
        version = run.retry(f"{name} can be published", lambda: client.publish_version(
            FunctionName=name, CodeSha256=self._package(run).sha256), BUSY, within=minutes(5))["Version"]
        self._settled(run, version)
        return str(version)

    def _go_live(self, run: Run, version: str) -> None:
        client, name = run.at(self.site).lambda_, self.name(run)
        try:
            run.retry(f"{name} can go live", lambda: client.create_alias(
                FunctionName=name, Name=ALIAS, FunctionVersion=version), BUSY, within=minutes(5))
        except client.exceptions.ResourceConflictException as error:
            if not is_one_of(error, EXISTS):
                raise
            run.retry(f"{name} can go live", lambda: client.update_alias(
                FunctionName=name, Name=ALIAS, FunctionVersion=version), BUSY, within=minutes(5))

    def verify(self, run: Run, out: FunctionOut) -> Iterable[Finding]:
        if out.state not in {"Active", "Inactive"}:
            yield Finding(f"function {out.name} in {self.region} is {out.state}")
        yield from (Finding(f"function {out.name} in {self.region}: {what} is not as configured")
                    for what in self._differences_left(run, out))
        if wrong := log_group.difference(run, out.logs, run.output(self.encryption_key).arn):
            yield Finding(f"the log group of {out.name} in {self.region} {wrong}")

    def _differences_left(self, run: Run, out: FunctionOut) -> list[str]:
        """Of what another step makes live, what is not ready to go live yet."""
        left = list(self.differences(run, out))
        if not left or not self.is_released_apart or (latest := self._get(run)) is None:
            return left
        return list(self.differences(run, self._as_out(run, latest["Configuration"], out.logs)))

    # Teardown ----------------------------------------------------------------------------------------------------

    def destroy(self, run: Run) -> None:
        client, seen = run.at(self.site).lambda_, self._get(run)
        if seen is not None:
            self._refuse_a_foreign(run, seen)
            with absent_is_fine(), already(Refusal("ResourceNotFoundException")):
                run.retry(f"{self.name(run)} can be deleted", lambda: client.delete_function(
                    FunctionName=self.name(run)), BUSY, within=minutes(10))
        self._after_deletion(run, seen)
        log_group.remove(run, self.site, self._log_group(run))

    def _after_deletion(self, run: Run, seen: Any) -> None:
        """What else has to be over before it is gone; `seen` is how it stood, if it did."""

    def foreseen(self, run: Run, out: FunctionOut | None) -> Mapping[str, Any]:
        return {"name": self.name(run), "arn": self._arn(run), "alias_arn": f"{self._arn(run)}:{ALIAS}"}

    def resources(self, out: FunctionOut) -> Iterable[Resource]:
        yield Resource("lambda:function", out.arn, self.region)
        yield Resource("lambda:version", f"{out.arn}:{out.version}", self.region)
        yield Resource("lambda:alias", out.alias_arn, self.region)
        yield Resource("logs:log-group", self.log_group_of(out), self.region)

    @staticmethod
    def log_group_of(out: FunctionOut) -> str:
        """Name of the log group of a function."""
        return f"/aws/lambda/{out.name}"


def _configuration(found: Any) -> dict[str, Any]:
    """What GetFunction shows, in the shape in which it is asked for."""
    vpc = found.get("VpcConfig") or {}
    return {**{name: found.get(name) for name in ("Role", "Handler", "Runtime", "MemorySize", "Timeout", "KMSKeyArn")},
            "Environment": {"Variables": (found.get("Environment") or {}).get("Variables", {})},
            "VpcConfig": {"SubnetIds": sorted(vpc.get("SubnetIds", [])),
                          "SecurityGroupIds": list(vpc.get("SecurityGroupIds", []))}}


def _failure(seen: Any) -> str | None:
    if seen.get("State") == "Failed":
        return f"{seen.get('StateReasonCode', '')} {seen.get('StateReason', '')}".strip()
    if seen.get("LastUpdateStatus") == "Failed":
        return f"{seen.get('LastUpdateStatusReasonCode', '')} {seen.get('LastUpdateStatusReason', '')}".strip()
    return None
