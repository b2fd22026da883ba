"""A Price List written by hand: products with usage types and prices, behind the query API on loopback."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Product:
    """One product: service code, attributes, and its price by the amount from which it holds."""

    service: str
    usage: str
    prices: dict[str, str]
    region: str = "us-east-1"
    more: dict[str, str] = field(default_factory=dict)

    @property
    def attributes(self) -> dict[str, str]:
        """As the Price List filters by them."""
        return {"usagetype": self.usage, "regionCode": self.region, **self.more}

    def told(self) -> str:
        """As the Price List tells it: a document in a string."""
        steps = {f"step-{begin}": {"beginRange": begin, "unit": "Hrs", "pricePerUnit": {"USD": price}}
                 for begin, price in self.prices.items()}
        return json.dumps({"product": {"sku": f"SKU-{self.usage}", "attributes": self.attributes},
                           "terms": {"OnDemand": {"term": {"priceDimensions": steps}}},
                           "publicationDate": "2026-11-20T12:00:00Z", "version": "1"})


@dataclass
class PriceList:
    """What it sells, and what it was asked."""

    products: list[Product]
    url: str = ""
    asked: list[Any] = field(default_factory=list)
    refuses: str = ""
    page: int = 2

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Products of the service that meet every filter, a few at a time."""
        self.asked.append(request)
        found = [one for one in self.products if one.service == request["ServiceCode"] and all(
            one.attributes.get(rule["Field"]) == rule["Value"] for rule in request.get("Filters", []))]
        begin = int(request.get("NextToken", "0"))
        more = {"NextToken": str(begin + self.page)} if len(found) > begin + self.page else {}
        return {"FormatVersion": "aws_v1", "PriceList": [one.told() for one in found[begin:begin + self.page]], **more}


@contextmanager
def serving(products: Iterable[Product]) -> Iterator[PriceList]:
    """A Price List on loopback."""
    told = PriceList(list(products))

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            assert self.headers["X-Amz-Target"] == "AWSPriceListService.GetProducts"
            document = {"__type": told.refuses, "Message": "not now"} if told.refuses else told.answer(request)
            body = json.dumps(document).encode()
            self.send_response(400 if told.refuses else 200)
            self.send_header("Content-Type", "application/x-amz-json-1.1")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            return

    class Shop(ThreadingHTTPServer):
        request_queue_size = 64  # a connection that is not taken at once is tried again a second later

    server = Shop(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    told.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield told
    finally:
        server.shutdown()
        server.server_close()
