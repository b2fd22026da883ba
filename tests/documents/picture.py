"""`make demo-picture`: what `make demo` has printed, as the picture docs/demo.svg.

`python -m tests.documents.picture RECORDING` takes the recording of docs/demo.sh's standard output: its commands and
their results, without the progress. Of a long result the end is shown, for that is where the figures are.
"""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import DIMMED_MONOKAI
from rich.text import Text

from tests.documents.__main__ import DOCS

#: Lines of one command's result that are shown at most, and columns.
MOST, COLUMNS = 16, 118
#: How the line with a command begins in the recording.
COMMAND = re.compile(r"\x1b\[1m(\$ .*)\x1b\[0m")
#: What a picture must not need: a font from another server. The reader's own monospaced one serves.
NEEDLESS = re.compile(r"@font-face \{.*?\}\s*|<!--.*?-->\s*", re.DOTALL)


def shown(recording: str) -> Iterator[Text]:
    """The lines of the picture: commands in bold, and the end of what each has said."""
    said: list[str] = []
    for line in (*recording.splitlines(), "\x1b[1m$ \x1b[0m"):
        if command := COMMAND.fullmatch(line):
            kept = [one for one in said if one.strip()]
            if len(kept) > MOST:
                yield Text(f"  … {len(kept) - MOST} lines more", style="dim")
            yield from map(_result, kept[-MOST:])
            said = []
            if command[1].strip() != "$":
                yield Text(command[1], style="bold")
        else:
            said.append(line)


def _result(line: str) -> Text:
    style = "red" if "MISSED" in line else "green" if re.search(r" met\b| 0 resources left", line) else ""
    return Text(line, style=style)


def picture(recording: str) -> str:
    """The recording as an SVG that needs nothing else."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    for line in shown(recording):
        console.print(line, no_wrap=True, overflow="ellipsis", highlight=False, markup=False)
    return NEEDLESS.sub("", console.export_svg(title="make demo", theme=DIMMED_MONOKAI, unique_id="demo"))


if __name__ == "__main__":
    (DOCS / "demo.svg").write_text(picture(Path(sys.argv[1]).read_text(encoding="utf-8")), encoding="utf-8")
