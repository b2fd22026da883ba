"""What moto works out anew for every request although it never changes, kept: a fifth of the time of a call."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from moto.core import responses
from moto.core.base_backend import BackendDict, backend_lock
from moto.moto_server import werkzeug_app


def keep() -> None:
    """Keep the list of moto's services, the names of each service's operations, and that an account is known."""
    services = tuple(werkzeug_app.backends.list_of_moto_modules())
    werkzeug_app.backends.list_of_moto_modules = lambda: services
    responses.method_names_from_class = cache(responses.method_names_from_class)
    if BackendDict.__getitem__.__module__ != __name__:
        setattr(BackendDict, "__getitem__", _once_known(BackendDict.__getitem__))  # noqa: B010  # mypy refuses the rest
        setattr(BackendDict, "reset", classmethod(_also_next_time(BackendDict.reset)))  # noqa: B010  # as above


def _once_known(before: Callable[[Any, str], Any]) -> Callable[[Any, str], Any]:
    """moto compares a service's backends with those of every other service each time it is asked for them."""

    def get(self: Any, account: str) -> Any:
        return dict.__getitem__(self, account) if dict.__contains__(self, account) else before(self, account)

    return get


def _also_next_time(before: Callable[[], None]) -> Callable[[Any], None]:
    """While moto empties one service after the other, one that is emptied already may be asked for, by another service
    or by a client, and has an account again; moto would take it up into its list when it is asked for next."""

    def reset(cls: Any) -> None:
        with backend_lock:
            known = list(cls._instances)
            before()
            cls._instances.extend(one for one in known if len(one) and one not in cls._instances)

    return reset
