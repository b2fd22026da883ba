"""Where drctl keeps labs and runs on this machine; deleting it loses history, never control."""

from __future__ import annotations

import os
from pathlib import Path


def home() -> Path:
    """`DRCTL_HOME`, default `.drctl` in the working directory."""
    return Path(os.environ.get("DRCTL_HOME", ".drctl"))
