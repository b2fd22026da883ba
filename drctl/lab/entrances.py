"""A load balancer asked on one of its ports: who comes in, and what the listener's rules make of a request."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from moto.ec2.models import ec2_backends
from moto.elbv2.models import FakeListener, FakeLoadBalancer, elbv2_backends

from drctl.lab import function_targets, gray, web_acl_verdicts
from drctl.lab.visits import Reply, Visit, with_status, within


def region_of(arn: str) -> str:
    """The region in an ARN."""
    return arn.split(":")[3]


def account_of(arn: str) -> str:
    """The account in an ARN."""
    return arn.split(":")[4]


@dataclass(frozen=True)
class Entrance:
    """One port of a balancer; `answer` is for those whom `lets_in` lets in."""

    balancer: FakeLoadBalancer
    port: int

    @property
    def region(self) -> str:
        """Where the balancer is."""
        return region_of(self.balancer.arn)

    @property
    def listener(self) -> FakeListener | None:
        """What listens on the port, if anything does and the balancer is there and active."""
        balancer: Any = elbv2_backends[account_of(self.balancer.arn)][self.region].load_balancers.get(self.balancer.arn)
        if balancer is not self.balancer or balancer.__dict__.get("_lab_leaving") or balancer.state != "active":
            return None
        return next((one for one in list(balancer.listeners.values()) if int(one.port) == self.port), None)

    def lets_in(self, client: str) -> bool:
        """Whether a connection of this client, or of all clients of a range, is answered at all."""
        return self.listener is not None and self._admits(client)

    def _admits(self, client: str) -> bool:
        backend = ec2_backends[account_of(self.balancer.arn)][self.region]
        groups = [backend.get_security_group_from_id(one) for one in self.balancer.security_groups]
        return any(self._rule_admits(backend, one, client) for group in groups if group for one in group.ingress_rules)

    def _rule_admits(self, backend: Any, one: Any, client: str) -> bool:
        if one.ip_protocol not in {"tcp", "-1"}:
            return False
        if one.ip_protocol == "tcp" and not int(one.from_port) <= self.port <= int(one.to_port):
            return False
        ranges = [one.ip_range.get("CidrIp")] if one.ip_range.get("CidrIp") else []
        if one.prefix_list_id:
            prefix_list = backend.managed_prefix_lists.get(one.prefix_list_id)
            versions = prefix_list.entries if prefix_list else {}
            ranges += [entry["Cidr"] for entry in (versions[max(versions)] if versions else None) or []]
        return any(within(client, each) for each in ranges)

    def answer(self, listener: FakeListener, visit: Visit) -> Reply:
        """403 if the web ACL blocks the request, else the action of the first rule whose path fits; or a lie."""
        if not web_acl_verdicts.admits(self.balancer.arn, visit):
            return with_status(403)
        return gray.lied(self.region, visit.path, self._answer(listener, visit))

    def _answer(self, listener: FakeListener, visit: Visit) -> Reply:
        for one in _by_priority(listener.rules.values()):
            if _fits(one.conditions, visit.path):
                return self._act(listener, one.actions[-1], visit)
        return with_status(503)

    def _act(self, listener: FakeListener, action: Any, visit: Visit) -> Reply:
        if action.type == "redirect":
            return _redirect(action.data["RedirectConfig"], listener, visit)
        if action.type == "fixed-response":
            config = action.data["FixedResponseConfig"]
            kind = (("Content-Type", str(config["ContentType"])),) if config.get("ContentType") else ()
            return with_status(int(config["StatusCode"]), str(config.get("MessageBody") or "").encode(), kind)
        backend = elbv2_backends[account_of(self.balancer.arn)][self.region]
        group = backend.target_groups.get(_target_group(action) or "")
        return function_targets.ask(self.region, group, visit, listener.protocol, self.port)


def _by_priority(rules: Any) -> list[Any]:
    return sorted(rules, key=lambda one: (one.priority == "default",
                                          int(one.priority) if one.priority != "default" else 0))


def _fits(conditions: list[dict[str, Any]], path: str) -> bool:
    """Whether a rule without conditions, or with one on the path alone, is for this path."""
    return all(one.get("Field") == "path-pattern" and any(
        fnmatchcase(path, pattern)
        for pattern in one.get("Values") or (one.get("PathPatternConfig") or {}).get("Values", []))
        for one in conditions)


def _target_group(action: Any) -> str | None:
    groups = (action.data.get("ForwardConfig") or {}).get("TargetGroups") or []
    found = action.data.get("TargetGroupArn") or (groups[0]["TargetGroupArn"] if groups else None)
    return str(found) if found else None


def _redirect(config: dict[str, Any], listener: FakeListener, visit: Visit) -> Reply:
    """301 or 302 to a place that keeps what the rule does not change.

    Source: ELBv2 API Reference, RedirectActionConfig.
    """
    place = {"protocol": listener.protocol, "host": visit.headers.get("host", "").partition(":")[0],
             "port": str(listener.port), "path": visit.path.lstrip("/"), "query": visit.query}

    def part(name: str, default: str) -> str:
        text = str(config.get(name) or default)
        for key, value in place.items():
            text = text.replace(f"#{{{key}}}", value)
        return text

    query = part("Query", "#{query}")
    where = (f"{part('Protocol', '#{protocol}').lower()}://{part('Host', '#{host}')}:{part('Port', '#{port}')}"
             f"{part('Path', '/#{path}')}{'?' + query if query else ''}")
    return with_status(301 if config.get("StatusCode") == "HTTP_301" else 302, b"", (("Location", where),))
