"""What a region's balancer listens to: HTTPS for the app and a redirect to it, or HTTP alone with TLS off."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from drctl.aws.errors import Refusal, absent_is_fine, already
from drctl.aws.tags import as_list
from drctl.engine.run import Run
from drctl.engine.step import Finding, Resource, Step
from drctl.engine.waiting import minutes
from drctl.steps import target_group
from drctl.steps.balancer import Balancer
from drctl.steps.certificate import Certificate
from drctl.steps.given_certificate import GivenCertificate
from drctl.steps.target_group import TargetGroupOut

if TYPE_CHECKING:
    from drctl.steps.function import Function

PORTS = {"HTTPS": 443, "HTTP": 80}
#: A certificate just issued is unknown to the balancer for a while (Terraform provider: 5 min).
CERTIFICATE_NOT_YET = (Refusal("CertificateNotFound"), Refusal("UnsupportedCertificate"))


@dataclass(frozen=True)
class Listener:
    """What one port does: forward to a target group, or redirect to HTTPS."""

    protocol: str
    action: str
    certificate: str | None = None
    policy: str | None = None


@dataclass(frozen=True)
class ListenersOut:
    """The listeners and their target group as they stand; `protocol` is how visitors and checkers come in."""

    target_group_arn: str
    listener_arns: tuple[str, ...]
    protocol: str
    by_port: dict[int, Listener]
    group: TargetGroupOut
    permitted: bool

    @property
    def port(self) -> int:
        """The port visitors and checkers come in by."""
        return PORTS[self.protocol]


@dataclass(frozen=True, eq=False)
class Listeners(Step[ListenersOut]):
    """Target group, the function's permission for it, and the listeners, in the order AWS wants them made."""

    balancer: Balancer
    app: Function
    certificate: Certificate | GivenCertificate | None

    @property
    def protocol(self) -> str:
        """HTTPS with a certificate, HTTP without."""
        return "HTTP" if self.certificate is None else "HTTPS"

    def find(self, run: Run) -> ListenersOut | None:
        balancer, group, app = run.found(self.balancer), target_group.find(run, self.site), run.found(self.app)
        if balancer is None or group is None or app is None:
            return None
        there = self._listeners(run, balancer.arn)
        if PORTS[self.protocol] not in there:
            return None
        return ListenersOut(group.arn, tuple(one["ListenerArn"] for _, one in sorted(there.items())), self.protocol,
                            {port: _as_listener(one) for port, one in there.items()}, group,
                            target_group.PERMISSION.is_given(run, self.site, app, group.arn))

    def _listeners(self, run: Run, balancer_arn: str) -> dict[int, Any]:
        answer = run.at(self.region).elbv2.describe_listeners(LoadBalancerArn=balancer_arn)
        return {one["Port"]: one for one in answer["Listeners"]}

    def ensure(self, run: Run) -> ListenersOut:
        stands = run.found(self)
        if stands is not None and not any(True for _ in self.verify(run, stands)):
            return stands
        app = run.output(self.app)
        group = target_group.ensure(run, self.site, app)
        if not target_group.PERMISSION.is_given(run, self.site, app, group.arn):
            target_group.PERMISSION.give(run, self.site, app, group.arn)
        target_group.register(run, self.site, app, group)
        balancer_arn = run.output(self.balancer).arn
        self.balancer.refuse_foreign(run, balancer_arn)
        there = self._listeners(run, balancer_arn)
        for port, wanted in self._wanted(run, group.arn).items():
            self._ensure_listener(run, balancer_arn, port, wanted, there.get(port))
        for port in set(there) - set(self._wanted(run, group.arn)):
            with absent_is_fine():
                run.at(self.region).elbv2.delete_listener(ListenerArn=there[port]["ListenerArn"])
        # what was just made is missing in the listings for seconds (Terraform provider: listener, target group)
        run.wait_until("the listeners are shown", lambda: run.refresh(self), lambda out: out is not None,
                       within=minutes(2), every=5, show=lambda out: "all" if out else "not all yet")
        return run.output(self)

    def _wanted(self, run: Run, group_arn: str) -> dict[int, Listener]:
        if self.certificate is None:
            return {PORTS["HTTP"]: Listener("HTTP", group_arn)}
        return {PORTS["HTTPS"]: Listener("HTTPS", group_arn, run.output(self.certificate).arn, run.settings.tls.policy),
                PORTS["HTTP"]: Listener("HTTP", "redirect")}

    def _ensure_listener(self, run: Run, balancer_arn: str, port: int, wanted: Listener, seen: Any) -> None:
        elbv2: Any = run.at(self.region).elbv2
        if seen is None:
            tags = as_list(run.tags(self.site, run.name("alb", f"port-{port}", self.site)))
            with already(Refusal("DuplicateListener")):  # made by a call whose answer was lost, and not listed yet
                run.retry("the balancer knows the certificate", lambda: elbv2.create_listener(
                    LoadBalancerArn=balancer_arn, Port=port, Tags=tags, **_as_request(wanted)), CERTIFICATE_NOT_YET,
                    within=minutes(5))
        elif _as_listener(seen) != wanted:
            run.retry("the balancer knows the certificate", lambda: elbv2.modify_listener(
                ListenerArn=seen["ListenerArn"], Port=port, **_as_request(wanted)), CERTIFICATE_NOT_YET,
                within=minutes(5))

    def verify(self, run: Run, out: ListenersOut) -> Iterable[Finding]:
        wanted = self._wanted(run, out.target_group_arn)
        for port in sorted(wanted.keys() | out.by_port.keys()):
            if wanted.get(port) != out.by_port.get(port):
                yield Finding(f"port {port} of the balancer in {self.region} is {out.by_port.get(port) or 'closed'}, "
                              f"not {wanted.get(port) or 'closed'}")
        if out.group.check != target_group.wanted_check(run.settings):
            yield Finding(f"the health check of target group {out.group.arn} is not as it must be: {out.group.check}")
        if list(out.group.targets) != [run.output(self.app).alias_arn]:
            yield Finding(f"target group {out.group.arn} does not lead to the app's live version alone")
        if not out.permitted:
            yield Finding(f"the app in {self.region} does not let the balancer's target group invoke it")

    def destroy(self, run: Run) -> None:
        """Listeners go with a balancer that is gone already; the group stays without anybody asking for it."""
        if balancer := run.found(self.balancer):
            with absent_is_fine():
                self.balancer.refuse_foreign(run, balancer.arn)
            for one in self._listeners(run, balancer.arn).values():
                with absent_is_fine():
                    run.at(self.region).elbv2.delete_listener(ListenerArn=one["ListenerArn"])
        target_group.delete(run, self.site)
        if app := run.found(self.app):
            target_group.PERMISSION.take(run, self.site, app)

    def foreseen(self, run: Run, out: ListenersOut | None) -> Mapping[str, Any]:
        """A group that stands is kept whatever becomes of the listeners."""
        group = target_group.find(run, self.site)
        return {"protocol": self.protocol, **({"target_group_arn": group.arn} if group else {})}

    def resources(self, out: ListenersOut) -> Iterable[Resource]:
        yield Resource("elbv2:targetgroup", out.target_group_arn, self.region)
        for arn in out.listener_arns:
            yield Resource("elbv2:listener", arn, self.region)


def _as_listener(seen: Any) -> Listener:
    action = (seen.get("DefaultActions") or [{}])[0]
    secure = seen["Protocol"] == "HTTPS"
    certificates = seen.get("Certificates") or [{}]
    leads_to = action.get("TargetGroupArn") or _redirect(action.get("RedirectConfig") or {})
    return Listener(seen["Protocol"], leads_to, certificates[0].get("CertificateArn") if secure else None,
                    seen.get("SslPolicy") if secure else None)


def _redirect(config: Any) -> str:
    as_ours = (config.get("Protocol"), config.get("Port"), config.get("StatusCode")) == ("HTTPS", "443", "HTTP_301")
    return "redirect" if as_ours else f"something else: {config}"


def _as_request(wanted: Listener) -> dict[str, Any]:
    if wanted.action == "redirect":
        return {"Protocol": wanted.protocol, "DefaultActions": [{"Type": "redirect", "RedirectConfig": {
            "Protocol": "HTTPS", "Port": "443", "StatusCode": "HTTP_301"}}]}
    secure = {"Certificates": [{"CertificateArn": wanted.certificate}], "SslPolicy": wanted.policy}
    return {"Protocol": wanted.protocol, "DefaultActions": [{"Type": "forward", "TargetGroupArn": wanted.action}],
            **(secure if wanted.certificate else {})}
