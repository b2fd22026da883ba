"""What a month of the stack is taken to use of what AWS puts on the bill by the hour, the request and the gigabyte."""

from __future__ import annotations

from dataclasses import dataclass

from drctl.settings import Settings, Site

#: Hours of a month, as AWS's own calculator takes them.
HOURS = 730.0
SECONDS = HOURS * 3600
#: Health checkers that ask for one check, each once in its interval: of eight regions, two and more of each (Route 53
#: Developer Guide, "How Amazon Route 53 determines the status of health checks").
CHECKERS = 16
#: Thousands of bytes of a checker's request and answer, and milliseconds that the app's function works on it.
CHECK_KB, CHECK_MS = 1, 2


@dataclass(frozen=True)
class Use:
    """What a step takes of one thing in a month."""

    #: The line of the estimate that it belongs to.
    part: str
    #: Its price, a name in `drctl/aws/prices.yaml`, or a class of database instances.
    price: str
    #: How many units of that price.
    quantity: float


@dataclass(frozen=True)
class Visits:
    """Requests that reach the app of one region in a month, in millions: of health checkers, and of users."""

    checks: float
    users: float

    @property
    def all(self) -> float:
        """Both together."""
        return self.checks + self.users


def checks_millions(settings: Settings) -> float:
    """How often one address is asked by health checkers in a month, in millions."""
    return CHECKERS * SECONDS / settings.dns.health_interval_s / 1e6


def visits(settings: Settings, site: Site) -> Visits:
    """Users are in the primary region, where they belong by design."""
    return Visits(checks_millions(settings), settings.estimate.requests_millions if site.role == "primary" else 0.0)
