"""Usual durations of AWS operations, from one data file with sources; used by the lab, by `plan` and by reports."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import yaml


@cache
def _table() -> dict[str, float]:
    text = files("drctl.aws").joinpath("durations.yaml").read_text(encoding="utf-8")
    return {key: float(entry["value"]) for key, entry in yaml.safe_load(text)["seconds"].items()}


def seconds(key: str) -> float:
    """Usual duration in AWS seconds of `key`, a name in durations.yaml; KeyError when there is none."""
    return _table()[key]
