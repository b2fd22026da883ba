"""Notices: a run tells by SNS and a webhook that it begins, needs a decision, and how it ended; nothing waits for them.

Each message has a thread of its own, short time-outs and one try. What became of it is noted in the journal when it is
known before the run's end, which waits LAST_S seconds for all messages still under way, in sum.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from drctl.actions.webhook import ANSWER_S, CONNECT_S, VARIABLE, Webhook
from drctl.aws.clients import Aws, Door, Region
from drctl.aws.errors import code_of
from drctl.aws.fence import Fence
from drctl.aws.hooks import Unheard
from drctl.engine.owner import myself
from drctl.engine.run import Run
from drctl.errors import DrctlError
from drctl.settings import Site
from drctl.steps.topic import topic_arn

#: Real seconds that the end of a run waits for messages under way.
LAST_S = 2.0
#: Characters of an error that a message repeats.
REPEATED = 200
#: Longest subject of a message (SNS API Reference, Publish).
SUBJECT = 100
OUTCOMES = {3: "refused", 4: "problems found", 130: "interrupted"}


class Channel(Protocol):
    """Where messages go; its text is its name."""

    def send(self, text: str) -> str:
        """Why the message was not taken, in words without secrets; empty when it was."""


@dataclass(frozen=True)
class TopicChannel:
    """The alarms' topic of a region. Its clients are made when the first message is sent, in that message's thread."""

    region: Region
    arn: str

    def __str__(self) -> str:
        return f"the topic {self.arn}"

    def send(self, text: str) -> str:
        subject = text.splitlines()[0].encode("ascii", "replace").decode()[:SUBJECT]
        try:
            self.region.sns.publish(TopicArn=self.arn, Subject=subject, Message=text)
        except ClientError as error:
            return code_of(error)
        except (DrctlError, BotoCoreError) as error:
            return str(error)
        return ""


def channels_of(run: Run, door: Door, at: Site, fence: Fence | None, environ: Mapping[str, str]) -> list[Channel]:
    """The topic of a region, and the webhook that the environment names; one that cannot be used is noted."""
    brief = replace(door, connect_timeout_s=CONNECT_S, read_timeout_s=ANSWER_S, attempts=1)
    channels: list[Channel] = [TopicChannel(Aws(brief, Unheard(), fence)[at.region], topic_arn(run, at))]
    webhook = Webhook(environ.get(VARIABLE, "").strip())
    if webhook.url and webhook.objection:
        run.say(f"no message goes to the webhook: {webhook.objection}")
    elif webhook.url:
        channels.append(webhook)
    return channels


class Notices:
    """The messages of one run that moves the traffic from `source` to `target`; `what` it is called: drill, failover.

    As a context manager it tells the beginning and the end, with the run's measures. No method raises or waits; the end
    waits LAST_S seconds at most.
    """

    def __init__(self, run: Run, what: str, source: str, target: str, channels: Sequence[Channel]) -> None:
        self._run, self._what, self._way, self._channels = run, what, f"{source} → {target}", channels
        self._under_way: list[tuple[threading.Thread, str]] = []
        self._lock = threading.Lock()
        self._open = True

    def __enter__(self) -> Notices:
        self.started()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if error is None:
            self.ended("done", self._run.measures)
        elif isinstance(error, DrctlError):
            self.ended(OUTCOMES.get(error.exit_code, "failed"), self._run.measures, error.message)
        else:
            self.ended("failed", self._run.measures, type(error).__name__)
        self.finish()

    def started(self) -> None:
        """The run begins."""
        promised = self._run.settings.objectives
        self._tell("begun", f"objectives RTO {promised.rto_minutes:g} min, RPO {promised.rpo_minutes:g} min")

    def decision_needed(self, question: str) -> None:
        """The run waits for somebody: who hears it learns what is asked."""
        self._tell("needs a decision", question)

    def ended(self, outcome: str, measures: Mapping[str, Any], error: str = "") -> None:
        """The run has ended so, with these figures of its report."""
        self._tell(outcome, error[:REPEATED], *figures(measures))

    def finish(self) -> None:
        """Wait LAST_S seconds for what is under way; what happens to it afterwards is not noted any more.

        A second time it does nothing.
        """
        over = time.monotonic() + LAST_S
        under_way, self._under_way = self._under_way, []
        for thread, _ in under_way:
            thread.join(timeout=max(0.0, over - time.monotonic()))
        with self._lock:
            self._open = False
            for thread, message in under_way:
                if thread.is_alive():
                    self._run.say(f"{message}: no answer before the run's end")

    def _tell(self, happened: str, *more: str) -> None:
        settings, first = self._run.settings, f"drctl {self._what} of {self._run.settings.environment}"
        simulated = " (simulated)" if settings.target == "lab" else ""
        second = "; ".join([*(" ".join(one.split()) for one in more if one), f"run {self._run.id} by {myself().name}"])
        text = f"{first}: {happened}{simulated}, {self._way}\n{second}"
        for channel in self._channels:
            message = f"message {happened!r} to {channel}"
            thread = threading.Thread(target=self._send, args=(channel, text, message), name=message, daemon=True)
            try:
                thread.start()
            except RuntimeError:  # no more threads: the run needs them more
                self._note(f"{message}: not sent, this machine has no thread left")
            else:
                self._under_way.append((thread, message))

    def _send(self, channel: Channel, text: str, message: str) -> None:
        try:
            why = channel.send(text)
        except Exception as error:  # whatever it is, it is not the run's
            why = type(error).__name__  # its words may hold the address
        self._note(f"{message}: not taken, {why}" if why else f"{message}: sent")

    def _note(self, text: str) -> None:
        with self._lock:
            if self._open:
                self._run.say(text)


def figures(measures: Mapping[str, Any]) -> list[str]:
    """RTO and RPO as people say them, beside what was promised; nothing where nothing was measured."""
    promised = measures.get("objectives", {})
    said = []
    for name, key in (("RTO", "rto_s"), ("RPO", "rpo_s")):
        if key in measures:
            limit = f" (objective {_span(promised[key])})" if key in promised else ""
            said.append(f"{name} {_span(measures[key])}{limit}")
    if "lost_rows" in measures:
        said.append(f"{measures['lost_rows']} rows lost")
    return said


def _span(seconds: float) -> str:
    return f"{seconds:g} s" if seconds < 120 else f"{seconds / 60:.1f} min"
