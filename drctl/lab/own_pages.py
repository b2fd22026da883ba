"""The lab's own pages below /drctl-lab/: status, clients, calls, rules, the switches for outages and faults, the lag,
the policy that drctl works under, and the end of certificates.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from drctl.lab import edge, gray, outages, throttling
from drctl.lab.authority import lab_authority
from drctl.lab.called import Environ, whole_body
from drctl.lab.certificate_ages import expire
from drctl.lab.clock import CLOCK
from drctl.lab.faults import FAULTS
from drctl.lab.gate import documents_of
from drctl.lab.lag import LAG, USUAL_MS
from drctl.lab.rules import RULES, SWITCHED_OFF

if TYPE_CHECKING:
    from drctl.lab.server import Counting

#: Paths below this are the lab's own.
OWN = "/drctl-lab/"

Document = dict[str, Any]


def answer(counting: Counting, environ: Environ) -> tuple[str, Document]:
    """HTTP status and document of one of the lab's own pages; what cannot be done is 400 with `error`."""
    page = environ["PATH_INFO"].removeprefix(OWN)
    pages: dict[tuple[str, str], Callable[[], Document]] = {
        ("GET", "status"): lambda: _status(counting),
        ("GET", "clients"): lambda: _clients(counting),
        ("GET", "calls"): lambda: _calls(counting),
        ("DELETE", "calls"): lambda: _forget(counting),
        ("GET", "rules"): rules,
        ("GET", "outages"): _outages,
        ("POST", "outages"): lambda: _start_outage(_asked(environ)),
        ("DELETE", "outages"): lambda: _end_outages(_asked(environ)),
        ("GET", "faults"): FAULTS.wire,
        ("POST", "faults"): lambda: _start_faults(_asked(environ)),
        ("DELETE", "faults"): _stop_faults,
        ("GET", "lag"): LAG.wire,
        ("POST", "lag"): lambda: _set_lag(_asked(environ)),
        ("DELETE", "lag"): _usual_lag,
        ("GET", "policy"): counting.gate.wire,
        ("POST", "policy"): lambda: _put_policy(counting, _asked(environ)),
        ("DELETE", "policy"): lambda: _lift_policy(counting),
        ("DELETE", "certificates"): lambda: {"expired": expire(_asked(environ)["region"])},
    }
    do = pages.get((environ["REQUEST_METHOD"], page))
    if do is None:
        return "404 Not Found", {"error": f"the lab has no page {environ['REQUEST_METHOD']} {page}",
                                 "pages": sorted(f"{method} {name}" for method, name in pages)}
    try:
        return "200 OK", do()
    except (KeyError, TypeError, ValueError) as wrong:
        return "400 Bad Request", {"error": str(wrong)}


def _asked(environ: Environ) -> Document:
    """What a request asks for, in its query or its body."""
    asked: Document = {key: values[0] for key, values in parse_qs(environ.get("QUERY_STRING", "")).items()}
    if body := whole_body(environ):
        asked |= json.loads(body)
    return asked


def _status(counting: Counting) -> Document:
    return {"speed": CLOCK.speed, "aws_seconds": round(CLOCK.now(), 1), "rules": len(RULES),
            "without": sorted(SWITCHED_OFF), "calls": sum(counting.calls.values()), "dns": counting.dns,
            "edge": counting.edge, "throttled": dict(throttling.REFUSED), "outages": _outages()["outages"],
            "faults": FAULTS.wire() if FAULTS.rate else None, "lag_ms": LAG.ms}


def _clients(counting: Counting) -> Document:
    """What a client outside the lab needs: its way in, its name server, whom to trust, and who is where."""
    return {"edge": counting.edge, "dns": counting.dns, "ca": lab_authority().pem.decode(), "speed": CLOCK.speed,
            "regions": edge.regions()}


def _calls(counting: Counting) -> Document:
    rows = [{"region": region, "service": service, "operation": operation, "mutating": mutating, "count": count}
            for (region, service, operation, mutating), count in sorted(counting.calls.items())]
    return {"total": sum(counting.calls.values()),
            "mutating": sum(row["count"] for row in rows if row["mutating"]), "calls": rows}


def _forget(counting: Counting) -> Document:
    counting.calls.clear()
    return _calls(counting)


def rules() -> Document:
    """Name and first line of every rule, and whether it is on."""
    return {"rules": [{"name": name, "rule": known.text.strip().partition("\n")[0], "on": name not in SWITCHED_OFF}
                      for name, known in sorted(RULES.items())]}


def _outages() -> Document:
    return {"outages": [*(one.wire() for one in outages.present()), *(one.wire() for one in gray.present())]}


def _start_outage(asked: Document) -> Document:
    if kind := asked.get("gray"):
        delay_s = asked.get("delay_s")
        begun, is_new = gray.start(asked["region"], kind, None if delay_s is None else float(delay_s))
        return {**begun.wire(), "started": is_new}
    outage, is_new = outages.start(asked["region"], asked.get("service") or "", asked.get("mode") or "refuse",
                                    asked.get("bucket") or "")
    return {**outage.wire(), "started": is_new}


def _end_outages(asked: Document) -> Document:
    region, service, kind = (asked.get(name) or "" for name in ("region", "service", "gray"))
    ended = [] if kind else [one.wire() for one in outages.end(region, service)]
    return {"ended": [*ended, *(one.wire() for one in ([] if service else gray.end(region, kind)))]}


def _start_faults(asked: Document) -> Document:
    FAULTS.start(float(asked["rate"]), int(asked.get("seed") or 0), tuple(asked.get("kinds") or ()),
                 tuple(asked.get("services") or ()))
    return FAULTS.wire()


def _stop_faults() -> Document:
    stopped = FAULTS.wire()
    FAULTS.stop()
    return stopped


def _put_policy(counting: Counting, asked: Document) -> Document:
    counting.gate.put(documents_of(asked))
    return counting.gate.wire()


def _lift_policy(counting: Counting) -> Document:
    counting.gate.lift()
    return counting.gate.wire()


def _set_lag(asked: Document) -> Document:
    LAG.set(float(asked["lag_ms"]))
    return LAG.wire()


def _usual_lag() -> Document:
    LAG.set(USUAL_MS)
    return LAG.wire()
