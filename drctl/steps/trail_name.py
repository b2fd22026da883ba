"""The trail's name and ARN, known before it stands: its bucket, its key and its role admit it by them."""

from __future__ import annotations

from drctl.engine.run import Run

#: The trail's part of names: of the trail, its bucket, its key, its log group and its role.
LABEL = "trail"


def trail_name(run: Run) -> str:
    """Name of the trail; its home is the primary region."""
    return run.name("trail", "account", run.settings.primary)


def trail_arn(run: Run) -> str:
    """ARN of the trail."""
    return (f"arn:aws:cloudtrail:{run.settings.primary.region}:{run.settings.account_id}:trail/{trail_name(run)}")
