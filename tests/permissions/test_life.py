"""A stack lives from its birth to its end, each run under its own policies alone; and no statement of them is idle."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

import pytest

from drctl.lab.policies import Document, Request, verdict
from drctl.lab.server import Lab
from drctl.permissions.documents import RUNS, policies_of, statements
from drctl.settings import Settings
from tests.permissions.life import Life, documents, living, parts_before
from tests.permissions.record import attributed, unique

PARTS = [part for parts in RUNS.values() for part in parts]
STATEMENTS = [(part, one["Sid"]) for part in PARTS for one in statements(Settings(), part)]
#: Statements that are taken away from a command that is then really run; drawn anew with another seed.
SEED, SAMPLE = 5, 4


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory, lab_server: Lab) -> Iterator[Life]:
    """A stack that lives, and stands at the end."""
    with living(tmp_path_factory.mktemp("life"), lab_server) as played:
        played.live()
        yield played


@pytest.fixture(scope="module")
def whole(life: Life) -> Life:
    """The same to its end."""
    life.end()
    return life


def without(part: str, sid: str) -> list[Document]:
    """The policies of a part, and of those before it, less one statement of its own."""
    own = [one for one in statements(Settings(), part) if one["Sid"] != sid]
    before = [one for other in parts_before(part)[:-1] for one in statements(Settings(), other)]
    return [{"Version": "2012-10-17", "Statement": [*before, *own]}]


def refused(policies: Sequence[Document], requests: Sequence[Request]) -> list[Request]:
    return [one for one in requests if verdict(policies, one) != "Allow"]


@pytest.mark.parametrize("command", [("status",), ("failover", "--drill", "--mode", "tabletop")], ids=" ".join)
def test_a_command_fails_for_real_at_a_call_that_is_taken_away(life: Life, command: tuple[str, ...]) -> None:
    """In-process judgement below is what the lab answers: a sample is really run."""
    part = "read" if command == ("status",) else "drill"
    needed = sorted({sid for mine, sid in STATEMENTS if mine == part and sid in NEEDED[command]})
    for sid in random.Random(SEED).sample(needed, min(SAMPLE, len(needed))):  # noqa: S311  # a sample
        with life.under(without(part, sid), "sample"):
            end = life.drctl(*command, "--json")
        told = end.out + end.err
        assert "is not authorized to perform: " in told or end.code, f"{sid}: nothing was missed: {told[-500:]}"


#: Statements without which these commands cannot do what they are for.
NEEDED = {("status",): {"Database", "LookAround"},
          ("failover", "--drill", "--mode", "tabletop"): {"Database", "LookAround", "Functions", "LookAtDatabases"}}


def test_every_run_comes_to_its_end_under_its_own_policies_alone(whole: Life) -> None:
    assert whole.failed == []
    assert set(whole.heard) >= set(PARTS)
    for part in PARTS:
        assert refused(documents(part), unique(whole.heard[part])) == []


def test_what_was_asked_for_is_what_was_recorded(whole: Life) -> None:
    """`python -m tests.permissions.record` records anew."""
    found, lost = attributed({part: whole.heard[part] for part in PARTS}, Settings())
    assert lost == []
    named = {(part, one["Sid"]): set(one["Action"]) for part in PARTS for one in statements(Settings(), part)}
    more = {(part, sid): more for part, scopes in found.items() for sid, some in scopes.items()
            if (more := set(some) - named.get((part, sid), set()))}
    assert more == {}


@pytest.mark.parametrize(("part", "sid"), STATEMENTS, ids=str)
def test_without_any_one_statement_its_run_fails_at_a_named_call(whole: Life, part: str, sid: str) -> None:
    policies = without(part, sid)
    first = next((heard.operation for heard in whole.heard[part]
                  if any(verdict(policies, one) != "Allow" for one in heard.wanted)), None)
    assert first is not None, f"{sid} of {part} is idle"


@pytest.mark.parametrize("part", PARTS)
def test_the_same_requests_for_another_stack_are_denied(whole: Life, part: str) -> None:
    """But for what is looked at in the whole account, because nothing else tells whose it is, and for Route 53, whose
    zones and checks have neither names nor tags that a policy could look at."""
    policies = [{**one, "Statement": [each for each in one["Statement"] if not each["Sid"].startswith("LookAt")]}
                for one in documents(part)]
    others = [other for one in unique(whole.heard[part]) if (other := renamed(one, "lab", "other")) != one
              and one.action != "route53:ChangeTagsForResource"]
    assert others
    assert [f"{one.action} on {one.resource}" for one in others if verdict(policies, one) == "Allow"] == []


@pytest.mark.parametrize("part", PARTS)
def test_the_same_requests_in_another_region_are_denied(whole: Life, part: str) -> None:
    policies = documents(part)
    others = [other for one in unique(whole.heard[part]) if (other := renamed(one, "us-west-2", "eu-west-1")) != one
              and not has_no_region(one)]
    assert others
    assert [f"{one.action} on {one.resource}" for one in others if verdict(policies, one) == "Allow"] == []


def has_no_region(one: Request) -> bool:
    """Roles have none, and a key of an object may look like one."""
    bucket = one.resource.partition("/")[0]
    return one.action == "iam:CreateServiceLinkedRole" or (one.action.startswith("s3:") and "us-west-2" not in bucket)


def renamed(one: Request, this: str, that: str) -> Request:
    """The request with another name or region wherever it says it."""
    def change(text: str) -> str:
        return text.replace(this, that)

    return Request(one.principal, one.action, change(one.resource), {
        key: tuple(map(change, value)) if isinstance(value, tuple) else change(value)
        for key, value in one.context.items()})


def test_policies_are_attached_in_order_and_each_part_is_enough_with_those_before_it() -> None:
    for run, parts in RUNS.items():
        order = [one.part for one in policies_of(Settings(), run)]
        assert list(dict.fromkeys(order)) == list(parts)
