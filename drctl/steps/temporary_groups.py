"""The security groups of a temporary copy: its functions reach its database and one endpoint, and nothing else.

No group of the stack is changed, and none names these.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from drctl.engine.run import Run
from drctl.steps.security_groups import SecurityGroups
from drctl.steps.security_rules import HTTPS, POSTGRESQL, Rule


@dataclass(frozen=True, eq=False)
class TemporaryGroups(SecurityGroups):
    """Three groups, for the functions, the database and the endpoint of the copy that is called `label`."""

    closes_default = False

    label: str = field(kw_only=True)

    @property
    def purpose(self) -> str:
        return self.label

    def described(self) -> Mapping[str, str]:
        return {"app": f"Functions of the {self.label} copy: to its database and its endpoint only",
                "database": f"Admits the functions of the {self.label} copy to its database",
                "endpoints": f"Admits the functions of the {self.label} copy to its endpoint"}

    def _name(self, run: Run, purpose: str) -> str:
        return super()._name(run, f"{self.label}-{purpose}")

    def rules(self, run: Run, ids: Mapping[str, str], lists: Mapping[str, str]) -> dict[str, frozenset[Rule]]:
        """There is no way to S3, to the stack's endpoints or to the internet, whatever way out the stack has chosen."""
        return {"app": frozenset({Rule("out", "tcp", POSTGRESQL, POSTGRESQL, ids["database"], "its database"),
                                  Rule("out", "tcp", HTTPS, HTTPS, ids["endpoints"], "its endpoint")}),
                "database": frozenset({Rule("in", "tcp", POSTGRESQL, POSTGRESQL, ids["app"], "its functions")}),
                "endpoints": frozenset({Rule("in", "tcp", HTTPS, HTTPS, ids["app"], "its functions")})}

    def lists(self, run: Run) -> dict[str, str]:
        return {}
