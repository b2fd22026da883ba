"""The lab's own certificate authority: clients verify its databases and balancers as they verify Amazon's."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

#: Longest common name (RFC 5280, ub-common-name); the alternative names are those that count.
COMMON_NAME = 64


@dataclass(frozen=True)
class Issued:
    """A server certificate and its key, both PEM."""

    certificate: bytes
    key: bytes


@dataclass(frozen=True)
class Authority:
    """Signs the certificates of one lab; `pem` is what clients trust."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @classmethod
    def make(cls) -> Authority:
        """A new authority."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "drctl lab")])
        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        return cls(key, _for(name, key, *a_year()).issuer_name(name)
                   .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
                   .add_extension(usage, critical=True)
                   .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
                   .sign(key, hashes.SHA256()))

    @property
    def pem(self) -> bytes:
        """The authority's certificate."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def issue(self, names: Iterable[str], begins: datetime, ends: datetime) -> Issued:
        """A server certificate for host names and addresses, valid from one moment to the other."""
        own, known = ec.generate_private_key(ec.SECP256R1()), list(dict.fromkeys(names))
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, known[0][:COMMON_NAME])])
        authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        made = (_for(subject, own, begins, ends).issuer_name(self.certificate.subject)
                .add_extension(x509.SubjectAlternativeName([_general(name) for name in known]), critical=False)
                .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
                .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
                .add_extension(authority, critical=False)
                .sign(self.key, hashes.SHA256()))
        return Issued(made.public_bytes(serialization.Encoding.PEM),
                      own.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                        serialization.NoEncryption()))


def a_year() -> tuple[datetime, datetime]:
    """A validity that outlives every lab."""
    now = datetime.now(UTC)
    return now - timedelta(days=1), now + timedelta(days=365)


@cache
def lab_authority() -> Authority:
    """The one authority of this lab process; made at first need."""
    return Authority.make()


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _for(name: x509.Name, key: ec.EllipticCurvePrivateKey, begins: datetime, ends: datetime) -> x509.CertificateBuilder:
    return (x509.CertificateBuilder().subject_name(name).public_key(key.public_key())
            .serial_number(x509.random_serial_number()).not_valid_before(begins).not_valid_after(ends))
