"""From the settings of a stack to what the lab's clients ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drctl.errors import Refused
from drctl.lab.traffic_target import Target

if TYPE_CHECKING:
    from drctl.settings import Settings

#: Where a client comes from when anybody may (RFC 5737: nobody's address).
ANYBODY = "198.51.100.1"


def target_of(settings: Settings) -> Target:
    """The users' name, and the requests of the settings' app; Refused when the balancers admit no client."""
    traffic = settings.lab.traffic
    return Target(name=settings.dns.name, tls=settings.tls.mode != "off", client=_client(settings),
                  method=traffic.write.method, path=traffic.write.path, body=traffic.write.body,
                  read_path=traffic.read.path, id_field=traffic.id_field)


def _client(settings: Settings) -> str:
    """The first address of those that are admitted."""
    network = settings.network
    if network.open_to_the_world:
        return ANYBODY
    if not network.admit_cidrs:
        raise Refused("the balancers admit CloudFront alone, and the lab's clients come from nowhere near it",
                      next_step="give network.admit_cidrs a range for them")
    return str(next(iter(network.admit_cidrs[0].hosts())))
