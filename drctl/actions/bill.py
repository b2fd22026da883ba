"""What the stack costs in a month, by part: as the settings want it, and as it stands now.

List prices, without what AWS gives away, without discounts and taxes, and without what is sent to users.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from drctl.aws.prices import Price, Prices
from drctl.engine.run import Run
from drctl.engine.step import Step
from drctl.engine.usage import Use

#: What no part of the estimate holds.
LEFT_OUT = "free allowances, discounts, taxes, and data that is sent to users are left out"


@dataclass(frozen=True)
class Part:
    """One line of the estimate, US dollars a month."""

    name: str
    planned: float
    now: float


@dataclass(frozen=True)
class Bill:
    """The estimate by part, what it rests on, and what nobody knows the price of."""

    parts: tuple[Part, ...]
    assumptions: Mapping[str, float]
    prices: Mapping[str, Price]
    unpriced: tuple[str, ...] = ()

    @property
    def planned(self) -> float:
        """The sum, once everything is as the settings want it."""
        return sum(part.planned for part in self.parts)

    @property
    def now(self) -> float:
        """The sum of what stands."""
        return sum(part.now for part in self.parts)

    def as_dict(self) -> dict[str, Any]:
        """For `--json`: cents are enough, and more would look exact."""
        return {"currency": "USD", "planned": round(self.planned, 2), "now": round(self.now, 2),
                "difference": round(self.planned - self.now, 2), "assumptions": dict(self.assumptions),
                "left_out": LEFT_OUT, "unpriced": list(self.unpriced),
                "parts": [{"part": part.name, "planned": round(part.planned, 2), "now": round(part.now, 2)}
                          for part in self.parts]}


    def with_prices(self) -> dict[str, Any]:
        """The same with every price that is in it, its source and the day it was read there."""
        return {**self.as_dict(), "prices": [
            {"price": name, "value": price.value, "unit": price.unit, "source": price.source, "read": price.read}
            for name, price in sorted(self.prices.items())]}


@dataclass
class _Sums:
    planned: float = 0.0
    now: float = 0.0


@dataclass
class _Adding:
    """Adds up what steps use, at the prices of their regions."""

    prices: Prices
    parts: dict[str, _Sums] = field(default_factory=dict)
    used: dict[str, Price] = field(default_factory=dict)
    unpriced: dict[str, None] = field(default_factory=dict)

    def add(self, step: Step[Any], uses: Iterable[Use], *, now: bool) -> None:
        for use in uses:
            price = self.prices.of(use.price, step.region)
            sums = self.parts.setdefault(use.part, _Sums())
            if price is None:
                self.unpriced[f"{use.price} in {step.region}"] = None
                continue
            self.used[f"{use.price} {step.region}"] = price
            if now:
                sums.now += price.value * use.quantity
            else:
                sums.planned += price.value * use.quantity


def bill(run: Run, stands: Mapping[Step[Any], Any], prices: Prices) -> Bill:
    """The estimate of the steps in `stands`, whose values are what stands of each, None for nothing."""
    adding = _Adding(prices)
    for step, out in stands.items():
        adding.add(step, step.uses(run, None), now=False)
        if out is not None:
            adding.add(step, step.uses(run, out), now=True)
    parts = tuple(Part(name, sums.planned, sums.now) for name, sums in adding.parts.items()
                  if sums.planned or sums.now)
    return Bill(parts, run.settings.estimate.model_dump(), adding.used, tuple(adding.unpriced))
