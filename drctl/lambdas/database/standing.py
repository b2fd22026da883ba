"""How the local database stands in the global database: writer or reader, and how far behind."""

from __future__ import annotations

from dataclasses import dataclass

from .connection import Database
from .errors import Rejected

#: Aurora's own view exists only there (Aurora User Guide, "Monitoring an Aurora PostgreSQL global database").
STANDING = """
SELECT pg_is_in_recovery() AS follows, to_regprocedure('aurora_global_db_status()') IS NOT NULL AS aurora
"""
#: `rpo_lag_in_msec` and `durability_lag_in_msec` are -1 for the region that writes.
AURORA_LAG = """
SELECT max(durability_lag_in_msec) / 1000.0 AS lag FROM aurora_global_db_status()
WHERE durability_lag_in_msec >= 0 AND (aws_region = :region OR NOT pg_is_in_recovery())
"""
#: Nothing received that is not replayed means no lag, however long ago the last write was.
STANDBY_LAG = """
SELECT CASE WHEN pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() THEN 0.0
            ELSE extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()) END AS lag
"""
PRIMARY_LAG = "SELECT extract(epoch FROM max(coalesce(replay_lag, '0'))) AS lag FROM pg_stat_replication"


@dataclass(frozen=True)
class Standing:
    """`lag_s`: seconds behind (a reader) or of the slowest follower (the writer); None when it cannot be told."""

    writer: bool
    lag_s: float | None


def standing(database: Database, region: str) -> Standing:
    """Ask the database; raises one of `errors` when it does not answer."""
    row = database.run(STANDING)[0]
    writer = not row["follows"]
    try:
        if row["aurora"]:
            rows = database.run(AURORA_LAG, region=region)
        else:
            rows = database.run(PRIMARY_LAG if writer else STANDBY_LAG)
    except Rejected:
        # The login may read tables but not statistics: the lag is unknown, the database is well.
        return Standing(writer, None)
    lag = rows[0]["lag"]
    return Standing(writer, None if lag is None else round(float(lag), 3))
