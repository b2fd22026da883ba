"""A call whose answer was lost may have happened: AWS is looked at before anything goes on.

Steps and actions read AWS first and change only what differs, so doing one again is the look.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TypeVar

from drctl.aws.retries import AnswerLost
from drctl.engine.run import Run
from drctl.errors import Interrupted, RunFailed

T = TypeVar("T")

#: AWS seconds before the look: what was made by the lost call must have come into view (Terraform provider: EC2 and
#: IAM show most things within seconds).
SETTLE_S = 15.0
#: Answers of one operation that may be lost in one step. Each loss is looked into, so more than this is an outage.
LOSSES = 8


def knowing_every_answer(run: Run, what: str, work: Callable[[], T],
                         forget: Callable[[], object] = lambda: None) -> T:
    """Do `work`, and once more from its beginning after each call of it whose answer was lost.

    `forget` drops what is remembered from before the loss. Raises the last loss when one operation has lost its answer
    LOSSES times, and Interrupted when the run is stopped.
    """
    lost: Counter[tuple[str, str]] = Counter()
    while True:
        try:
            return work()
        except Exception as error:
            loss = _loss_behind(error)
            if loss is None:
                raise
            operation = (loss.operation_name, loss.region)
            lost[operation] += 1
            if lost[operation] >= LOSSES:
                raise
            run.events.emit("waiting", sentence=f"what became of {loss.operation_name}", seen=str(loss)[:120],
                            aws_seconds=0.0)
        run.clock.sleep(SETTLE_S)
        if run.clock.stopped:
            raise Interrupted(f"stopped while finding out what became of a call of {what}")
        forget()


def _loss_behind(error: BaseException | None) -> AnswerLost | None:
    """The loss that `error` comes from; one that was already looked into as often as allowed stays the end of it."""
    while error is not None and not isinstance(error, AnswerLost | RunFailed):
        error = error.__cause__
    return error if isinstance(error, AnswerLost) else None
