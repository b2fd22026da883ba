"""The last snapshot of a cluster that was made anew: it keeps writes that exist nowhere else, until a teardown.

A cluster hands its tags on to every snapshot of it, whoever makes one: the name tells which ones are drctl's.
"""

from __future__ import annotations

import re
from functools import partial
from typing import Any

from drctl.aws.errors import Refusal, absent_is_fine
from drctl.aws.tags import as_map, is_ours
from drctl.engine.run import Run
from drctl.engine.waiting import minutes
from drctl.settings import Site

#: Purpose in the snapshot's name.
RESCUE = "rescue"
#: It is being made, or deleted already.
BUSY = (Refusal("InvalidDBClusterSnapshotStateFault"),)
#: It takes as long as the data is large (Terraform provider: aws_db_cluster_snapshot, 20 min).
WITHIN = minutes(120)


def name_of(run: Run, site: Site, resource_id: str) -> str:
    """Its name by the resource id of the cluster: another cluster of the same name has another."""
    return run.name("aurora", f"{RESCUE}-{resource_id[-12:]}", site)


def kept(run: Run, site: Site, cluster_id: str) -> list[str]:
    """Those that were kept of a cluster, as AWS shows them."""
    pages = run.at(site).rds.get_paginator("describe_db_cluster_snapshots").paginate(
        DBClusterIdentifier=cluster_id, SnapshotType="manual")
    return [one["DBClusterSnapshotIdentifier"] for page in pages for one in page["DBClusterSnapshots"]
            if _is_ours(run, site, one)]


def _is_ours(run: Run, site: Site, one: Any) -> bool:
    pattern = re.escape(name_of(run, site, "x" * 12)).replace("x" * 12, "[a-z0-9-]+")
    return (re.fullmatch(pattern, one["DBClusterSnapshotIdentifier"]) is not None
            and is_ours(as_map(one.get("TagList")), run.settings.environment))


def remove(run: Run, site: Site, cluster_id: str) -> None:
    """Delete all that were kept of a cluster, and wait until they are gone."""
    names = kept(run, site, cluster_id)
    for name in names:
        run.retry(f"snapshot {name} can be deleted", partial(_delete_unless_gone, run, site, name), BUSY, within=WITHIN)
    if names:
        run.wait_until(f"{', '.join(names)} {'are' if len(names) > 1 else 'is'} gone",
                       lambda: kept(run, site, cluster_id), lambda left: not left, within=WITHIN,
                       show=lambda left: ", ".join(left) or "gone")


def _delete_unless_gone(run: Run, site: Site, name: str) -> None:
    with absent_is_fine():
        run.at(site).rds.delete_db_cluster_snapshot(DBClusterSnapshotIdentifier=name)
