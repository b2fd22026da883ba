"""Application load balancers: minutes until they are active, a while until they are gone, targets that must answer."""

from __future__ import annotations

import inspect
from functools import partial
from typing import Any

from moto.acm.models import CertificateNotFound, acm_backends
from moto.core import DEFAULT_ACCOUNT_ID
from moto.elbv2.exceptions import DuplicateListenerError, ELBClientError
from moto.elbv2.models import ELBv2Backend, FakeListener, FakeLoadBalancer, elbv2_backends
from moto.elbv2.ssl_policies import SSL_POLICIES

from drctl.aws.durations import seconds
from drctl.lab import interfaces
from drctl.lab.balancer_zones import ZONE_IDS
from drctl.lab.clock import CLOCK
from drctl.lab.rules import Pending, is_hidden, rule, take
from drctl.lab.targets import is_used, release

Pending.install(FakeLoadBalancer, "state", "provisioning")


def targets_healthy(region: str, load_balancer_arn: str, _path: str = "/") -> bool:
    """Whether every target group of the balancer, for whatever path, has a target that is not known to be ill.

    A group without targets, or a balancer without groups, is unhealthy. What Route 53 makes of a function whose checks
    are off is not documented: here it counts as healthy.
    Source: Route 53 Developer Guide, Values specific for failover alias records, Evaluate target health.
    """
    backend = elbv2_backends[DEFAULT_ACCOUNT_ID][region]
    groups = [group for group in backend.target_groups.values() if is_used(backend, group.arn, load_balancer_arn)]
    return bool(groups) and all(
        any(group.health_for(target, backend.ec2_backend).status in {"healthy", "unavailable"}
            for target in group.targets.values())
        for group in groups)


@rule("balancer-name", ELBv2Backend, "create_load_balancer")
def balancer_name(proceed: Any, self: ELBv2Backend, name: str, security_groups: list[str], subnet_ids: list[str],
                  **more: Any) -> Any:
    """The same name with the same settings gives the balancer there is; with others, DuplicateLoadBalancerName.

    Source: ELBv2 API Reference, CreateLoadBalancer.
    """
    for balancer in self.load_balancers.values():
        if balancer.name == name and not balancer.__dict__.get("_lab_leaving"):
            subnets = subnet_ids or [mapping["SubnetId"] for mapping in more.get("subnet_mappings") or []]
            same = (sorted(security_groups) == sorted(balancer.security_groups)
                    and sorted(subnets) == sorted(subnet.id for subnet in balancer.subnets)
                    and (more.get("scheme") or "internet-facing") == (balancer.scheme or "internet-facing"))
            if same:
                return balancer
            raise ELBClientError("DuplicateLoadBalancerName", f"A load balancer with the same name '{name}' exists, "
                                 "but with different settings")
    return proceed(name, security_groups, subnet_ids, **more)


@rule("balancer-provisioning", ELBv2Backend, "create_load_balancer")
def balancer_provisioning(proceed: Any, self: ELBv2Backend, name: str, *args: Any, **more: Any) -> Any:
    """A balancer is provisioning for minutes.

    Source: ELBv2 API Reference, CreateLoadBalancer and LoadBalancerState.
    """
    known = set(self.load_balancers)
    balancer = proceed(name, *args, **more)
    if balancer.arn not in known:
        take(balancer, seconds("balancer-create"))
    return balancer


@rule("balancer-hosted-zone", ELBv2Backend, "create_load_balancer")
def balancer_hosted_zone(proceed: Any, self: ELBv2Backend, name: str, *args: Any, **more: Any) -> Any:
    """A balancer's own name lives in the hosted zone of its region.

    Source: AWS General Reference, Elastic Load Balancing endpoints and quotas.
    """
    balancer = proceed(name, *args, **more)
    balancer.scheme = balancer.scheme or "internet-facing"
    balancer.canonical_hosted_zone_id = ZONE_IDS[self.region_name]
    return balancer


@rule("balancer-interfaces", ELBv2Backend, "create_load_balancer")
def balancer_interfaces(proceed: Any, self: ELBv2Backend, name: str, *args: Any, **more: Any) -> Any:
    """A balancer has an interface in each of its subnets, with a public address when it faces the internet.

    Source: Application Load Balancers, Subnets for your load balancer.
    """
    known = set(self.load_balancers)
    balancer = proceed(name, *args, **more)
    if balancer.arn not in known:
        _make_interfaces(self.region_name, balancer)
    return balancer


def _make_interfaces(region: str, balancer: FakeLoadBalancer) -> None:
    path = balancer.arn.partition("loadbalancer/")[2]
    balancer.__dict__["_lab_interfaces"] = [
        interfaces.make(region, subnet.id, balancer.security_groups, f"ELB {path}", "interface", "amazon-elb",
                        public=(balancer.scheme or "internet-facing") == "internet-facing")
        for subnet in balancer.subnets]


@rule("balancer-groups", ELBv2Backend, "set_security_groups")
def balancer_groups(proceed: Any, self: ELBv2Backend, arn: str, sec_groups: list[str]) -> Any:
    """The balancer's interfaces move to its new security groups.

    Source: ELBv2 API Reference, SetSecurityGroups.
    """
    answer = proceed(arn, sec_groups)
    groups = [self.ec2_backend.get_security_group_from_id(group) for group in sec_groups]
    for interface_id in self.load_balancers[arn].__dict__.get("_lab_interfaces", []):
        if interface := self.ec2_backend.enis.get(interface_id):
            interface._group_set = groups
    return answer


@rule("balancer-leaving", ELBv2Backend, "delete_load_balancer")
def balancer_leaving(_proceed: Any, self: ELBv2Backend, arn: str) -> None:
    """A deleted balancer is shown for a while, and its interfaces stay in the subnets for longer.

    Source: ELBv2 API Reference, DeleteLoadBalancer; Terraform provider: waits for both.
    """
    balancer = self.load_balancers.get(arn)
    if balancer and not balancer.__dict__.get("_lab_leaving"):
        balancer.__dict__["_lab_leaving"] = True
        CLOCK.after(seconds("balancer-delete"), partial(_balancer_is_gone, self, balancer))


@rule("balancer-protected", ELBv2Backend, "delete_load_balancer")
def balancer_protected(proceed: Any, self: ELBv2Backend, arn: str) -> Any:
    """A balancer with deletion protection stays: OperationNotPermitted.

    Source: ELBv2 API Reference, DeleteLoadBalancer.
    """
    balancer = self.load_balancers.get(arn)
    if balancer and str(balancer.attrs.get("deletion_protection.enabled")).lower() == "true":
        raise ELBClientError("OperationNotPermitted",
                             f"Load balancer '{arn}' cannot be deleted because deletion protection is enabled")
    return proceed(arn)


def _balancer_is_gone(backend: ELBv2Backend, balancer: FakeLoadBalancer) -> None:
    before = {arn for arn in backend.target_groups if is_used(backend, arn)}
    backend.load_balancers.pop(balancer.arn, None)
    _forget_links(backend)
    release(backend, [arn for arn in before if not is_used(backend, arn)])
    interfaces.remove_later(backend.region_name, balancer.__dict__.get("_lab_interfaces", []),
                            seconds("balancer-interface-linger"))


def _forget_links(backend: ELBv2Backend) -> None:
    """Target groups forget the balancers that do not forward to them any more."""
    for group in backend.target_groups.values():
        group.load_balancer_arns = [arn for arn in dict.fromkeys(group.load_balancer_arns)
                                    if is_used(backend, group.arn, arn)]


@rule("listener-port", ELBv2Backend, "create_listener")
def listener_port(proceed: Any, self: ELBv2Backend, **given: Any) -> Any:
    """A balancer has one listener on a port.

    Refuses with DuplicateListener. Source: ELBv2 API Reference, CreateListener.
    """
    balancer = self.load_balancers.get(given["load_balancer_arn"])
    if balancer and any(str(listener.port) == str(given["port"]) for listener in balancer.listeners.values()):
        raise DuplicateListenerError
    return proceed(**given)


@rule("listener-tls-policy", ELBv2Backend, "create_listener")
def listener_tls_policy(proceed: Any, _self: ELBv2Backend, **given: Any) -> Any:
    """The TLS policy of an HTTPS listener must exist.

    Refuses with SSLPolicyNotFound. Source: ELBv2 API Reference, CreateListener.
    """
    if given["protocol"] == "HTTPS" and given.get("ssl_policy") not in SSL_POLICIES:
        raise ELBClientError("SSLPolicyNotFound", f"SSL policy '{given.get('ssl_policy')}' not found")
    return proceed(**given)


@rule("listener-certificate", ELBv2Backend, "create_listener")
def listener_certificate(proceed: Any, self: ELBv2Backend, **given: Any) -> FakeListener:
    """The certificate of an HTTPS listener is of its region (CertificateNotFound) and issued (UnsupportedCertificate).

    Source: ELBv2 API Reference, CreateListener.
    """
    if given["protocol"] == "HTTPS":
        _check_certificate(self, given.get("certificate"))
    listener: FakeListener = proceed(**given)
    return listener


@rule("listener-certificate-changed", ELBv2Backend, "modify_listener")
def listener_certificate_changed(proceed: Any, self: ELBv2Backend, *args: Any) -> Any:
    """A new certificate is checked like the first; target groups see who forwards to them.

    Source: ELBv2 API Reference, ModifyListener.
    """
    for certificate in inspect.signature(proceed).bind(*args).arguments["certificates"] or []:
        _check_certificate(self, certificate["CertificateArn"])
    listener = proceed(*args)
    for action in listener.default_actions:
        for group_arn in self._get_target_group_arns_from(action_data=action.data):
            self.target_groups[group_arn].load_balancer_arns.append(listener.load_balancer_arn)
    _forget_links(self)
    return listener


def _check_certificate(backend: ELBv2Backend, arn: str | None) -> None:
    if not arn:
        raise ELBClientError("CertificateNotFound", "A certificate must be specified for HTTPS listeners")
    if ":iam:" in arn:
        return
    try:
        certificate = acm_backends[backend.account_id][backend.region_name].get_certificate(arn)
    except CertificateNotFound as missing:
        raise ELBClientError("CertificateNotFound", f"Certificate '{arn}' not found") from missing
    if is_hidden(certificate):  # see the rule certificate-known-late
        raise ELBClientError("CertificateNotFound", f"Certificate '{arn}' not found")
    if certificate.status != "ISSUED":
        raise ELBClientError("UnsupportedCertificate", f"The certificate '{arn}' must have a fully-qualified domain "
                             "name, a supported signature, and a supported key size.")


@rule("target-group-one-balancer", ELBv2Backend, "create_listener")
def target_group_one_balancer(proceed: Any, self: ELBv2Backend, **given: Any) -> Any:
    """A target group belongs to one balancer.

    Refuses with TargetGroupAssociationLimit. Source: ELBv2 API Reference, CreateListener.
    """
    groups = {arn for action in given["actions"] for arn in self._get_target_group_arns_from(action_data=action)}
    for balancer in self.load_balancers.values():
        shared = {arn for arn in groups if is_used(self, arn, balancer.arn)}
        if shared and balancer.arn != given["load_balancer_arn"]:
            raise ELBClientError("TargetGroupAssociationLimit", "The following target groups cannot be associated with "
                                 f"more than one load balancer: {', '.join(sorted(shared))}")
    return proceed(**given)


@rule("listener-gone", ELBv2Backend, "delete_listener")
def listener_gone(proceed: Any, self: ELBv2Backend, listener_arn: str) -> Any:
    """Without its listener a target group is no longer in use by the balancer.

    Source: ELBv2 API Reference, DeleteListener.
    """
    before = {arn for arn in self.target_groups if is_used(self, arn)}
    answer = proceed(listener_arn)
    _forget_links(self)
    release(self, [arn for arn in before if not is_used(self, arn)])
    return answer
