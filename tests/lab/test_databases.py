"""Servers change as clusters do, also while the lab is being emptied."""

from __future__ import annotations

import threading

from drctl.lab.databases import Databases


def test_a_copy_that_is_due_again_for_a_cluster_that_is_gone_begins_nothing() -> None:
    """What goes on beside must not look for the cluster itself: the lab may be emptied at that very moment."""
    databases = Databases()
    with databases._lock:  # who looks later would wait here
        databases.resynchronised("arn:aws:rds:us-east-1:123456789012:cluster:gone")
        assert "rejoin" not in {one.name for one in threading.enumerate()}
