"""What AWS charges: a packaged table with sources, and what this machine was told by AWS's Price List, which wins."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from drctl.home import home

#: Family and size, of which a `large` is half an `xlarge` (Amazon RDS User Guide, "DB instance classes").
INSTANCE_CLASS = re.compile(r"(db\.[a-z0-9]+)\.(?:(\d*)xlarge|large)")


@dataclass(frozen=True)
class Price:
    """US dollars a unit, where it comes from and when it was read there, and how the Price List calls it."""

    name: str
    value: float
    unit: str
    source: str
    read: str
    #: Service code and usage type in the Price List; empty where it cannot be asked there.
    service: str = ""
    usage: str = ""
    match: Mapping[str, str] = field(default_factory=dict)
    #: Whether the Price List tells the price of one, and this is that of a million.
    million: bool = False
    #: Whether it is the same in all regions, under none of their names.
    everywhere: bool = False


@cache
def packaged() -> Mapping[str, Price]:
    """The prices that drctl comes with, by name."""
    data = yaml.safe_load(files("drctl.aws").joinpath("prices.yaml").read_text(encoding="utf-8"))
    return {name: Price(name, read=str(data["read"]), **{**entry, "value": float(entry["value"])})
            for name, entry in data["prices"].items()}


def refreshed_file() -> Path:
    """Where this machine keeps what the Price List has told it."""
    return home() / "prices.yaml"


class Prices:
    """The prices of each region: those that were refreshed, else the packaged ones."""

    def __init__(self, refreshed: Mapping[str, Mapping[str, Any]] | None = None) -> None:
        self.refreshed = read_refreshed() if refreshed is None else refreshed

    def of(self, name: str, region: str) -> Price | None:
        """The price `name` in a region, None for an instance class that nobody has told the price of."""
        known = packaged().get(name) or _by_its_large(name)
        told = self.refreshed.get(region, {}).get(name)
        if told is None:
            return known
        base = known or instance_price(name)
        return Price(name, float(told["value"]), base.unit, str(told["source"]), str(told["read"]), base.service,
                     base.usage, base.match, base.million, base.everywhere)


def read_refreshed() -> Mapping[str, Mapping[str, Any]]:
    """By region and name: value, source and date of what the Price List has told; empty when nobody has asked it."""
    try:
        text = refreshed_file().read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    return dict((yaml.safe_load(text) or {}).get("regions", {}))


def instance_price(name: str) -> Price:
    """A class of database instances as the Price List can be asked about it; its price is not known."""
    return Price(name, 0.0, "hour", "", "", "AmazonRDS", f"InstanceUsage:{name}",
                 {"databaseEngine": "Aurora PostgreSQL"})


def _by_its_large(name: str) -> Price | None:
    """An instance class whose family's `large` is known."""
    found = INSTANCE_CLASS.fullmatch(name)
    large = packaged().get(f"{found[1]}.large") if found else None
    if found is None or large is None:
        return None
    count = 2 * int(found[2] or 1) if found[2] is not None else 1
    return Price(name, large.value * count, large.unit, f"{count} times {large.name}: {large.source}", large.read)
