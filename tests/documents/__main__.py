"""`make docs`: writes the references in docs/ anew, from the models of the configuration and from the runbooks."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.documents import configuration, runbooks

DOCS = Path(__file__).parent.parent.parent / "docs"
#: What makes each document.
MADE = {"configuration.md": configuration.reference, "runbooks.md": runbooks.reference}


def main() -> None:
    """Write what has changed, and tell it."""
    for name, make in MADE.items():
        path, text = DOCS / name, make()
        word = "is current" if path.exists() and path.read_text(encoding="utf-8") == text else "written"
        path.write_text(text, encoding="utf-8")
        sys.stdout.write(f"{path.relative_to(DOCS.parent)}: {word}\n")


if __name__ == "__main__":
    main()
