"""TLS as an HTTPS listener speaks it: the certificate that ACM shows, signed by the lab's authority."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from moto.acm.models import CertBundle, CertificateNotFound, acm_backends
from moto.elbv2.models import FakeListener
from moto.elbv2.ssl_policies import SSL_POLICIES

from drctl.lab.authority import lab_authority
from drctl.lab.certificate_ages import validity

_CONTEXT = "_lab_tls"


def context_of(listener: FakeListener) -> ssl.SSLContext | None:
    """What a connection to the listener is wrapped with; None when its certificate is gone.

    A certificate that has ended is shown all the same: whether to go on is the client's decision. It is made anew when
    a day of its life has passed, so that its dates are those that ACM shows.
    """
    certificate = _certificate(listener)
    if certificate is None:
        return None
    begins, ends = validity(certificate)
    wanted = certificate.arn, listener.ssl_policy, (ends - datetime.now(UTC)).days
    known: tuple[object, ssl.SSLContext] | None = listener.__dict__.get(_CONTEXT)
    if known is None or known[0] != wanted:
        known = listener.__dict__[_CONTEXT] = wanted, _made(certificate, listener.ssl_policy, begins, ends)
    return known[1]


def _certificate(listener: FakeListener) -> CertBundle | None:
    arn = next(iter(listener.certificates), "") or ""
    if ":acm:" not in arn:
        return None
    _, _, _, region, account, _ = arn.split(":", 5)
    try:
        return acm_backends[account][region].get_certificate(arn)
    except CertificateNotFound:
        return None


def _made(certificate: CertBundle, policy: str, begins: datetime, ends: datetime) -> ssl.SSLContext:
    names = [str(certificate.common_name), *sorted(certificate.sans)]
    issued = lab_authority().issue(names, begins, ends)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    spoken = SSL_POLICIES.get(policy, {}).get("ssl_protocols", [])
    if spoken and "TLSv1.2" not in spoken:
        context.minimum_version = ssl.TLSVersion.TLSv1_3
    if spoken and "TLSv1.3" not in spoken:
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    with TemporaryDirectory() as folder:  # the standard library reads certificates from files alone
        file = Path(folder, "chain.pem")
        file.touch(0o600)
        file.write_bytes(issued.certificate + issued.key)
        context.load_cert_chain(file)
    return context
