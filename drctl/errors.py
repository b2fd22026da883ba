"""Errors a tired person can act on: what failed, where, what AWS said, what stands, what to do next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class DrctlError(Exception):
    """An expected way of ending a command; `exit_code` is the command's exit status."""

    exit_code = 1
    #: The report of the run that ended so, once there was one.
    report: Mapping[str, Any] | None = None

    def __init__(self, message: str, *, next_step: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.next_step = next_step


class ConfigurationError(DrctlError):
    """The configuration or the command line is wrong; nothing was called."""

    exit_code = 2


class Refused(DrctlError):
    """A guard refused to go on: not ready, wrong account, not ours, another operator's lease."""

    exit_code = 3

    def __init__(self, message: str, *, findings: tuple[str, ...] = (), next_step: str = "") -> None:
        super().__init__(message, next_step=next_step)
        self.findings = findings


class NotOurs(Refused):
    """Something stands under a name of ours that does not carry this stack's tag: it is not touched."""


class ChecksFailed(DrctlError):
    """Checks ran to their end and found problems."""

    exit_code = 4

    def __init__(self, message: str, *, findings: tuple[str, ...] = (), next_step: str = "") -> None:
        super().__init__(message, next_step=next_step)
        self.findings = findings


class Interrupted(DrctlError):
    """The operator stopped the run at a clean edge; the same command goes on from there."""

    exit_code = 130


class WaitTimeout(DrctlError):
    """A wait ended without the state it waited for."""


class WaitFailed(DrctlError):
    """A wait saw a state from which the wished one can no longer be reached."""


class RunFailed(DrctlError):
    """One or more steps or actions of a run failed; the others ended as `outcomes` tells."""

    def __init__(self, message: str, *, failures: tuple[Failure, ...] = (), next_step: str = "") -> None:
        super().__init__(message, next_step=next_step)
        self.failures = failures


class Failure:
    """One failed step or action, with everything AWS told about it."""

    def __init__(self, *, step: str, region: str, error: BaseException, call: str = "", code: str = "",
                 request_id: str = "") -> None:
        self.step = step
        self.region = region
        self.error = error
        self.call = call
        self.code = code
        self.request_id = request_id

    def as_dict(self) -> dict[str, str]:
        """The failure as it stands in journals, reports and `--json` output."""
        return {"step": self.step, "region": self.region, "call": self.call, "code": self.code,
                "request_id": self.request_id, "message": str(self.error)}
