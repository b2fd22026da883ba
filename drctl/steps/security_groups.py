"""The security groups of a region: who may talk to balancer, app, database and endpoints, and to whom they may talk."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

from botocore.exceptions import ClientError

from drctl.aws.errors import Refusal, absent_is_fine, already, is_one_of
from drctl.aws.tags import as_map, is_ours, ours, specification
from drctl.engine.placeholder import not_known
from drctl.engine.run import Run
from drctl.engine.step import NOTHING, Finding, Resource, Step
from drctl.engine.waiting import minutes
from drctl.errors import DrctlError, NotOurs
from drctl.steps.network import PROPAGATION, Network
from drctl.steps.security_rules import Rule, prefix_lists, require_lists, rules_of, wanted
from drctl.steps.strangers import naming, remove_when_free

#: Groups by purpose and description, which cannot be changed later (EC2 API Reference, CreateSecurityGroup).
PURPOSES = {
    "balancer": "Admits visitors and health checkers to the balancer",
    "app": "Functions: to database and AWS only",
    "database": "Admits the app to the database",
    "endpoints": "Admits the app to the VPC endpoints",
    "cloudfront": "Admits CloudFront to the balancer",
}
#: The group every VPC has; nothing uses it, and it is kept closed.
DEFAULT = "default"
#: Functions leave interfaces behind for 20 minutes and more, which hold their groups (Terraform provider: 45 min).
DELETION = minutes(45)
#: A rule that is read some seconds late is there already, or gone; either fails the whole call with all its rules (EC2
#: API Reference, AuthorizeSecurityGroupIngress, RevokeSecurityGroupIngress).
THERE, ABSENT = Refusal("InvalidPermission.Duplicate"), Refusal("InvalidPermission.NotFound")


@dataclass(frozen=True)
class SecurityGroupsOut:
    """The groups as they stand: their ids, and the rules seen by purpose (the VPC's default group included)."""

    balancer: str
    app: str
    database: str
    endpoints: str
    ids: Mapping[str, str]
    rules: Mapping[str, frozenset[Rule]]
    prefix_lists: Mapping[str, str]

    @property
    def of_balancer(self) -> tuple[str, ...]:
        """All groups that the balancer carries."""
        return tuple(self.ids[purpose] for purpose in ("balancer", "cloudfront") if purpose in self.ids)


@dataclass(frozen=True, eq=False)
class SecurityGroups(Step[SecurityGroupsOut]):
    """All security groups of a region, each found by its name in the VPC."""

    #: Whether the VPC's default group is kept closed beside them.
    closes_default: ClassVar[bool] = True

    network: Network

    def described(self) -> Mapping[str, str]:
        """The groups by purpose, each with its description."""
        return PURPOSES

    def rules(self, run: Run, ids: Mapping[str, str], lists: Mapping[str, str]) -> dict[str, frozenset[Rule]]:
        """What each group lets in and out; `ids` and `lists` as `security_rules.wanted` takes them."""
        return wanted(run.settings, ids, lists)

    def lists(self, run: Run) -> dict[str, str]:
        """Names of the AWS-managed prefix lists in those rules, by what they stand for."""
        return prefix_lists(run.settings, self.region)

    def _name(self, run: Run, purpose: str) -> str:
        # not the prefix "sg": a group's name must not begin with "sg-" (EC2 API Reference, CreateSecurityGroup)
        return run.name("security-group", purpose, self.region)

    def _purposes(self, run: Run) -> list[str]:
        without = () if run.settings.network.admit_cloudfront else ("cloudfront",)
        return [purpose for purpose in self.described() if purpose not in without]

    def find(self, run: Run) -> SecurityGroupsOut | None:
        network = run.found(self.network)
        groups = self._groups(run, network.vpc_id) if network else {}
        return self._out(run, groups) if set(self._purposes(run)) <= set(groups) else None

    def _groups(self, run: Run, vpc_id: str) -> dict[str, Any]:
        """Our groups and the default group by purpose; Refused when one of our names is somebody else's group."""
        seen = {group["GroupName"]: group for group in run.at(self.region).ec2.describe_security_groups(
            Filters=[{"Name": "vpc-id", "Values": [vpc_id]}])["SecurityGroups"]}
        groups = {purpose: seen[name] for purpose in self.described() if (name := self._name(run, purpose)) in seen}
        for group in groups.values():
            if not is_ours(as_map(group.get("Tags")), run.settings.environment):
                raise NotOurs(f"security group {group['GroupName']} ({group['GroupId']}) has not our tags",
                              next_step="rename or tag the group, or choose another environment name")
        return groups | ({DEFAULT: seen[DEFAULT]} if self.closes_default and DEFAULT in seen else {})

    def _out(self, run: Run, groups: Mapping[str, Any]) -> SecurityGroupsOut:
        ids = {purpose: str(group["GroupId"]) for purpose, group in groups.items()}
        rules = {purpose: frozenset(rules_of(group)) for purpose, group in groups.items()}
        return SecurityGroupsOut(ids.get("balancer", ""), ids["app"], ids["database"], ids["endpoints"], ids, rules,
                                 self._prefix_lists(run))

    def _prefix_lists(self, run: Run) -> dict[str, str]:
        names = self.lists(run)
        if not names:
            return {}
        answer = run.at(self.region).ec2.describe_managed_prefix_lists(
            Filters=[{"Name": "prefix-list-name", "Values": list(names.values())}])
        ids = {one["PrefixListName"]: one["PrefixListId"] for one in answer["PrefixLists"]}
        return {what: ids[name] for what, name in names.items() if name in ids}

    def ensure(self, run: Run) -> SecurityGroupsOut:
        if (stands := run.found(self)) is not None:
            require_lists(stands.prefix_lists, self.lists(run), self.region)
            if not self._amiss(run, stands):
                return stands
        vpc_id = run.output(self.network).vpc_id
        groups = self._groups(run, vpc_id)
        if missing := [purpose for purpose in self._purposes(run) if purpose not in groups]:
            for purpose in missing:
                self._create(run, vpc_id, purpose)
            groups = run.wait_until("all security groups are there", lambda: self._groups(run, vpc_id),
                                    lambda seen: set(missing) <= set(seen), within=minutes(10),
                                    show=", ".join)
        out = self._out(run, groups)
        require_lists(out.prefix_lists, self.lists(run), self.region)
        amiss = self._amiss(run, out)
        for purpose, more, less in amiss:
            self._converge(run, out.ids[purpose], more, less)
        return self._settled(run) if amiss else out

    def _create(self, run: Run, vpc_id: str, purpose: str) -> None:
        name = self._name(run, purpose)
        with already(Refusal("InvalidGroup.Duplicate")):
            run.at(self.region).ec2.create_security_group(
                GroupName=name, Description=self.described()[purpose], VpcId=vpc_id,
                TagSpecifications=specification("security-group", run.tags(self.site, name)))

    def _amiss(self, run: Run, out: SecurityGroupsOut) -> list[tuple[str, frozenset[Rule], frozenset[Rule]]]:
        """Purpose, rules to add and rules to remove of every group that is not as it should be."""
        rules = self.rules(run, out.ids, out.prefix_lists)
        compared = [(purpose, rules.get(purpose, frozenset()), seen) for purpose, seen in out.rules.items()]
        return [(purpose, want - seen, seen - want) for purpose, want, seen in compared if want != seen]

    def _converge(self, run: Run, group_id: str, more: frozenset[Rule], less: frozenset[Rule]) -> None:
        """Add before removing, so that traffic that stays admitted is never cut in between."""
        ec2 = run.at(self.region).ec2
        for call, rules in ((ec2.authorize_security_group_ingress, _permissions(more, "in")),
                            (ec2.authorize_security_group_egress, _permissions(more, "out"))):
            if rules:
                run.retry(f"the groups that {group_id} names are known", partial(_change, THERE, call, group_id, rules),
                          (Refusal("InvalidGroup.NotFound"),), within=PROPAGATION)
        self._revoke(run, group_id, less)

    def _revoke(self, run: Run, group_id: str, rules: Iterable[Rule]) -> None:
        ec2, gone = run.at(self.region).ec2, frozenset(rules)
        for call, some in ((ec2.revoke_security_group_ingress, _permissions(gone, "in")),
                           (ec2.revoke_security_group_egress, _permissions(gone, "out"))):
            if some:
                with absent_is_fine():  # the group itself may be gone
                    _change(ABSENT, call, group_id, some)

    def _settled(self, run: Run) -> SecurityGroupsOut:
        """Rules are shown some seconds after they were changed."""
        out = run.wait_until(
            "all rules are as they should be", lambda: self.find(run),
            lambda seen: seen is not None and not self._amiss(run, seen), within=PROPAGATION,
            show=lambda seen: f"{len(self._amiss(run, seen))} groups differ" if seen else "a group is missing")
        assert out is not None  # noqa: S101  # `ready` refuses None
        return out

    def verify(self, run: Run, out: SecurityGroupsOut) -> Iterable[Finding]:
        for purpose, missing, surplus in self._amiss(run, out):
            where = f"security group {out.ids[purpose]} ({purpose}, {self.region})"
            for rule in sorted(missing):
                yield Finding(f"{where} does not allow {rule}")
            for rule in sorted(surplus):
                yield Finding(f"{where} allows {rule}, which nobody asked for")

    def destroy(self, run: Run) -> None:
        """Rules first: groups that name each other cannot be deleted. The default group goes with its VPC."""
        ec2 = run.at(self.region).ec2
        groups = ec2.describe_security_groups(Filters=ours(
            run.settings.environment, *(self._name(run, purpose) for purpose in self.described())))["SecurityGroups"]
        for group in [*groups, *self._defaults(run, {str(group["VpcId"]) for group in groups})]:
            self._revoke(run, group["GroupId"], rules_of(group))
        for group in groups:
            group_id = group["GroupId"]
            remove_when_free(run, self.region, group["VpcId"], f"nothing uses {group_id} any more",
                             partial(ec2.delete_security_group, GroupId=group_id), within=DELETION,
                             also=partial(naming, run, self.region, group_id))

    def _defaults(self, run: Run, vpc_ids: set[str]) -> list[Any]:
        """The default groups of our networks: a rule in one that names another group would hold that."""
        return run.at(self.region).ec2.describe_security_groups(Filters=[
            {"Name": "vpc-id", "Values": sorted(vpc_ids)},
            {"Name": "group-name", "Values": [DEFAULT]}])["SecurityGroups"] if vpc_ids and self.closes_default else []

    def foreseen(self, run: Run, out: SecurityGroupsOut | None) -> Mapping[str, Any]:
        """Groups that stand keep their ids when another one is made beside them."""
        network, groups = run.found(self.network), dict[str, Any]()
        with suppress(DrctlError):  # somebody else's, or in a network that is yet to be made
            groups = self._groups(run, network.vpc_id) if network else {}
        if not groups.keys() & self.described().keys():
            return NOTHING
        ids = {purpose: str(group["GroupId"]) for purpose, group in groups.items()}
        return {"ids": dict.fromkeys(self._purposes(run), not_known(self)) | ids,
                **{purpose: ids[purpose] for purpose in ("balancer", "app", "database", "endpoints") if purpose in ids}}

    def resources(self, out: SecurityGroupsOut) -> Iterable[Resource]:
        for purpose in self.described():
            if purpose in out.ids:
                yield Resource("ec2:security-group", out.ids[purpose], self.region)


def _change(fine: Refusal, call: Callable[..., Any], group_id: str, permissions: list[Any]) -> None:
    """All rules in one call; one by one when that is refused because of a rule that is so already."""
    try:
        call(GroupId=group_id, IpPermissions=permissions)
    except ClientError as error:
        if not is_one_of(error, fine):
            raise
        for permission in permissions:
            with already(fine):
                call(GroupId=group_id, IpPermissions=[permission])


def _permissions(rules: Iterable[Rule], direction: str) -> list[Any]:
    return [rule.permission for rule in sorted(rules) if rule.direction == direction]
