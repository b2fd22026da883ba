"""Asks AWS's Price List what things cost, and keeps the answers with their source and date.

The Price List Query API lives in a few regions and speaks for all of them (AWS Billing User Guide, "Using the AWS Price
List Query API"). A product's usage type is its name with the region's short name in front, and none in us-east-1.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from drctl.aws.clients import Region
from drctl.aws.errors import AwsError, code_of, message_of
from drctl.aws.prices import Price, instance_price, packaged
from drctl.aws.retries import is_silence

#: Where the Price List is asked, whatever region the prices are of.
PLACE = "us-east-1"
#: What may stand in front of a usage type: a region's short name, or in a few services its whole name. `TS-` is none:
#: such are trust stores of a balancer, which have prices of their own.
OF_A_REGION = re.compile(r"(?!TS-)(?:[A-Z]{2,4}\d?|[a-z]{2}(?:-[a-z]+)+-\d)-")
ASKED_AT_ONCE = 8


class Unreachable(Exception):  # what comes of asking, not a defect
    """The Price List does not answer here, or not with prices."""


@dataclass(frozen=True)
class Told:
    """What the Price List says of one price in one region; `why` is why it says nothing that can be used."""

    region: str
    price: Price
    value: float | None = None
    source: str = ""
    why: str = ""


def ask(client_of: Region, regions: Iterable[str], instance_class: str) -> list[Told]:
    """What the Price List says of every price it knows, in each region.

    `instance_class` is asked for by its own name. Raises Unreachable when it does not answer at all.
    """
    wanted = [price for name, price in packaged().items() if price.service and not name.startswith("db.")]
    wanted += [instance_price(instance_class)] if instance_class != "db.serverless" else []
    asked = [(region, price) for region in regions for price in wanted]
    with ThreadPoolExecutor(max_workers=ASKED_AT_ONCE) as pool:
        return list(pool.map(lambda one: _ask_one(client_of, *one), asked))


def _ask_one(client_of: Region, region: str, price: Price) -> Told:
    filters = {**price.match, **({} if price.everywhere else {"regionCode": region})}
    pages = partial(client_of.pricing.get_paginator("get_products").paginate, ServiceCode=price.service, Filters=[
        {"Type": "TERM_MATCH", "Field": field, "Value": value} for field, value in filters.items()])
    try:
        products = [json.loads(one) for page in pages() for one in page["PriceList"]]
    except AwsError as error:
        if is_silence(error) or code_of(error) in {"UnknownEndpoint", "InvalidAction", "NotImplemented", "404"}:
            raise Unreachable(message_of(error)) from error
        return Told(region, price, why=f"{code_of(error)}: {message_of(error)}")
    return _of_the_products(region, price, products)


def _of_the_products(region: str, price: Price, products: Iterable[Any]) -> Told:
    """The one price of the products whose usage type is the one that is meant; several are nobody's guess."""
    found = list(_named(price.usage, products))
    values = sorted({value for one in found for value in _first_paid(one)})
    if len(values) != 1:
        return Told(region, price, why=f"the Price List has {len(values) or 'no'} prices of {price.usage}")
    value = values[0] * (1_000_000 if price.million else 1)
    published = str(found[0].get("publicationDate", ""))[:10]
    sku = found[0].get("product", {}).get("sku", "")
    return Told(region, price, round(value, 10), f"AWS Price List, {price.service} {price.usage}, sku {sku}"
                + (f", published {published}" if published else ""))


def _named(usage: str, products: Iterable[Any]) -> Iterator[Any]:
    every = [(str(one.get("product", {}).get("attributes", {}).get("usagetype", "")), one) for one in products]
    exactly = [one for name, one in every if name == usage]
    yield from exactly or [one for name, one in every
                           if name.endswith(usage) and OF_A_REGION.fullmatch(name.removesuffix(usage))]


def _first_paid(product: Any) -> Iterator[float]:
    """The price of the first unit that costs anything: some begin with a free amount, and get cheaper by the million.
    """
    for term in product.get("terms", {}).get("OnDemand", {}).values():
        steps = sorted(term["priceDimensions"].values(), key=lambda step: float(step.get("beginRange", 0)))
        paid = [value for step in steps if (value := float(step["pricePerUnit"].get("USD", 0)))]
        yield from paid[:1]


def write(file: Path, told: Iterable[Told], before: Mapping[str, Mapping[str, Any]]) -> int:
    """Keep what was told beside what was told before, and return how many prices that are."""
    today = datetime.now(UTC).date().isoformat()
    regions = {region: dict(prices) for region, prices in before.items()}
    count = 0
    for one in told:
        if one.value is not None:
            count += 1
            regions.setdefault(one.region, {})[one.price.name] = {
                "value": one.value, "source": one.source, "read": today}
    if count:
        file.parent.mkdir(parents=True, exist_ok=True)
        text = "# What AWS's Price List has told this machine. Delete the file to go back to the packaged prices.\n"
        file.write_text(text + yaml.safe_dump({"regions": regions}, sort_keys=True), encoding="utf-8")
    return count
