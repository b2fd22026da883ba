"""The runner starts each step as soon as what it needs is there, and ends in an orderly way whatever happens."""

from __future__ import annotations

import threading

import pytest

from drctl.engine import runner
from drctl.engine.events import Record
from drctl.engine.run import Run
from drctl.engine.step import Finding
from drctl.errors import Interrupted, RunFailed
from tests.engine.fakes import SITE, Thing, World, offline_run, refusal


def test_steps_are_built_after_what_they_need_and_removed_before_it() -> None:
    world, run = World(), offline_run()
    base = Thing(SITE, "base", world)
    middle = Thing(SITE, "middle", world, (base,))
    top = Thing(SITE, "top", world, (middle, base))
    outcomes = runner.build(run, [top, middle, base])
    assert world.log == ["+base", "+middle", "+top"]
    assert {outcome.result for outcome in outcomes} == {"created"}
    runner.destroy(offline_run(), [base, top, middle])
    assert world.log[3:] == ["-top", "-middle", "-base"]


def test_two_steps_that_need_nothing_run_at_the_same_time() -> None:
    world, run = World(), offline_run()
    meeting = threading.Barrier(2, timeout=5)
    for label in ("east", "west"):
        world.at_ensure[label] = lambda _: meeting.wait()
    runner.build(run, [Thing(SITE, "east", world), Thing(SITE, "west", world)])
    assert world.stands == {"east", "west"}


def test_a_step_does_not_wait_for_others_than_its_own_needs() -> None:
    world, run = World(), offline_run()
    late = threading.Event()
    world.at_ensure["slow"] = lambda _: late.wait(5)
    world.at_ensure["second"] = lambda _: late.set()
    first = Thing(SITE, "first", world)
    runner.build(run, [Thing(SITE, "slow", world), first, Thing(SITE, "second", world, (first,))])
    assert world.log == ["+first", "+second", "+slow"] or world.log[:2] == ["+first", "+slow"]
    assert late.is_set()


def test_a_second_build_keeps_everything() -> None:
    world = World(stands={"a"})
    outcomes = runner.build(offline_run(), [Thing(SITE, "a", world)])
    assert [outcome.result for outcome in outcomes] == ["kept"]


def test_a_failure_starts_nothing_new_lets_the_others_finish_and_lists_what_aws_said() -> None:
    world, records = World(), list[Record]()
    run = offline_run(records)
    failed, under_way = threading.Event(), threading.Event()

    def fail(_: Run) -> None:
        assert under_way.wait(5)
        failed.set()
        raise refusal("LimitExceeded", "too many")

    def go_on(_: Run) -> None:
        under_way.set()
        assert failed.wait(5)

    world.at_ensure["broken"] = fail
    world.at_ensure["neighbour"] = go_on
    broken, neighbour = Thing(SITE, "broken", world), Thing(SITE, "neighbour", world)
    with pytest.raises(RunFailed) as end:
        runner.build(run, [broken, neighbour, Thing(SITE, "after", world, (broken,)),
                           Thing(SITE, "later", world, (neighbour,))])
    assert "after" not in world.stands
    assert "neighbour" in world.stands
    failure = end.value.failures[0]
    assert (failure.step, failure.region, failure.call, failure.code, failure.request_id) == (
        "thing broken us-east-1", "us-east-1", "CreateThing", "LimitExceeded", "req-1")
    outcomes = {record["step"]: record["outcome"] for record in records if record["event"] == "step-ended"}
    assert outcomes["thing broken us-east-1"] == "failed"
    assert outcomes["thing neighbour us-east-1"] == "created"


def test_what_was_about_to_begin_when_another_step_failed_does_not_begin() -> None:
    world, records = World(), list[Record]()
    run = offline_run(records)

    def fail(_: Run) -> None:
        raise refusal("LimitExceeded", "too many")

    things = [Thing(SITE, f"thing {number}", world) for number in range(30)]
    for thing in things:
        world.at_ensure[thing.purpose] = fail
    with pytest.raises(RunFailed):
        runner.build(run, things)
    events = [(record["event"], record.get("outcome")) for record in records if record["event"].startswith("step-")]
    assert ("step-started", None) not in events[events.index(("step-ended", "failed")):]


def test_after_a_failure_the_same_build_completes() -> None:
    world = World()
    broken = Thing(SITE, "broken", world)
    after = Thing(SITE, "after", world, (broken,))

    def fail(_: Run) -> None:
        raise refusal("Boom")

    world.at_ensure["broken"] = fail
    with pytest.raises(RunFailed):
        runner.build(offline_run(), [broken, after])
    del world.at_ensure["broken"]
    runner.build(offline_run(), [broken, after])
    assert world.log == ["+broken", "+after"]


def test_a_stop_ends_the_waits_and_starts_nothing_new() -> None:
    world, run = World(), offline_run(speed=1)
    waiting = threading.Event()

    def wait(run: Run) -> None:
        waiting.set()
        run.wait_until("never", lambda: "no", lambda _: False, within=3600)

    world.at_ensure["slow"] = wait
    slow = Thing(SITE, "slow", world)

    def stop() -> None:
        waiting.wait(5)
        run.clock.stop()

    threading.Thread(target=stop).start()
    with pytest.raises(Interrupted) as end:
        runner.build(run, [slow, Thing(SITE, "after", world, (slow,))])
    assert end.value.exit_code == 130
    assert world.stands == set()


def test_something_made_that_cannot_be_found_again_is_a_failure() -> None:
    class Forgetful(Thing):
        def find(self, run: Run) -> str | None:
            return None

    with pytest.raises(RunFailed) as end:
        runner.build(offline_run(), [Forgetful(SITE, "ghost", World())])
    assert "cannot be found" in str(end.value.failures[0].error)


def test_a_read_that_lags_behind_the_write_is_waited_for() -> None:
    class Late(Thing):
        def verify(self, run: Run, out: str) -> list[Finding]:
            looks.append(out)
            return [Finding("rotation is off")] if len(looks) < 3 else []

    looks: list[str] = []
    outcomes = runner.build(offline_run(), [Late(SITE, "late", World())])
    assert [outcome.result for outcome in outcomes] == ["created"]
    assert len(looks) == 3


def test_what_stays_wrong_after_a_change_is_told() -> None:
    class Wrong(Thing):
        def verify(self, run: Run, out: str) -> list[Finding]:
            return [Finding("rotation is off")]

    with pytest.raises(RunFailed) as end:
        runner.build(offline_run(), [Wrong(SITE, "wrong", World())])
    assert "rotation is off" in str(end.value.failures[0].error)
