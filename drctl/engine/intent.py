"""What provision would do with each step, by asking the step itself: `ensure` is begun, and stopped before it changes.

So a plan cannot say anything else than what is then done: both are the same lines of the same step.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from drctl.engine.placeholder import Placeholder
from drctl.engine.run import NotBuilt
from drctl.engine.step import Finding, Step, dependencies
from drctl.engine.survey import Looking, NotKnownYet, Seen, WouldChange, words_of
from drctl.errors import NotOurs, Refused

#: create, change, replace: provision does it. keep: it is as it should be. refused: provision stops there, and a person
#: has to decide. not-ours: the same, for something under our name without our tag. unknown: it could not be seen.
What = Literal["create", "change", "replace", "keep", "refused", "not-ours", "unknown"]
#: What provision does.
TO_DO: frozenset[What] = frozenset({"create", "change", "replace"})
#: What keeps provision from its end, or the plan from being whole.
IN_THE_WAY: frozenset[What] = frozenset({"refused", "not-ours", "unknown"})
#: How a finding says that provision mends it.
BY_PROVISION = Finding("").mend


@dataclass(frozen=True)
class Intent:
    """What provision would do with one step, in words, and what it would wait for."""

    step: Step[Any]
    what: What
    #: How it stands now; None when it does not.
    out: Any = None
    texts: tuple[str, ...] = ()
    #: What a person does about what is in the way.
    way: str = ""
    waits: tuple[str, ...] = ()
    #: Keys of the steps that have to be there before, and are not yet what they will be.
    after: tuple[str, ...] = ()


def intents(run: Looking, steps: Iterable[Step[Any]], seen: Mapping[Step[Any], Seen]) -> list[Intent]:
    """What provision would do with each step, what is needed first; makes no call that can change AWS."""
    found: dict[Step[Any], Intent] = {}
    for step in steps:
        late = [need for need in dependencies(step) if need in found and not _is_as_seen(found[need])]
        with run.events.at(step.key, step.region):
            intent = found[step] = (_unknown(step, seen[step].out, seen[step].unknown) if seen[step].unknown
                                    else _intent(run, step, seen[step], late))
            if not _is_as_seen(intent):
                run.remember(step, Placeholder(step, step.foreseen(run, intent.out)))
    return list(found.values())


def _is_as_seen(intent: Intent) -> bool:
    """Whether others will find the step as it was seen: with the same ids."""
    return intent.what in {"keep", "change", "unknown"} or (intent.what in {"refused", "not-ours"}
                                                            and intent.out is not None)


def _intent(run: Looking, step: Step[Any], seen: Seen, late: list[Step[Any]]) -> Intent:
    """`late` are needs of the step that will be others than they were seen to be."""
    if late:
        seen = _seen_again(run, step, seen)
    run.waits.clear()
    out = seen.out
    try:
        step.ensure(run)
    except NotOurs as theirs:
        return Intent(step, "not-ours", out, (theirs.message, *theirs.findings[1:]), theirs.next_step)
    except Refused as refused:
        if late and out is None:  # by what stood before its needs are there
            return _done(run, step, seen, late)
        return Intent(step, "refused", out, (refused.message, *refused.findings[1:]), refused.next_step)
    except (WouldChange, NotKnownYet, NotBuilt) as change:
        return _done(run, step, seen, late, words_of(change))
    except Exception as error:  # AWS, or a word that stands for an id and cannot do what an id can
        return _done(run, step, seen, late) if late else _unknown(step, out, words_of(error))
    return _kept(run, step, out, seen.findings)


def _done(run: Looking, step: Step[Any], seen: Seen, late: list[Step[Any]], first: str = "") -> Intent:
    """Provision changes the step; `first` is the first thing that it would do."""
    makes: What = ("create" if seen.out is None else
                   "replace" if any(one.anew for one in seen.findings) else "change")
    after = tuple(need.key for need in late)
    texts = tuple(one.text for one in seen.findings) or (() if after else (first,))
    return Intent(step, makes, seen.out, texts, waits=tuple(run.waits), after=after)


def _unknown(step: Step[Any], out: Any, why: str) -> Intent:
    return Intent(step, "unknown", out, (why,), "the same command again, once AWS answers otherwise")


def _seen_again(run: Looking, step: Step[Any], seen: Seen) -> Seen:
    """How the step will be found once its needs are there, and what will be wrong with it then."""
    out, findings = seen.out, seen.findings
    try:
        if out is None:
            out = step.find(run)
            run.remember(step, out)
        if out is not None:
            findings = tuple(step.verify(run, out))
    except Exception:  # noqa: S110  # nobody can say before they are there, and what was seen is still so
        pass
    return Seen(out, findings)


def _kept(run: Looking, step: Step[Any], out: Any, findings: Iterable[Finding]) -> Intent:
    """`ensure` changes nothing; what is wrong all the same passes by itself, or stops provision."""
    waits = tuple(run.waits)
    stays = [one for one in findings if not one.mend.startswith("wait") and not (waits and one.mend == BY_PROVISION)]
    if stays:
        return Intent(step, "refused", out, tuple(one.text for one in stays), stays[0].mend, waits)
    return Intent(step, "keep", out, tuple(one.text for one in findings), waits=waits)
