"""The first page of a bucket's versions, the one that emptying asks for: moto copies the whole bucket."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from moto.s3.models import FakeBucket, FakeKey, S3Backend

#: What moto answers: versions, common prefixes, delete markers, next key marker, next version marker.
Page = tuple[list[Any], list[str], list[Any], str | None, str | None]

_any_page: Any = S3Backend.list_object_versions


def _first_page(self: S3Backend, bucket_name: str, delimiter: str | None = None, key_marker: str | None = None,
                max_keys: int | None = 1000, prefix: str = "", version_id_marker: str | None = None) -> Page:
    """By key, the latest version first (Amazon S3 API Reference, ListObjectVersions)."""
    if delimiter or key_marker or not max_keys:
        page_by_moto: Page = _any_page(self, bucket_name, delimiter, key_marker, max_keys, prefix, version_id_marker)
        return page_by_moto
    page = list(islice(_versions(self.get_bucket(bucket_name), prefix), max_keys + 1))
    shown = page[:max_keys]
    more = (shown[-1].name, shown[-1].version_id) if len(page) > max_keys else (None, None)
    return ([one for one in shown if isinstance(one, FakeKey)], [],
            [one for one in shown if not isinstance(one, FakeKey)], *more)


def _versions(bucket: FakeBucket, prefix: str) -> Iterator[Any]:
    for name in sorted(bucket.keys):
        versions = bucket.keys.getlist(name, []) if name.startswith(prefix) else []
        for version in reversed(versions):
            version.is_latest = version is versions[-1]
            yield version


setattr(S3Backend, "list_object_versions", _first_page)  # noqa: B010  # the same answer, only sooner
