"""What a person has asked for, beside the command's name; the same for a run that goes on with an earlier one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from drctl.settings import Settings


@dataclass(frozen=True)
class Asked:
    """`request` is kept in the run's journal, `before` is the report of the run that this one goes on with."""

    settings: Settings
    request: Mapping[str, Any] = field(default_factory=dict)
    yes: bool = False
    take_over: str = ""
    #: How it was confirmed.
    approval: str = ""
    before: Mapping[str, Any] | None = None

    @property
    def resumes(self) -> str:
        """Id of the run that this one goes on with, empty for a new one."""
        return str(self.before["run"]) if self.before else ""

    def told(self, name: str, default: Any = None) -> Any:
        """A figure of the run that this one goes on with."""
        return (self.before or {}).get(name, default)

    def approved(self, approval: str) -> Asked:
        """The same, confirmed."""
        return replace(self, approval=approval)
