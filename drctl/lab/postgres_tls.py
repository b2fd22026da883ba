"""The lab's own certificate authority for its databases: functions verify them as they verify Amazon's."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

Names = tuple[x509.GeneralName, ...]


@dataclass(frozen=True)
class Authority:
    """Signs the certificates of one lab; `bundle` is what clients trust."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate
    bundle: Path

    @classmethod
    def make(cls, bundle: Path) -> Authority:
        """A new authority; its certificate is written to `bundle`."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "drctl lab databases")])
        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        certificate = (_for(name, key).issuer_name(name)
                       .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
                       .add_extension(usage, critical=True)
                       .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
                       .sign(key, hashes.SHA256()))
        bundle.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        bundle.chmod(0o644)
        return cls(key, certificate, bundle)

    def issue(self, hosts: Iterable[str], certificate: Path, key: Path) -> None:
        """A server certificate for the host names (and loopback), written to the two files."""
        own = ec.generate_private_key(ec.SECP256R1())
        names: list[x509.GeneralName] = [x509.DNSName(host) for host in dict.fromkeys([*hosts, "localhost"])]
        names.append(x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
        authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        made = (_for(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "drctl lab database")]), own)
                .issuer_name(self.certificate.subject)
                .add_extension(x509.SubjectAlternativeName(names), critical=False)
                .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
                .add_extension(authority, critical=False)
                .sign(self.key, hashes.SHA256()))
        certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
        key.touch(0o600)
        key.write_bytes(own.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                          serialization.NoEncryption()))


def _for(name: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (x509.CertificateBuilder().subject_name(name).public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=365)))
