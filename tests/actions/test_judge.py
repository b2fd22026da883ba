"""A drill is judged against what was promised; what was not measured is not met."""

from __future__ import annotations

import pytest

from drctl.actions.judge import judge
from tests.engine.fakes import offline_run


@pytest.mark.parametrize(("measures", "met"), [
    ({"rto_s": 899, "rpo_s": 0}, True), ({"rto_s": 901, "rpo_s": 0}, False), ({"rto_s": 1, "rpo_s": 901}, False),
    ({"rto_s": 1}, False), ({}, False)])
def test_both_objectives_must_be_measured_and_kept(measures: dict[str, float], met: bool) -> None:
    run = offline_run()
    judge(run, measures)
    assert run.measures["met"] is met
    assert run.measures["objectives"] == {"rto_s": 900, "rpo_s": 900}
