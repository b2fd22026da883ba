"""Every class of steps has a test in which its verify notices damage that was done on purpose."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.contract.cases import CASES

STEPS = Path(__file__).parents[1] / "steps"


def test_of_every_step_some_damage_is_noticed() -> None:
    noticed = {name for path in STEPS.glob("test_*.py") for name in _noticed(ast.parse(path.read_text()))}
    assert {type(case.step).__name__ for case in CASES} - noticed == set()


def test_a_test_that_says_so_looks_for_findings() -> None:
    """A mark on a test that never looks would be worth nothing."""
    words = ("assert_mended", "findings(", "wrong(", ".verify(", "pytest.raises")
    blind = [f"{path.name}: {test.name}" for path in STEPS.glob("test_*.py")
             for test in _marked(ast.parse(path.read_text())) if not any(word in ast.unparse(test) for word in words)]
    assert blind == []


def _marked(tree: ast.Module) -> Iterator[ast.FunctionDef]:
    return (node for node in tree.body if isinstance(node, ast.FunctionDef)
            and any("pytest.mark.notices(" in ast.unparse(mark) for mark in node.decorator_list))


def _noticed(tree: ast.Module) -> Iterator[str]:
    """Names of the classes in the marks of a module's tests."""
    for test in _marked(tree):
        for mark in test.decorator_list:
            if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.notices":
                yield from (ast.literal_eval(one) for one in mark.args)
