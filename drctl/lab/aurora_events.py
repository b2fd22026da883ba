"""RDS events of Aurora clusters, in the words of the Aurora User Guide."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from moto.core.utils import utcnow
from moto.rds.models import RDSBackend, rds_backends
from moto.rds.utils import split_arn

from drctl.lab.aurora_store import LOST
from drctl.lab.rules import Wrapped, rule

#: Aurora User Guide, Amazon RDS event categories and event messages for Aurora. DescribeEvents shows no event id.
MESSAGES = {
    "RDS-EVENT-0170": "DB cluster created.",
    "RDS-EVENT-0171": "DB cluster deleted.",
    "RDS-EVENT-0181": "Global switchover to DB cluster {name} in Region {region} started.",
    "RDS-EVENT-0182": "Old primary DB cluster {name} in Region {region} successfully shut down.",
    "RDS-EVENT-0183": "Waiting for data synchronization across global cluster members. "
                      "Current lags behind primary DB cluster: {reason}.",
    "RDS-EVENT-0184": "New primary DB cluster {name} in Region {region} was successfully promoted.",
    "RDS-EVENT-0185": "Global switchover to DB cluster {name} in Region {region} finished.",
    "RDS-EVENT-0186": "Global switchover to DB cluster {name} in Region {region} is cancelled.",
    "RDS-EVENT-0187": "Global switchover to DB cluster {name} in Region {region} failed.",
    "RDS-EVENT-0238": "Global failover to DB cluster {name} in Region {region} completed.",
    "RDS-EVENT-0239": "Global failover to DB cluster {name} in Region {region} failed.",
    "RDS-EVENT-0240": "Started resynchronizing members of DB cluster {name} in Region {region} after global failover.",
    "RDS-EVENT-0241": "Finished resynchronizing members of DB cluster {name} in Region {region} after global failover.",
    "RDS-EVENT-0397": "Aurora finished changing the DNS name that the global writer endpoint resolves to.",
}
_CATEGORIES = {"RDS-EVENT-0170": "creation", "RDS-EVENT-0171": "deletion"}


class ClusterEvent:
    """One event with a DB cluster as its source."""

    source_type = "db-cluster"

    def __init__(self, event_id: str, source: str, about: str, reason: str) -> None:
        region, _, _, name = split_arn(about)
        self.event_id = event_id
        self.source_arn = source
        self.source_identifier = split_arn(source)[3]
        self.message = MESSAGES[event_id].format(name=name, region=region, reason=reason)
        self.event_categories = [_CATEGORIES.get(event_id, "global-failover")]
        self.date = utcnow()


def tell(event_id: str, about: str, *sources: str, reason: str = "") -> None:
    """Publish an event about one cluster in the Region of every source that answers."""
    for source in sources or (about,):
        region, account = split_arn(source)[:2]
        if region not in LOST:
            rds_backends[account][region].events.append(ClusterEvent(event_id, source, about, reason))


@rule("events-of-the-last-hour", RDSBackend, "describe_events")
def only_what_was_asked_for(proceed: Wrapped, _: RDSBackend, **asked: Any) -> list[Any]:
    """Events of the last 60 minutes are returned unless a time or a duration in minutes is given; categories filter.

    Source: RDS API Reference, DescribeEvents
    """
    end = _plain(asked.get("end_time")) or utcnow()
    start = _plain(asked.get("start_time")) or end - timedelta(minutes=int(asked.get("duration") or 60))
    categories = set(asked.get("event_categories") or ())
    return [event for event in proceed(**asked) if start <= event.date <= end
            and (not categories or categories & set(event.event_categories))]


def _plain(moment: datetime | None) -> datetime | None:
    """moto's own moments are UTC without a zone."""
    return moment.replace(tzinfo=None) if moment else None
