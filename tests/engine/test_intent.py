"""What provision would do is found out by asking each step, whose `ensure` is stopped before it changes anything."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from drctl.aws.hooks import Call
from drctl.engine.intent import Intent, intents
from drctl.engine.run import Run
from drctl.engine.step import Finding, Step
from drctl.engine.survey import Looking, survey
from drctl.errors import NotOurs, Refused
from tests.engine.fakes import SITE, offline_run, refusal


@dataclass(frozen=True)
class Made:
    """What stands of a Part: an id that AWS has made up, and a name that everybody knows beforehand."""

    id: str
    name: str
    uses: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Part(Step[Made]):
    """A step that stands as `stands` says, and uses the ids of its needs."""

    label: str
    stands: dict[str, Made]
    needs: tuple[Part, ...] = ()
    by_name: bool = False
    findings: tuple[Finding, ...] = ()
    at_ensure: Callable[[Run], object] = field(default=lambda run: None)

    @property
    def purpose(self) -> str:
        return self.label

    def find(self, run: Run) -> Made | None:
        return self.stands.get(self.label)

    def _wanted(self, run: Run) -> tuple[str, ...]:
        outs = [run.output(need) for need in self.needs]
        return tuple(out.name if self.by_name else out.id for out in outs)

    def ensure(self, run: Run) -> Made:
        self.at_ensure(run)
        out = run.found(self)
        if out is None:
            run.events.sending(Call(self.region, "fake", "CreatePart", {}))
        if out is None or out.uses != self._wanted(run) or any(one.mend == "drctl provision" for one in self.findings):
            run.events.sending(Call(self.region, "fake", "ModifyPart", {}))
        return out or run.output(self)

    def verify(self, run: Run, out: Made) -> Iterable[Finding]:
        yield from self.findings
        if out.uses != (wanted := self._wanted(run)):
            yield Finding(f"it uses {', '.join(out.uses)}, not {', '.join(wanted)}")

    def destroy(self, run: Run) -> None:
        return

    def foreseen(self, run: Run, out: Made | None) -> Mapping[str, Any]:
        return {"name": self.label}


def part(label: str, stands: dict[str, Made], *needs: Part, **more: Any) -> Part:
    return Part(SITE, label, stands, needs, **more)


def standing(**uses: tuple[str, ...]) -> dict[str, Made]:
    return {label: Made(f"id-{label}", label, used) for label, used in uses.items()}


def found(*steps: Part) -> list[Intent]:
    run = Looking.of(offline_run())
    seen = intents(run, steps, survey(run, steps))
    assert run.events.changes == {}
    return seen


def words(*steps: Part) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(one.step.purpose, one.what, one.texts) for one in found(*steps)]


def test_what_is_missing_is_created_and_what_is_as_it_should_be_is_kept() -> None:
    stands = standing(a=())
    assert words(part("a", stands), part("b", stands)) == [
        ("a", "keep", ()), ("b", "create", ("CreatePart in us-east-1",))]


def test_what_differs_is_changed_in_the_words_of_verify() -> None:
    assert words(part("a", standing(a=()), findings=(Finding("its door is open"),))) == [
        ("a", "change", ("its door is open",))]


def test_what_cannot_change_is_replaced_and_who_uses_its_id_changes_with_it() -> None:
    stands = standing(a=(), b=("id-a",), c=("a",))
    old = part("a", stands, findings=(Finding("it is of another kind", anew=True),))
    assert words(old, part("b", stands, old), part("c", stands, old, by_name=True)) == [
        ("a", "replace", ("it is of another kind",)),
        ("b", "change", ("it uses id-a, not (known once part a us-east-1 is there)",)), ("c", "keep", ())]


def test_who_uses_the_id_of_what_is_made_anew_changes_and_who_knows_its_name_does_not() -> None:
    stands = standing(b=("id-of-a-former-a",), c=("a",))
    gone = part("a", stands)
    assert [(name, what) for name, what, _ in words(
        gone, part("b", stands, gone), part("c", stands, gone, by_name=True))] == [
            ("a", "create"), ("b", "change"), ("c", "keep")]


def raising(error: Exception) -> Callable[[Run], object]:
    def happens(run: Run) -> object:
        raise error

    return happens


def test_what_a_step_refuses_is_told_with_the_way_before_anything_is_changed() -> None:
    error = Refused("its data would be replaced", next_step="put the configuration back")
    [intent] = found(part("a", standing(a=()), at_ensure=raising(error)))
    assert (intent.what, intent.texts, intent.way) == ("refused", ("its data would be replaced",),
                                                       "put the configuration back")


def test_what_has_our_name_without_our_tag_is_told_as_not_ours() -> None:
    [intent] = found(part("a", {}, at_ensure=raising(NotOurs("it is of others", next_step="rename it"))))
    assert (intent.what, intent.texts, intent.way) == ("not-ours", ("it is of others",), "rename it")


def test_a_finding_that_provision_does_not_mend_stands_in_its_way() -> None:
    [intent] = found(part("a", standing(a=()), findings=(Finding("its engine is old", mend="upgrade it"),)))
    assert (intent.what, intent.texts, intent.way) == ("refused", ("its engine is old",), "upgrade it")


def test_what_passes_by_itself_is_kept_and_what_provision_would_wait_for_is_told() -> None:
    def wait(run: Run) -> object:
        return run.wait_until("it is available", lambda: "modifying", lambda state: state == "available", within=60)

    [intent] = found(part("a", standing(a=()), at_ensure=wait, findings=(
        Finding("it is modifying", mend="wait until it is available"),)))
    assert (intent.what, intent.waits) == ("keep", ("it is available (now: modifying)",))


def test_what_could_not_be_seen_is_unknown_with_its_reason() -> None:
    @dataclass(frozen=True, eq=False)
    class Unseen(Part):
        def find(self, run: Run) -> Made | None:
            raise refusal("AccessDenied", "not for you", "DescribePart")

    stands = standing(b=("id-a",))
    unseen = Unseen(SITE, "a", stands)
    first, second = found(unseen, part("b", stands, unseen))
    assert first.what == second.what == "unknown"
    assert "not for you" in first.texts[0]


def test_an_error_of_ensure_is_told_and_not_taken_for_an_intent() -> None:
    [intent] = found(part("a", standing(a=()), at_ensure=raising(refusal("AccessDenied", "not for you"))))
    assert (intent.what, "not for you" in intent.texts[0]) == ("unknown", True)
