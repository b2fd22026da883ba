"""The contract of every step: any number of times, killed anywhere, with any answer lost, it leaves exactly one of
everything, and every wait of it has an end.

`make test` tries a sample of points for each step, `make contract` all of them. A sample is drawn anew each time; its
seed is told, and `--contract-seed` draws it again.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import zip_longest
from random import Random

import pytest

from tests.contract.cases import CASES, all_points, some_cases, some_points
from tests.contract.conftest import POINTS
from tests.contract.inventory import difference
from tests.contract.sentences import Sentence
from tests.contract.wire import Sent, Still
from tests.contract.world import Case, Point, World
from tests.straight import LabFailed

pytestmark = pytest.mark.xdist_group("contract")
#: Waits that the lab cannot let last, each with the reason.
_LATER = "said when something is changed that other steps have made first: the step's own tests"
UNTRIED: dict[str, str] = dict.fromkeys((
    "release: … can go live", "release: version … of the app in … answers …", "release: … can be asked",
    "engine_version: … can be upgraded", "engine_version: … runs …", "secret: the secret takes a new password",
    "secret: the secret's copy in … has the new password", "primary_cluster: … can take its password",
    "primary_cluster: … has its password"), _LATER)
#: Waits in vain that leave more than one of something, each with the reason.
LEAVES_MORE = {"certificate: the new certificate is known":
               "what ACM never shows cannot be told from what its token still leads to; teardown removes all of them"}
#: What a step leaves behind for another to remove: how its difference reads, and the reason.
LEAVES_BEHIND = {
    "Certificate": (r"zone us-(?:east-1|west-2): \.records is "
                    r'\[\{[^{]*\{"Value": "[^ ]+\.acm-validations\.aws\."\}\][^{]*\}\], not \[\]',
                    "both regions' certificates are proven by one CNAME: the zone removes it"),
    "SecurityGroups": (r"security group [a-z0-9-]+: \.IpPermissionsEgress is \[\], not \[[^;]*\]",
                       "the default group of the VPC stays without rules until it goes with the VPC")}
#: Of all sentences `make test` tries one in this many.
ONE_IN = 8
Record = Callable[[str, object], None]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Each step in turn: all its tests while what it needs stands."""
    if "case" in metafunc.fixturenames:
        options = metafunc.config.option
        cases = CASES if options.all_points else some_cases(options.contract_seed)
        metafunc.parametrize("case", cases, ids=str, scope="module")


@pytest.fixture
def choose(case: Case, pytestconfig: pytest.Config) -> Callable[[list[Sent]], list[Point]]:
    """The points to be tried among some changes."""
    if pytestconfig.getoption("all_points"):
        return all_points
    random = Random(f"{pytestconfig.getoption('contract_seed')} {case}")  # noqa: S311  # repeatable
    return lambda changes: some_points(changes, random)


def test_a_second_process_changes_nothing(world: World, case: Case) -> None:
    known = world.know(case)
    assert known.made_again_by == []
    assert world.build(case) == []
    assert difference(world.inventory(known.changes), known.stands) == ""


def test_what_is_removed_twice_is_gone_and_a_third_process_changes_nothing(world: World, case: Case) -> None:
    known = world.know(case)
    assert known.removed_again_by == []
    expected, _ = LEAVES_BEHIND.get(type(case.step).__name__, ("", ""))
    assert [line for line in (known.left or "").splitlines() if not re.fullmatch(expected, line)] == []


def test_a_power_cut_or_a_lost_answer_leaves_exactly_one_of_everything(
        world: World, case: Case, choose: Callable[[list[Sent]], list[Point]], record_property: Record) -> None:
    known = world.know(case)
    pairs = list(zip_longest(choose(known.made_by), choose(known.removed_by)))
    wrong = [problem for made, gone in pairs for problem in lived(world, case, made, gone)]
    points = sum(point is not None for pair in pairs for point in pair)
    record_property(POINTS, (points - len(wrong), len(wrong)))
    assert not wrong, "\n".join(wrong)


def test_a_wait_that_never_ends_is_given_up_with_its_sentence(
        world: World, case: Case, pytestconfig: pytest.Config, record_property: Record) -> None:
    seed, every = pytestconfig.getoption("contract_seed"), pytestconfig.getoption("all_points")
    chosen = [one for one, (met, _, _) in world.encounters.items()
              if met is case and (every or Random(f"{seed} {one}").randrange(ONE_IN) == 0)]  # noqa: S311  # repeatable
    wrong = [problem for sentence in chosen for problem in waited(world, case, sentence)]
    record_property(POINTS, (len(chosen) - len(wrong), len(wrong)))
    assert not wrong, "\n".join(wrong)


def test_every_sentence_of_every_step_was_seen_to_end(world: World, pytestconfig: pytest.Config) -> None:
    assert world.attention.unknown == set()
    if not pytestconfig.getoption("all_points") or len(world.lived) < len(CASES):
        pytest.skip("only some waits were tried")
    never = {str(one) for one in world.attention.sentences if one not in world.ended}
    assert sorted(never - set(UNTRIED)) == [], "\n".join(sorted(never - set(UNTRIED)))
    assert set(UNTRIED) - never == set(), "these were seen to end all the same"


def lived(world: World, case: Case, made: Point | None, gone: Point | None) -> list[str]:
    """What was wrong in one life of a step, whatever way it showed; after that the world is as it was."""
    try:
        return list(world.live(case, made, gone))
    except (Exception, LabFailed) as error:  # whatever a step raises, the other points are tried too
        known = world.known.get(str(case))
        causes = [str(failure.error) for failure in getattr(error, "failures", ())] or [repr(error)]
        told = " / ".join(point.told(changes) for point, changes in (
            (gone, known.removed_by), (made, known.made_by)) if point) if known else ""
        world.start_over()
        return [f"{case}: {told}: {'; '.join(causes)}"]


def waited(world: World, case: Case, sentence: Sentence) -> list[str]:
    """What was wrong when the wait for a sentence did not end."""
    _, make, after = world.encounters[sentence]
    ways: tuple[Still, ...] = ("time", "last", "first", "denied") if sentence.call == "wait_until" else ("time",)
    for still in ways:
        point = Point(after.where if after else None, after.number if after else 0, sentence, still)
        wrong = lived(world, case, point if make else None, None if make else point)
        if wrong and not (str(sentence) in LEAVES_MORE and all("besides: " in one for one in wrong)):
            return wrong
        if sentence in world.ended:
            break
    return []
