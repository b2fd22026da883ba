"""A webhook that takes Slack's JSON: one message, one try, no redirect; its address is a secret and never told.

Source: Slack API, "Sending messages using incoming webhooks"; "Formatting text for app surfaces" (escaping).
"""

from __future__ import annotations

import json
import ssl
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit
from urllib.request import getproxies, proxy_bypass

#: Real seconds for the connection, and for the answer.
CONNECT_S, ANSWER_S = 2.0, 5.0
#: The environment variable that holds the address; a configuration file is no place for a secret.
VARIABLE = "DRCTL_WEBHOOK_URL"


@dataclass(frozen=True)
class Webhook:
    """Made without regard to what `url` is: `objection` tells whether it can be used."""

    url: str = field(repr=False)
    answer_s: float = ANSWER_S

    def __str__(self) -> str:
        return "the webhook"

    @property
    def objection(self) -> str:
        """Why nothing is sent to this address; empty when it is good. It is not repeated here: it is a secret."""
        try:
            place = urlsplit(self.url)
            host, _ = place.hostname, place.port
        except ValueError:
            return f"{VARIABLE} is not a URL"
        if place.scheme not in {"http", "https"} or not host:
            return f"{VARIABLE} is not an https:// URL"
        if place.scheme == "http" and not _is_loopback(host):
            return f"{VARIABLE} is an http:// URL, so that whoever listens could read it: only https:// is used"
        return ""

    def send(self, text: str) -> str:
        """Post `text`; why it was not taken, in words without the address, empty when it was."""
        body = json.dumps({"text": _escaped(text)}).encode()
        place = urlsplit(self.url)
        target = (place.path or "/") + (f"?{place.query}" if place.query else "")
        # Not through a library that logs each request with its path: the path is the secret.
        connection = _connection(place)
        try:
            connection.connect()
            connection.sock.settimeout(self.answer_s)
            connection.request("POST", target, body, {"Content-Type": "application/json"})
            status = connection.getresponse().status
        except TimeoutError:
            return "no answer in time"
        except ssl.SSLCertVerificationError:
            return "its certificate is not valid"
        except (OSError, HTTPException) as error:
            return f"no answer ({type(error).__name__})"
        finally:
            connection.close()
        return "" if 200 <= status < 300 else f"it answered {status}"


def _connection(place: SplitResult) -> HTTPConnection:
    """To the webhook, by the proxy that the environment names for it if any."""
    kind, host = HTTPSConnection if place.scheme == "https" else HTTPConnection, place.hostname or ""
    proxy = "" if _is_loopback(host) or proxy_bypass(host) else getproxies().get(place.scheme, "")
    if not proxy:
        return kind(host, place.port, timeout=CONNECT_S)
    by = urlsplit(proxy if "//" in proxy else f"//{proxy}")
    connection = kind(by.hostname or "", by.port, timeout=CONNECT_S)
    connection.set_tunnel(host, place.port)
    return connection


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
