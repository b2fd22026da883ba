"""An IAM role that one AWS service assumes to do one piece of work of the stack, with exactly the rights for it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from drctl.aws.errors import Refusal, absent_is_fine, is_gone
from drctl.aws.tags import as_list, as_map, is_ours, refuse_foreign
from drctl.engine.run import Run
from drctl.engine.step import Finding, Resource, Step
from drctl.engine.waiting import minutes

Statements = list[dict[str, Any]]

#: Services documented to send aws:SourceAccount and aws:SourceArn when they assume a role (VPC User Guide, "IAM role
#: for publishing flow logs"; EventBridge User Guide, "Cross-service confused deputy prevention"; CloudTrail User Guide,
#: "Sending events to CloudWatch Logs"). Lambda, S3 and AWS
#: Backup document a trust policy without: they assume a role only for what its owner may pass it to.
SENDS_SOURCE_ACCOUNT = frozenset({"cloudtrail.amazonaws.com", "events.amazonaws.com", "vpc-flow-logs.amazonaws.com"})
#: IAM's copies agree after seconds, up to two minutes (IAM User Guide, "Troubleshoot IAM: changes are not immediately
#: visible"; Terraform provider: IAM propagation timeout).
PROPAGATION = minutes(2)
#: Tag of a role that names the boundary which drctl has put.
BOUNDARY_TAG = "drctl:boundary"
BUSY = (Refusal("NoSuchEntity"), Refusal("ConcurrentModification"), Refusal("EntityTemporarilyUnmodifiable"))


@dataclass(frozen=True)
class RoleOut:
    """The role as it stands, with who may assume it, what it may do, and what it may never go beyond (an ARN)."""

    name: str
    arn: str
    trust: Any
    policy: Any
    boundary: str | None = None
    #: The boundary that drctl has put, as the role's tag says.
    put: str | None = None


@dataclass(frozen=True, eq=False)
class Role(Step[RoleOut]):
    """One role with one inline policy; `policy` gives its statements once `needs` stand, and `source` the ARN, or a
    pattern, of what the service assumes it for, where the service tells.

    A boundary of the configuration is put, and noted in a tag of the role: one that drctl has put goes when the
    configuration names none any more; one without that note is somebody else's, and stays.
    IAM is eventually consistent: whoever uses a new role retries on the error of the service that it gives the role to.
    """

    label: str
    service: str
    policy: Callable[[Run], Statements]
    needs: tuple[Step[Any], ...] = ()
    source: Callable[[Run], str] | None = None

    @property
    def purpose(self) -> str:
        return self.label

    def _name(self, run: Run) -> str:
        return run.name("iam", self.label, self.site)

    def _trust(self, run: Run) -> dict[str, Any]:
        service = self.service if self.service.endswith(".amazonaws.com") else f"{self.service}.amazonaws.com"
        statement: dict[str, Any] = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
        if service in SENDS_SOURCE_ACCOUNT:
            statement["Condition"] = {"StringEquals": {"aws:SourceAccount": run.settings.account_id}, **(
                {"ArnLike": {"aws:SourceArn": self.source(run)}} if self.source else {})}
        return {"Version": "2012-10-17", "Statement": [statement]}

    def _wanted(self, run: Run) -> dict[str, Any]:
        return {"Version": "2012-10-17", "Statement": self.policy(run)}

    def _role(self, run: Run) -> Any:
        """The role of this name, whoever made it."""
        try:
            return run.at(self.site).iam.get_role(RoleName=self._name(run))["Role"]
        except run.at(self.site).iam.exceptions.ClientError as error:
            if is_gone(error):
                return None
            raise

    def _refuse_a_foreign(self, run: Run, role: Any) -> None:
        refuse_foreign("role", role["RoleName"], as_map(role.get("Tags")), run.settings.environment)

    def find(self, run: Run) -> RoleOut | None:
        role = self._role(run)
        if role is None or not is_ours(as_map(role.get("Tags")), run.settings.environment):
            return None
        try:
            policy = run.at(self.site).iam.get_role_policy(RoleName=role["RoleName"], PolicyName=self.label)
        except run.at(self.site).iam.exceptions.NoSuchEntityException:
            return None
        return RoleOut(role["RoleName"], role["Arn"], role["AssumeRolePolicyDocument"], policy["PolicyDocument"],
                       role.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn"),
                       as_map(role.get("Tags")).get(BOUNDARY_TAG))

    def _is_bound(self, run: Run, out: RoleOut) -> bool:
        boundary = run.settings.iam.permissions_boundary
        return out.put is None if boundary is None else (out.boundary, out.put) == (boundary, boundary)

    def ensure(self, run: Run) -> RoleOut:
        out, trust, policy = run.found(self), self._trust(run), self._wanted(run)
        if out and (out.trust, out.policy) == (trust, policy) and self._is_bound(run, out):
            return out
        iam, name = run.at(self.site).iam, self._name(run)
        stands = out.trust if out else self._made(run, trust)
        self._bind(run, out)
        if out is None or out.policy != policy:
            run.retry(f"role {name} takes its policy", lambda: iam.put_role_policy(
                RoleName=name, PolicyName=self.label, PolicyDocument=json.dumps(policy)), BUSY, within=PROPAGATION)
        if stands != trust:
            run.retry(f"role {name} takes its trust policy", lambda: iam.update_assume_role_policy(
                RoleName=name, PolicyDocument=json.dumps(trust)), BUSY, within=PROPAGATION)
        return run.wait_until(
            f"role {name} is as it should be", lambda: self.find(run), within=PROPAGATION,
            ready=lambda seen: (seen is not None and (seen.trust, seen.policy) == (trust, policy)
                                and self._is_bound(run, seen)),
            show=lambda seen: "policies not up to date yet" if seen else "not visible yet") or run.output(self)

    def _bind(self, run: Run, out: RoleOut | None) -> None:
        """Put the boundary before the policy: who may make roles only with a boundary may not give others rights."""
        iam, boundary, name = run.at(self.site).iam, run.settings.iam.permissions_boundary, self._name(run)
        if boundary is not None and (out is None or out.boundary != boundary):
            run.retry(f"role {name} takes its boundary", lambda: iam.put_role_permissions_boundary(
                RoleName=name, PermissionsBoundary=boundary), BUSY, within=PROPAGATION)
        if boundary is not None and (out is None or out.put != boundary):
            iam.tag_role(RoleName=name, Tags=as_list({BOUNDARY_TAG: boundary}))
        if boundary is None and out is not None and out.put is not None:
            self._unbind(run, out)

    def _unbind(self, run: Run, out: RoleOut) -> None:
        """The note goes last, so that a run that ends in between is carried on."""
        iam = run.at(self.site).iam
        if out.boundary == out.put:
            with absent_is_fine():
                iam.delete_role_permissions_boundary(RoleName=out.name)
        iam.untag_role(RoleName=out.name, TagKeys=[BOUNDARY_TAG])

    def _made(self, run: Run, trust: dict[str, Any]) -> Any:
        """The trust policy of the role: of a new one, or of ours that a run left without its policy."""
        boundary: Any = run.settings.iam.permissions_boundary
        if (role := self._role(run)) is None:
            try:
                run.at(self.site).iam.create_role(
                    RoleName=self._name(run), AssumeRolePolicyDocument=json.dumps(trust), Tags=as_list({
                        **run.tags(self.site, self._name(run)), **({BOUNDARY_TAG: boundary} if boundary else {})}),
                    Description=f"drctl: {self.label} in {self.region}",
                    **({"PermissionsBoundary": boundary} if boundary else {}))
            except run.at(self.site).iam.exceptions.EntityAlreadyExistsException:
                # Made moments ago, by a call whose answer was lost or by somebody else: reads miss it still.
                role = run.wait_until(f"role {self._name(run)} can be seen", lambda: self._role(run),
                                      lambda seen: seen is not None, within=PROPAGATION)
            else:
                return trust
        self._refuse_a_foreign(run, role)
        return role["AssumeRolePolicyDocument"]

    def verify(self, run: Run, out: RoleOut) -> Iterable[Finding]:
        if out.trust != self._trust(run):
            yield Finding(f"role {out.name} is not trusted to {self.service} alone")
        if out.policy != self._wanted(run):
            yield Finding(f"role {out.name} may do other things than {self.label} needs")
        if not self._is_bound(run, out):
            boundary = run.settings.iam.permissions_boundary
            yield Finding(f"role {out.name} has not the boundary {boundary}" if boundary else
                          f"role {out.name} has the boundary {out.put} of former settings")

    def destroy(self, run: Run) -> None:
        role = self._role(run)
        if role is None:
            return
        self._refuse_a_foreign(run, role)
        name = role["RoleName"]
        with absent_is_fine():
            # A list may miss what was put or attached moments ago and keeps the role: then all once more.
            run.retry(f"role {name} is free", lambda: self._empty_and_delete(run, name),
                      (Refusal("DeleteConflict"), *BUSY[1:]), within=PROPAGATION)

    def _empty_and_delete(self, run: Run, name: str) -> None:
        """What an organisation's tooling attaches to every role would keep it too (IAM API Reference, DeleteRole)."""
        iam = run.at(self.site).iam
        for attached in iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]:
            with absent_is_fine():
                iam.detach_role_policy(RoleName=name, PolicyArn=attached["PolicyArn"])
        for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]:
            with absent_is_fine():
                iam.delete_role_policy(RoleName=name, PolicyName=policy)
        iam.delete_role(RoleName=name)

    def foreseen(self, run: Run, out: RoleOut | None) -> Mapping[str, Any]:
        return {"name": self._name(run), "arn": f"arn:aws:iam::{run.settings.account_id}:role/{self._name(run)}"}

    def resources(self, out: RoleOut) -> Iterable[Resource]:
        yield Resource("iam:role", out.arn, self.region)
        yield Resource("iam:role-policy", f"{out.name}/{self.label}", self.region)
