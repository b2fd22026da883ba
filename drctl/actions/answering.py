"""Who answers, of both regions, and what could not be seen and why: made of the answers of one glance."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from botocore.exceptions import ClientError

from drctl.actions.probe import ProbeFailed
from drctl.aws.errors import code_of
from drctl.engine.glance import was_silent
from drctl.engine.lease import NoControlBucket
from drctl.engine.looks import Answers, Unanswered
from drctl.engine.run import NotBuilt
from drctl.errors import Refused

#: What AWS answers by, not with.
ABSENT = (NotBuilt, NoControlBucket)
#: Statuses from which on it is AWS that has failed.
FAILED = 500

Manner = Literal["yes", "in part", "with errors only", "no"]


@dataclass(frozen=True)
class Unseen:
    """One thing that could not be seen; `because` is the reason in short, `why` all of it."""

    region: str
    what: str
    because: str
    why: str


def is_absent(answer: Any) -> bool:
    """Whether the answer is that there is no such thing."""
    return answer is None or (isinstance(answer, Unanswered) and isinstance(answer.error, ABSENT))


def is_unseen(answer: Any) -> bool:
    """Whether nobody knows, for no answer came, or none that tells."""
    return isinstance(answer, Unanswered) and not isinstance(answer.error, ABSENT)


def has_answered(answer: Any) -> bool:
    """Whether the region has answered at all: what it refuses to tell is an answer, and that it fails itself is none.
    """
    if not is_unseen(answer):
        return True
    if isinstance(answer.error, ClientError):
        return not _failed(answer.error)
    return isinstance(answer.error, ProbeFailed | Refused)


def status_of(error: ClientError) -> int:
    """The HTTP status of an answer."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def manner(answers: Answers) -> tuple[Manner, str]:
    """How a region answers, and what came instead where it does not."""
    unheard = [one for one in answers.values() if not has_answered(one)]
    if not unheard:
        return "yes", ""
    if len(unheard) < len(answers):
        return "in part", ""
    failing = next((one for one in unheard if isinstance(one.error, ClientError)), None)
    return ("no", in_short(unheard[0])) if failing is None else ("with errors only", in_short(failing))


def in_short(unanswered: Unanswered) -> str:
    """Why something was not seen, in a few words that are the same for the same reason."""
    if isinstance(unanswered.error, ClientError):
        status = status_of(unanswered.error)  # an answer without a body, to HeadObject, has no code
        return f"answered {status}" if status >= FAILED else code_of(unanswered.error)
    if unanswered.error is None or not was_silent(unanswered.error):
        return unanswered.why
    return "no answer"


def unseen(seen: Mapping[str, Answers]) -> Iterator[Unseen]:
    """Everything that could not be seen."""
    for region, answers in seen.items():
        for what, answer in answers.items():
            if is_unseen(answer):
                yield Unseen(region, what, in_short(answer), answer.why)


def refusal(seen: Mapping[str, Answers]) -> Exception | None:
    """What there is instead of any answer, where nothing at all was seen: the first error by which AWS, or the SDK,
    refuses. Raised as it is, it names its call."""
    every = [answer for answers in seen.values() for answer in answers.values()]
    if not all(map(is_unseen, every)):
        return None
    return next((one.error for one in every if one.error is not None and not was_silent(one.error)
                 and not _failed(one.error)), None)


def _failed(error: Exception) -> bool:
    return isinstance(error, ClientError) and status_of(error) >= FAILED
