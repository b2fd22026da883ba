"""Asks name servers themselves what they answer: by the very code with which the latch asks them from inside AWS."""

from __future__ import annotations

from drctl.lambdas.name_servers.asking import Answer, Server, addresses_of, answers, ask, ask_zone

__all__ = ["Answer", "Server", "addresses_of", "answers", "ask", "ask_zone"]
