"""TLS to the database: always on, verified wherever the authority of Amazon RDS can be known."""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from pathlib import Path

#: Where the certificates of Amazon RDS may be, best first. Lambda's managed runtimes carry them since 2023
#: (Lambda Developer Guide, "Using SSL/TLS connections with RDS"); `rds-ca.pem` is the RDS user guide's global bundle,
#: put beside this file by whoever wants it pinned in the package.
PLACES = (Path(__file__).parent / "rds-ca.pem", Path("/var/runtime/ca-cert.pem"))


def authority(environment: Mapping[str, str] = os.environ) -> Path | None:
    """The certificate bundle to trust: DATABASE_CA_BUNDLE, else the first of PLACES that exists."""
    given = environment.get("DATABASE_CA_BUNDLE")
    return Path(given) if given else next((place for place in PLACES if place.is_file()), None)


def context(bundle: Path | None) -> ssl.SSLContext:
    """Certificate and host name are verified with a bundle.

    Without one the connection is encrypted only: Amazon's own authority is in no system store, so insisting would mean
    no service at all. /health/deep tells which of both it is.
    """
    if bundle is not None:
        return ssl.create_default_context(cafile=str(bundle))
    unverified = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    unverified.minimum_version = ssl.TLSVersion.TLSv1_2
    unverified.check_hostname = False
    unverified.verify_mode = ssl.CERT_NONE
    return unverified
