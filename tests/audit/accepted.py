"""What the auditor finds, and why it stays: read from a file, compared with what it has found now."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import yaml

from tests.audit.auditor import Finding

FILE = Path(__file__).with_name("accepted.yaml")


@dataclass(frozen=True)
class Accepted:
    """Findings that stay: of one check, about resources that match a pattern.

    `reason` says why, `otherwise` what has to be chosen so that they are gone.
    """

    check: str
    resource: str
    reason: str
    otherwise: str

    def means(self, finding: Finding) -> bool:
        """Whether it is about this finding."""
        return finding.check == self.check and fnmatchcase(finding.resource, self.resource)

    def as_row(self) -> str:
        """As the documents tell it."""
        return f"| `{self.check}` | {self.reason} | {self.otherwise} |"


def accepted(path: Path = FILE) -> list[Accepted]:
    """All of them, in the order of the file."""
    return [Accepted(**one) for one in yaml.safe_load(path.read_text(encoding="utf-8"))]


def compared(found: Iterable[Finding], listed: Sequence[Accepted]) -> tuple[list[Finding], list[Accepted]]:
    """Failures that nobody has accepted, and what is accepted and was not found any more."""
    failed = [one for one in found if one.status == "FAIL"]
    return ([one for one in failed if not any(each.means(one) for each in listed)],
            [each for each in listed if not any(each.means(one) for one in failed)])
