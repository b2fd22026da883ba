"""What the decide screen says of the loss: the lag, how old it is, and what it may mean that it grows."""

from __future__ import annotations

import pytest

from drctl.actions.decide import Terms
from drctl.actions.picture import Picture
from drctl.actions.steady_state import Growth, Lag
from drctl.cli.decision import show_decision

NOON = 1_790_000_000.0 - 1_790_000_000.0 % 86_400 + 43_200


def shown(capsys: pytest.CaptureFixture[str], lag: Lag) -> str:
    """The line of the expected loss."""
    show_decision(Picture("us-east-1", "us-west-2", {}, lag.seconds, "AuroraGlobalDBRPOLag", 2.0, "documented", (), (),
                          "failover", "it is gone", (), False, lag), Terms(60.0, ""))
    return next(line.split("expected loss")[1].strip() for line in capsys.readouterr().err.splitlines()
                if "expected loss" in line)


def test_the_loss_is_at_most_the_newest_known_lag(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys, Lag(0.3, NOON)) == "at most that lag; accepted: 60 s"


def test_a_lag_that_grows_means_less_if_the_region_was_lost_when_it_began_to(
        capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys, Lag(868.0, NOON, 0.0, Growth(NOON - 868, 41.5))) == (
        "at most that lag; at most 41.5 s if us-east-1 took no write after 11:45 UTC, when it began to grow; "
        "accepted: 60 s")


def test_an_old_lag_says_little_of_later_writes(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys, Lag(0.3, NOON, 600.0)).startswith("that lag, if the region was lost when it was measured")
