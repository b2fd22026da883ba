"""The webhook hears one short message; what it answers is told without its address."""

from __future__ import annotations

import json
import logging
import socket

import pytest

from drctl.actions.webhook import Webhook
from tests.actions.hook_server import PATH, listening


def test_a_message_arrives_as_slack_reads_it() -> None:
    with listening() as server:
        assert Webhook(server.url).send("drctl: R&D <done>") == ""
        (path, kind, body), = server.heard
    assert (path, kind) == (PATH, "application/json")
    assert json.loads(body) == {"text": "drctl: R&amp;D &lt;done&gt;"}


def test_what_was_not_taken_is_told_in_words() -> None:
    with listening(status=500) as server:
        assert Webhook(server.url).send("x") == "it answered 500"
    with listening(status=302, location="/elsewhere") as server:
        assert Webhook(server.url).send("x") == "it answered 302"
        assert len(server.heard) == 1, "a redirect is not followed: it could carry the message anywhere"
    with listening(hangs=True) as server:
        assert Webhook(server.url, answer_s=0.1).send("x") == "no answer in time"
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    assert Webhook(f"http://127.0.0.1:{port}{PATH}").send("x") == "no answer (ConnectionRefusedError)"


@pytest.mark.parametrize(("url", "good"), [
    ("https://hooks.slack.com/services/T/B/x", True), ("http://127.0.0.1:8080/x", True), ("http://localhost/x", True),
    ("http://[::1]:8080/x", True), ("http://hooks.slack.com/services/T/B/x", False),
    ("http://127.0.0.1.example/x", False), ("ftp://localhost/x", False),
    ("hooks.slack.com/services/T/B/x", False), ("https:///services/T/B/x", False),
    ("https://host:port/services/T/B/x", False), ("https://[::1/services/T/B/x", False)])
def test_only_https_is_used_beyond_this_machine(url: str, good: bool) -> None:
    objection = Webhook(url).objection
    assert (objection == "") is good
    assert "/x" not in objection


def test_the_address_is_in_no_text_and_no_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with listening(status=404) as server:
        hook = Webhook(server.url)
        said = [hook.send("x"), str(hook), repr(hook), Webhook(server.url.replace("http:", "gopher:")).objection]
    assert PATH not in " ".join(said) + caplog.text
    assert Webhook("https://127.0.0.1:1" + PATH + "\n").send("x") in {
        "no answer (InvalidURL)", "no answer (ConnectionRefusedError)"}


def test_a_proxy_that_the_environment_names_is_asked_for_a_tunnel(monkeypatch: pytest.MonkeyPatch) -> None:
    """What goes through it is encrypted: the proxy learns the host, not the path."""
    with listening() as proxy:
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{proxy.server_address[1]}")
        assert Webhook("https://hooks.example.com" + PATH).send("x") == "no answer (OSError)"
        assert proxy.lines[0].startswith("CONNECT hooks.example.com:443 ")
        assert PATH not in " ".join(proxy.lines)
