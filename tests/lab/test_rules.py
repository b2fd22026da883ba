"""Every rule of the lab says what it is and where it is written, can be switched off, and is held by a test."""

from __future__ import annotations

import ast
import inspect
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from drctl.lab.rules import RULES, SWITCHED_OFF, is_on, layer_rule, operation, rule, unknown_rules
from drctl.lab.server import Lab

TESTS = Path(__file__).parent.parent
#: What a docstring says of a rule that refuses (a code of AWS, a refusal in words) or delays.
REFUSES = re.compile(r"\b[A-Z][a-z0-9]+(?:[A-Z]+[a-z0-9]*)+\b|\b\w+\.(?:NotFound|InUse|Duplicate)|[Rr]efuse")
DELAYS = re.compile(r"\b(?:later|until|pending|minutes?|seconds?|hours?|days?|a while|for a moment|late|lags?|first)\b",
                    re.IGNORECASE)


def marks(path: Path) -> set[str]:
    """Names in `pytest.mark.rule(...)`; where a mark takes its name from a table, the rules that the tables name."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    called = {"pytest.mark.rule"} | {ast.unparse(node.targets[0]) for node in tree.body
                                     if isinstance(node, ast.Assign) and ast.unparse(node.value) == "pytest.mark.rule"}
    given = [node.args[0] for node in ast.walk(tree)
             if isinstance(node, ast.Call) and ast.unparse(node.func) in called]
    named = {str(one.value) for one in given if isinstance(one, ast.Constant)}
    if not all(isinstance(one, ast.Constant) for one in given):
        named |= {text for table in _tables(tree) for text in _texts(table) if text in RULES}
    return named


def _tables(tree: ast.Module) -> Iterator[ast.AST]:
    """What a module assigns at its top, and what its tests are parametrized with."""
    for node in tree.body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value:
            yield node.value
        elif isinstance(node, ast.FunctionDef):
            yield from node.decorator_list


def _texts(tree: ast.AST) -> Iterator[str]:
    return (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str))


def holders() -> dict[str, set[str]]:
    """The test modules that hold each rule."""
    found: dict[str, set[str]] = defaultdict(set)
    for path in TESTS.rglob("test_*.py"):
        for name in marks(path):
            found[name].add(path.name)
    return found


def test_every_rule_is_held_by_a_test_that_goes_red_without_it() -> None:
    missing = sorted(set(RULES) - holders().keys())
    assert not missing, f"{len(missing)} of {len(RULES)} rules are held by no test: {', '.join(missing)}"


def test_every_mark_names_a_rule() -> None:
    strangers = {name: modules for name, modules in holders().items() if name not in RULES}
    assert not strangers


def test_every_rule_says_in_a_line_what_it_is_and_where_it_is_written() -> None:
    poor = [name for name, known in RULES.items()
            if not re.match(r"\S.{15,118}\n", known.text.strip() + "\n")
            or not re.search(r"Source: \S[^.]{8,}", " ".join(known.text.split()))]
    assert not poor


def test_a_hundred_rules_at_least_refuse_or_delay() -> None:
    texts = {name: known.text.partition("Source:")[0] for name, known in RULES.items()}
    refuse = {name for name, text in texts.items() if REFUSES.search(text)}
    delay = {name for name, text in texts.items() if DELAYS.search(text)}
    assert len(refuse | delay) >= 100
    assert len(refuse) >= 80
    assert len(delay) >= 20


def test_names_are_words_with_hyphens() -> None:
    assert not [name for name in RULES if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name)]


def test_strict_is_the_default(lab: Lab) -> None:
    assert not SWITCHED_OFF
    assert inspect.signature(Lab).parameters["without"].default == ()


class Door:
    """Something to put a rule around."""

    def knock(self) -> str:
        return "as it was"


def test_a_rule_can_be_switched_off_by_name() -> None:
    try:
        @rule("test-knock", Door, "knock")
        def knock(proceed: object, self: Door) -> str:
            """A door says something else. Source: nowhere."""
            return "otherwise"

        assert Door().knock() == "otherwise"
        SWITCHED_OFF.add("test-knock")
        assert Door().knock() == "as it was"
        assert not is_on("test-knock")
    finally:
        SWITCHED_OFF.discard("test-knock")
        RULES.pop("test-knock", None)


@pytest.mark.parametrize("install", [rule("x", Door, "knock"), operation("x", Door, "knock"), layer_rule("x")])
def test_a_rule_without_a_source_is_not_installed(install: object) -> None:
    def silent() -> None:
        """It says nothing of where it comes from."""

    with pytest.raises(ValueError, match="must say its source"):
        install(silent)  # type: ignore[operator]  # each of the three takes a function
    assert "x" not in RULES


def test_an_unknown_name_is_told_with_the_nearest() -> None:
    assert unknown_rules(["nat-pending"], RULES) == ""
    told = unknown_rules(["nat-pending", "nat-pendin"], RULES)
    assert told == "the lab has no rule 'nat-pendin'; did you mean nat-pending?"
    assert unknown_rules(["zzz"], RULES) == "the lab has no rule 'zzz'"
