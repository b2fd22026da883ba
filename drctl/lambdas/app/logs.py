"""Structured logs for CloudWatch: one JSON object a line, never a path, query or body (they name patients)."""

from __future__ import annotations

import json
import os
import sys
from datetime import UTC, datetime
from typing import Any

from ..database.connection import region


def tell(level: str, event: str, **facts: Any) -> None:
    """Write one line."""
    line = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "level": level, "event": event,
            "region": region(), "version": os.environ.get("SERVICE_VERSION", ""), **facts}
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()
