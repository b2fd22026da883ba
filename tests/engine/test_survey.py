"""The survey asks everybody at once and nobody twice, changes nothing, and tells what it could not see."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pytest

from drctl.aws.hooks import Call
from drctl.aws.retries import NoAnswer
from drctl.engine.run import Run
from drctl.engine.step import Finding
from drctl.engine.survey import LOOKS, Looking, Silent, WouldChange, survey
from tests.engine.fakes import OTHER, SITE, Thing, World, offline_run, refusal


def looking() -> Looking:
    return Looking.of(offline_run())


@dataclass(frozen=True, eq=False)
class Asked(Thing):
    """Counts how often it is asked, and fails as it is told to."""

    error: Exception | None = None
    wrong: str = ""

    def find(self, run: Run) -> str | None:
        with self.world.lock:
            self.world.log.append(self.label)
        if self.error:
            raise self.error
        for need in self.needs:
            if run.found(need) is None:
                return None
        return super().find(run)

    def verify(self, run: Run, out: str) -> Iterable[Finding]:
        for need in self.needs:
            run.output(need)
        if self.wrong:
            yield Finding(self.wrong)


def test_what_stands_is_told_with_what_is_wrong_with_it_and_the_rest_as_absent() -> None:
    world = World({"a", "b"})
    good, bad, absent = Asked(SITE, "a", world), Asked(SITE, "b", world, wrong="it leaks"), Asked(OTHER, "c", world)
    seen = survey(looking(), [good, bad, absent])
    assert [(seen[step].out, [one.text for one in seen[step].findings], seen[step].unknown) for step in (
        good, bad, absent)] == [("a", [], ""), ("b", ["it leaks"], ""), (None, [], "")]


def test_a_step_that_many_need_is_asked_once_whether_it_stands_or_not_or_cannot_be_seen() -> None:
    world = World({"there", *"0123456789"})
    needs = (Asked(SITE, "there", world), Asked(SITE, "absent", world),
             Asked(SITE, "unseen", world, error=refusal("AccessDenied")))
    steps = [*needs, *(Asked(SITE, str(number), world, (needs[number % 3],)) for number in range(10))]
    survey(looking(), steps)
    assert sorted(world.log) == sorted(step.label for step in steps)


def test_a_look_that_fails_is_unknown_with_its_reason_and_so_is_what_needs_its_answer() -> None:
    world = World({"a", "b"})
    unseen = Asked(SITE, "a", world, error=refusal("AccessDenied", "not for you", "DescribeThing"))
    other = Asked(SITE, "b", world, (unseen,))
    seen = survey(looking(), [unseen, other])
    assert "AccessDenied" in seen[unseen].unknown
    assert "not for you" in seen[unseen].unknown
    assert seen[other].unknown == seen[unseen].unknown
    assert seen[unseen].out is None


def test_what_stands_on_something_that_is_gone_says_what_it_lacks() -> None:
    world = World({"b"})
    gone = Thing(SITE, "a", world)
    seen = survey(looking(), [gone, Standing(SITE, "b", world, (gone,))])
    assert list(seen.values())[1].lacks == "thing a us-east-1 does not stand"


@dataclass(frozen=True, eq=False)
class Standing(Asked):
    """Found by its own name, whatever stands of its needs."""

    def find(self, run: Run) -> str | None:
        return self.label if self.label in self.world.stands else None


def test_nothing_that_could_change_aws_leaves_a_run_that_looks() -> None:
    run = looking()
    run.events.sending(Call("us-east-1", "ec2", "DescribeVpcs", {}))
    with pytest.raises(WouldChange, match="CreateVpc in us-east-1"):
        run.events.sending(Call("us-east-1", "ec2", "CreateVpc", {}))
    assert run.events.changes == {}


def test_looks_are_made_side_by_side_and_no_more_than_so_many_at_once() -> None:
    world, together, most = World(), threading.Barrier(LOOKS, timeout=5), []

    @dataclass(frozen=True, eq=False)
    class Meeting(Thing):
        def find(self, run: Run) -> str | None:
            together.wait()  # nobody passes before LOOKS are here
            most.append(sum(one.name.startswith("survey-") for one in threading.enumerate()))
            return None

    seen = survey(looking(), [Meeting(SITE, str(number), world) for number in range(2 * LOOKS)])
    assert {one.unknown for one in seen.values()} == {""}
    assert max(most) == LOOKS


def test_who_does_not_answer_in_time_is_unknown_and_holds_nobody_up() -> None:
    world, hangs = World({"a", "b"}), threading.Event()

    @dataclass(frozen=True, eq=False)
    class Hanging(Thing):
        def find(self, run: Run) -> str | None:
            hangs.wait(10)
            return None

    late, there = Hanging(SITE, "a", world), Asked(OTHER, "b", world)
    seen = survey(looking(), [late, there], within_s=0.2)
    hangs.set()
    assert (seen[late].unknown, seen[there].out) == ("no answer within 0.2 s", "b")


def test_a_region_that_has_left_one_call_unanswered_is_not_asked_again() -> None:
    world, run = World({"a"}), looking()
    silent = Asked(SITE, "a", world, error=NoAnswer("DescribeThing", "us-east-1", "no answer (ReadTimeoutError)"))
    assert "no answer" in survey(run, [silent])[silent].unknown
    with pytest.raises(Silent, match="us-east-1 does not answer"):
        run.events.sending(Call("us-east-1", "ec2", "DescribeVpcs", {}))
    run.events.sending(Call("us-west-2", "ec2", "DescribeVpcs", {}))


@pytest.mark.parametrize("service", ["iam", "route53", "cloudfront"])
def test_with_a_region_goes_what_lives_in_it_whatever_region_asks(service: str) -> None:
    run = looking()
    run.take_for_silent(["us-east-1"])
    with pytest.raises(Silent, match="us-east-1 does not answer"):
        run.events.sending(Call("us-west-2", service, "GetThing", {}))


def test_a_wait_is_noted_and_taken_to_be_over() -> None:
    run = looking()
    values: list[Any] = ["creating"]
    assert run.wait_until("it is there", values.pop, lambda state: state == "available", within=60) == "creating"
    assert run.waits == ["it is there (now: creating)"]
