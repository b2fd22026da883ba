"""The web ACL in front of a region's balancer: health checkers pass, floods and known attacks do not; all is logged."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

from botocore.exceptions import ClientError

from drctl.aws.errors import Refusal, absent_is_fine, already, is_gone, or_none
from drctl.aws.tags import as_list, as_map, refuse_foreign
from drctl.engine.run import Run
from drctl.engine.step import Finding, Resource, Step
from drctl.engine.usage import Use, visits
from drctl.engine.waiting import minutes
from drctl.errors import NotOurs
from drctl.steps import log_group, waf_rules
from drctl.steps.balancer import Balancer
from drctl.steps.checkers import CheckerRanges, ipv4_only
from drctl.steps.key import Key
from drctl.steps.log_group import LogGroup

#: What a web ACL needs or what needs it is not known to all of WAF yet; also its own passing troubles.
NOT_YET = (Refusal("WAFUnavailableEntityException"), Refusal("WAFInternalErrorException"),
           Refusal("WAFTagOperationInternalErrorException"), Refusal("WAFServiceLinkedRoleErrorException"))
#: AWS WAF does not know a balancer until some time after it is active; nothing is in front of such a one.
UNKNOWN = (Refusal("WAFUnavailableEntityException"), Refusal("WAFNonexistentItemException"))
#: A web ACL or address set just made is "nonexistent" to some of WAF (Terraform provider: retried after a create); the
#: log's own policy, which WAF makes, is known a moment later.
NEW = (Refusal("WAFNonexistentItemException"), Refusal("WAFLogDestinationPermissionIssueException"))
#: A name that is taken by what a call made whose answer was lost, or by somebody else.
TAKEN = Refusal("WAFDuplicateItemException")
BUSY = (Refusal("WAFAssociatedItemException"), Refusal("WAFOptimisticLockException"))
#: No patient's name out of a query, and nobody's credentials.
REDACTED: Any = [{"SingleHeader": {"Name": "authorization"}}, {"SingleHeader": {"Name": "cookie"}},
                 {"QueryString": {}}]


@dataclass(frozen=True)
class WafOut:
    """The web ACL as it stands: its rules, what is associated with it, where it logs."""

    id: str
    arn: str
    rules: list[Any]
    associated: bool
    ip_set_arn: str
    addresses: frozenset[str]
    log_destinations: tuple[str, ...]
    log: LogGroup | None


@dataclass(frozen=True, eq=False)
class Waf(Step[WafOut]):
    """Address set, web ACL, its association and its log; found through the balancer, else by name."""

    waits = ("waf-associate",)
    waits_to_change = ("waf-associate",)

    balancer: Balancer
    key_of_logs: Key

    def _name(self, run: Run) -> str:
        return run.name("waf", "app", self.region)

    def _log_name(self, run: Run) -> str:
        """WAF logs to groups of this prefix alone (AWS WAF Developer Guide, "Logging destinations")."""
        return f"aws-waf-logs-{self._name(run)}"

    def find(self, run: Run) -> WafOut | None:
        acl, associated = self._acl(run)
        addresses = self._addresses(run)
        if acl is None or addresses is None:
            return None
        return WafOut(acl["Id"], acl["ARN"], list(acl["Rules"]), associated, addresses["ARN"],
                      frozenset(addresses["Addresses"]), self._destinations(run, acl["ARN"]),
                      log_group.find(run, self.site, self._log_name(run)))

    def _acl(self, run: Run) -> tuple[Any, bool]:
        """The ACL, and whether it is in front of the balancer: one call when it is."""
        wafv2, name = run.at(self.region).wafv2, self._name(run)
        if balancer := run.found(self.balancer):
            in_front = None
            with already(*UNKNOWN):
                in_front = self._in_front(run, balancer.arn)
            if in_front is not None and in_front["Name"] == name:
                return in_front, True
        summary = _named(name, _all(wafv2.list_web_acls, "WebACLs"))
        fresh = or_none(lambda: self._fresh(run, summary["Id"])) if summary else None
        return (fresh["WebACL"] if fresh else None), False

    def _in_front(self, run: Run, balancer_arn: str) -> Any:
        return run.at(self.region).wafv2.get_web_acl_for_resource(ResourceArn=balancer_arn).get("WebACL")

    def _fresh(self, run: Run, acl_id: str) -> Any:
        return run.at(self.region).wafv2.get_web_acl(Name=self._name(run), Scope="REGIONAL", Id=acl_id)

    def _addresses(self, run: Run) -> Any:
        wafv2, name = run.at(self.region).wafv2, self._name(run)
        summary = _named(name, _all(wafv2.list_ip_sets, "IPSets"))
        answer = or_none(lambda: wafv2.get_ip_set(Name=name, Scope="REGIONAL", Id=summary["Id"])) if summary else None
        return answer["IPSet"] if answer else None

    def _destinations(self, run: Run, acl_arn: str) -> tuple[str, ...]:
        try:
            answer = run.at(self.region).wafv2.get_logging_configuration(ResourceArn=acl_arn)
        except ClientError as error:
            if is_gone(error):
                return ()
            raise
        return tuple(one.removesuffix(":*") for one in answer["LoggingConfiguration"]["LogDestinationConfigs"])

    def ensure(self, run: Run) -> WafOut:
        stands = run.found(self)
        if stands is not None and not any(True for _ in self.verify(run, stands)):
            return stands
        ip_set_arn = self._ensure_addresses(run)
        acl_arn = self._ensure_acl(run, ip_set_arn)
        wafv2 = run.at(self.region).wafv2
        log = log_group.ensure(run, self.site, self._log_name(run), run.output(self.key_of_logs).arn)
        if self._destinations(run, acl_arn) != (log.arn,):
            run.retry("WAF can log", lambda: wafv2.put_logging_configuration(LoggingConfiguration={
                "ResourceArn": acl_arn, "LogDestinationConfigs": [log.arn], "RedactedFields": REDACTED}),
                (*NOT_YET, *NEW), within=minutes(5))
        if not self._acl(run)[1]:
            self._associate(run, acl_arn)
        run.wait_until("WAF shows what was made", lambda: run.refresh(self), lambda out: out is not None,
                       within=minutes(5), show=lambda out: "all" if out else "not all yet")
        return run.output(self)

    def _ensure_addresses(self, run: Run) -> str:
        wafv2, name = run.at(self.region).wafv2, self._name(run)
        ranges, seen = run.output(CheckerRanges(self.site)), self._addresses(run)
        wanted = ipv4_only(ranges)
        if seen is None:
            made: Any = None
            with already(TAKEN):
                made = run.retry("WAF takes the checkers' addresses", lambda: wafv2.create_ip_set(
                    Name=name, Scope="REGIONAL", IPAddressVersion="IPV4", Addresses=wanted,
                    Tags=as_list(run.tags(self.site, name))), NOT_YET, within=minutes(5))
            if made is not None:
                return str(made["Summary"]["ARN"])
            seen = self._listed(run, "address set", lambda: self._addresses(run))
        if set(seen["Addresses"]) != set(wanted):
            self._refuse_foreign(run, seen["ARN"])
            run.retry("WAF takes the checkers' addresses", partial(self._update_addresses, run, seen["Id"], wanted),
                      (*NOT_YET, *BUSY), within=minutes(5))
        return str(seen["ARN"])

    def _update_addresses(self, run: Run, set_id: str, addresses: list[str]) -> None:
        """With a fresh lock token each time."""
        wafv2, name = run.at(self.region).wafv2, self._name(run)
        token = wafv2.get_ip_set(Name=name, Scope="REGIONAL", Id=set_id)["LockToken"]
        wafv2.update_ip_set(Name=name, Scope="REGIONAL", Id=set_id, Addresses=addresses, LockToken=token)

    def _listed(self, run: Run, kind: str, look: Callable[[], Any]) -> Any:
        """What stands under our name although the listing did not show it a moment ago."""
        return run.wait_until(f"{kind} {self._name(run)} is listed", look, lambda seen: seen is not None,
                              within=minutes(2), every=5, show=lambda seen: "so" if seen else "not yet")

    def _ensure_acl(self, run: Run, ip_set_arn: str) -> str:
        name, (acl, _) = self._name(run), self._acl(run)
        if acl is None:
            made: Any = None
            with already(TAKEN):
                made = run.retry("WAF takes the web ACL", lambda: run.at(self.region).wafv2.create_web_acl(
                    Tags=as_list(run.tags(self.site, name)), **self._content(run, ip_set_arn)), (*NOT_YET, *NEW),
                    within=minutes(5))
            if made is not None:
                return str(made["Summary"]["ARN"])
            acl = self._listed(run, "web ACL", lambda: self._acl(run)[0])
        if not waf_rules.stand(acl["Rules"], waf_rules.wanted(run.settings, ip_set_arn)):
            self._refuse_foreign(run, acl["ARN"])
            run.retry("WAF takes the rules", partial(self._update, run, acl["Id"], ip_set_arn), (*NOT_YET, *BUSY),
                      within=minutes(5))
        return str(acl["ARN"])

    def _content(self, run: Run, ip_set_arn: str) -> Any:
        name = self._name(run)
        return {"Name": name, "Scope": "REGIONAL", "DefaultAction": {"Allow": {}},
                "VisibilityConfig": waf_rules.visibility(name), "Rules": waf_rules.wanted(run.settings, ip_set_arn)}

    def _update(self, run: Run, acl_id: str, ip_set_arn: str) -> None:
        """The whole of it, with a fresh lock token; rules of Shield and Firewall Manager go back as they are."""
        fresh, content = self._fresh(run, acl_id), self._content(run, ip_set_arn)
        content["Rules"] = [*content["Rules"], *waf_rules.of_others(fresh["WebACL"]["Rules"])]
        run.at(self.region).wafv2.update_web_acl(Id=acl_id, LockToken=fresh["LockToken"], **content)

    def _associate(self, run: Run, acl_arn: str) -> None:
        """A new ACL or balancer can be unknown for minutes (public reports: five are not always enough)."""
        wafv2, balancer = run.at(self.region).wafv2, run.output(self.balancer)
        other = run.retry("WAF knows the balancer", lambda: self._in_front(run, balancer.arn), (*NOT_YET, *UNKNOWN),
                          within=minutes(15))
        if other is not None and other["Name"] != self._name(run):
            raise NotOurs(f"another web ACL, {other['Name']}, is in front of balancer {balancer.dns_name}",
                          next_step="disassociate it, then drctl provision: a balancer has one")
        run.retry("WAF can be put in front of the balancer", lambda: wafv2.associate_web_acl(
            WebACLArn=acl_arn, ResourceArn=balancer.arn), (*NOT_YET, *UNKNOWN),
            within=minutes(15))
        run.wait_until("WAF is in front of the balancer", lambda: self._acl(run)[1], bool, within=minutes(5))

    def verify(self, run: Run, out: WafOut) -> Iterable[Finding]:
        name, ranges = self._name(run), run.output(CheckerRanges(self.site))
        if not out.associated:
            yield Finding(f"web ACL {name} is not in front of the balancer in {self.region}")
        if not waf_rules.stand(out.rules, waf_rules.wanted(run.settings, out.ip_set_arn)):
            yield Finding(f"the rules of web ACL {name} are not the stack's")
        if out.addresses != frozenset(ipv4_only(ranges)):
            yield Finding(f"address set {name} does not hold the health checkers' addresses")
        if out.log is None or out.log_destinations != (out.log.arn,):
            yield Finding(f"web ACL {name} does not log to {self._log_name(run)}")
        if out.log and (wrong := log_group.difference(run, out.log, run.output(self.key_of_logs).arn)):
            yield Finding(f"log group {out.log.name} {wrong}")

    def _refuse_foreign(self, run: Run, arn: str) -> None:
        tags = as_map(run.at(self.region).wafv2.list_tags_for_resource(ResourceARN=arn)["TagInfoForResource"].get(
            "TagList"))
        refuse_foreign("web ACL or IP set", arn, tags, run.settings.environment)

    def destroy(self, run: Run) -> None:
        acl, associated = self._acl(run)
        if acl is not None:
            self._refuse_foreign(run, acl["ARN"])
            if associated and (balancer := run.found(self.balancer)):
                with absent_is_fine():
                    run.at(self.region).wafv2.disassociate_web_acl(ResourceArn=balancer.arn)
            self._delete_acl(run, acl)
        if addresses := self._addresses(run):
            self._refuse_foreign(run, addresses["ARN"])
            with absent_is_fine():
                run.retry("no web ACL uses the address set", partial(self._delete_addresses, run, addresses["Id"]),
                          (*NOT_YET, *BUSY), within=minutes(15))
        log_group.remove(run, self.site, self._log_name(run))

    def _delete_acl(self, run: Run, acl: Any) -> None:
        wafv2 = run.at(self.region).wafv2
        with absent_is_fine():
            wafv2.delete_logging_configuration(ResourceArn=acl["ARN"])
        with absent_is_fine():
            run.retry("the web ACL is free", lambda: wafv2.delete_web_acl(
                Name=self._name(run), Scope="REGIONAL", Id=acl["Id"],
                LockToken=self._fresh(run, acl["Id"])["LockToken"]), (*NOT_YET, *BUSY), within=minutes(15))

    def _delete_addresses(self, run: Run, set_id: str) -> None:
        wafv2, name = run.at(self.region).wafv2, self._name(run)
        token = wafv2.get_ip_set(Name=name, Scope="REGIONAL", Id=set_id)["LockToken"]
        wafv2.delete_ip_set(Name=name, Scope="REGIONAL", Id=set_id, LockToken=token)

    def uses(self, run: Run, out: WafOut | None) -> Iterable[Use]:
        rules = waf_rules.wanted(run.settings, "") if out is None else out.rules
        yield Use("web ACLs", "web-acl", 1)
        yield Use("web ACLs", "web-acl-rule", len(rules))
        yield Use("web ACLs", "web-acl-million", visits(run.settings, self.site).all)

    def resources(self, out: WafOut) -> Iterable[Resource]:
        yield Resource("wafv2:webacl", out.arn, self.region)
        yield Resource("wafv2:ipset", out.ip_set_arn, self.region)
        if out.log:
            yield Resource("logs:log-group", out.log.name, self.region)


def _named(name: str, summaries: Iterable[Any]) -> Any:
    return next((one for one in summaries if one["Name"] == name), None)


def _all(listing: Any, field: str) -> Iterable[Any]:
    """WAF's listings have no paginator in boto3."""
    marker: dict[str, str] = {}
    while True:
        page = listing(Scope="REGIONAL", Limit=100, **marker)
        yield from page[field]
        if not page.get("NextMarker") or not page[field]:
            return
        marker = {"NextMarker": page["NextMarker"]}
