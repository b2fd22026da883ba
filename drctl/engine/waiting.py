"""The only place that waits and repeats: every wait is a sentence, every look is seen, every wait has an end.

Looks begin close together and spread to `every`; times are AWS seconds and scale with the clock's speed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from botocore.exceptions import ClientError
from tenacity import RetryCallState, RetryError, Retrying, retry_if_exception, retry_if_not_result
from tenacity.wait import wait_exponential

from drctl.aws.errors import AwsError, Refusal, code_of, is_one_of, message_of
from drctl.engine.clock import Clock
from drctl.engine.events import Events
from drctl.errors import Interrupted, WaitFailed, WaitTimeout

T = TypeVar("T")

#: First pause between two looks in AWS seconds; each further pause is half as long again, up to `every`.
FIRST_PAUSE = 2.0
#: Real seconds that pauses grow to at least: in a fast lab a long wait is one for this machine, which must get to work.
CALM = 0.02


def minutes(count: float) -> float:
    """Minutes in seconds, for limits that documents give in minutes."""
    return count * 60


class Waiting:
    """Waits of one run: they share its clock and tell its events."""

    def __init__(self, clock: Clock, events: Events) -> None:
        self._clock = clock
        self._events = events

    def wait_until(self, sentence: str, look: Callable[[], T], ready: Callable[[T], bool], *, within: float,
                   every: float = 10.0, failed: Callable[[T], str | None] = lambda _: None,
                   show: Callable[[T], str] = str) -> T:
        """Look until `ready`; `within` and `every` are AWS seconds.

        `failed` names the reason when a look shows that the wished state cannot come any more (WaitFailed).
        Raises WaitTimeout with what was last seen, and Interrupted when the operator stops the run.
        """
        began = self._clock.now()

        def one_look() -> T:
            self._refuse_when_stopped(sentence)
            seen = look()
            self._events.emit("waiting", sentence=sentence, seen=show(seen)[:120],
                              aws_seconds=round(self._clock.now() - began, 1))
            if reason := failed(seen):
                raise WaitFailed(f"{sentence}: {reason}")
            return seen

        try:
            return self._retrying(began, within, every, retry_if_not_result(ready))(one_look)
        except RetryError as end:
            seen, span = show(end.last_attempt.result()), _span(self._clock.now() - began)
            raise WaitTimeout(f"{sentence}: not so after {span}; last seen: {seen}") from None

    def retry(self, sentence: str, call: Callable[[], T], on: tuple[Refusal, ...], *, within: float,
              every: float = 10.0) -> T:
        """Repeat `call` while AWS answers with one of `on`; any other answer is raised at once.

        When the time is over the last answer is raised, with the sentence in it.
        """
        began = self._clock.now()

        def one_try() -> T:
            self._refuse_when_stopped(sentence)
            try:
                return call()
            except AwsError as error:
                if is_one_of(error, *on):
                    self._events.emit("waiting", sentence=sentence, seen=f"{code_of(error)}: {message_of(error)[:90]}",
                                      aws_seconds=round(self._clock.now() - began, 1))
                raise

        condition = retry_if_exception(lambda error: is_one_of(error, *on))
        try:
            return self._retrying(began, within, every, condition, reraise=True)(one_try)
        except ClientError as error:
            if not is_one_of(error, *on):
                raise
            raise _with(error, f"{sentence}: not so after {_span(self._clock.now() - began)}") from error

    def _retrying(self, began: float, within: float, every: float, condition: Any, *,
                  reraise: bool = False) -> Retrying:
        def over(_: RetryCallState) -> bool:
            spent = self._clock.now() - began
            return spent >= within and spent >= self._clock.patience_s * self._clock.speed

        longest = max(every, CALM * self._clock.speed)
        return Retrying(retry=condition, stop=over, sleep=self._clock.sleep, reraise=reraise,
                        wait=wait_exponential(multiplier=FIRST_PAUSE, exp_base=1.5, max=longest))

    def _refuse_when_stopped(self, sentence: str) -> None:
        if self._clock.stopped:
            raise Interrupted(f"stopped while waiting until {sentence}")


def _with(error: ClientError, text: str) -> ClientError:
    """The same answer of AWS, of the same class, with what was waited for before AWS's own words."""
    response: Any = {**error.response, "Error": {**error.response.get("Error", {}),
                                                 "Message": f"{text}; AWS said last: {message_of(error)}"}}
    return type(error)(response, error.operation_name)


def _span(seconds: float) -> str:
    """A length of AWS time as people say it."""
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
