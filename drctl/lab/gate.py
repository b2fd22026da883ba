"""A policy in effect: while one is put, each request of drctl is judged by it as IAM would, or refused.

Functions have roles of their own, which other rules of the lab judge. Only the caller's policies are looked at: the
stack's resources name nobody but services and roles in theirs, and its keys leave the decision to IAM.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from typing import Any

from drctl.lab import api_requests
from drctl.lab.authorization import UnknownOperation, asked
from drctl.lab.called import Call, Environ
from drctl.lab.policies import Document, Request, verdict
from drctl.lab.refusals import Refusal
from drctl.lab.rules import is_on, layer_rule

#: Who is told what was asked for: operation (`service:Operation`) and everything that it asked IAM for.
Hearer = Callable[[str, Sequence[Request]], None]


class Gate:
    """The policies that drctl works under, none at first; and somebody who wants to hear what is asked for."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._documents: tuple[Document, ...] | None = None
        self.hearer: Hearer | None = None

    def put(self, documents: Sequence[Document]) -> None:
        """Judge every request by these documents together from now on."""
        for one in documents:
            if not isinstance(one, dict) or "Statement" not in one:
                raise ValueError("a policy is a document with a Statement")
        with self._lock:
            self._documents = tuple(documents)

    def lift(self) -> None:
        """Judge nothing any more."""
        with self._lock:
            self._documents = None

    def wire(self) -> dict[str, Any]:
        """What stands, for the lab's own page."""
        return {"documents": None if self._documents is None else list(self._documents)}

    def refused(self, call: Call, environ: Environ) -> Refusal | None:
        """Why IAM does not let a request through; None when it does, or nobody asked it to judge."""
        documents, hearer = self._documents if is_on("caller-policy") else None, self.hearer
        if call.by_function or (documents is None and hearer is None):
            return None
        request = api_requests.read(call, environ)
        if request is None:
            return None
        operation = f"{request.service}:{request.operation}"
        try:
            wanted = asked(request)
        except UnknownOperation as unknown:
            return _denied(call.service, operation, "*", str(unknown)) if documents is not None else None
        if hearer is not None:
            hearer(operation, wanted)
        return None if documents is None else _judged(call.service, documents, wanted)


@layer_rule("caller-policy")
def _judged(service: str, documents: Sequence[Document], wanted: Sequence[Request]) -> Refusal | None:
    """While a policy is put, a request whose actions it does not all allow is refused, in the service's own words.

    Source: IAM User Guide, "Policy evaluation logic" and "Troubleshoot access denied error messages".
    """
    for one in wanted:
        said = verdict(documents, one)
        if said != "Allow":
            why = ("with an explicit deny in an identity-based policy" if said == "Deny"
                   else f"because no identity-based policy allows the {one.action} action")
            return _denied(service, one.action, one.resource, why, one.principal)
    return None


#: Codes of services that have their own for it; JSON services answer AccessDeniedException with 400, those that speak
#: REST with 403 (API references, "Common Errors" of each service).
_CODES = {"ec2": Refusal("UnauthorizedOperation", "", 403), "sns": Refusal("AuthorizationError", "", 403),
          "lambda": Refusal("AccessDeniedException", "", 403), "backup": Refusal("AccessDeniedException", "", 403)}
_PLAIN = frozenset({"s3", "route53", "rds", "iam", "sts", "elasticloadbalancing", "cloudfront"})


def _denied(service: str, action: str, resource: str, why: str, who: str = "drctl") -> Refusal:
    known = _CODES.get(service) or (Refusal("AccessDenied", "", 403) if service in _PLAIN
                                    else Refusal("AccessDeniedException", ""))
    words = f"User: {who} is not authorized to perform: {action} on resource: {resource} {why}"
    return known._replace(message=f"You are not authorized to perform this operation. {words}"
                          if service == "ec2" else words)


def documents_of(asked_for: dict[str, Any]) -> list[Document]:
    """The policies in what the lab's page was sent: `documents`, each as JSON or as its text."""
    found = asked_for["documents"]
    return [json.loads(one) if isinstance(one, str) else one for one in found]
