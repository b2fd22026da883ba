"""Key material of symmetric KMS keys, made once: moto makes an RSA pair for each key, and signs with none of them."""

from __future__ import annotations

from functools import cache
from typing import Any

from moto.kms import models

_new_pair: Any = models.generate_private_key
_one_pair = cache(_new_pair)


def _pair(key_spec: str) -> Any:
    return _one_pair(key_spec) if key_spec == "SYMMETRIC_DEFAULT" else _new_pair(key_spec)


setattr(models, "generate_private_key", _pair)  # noqa: B010  # a symmetric key answers the same, only sooner
