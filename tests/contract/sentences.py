"""Every sentence that a step can say while it waits, read from the source; and a run whose wait for one never ends."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

from botocore.exceptions import ClientError

import drctl.steps
from drctl.aws.errors import Refusal
from drctl.engine.run import Run

T = TypeVar("T")


@dataclass(frozen=True)
class Sentence:
    """A sentence as the source has it: `pattern` has a wildcard where a value is put in."""

    module: str
    text: str
    pattern: str
    #: wait_until or retry.
    call: str

    def __str__(self) -> str:
        return f"{self.module}: {self.text}"


def in_the_source() -> list[Sentence]:
    """The sentences of all waits in drctl/steps."""
    trees = {path.stem: ast.parse(path.read_text()) for path in sorted(Path(drctl.steps.__path__[0]).glob("*.py"))}
    return [Sentence(module, *_text_of(words), call.func.attr)  # type: ignore[attr-defined]  # _waits yields methods
            for home, tree in trees.items() for function in _functions(tree) for call in _waits(function)
            for module, words in _said(home, function, call.args[0], trees)]


def _functions(tree: ast.Module) -> Iterator[ast.FunctionDef]:
    """Functions and methods; those inside them are read with them."""
    for node in tree.body:
        for one in node.body if isinstance(node, ast.ClassDef) else (node,):
            if isinstance(one, ast.FunctionDef):
                yield one


def _waits(function: ast.FunctionDef) -> Iterator[ast.Call]:
    """Calls of `run.wait_until` and `run.retry`."""
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in {
                "wait_until", "retry"} and isinstance(node.func.value, ast.Name) and node.func.value.id == "run":
            yield node


def _said(home: str, function: ast.FunctionDef, words: ast.expr,
          trees: dict[str, ast.Module]) -> Iterator[tuple[str, ast.expr]]:
    """Where a sentence is written: here, or, when the function is given it, by those who call the function."""
    names = [one.arg for one in function.args.args]
    if not isinstance(words, ast.Name) or words.id not in names:
        yield home, words
        return
    for module, tree in trees.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and function.name in {
                    getattr(node.func, "id", ""), getattr(node.func, "attr", "")}:
                place = names.index(words.id) - (1 if names[0] == "self" else 0)
                given = [one.value for one in node.keywords if one.arg == words.id]
                yield from ((module, one) for one in given or node.args[place:place + 1])


def _text_of(node: ast.expr) -> tuple[str, str]:
    if isinstance(node, ast.Constant):
        return str(node.value), re.escape(str(node.value))
    if isinstance(node, ast.JoinedStr):
        parts = [_text_of(part) for part in node.values]
        return "".join(text for text, _ in parts), "".join(pattern for _, pattern in parts)
    return "…", ".*"


class Attention:
    """What the runs of a world say while they wait, and the sentence whose wait is not to end."""

    def __init__(self) -> None:
        self.sentences = in_the_source()
        #: Said since the run of the moment began.
        self.met: list[Sentence] = []
        #: Said, but nowhere in the source: the reading of the source is not complete.
        self.unknown: set[str] = set()
        self.target: Sentence | None = None
        #: What was said when the target was met, and whether it became so all the same.
        self.said, self.became_so = "", False
        #: Lets AWS stand still while the target is waited for.
        self.standing_still: Callable[[], AbstractContextManager[Any]] = nullcontext

    def is_target(self, said: str, call: str) -> bool:
        """Note what was said, and whether its wait is not to end."""
        sentence = spoken(said, call, self.sentences)
        if sentence is None:
            self.unknown |= set() if said.startswith("AWS shows ") else {said}  # that one is the runner's
            return False
        self.met.append(sentence)
        if sentence == self.target:
            self.said = said
        return sentence == self.target


@dataclass
class AttentiveRun(Run):
    """A run whose waits are noted; while it waits for the target, AWS stays as it is."""

    attention: Attention = field(default_factory=Attention)

    def wait_until(self, sentence: str, look: Callable[[], T], ready: Callable[[T], bool], **rest: Any) -> T:
        if not self.attention.is_target(sentence, "wait_until"):
            return super().wait_until(sentence, look, ready, **rest)  # type: ignore[no-any-return]  # of `rest`
        with self.attention.standing_still() as still:
            seen: T = super().wait_until(sentence, look, (lambda _: False) if still == "denied" else ready, **rest)
        self.attention.became_so = True
        return seen

    def retry(self, sentence: str, call: Callable[[], T], on: tuple[Refusal, ...], **rest: Any) -> T:
        if not self.attention.is_target(sentence, "retry"):
            return super().retry(sentence, call, on, **rest)

        def refused() -> T:
            raise ClientError({"Error": {"Code": on[0].code, "Message": f"{on[0].fragment} (as ever)"}}, "TheCall")

        with self.attention.standing_still():
            return super().retry(sentence, refused, on, **rest)


def spoken(said: str, call: str, sentences: list[Sentence]) -> Sentence | None:
    """The sentence of the source that was said: of those that fit, the one of the nearest caller."""
    fitting = {one.module: one for one in sorted(sentences, key=lambda one: len(one.text))
               if one.call == call and re.fullmatch(one.pattern, said)}
    frame: FrameType | None = sys._getframe(1)
    while frame and fitting:
        module = str(frame.f_globals.get("__name__", "")).removeprefix("drctl.steps.")
        if module in fitting:
            return fitting[module]
        frame = frame.f_back
    return None
