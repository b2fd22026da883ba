"""What the engine does about a call whose answer was lost."""

from __future__ import annotations

import pytest

from drctl.aws.retries import AnswerLost
from drctl.engine import runner
from drctl.engine.events import Record
from drctl.engine.lost import LOSSES
from drctl.engine.run import Run
from drctl.engine.runbook import Runbook, play
from drctl.errors import Interrupted, RunFailed
from tests.engine.fakes import SITE, Line, Thing, World, offline_run


def losing(world: World, times: int, *, stands: bool) -> None:
    """The create of `a` loses its answer that often; the thing stands afterwards, or does not."""
    left = [times]

    def happens(run: Run) -> None:
        if left[0] and "a" not in world.stands:
            left[0] -= 1
            if stands:
                world.stands.add("a")
                world.log.append("+a")
            raise AnswerLost("CreateThing", "us-east-1", "no answer")

    world.at_ensure["a"] = happens


@pytest.mark.parametrize("stands", [True, False])
def test_a_step_looks_again_and_makes_exactly_one(stands: bool) -> None:
    world, records = World(), list[Record]()
    losing(world, 1, stands=stands)
    runner.build(offline_run(records), [Thing(SITE, "a", world)])
    assert world.log == ["+a"]
    assert any(record.get("sentence") == "what became of CreateThing" for record in records)


def test_an_outage_ends_the_step_instead_of_being_asked_for_ever() -> None:
    world = World()
    losing(world, 1000, stands=False)
    with pytest.raises(RunFailed) as error:
        runner.build(offline_run(), [Thing(SITE, "a", world)])
    assert "whether it took effect is not known" in str(error.value.failures[0].error)
    assert world.log == []


def test_a_stop_ends_the_finding_out() -> None:
    world, run = World(), offline_run()

    def happens(_: Run) -> None:
        run.clock.stop()
        raise AnswerLost("CreateThing", "us-east-1", "no answer")

    world.at_ensure["a"] = happens
    with pytest.raises(Interrupted):
        runner.build(run, [Thing(SITE, "a", world)])


def test_a_line_of_a_runbook_is_done_again_and_an_outer_one_does_not_multiply_it() -> None:
    log: list[str] = []
    with pytest.raises(RunFailed):
        play(offline_run(), Runbook("r", (Line("turn", log, AnswerLost("PutThing", "us-east-1", "no answer")),)))
    assert log == ["turn"] * LOSSES
