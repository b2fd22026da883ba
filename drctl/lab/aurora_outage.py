"""The loss of a whole Region as Aurora feels it: two calls, `lose` and `restore`, for whoever plays an outage.

Both may be called any number of times and in any order, whether or not there is a global database.

While a Region is lost:
- its members are unhealthy: no switchover goes, a failover with AllowDataLoss to a member elsewhere does;
- no host name of its databases answers (`aurora.endpoint_role` has no role for it), and the wires between the real
  servers behind them are cut: what was not replicated is lost if somebody fails over;
- the survivor's lag metrics grow by a second a second when the lost Region is the primary's, and those of a lost
  secondary end;
- a change of roles under way ends where it was; its events are told in the Regions that answer.

When it is restored a member that wrote and lost its role meanwhile is rebuilt (pending-resync, and no host name of it
answers, for as long as a resynchronisation takes), then connected. A member that kept its role goes on at once.

The API of the Region is not touched here: that it does not answer is for whoever plays the outage to do.
Source: Aurora User Guide, Recovering an Amazon Aurora global database from an unplanned outage
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from moto.rds.models import DBCluster

from drctl.lab import aurora_store as store
from drctl.lab.aurora_roles import resynchronise
from drctl.lab.aurora_states import LOCK
from drctl.lab.aurora_store import LOST
from drctl.lab.clock import CLOCK

log = logging.getLogger(__name__)

#: Called with the Region after it was lost or restored; whether it is lost is in `aurora_store.LOST`.
ON_OUTAGE: list[Callable[[str], None]] = []


def lose(region: str) -> None:
    """The Region answers no more, since now; nothing happens when it is lost already."""
    with LOCK:
        if region in LOST:
            return
        LOST[region] = CLOCK.now()
        for known in store.GLOBALS.values():
            for member in known.members:
                # what was being rebuilt there has to begin anew
                if member.region == region and not member.is_connected and member.reader_since > 0:
                    member.connected_at = store.NEVER
    _tell(region)


def restore(region: str) -> None:
    """The Region answers again and what waited for it is resynchronised; nothing happens when it is not lost."""
    with LOCK:
        if LOST.pop(region, None) is None:
            return
        for known in store.GLOBALS.values():
            for member in known.members:
                # a former primary: it lost its role to a failover, which has ended
                if (member.region == region and not member.is_writer and member.reader_since > 0
                        and member.connected_at == store.NEVER and known.change is None):
                    resynchronise(member)
    _tell(region)


def is_reachable(cluster: DBCluster) -> bool:
    """Whether clients reach a cluster: its Region is not lost, and it is not a former primary that is rebuilt."""
    known = store.of_cluster(cluster.arn)
    member = known.member(cluster.arn) if known else None
    rebuilt = member is not None and not member.is_connected and member.reader_since > 0
    return cluster.region not in LOST and not rebuilt


def _tell(region: str) -> None:
    for listener in ON_OUTAGE:
        try:
            listener(region)
        except Exception:
            log.exception("what follows the loss or return of a region failed")
