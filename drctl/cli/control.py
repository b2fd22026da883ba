"""What surrounds a run that changes something: the leases in both control buckets, and copies of its journal there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import click

from drctl.aws.clients import Aws
from drctl.aws.errors import AwsError
from drctl.aws.fence import Fence
from drctl.aws.hooks import Unheard
from drctl.cli.session import Session, Way
from drctl.engine import runner
from drctl.engine.copies import Copying, Shelf
from drctl.engine.holding import Holding, lasts
from drctl.engine.holding_aside import HoldingAside
from drctl.engine.lease import Lease, NoControlBucket, Seen, Terms
from drctl.engine.lost import SETTLE_S
from drctl.engine.owner import myself
from drctl.errors import DrctlError, Refused
from drctl.names import Names
from drctl.settings import Settings, Site
from drctl.stack import Stack
from drctl.steps.control_bucket import CONTROL

#: Seconds for a connection and for an answer of S3 where a lease is concerned: far less than it lasts.
CONNECT_S, ANSWER_S = 3.0, 10.0
#: `--take-over` without a name: the person is asked to type it.
ASK = "?"


@dataclass(frozen=True)
class Control:
    """The control buckets of a stack, reached by clients of their own with short time-outs."""

    settings: Settings
    aws: Aws
    #: The regions whose control buckets are asked, in the order in which everybody takes the leases.
    sites: tuple[Site, ...]

    @classmethod
    def of(cls, settings: Settings, way: Way) -> Control:
        """The control buckets behind the same door as the run.

        Leases and copies are no calls of the run: were they in the journal, each copy would make another one needed.
        """
        door = replace(way.door, connect_timeout_s=CONNECT_S, read_timeout_s=ANSWER_S)
        return cls(settings, Aws(door, Unheard()), settings.sites)

    @classmethod
    def of_survivor(cls, settings: Settings, way: Way, site: Site) -> Control:
        """The control bucket of `site` while the other region is lost: asked once, for nobody may wait for it."""
        door = replace(way.door.in_a_hurry(settings.failover), attempts=1)
        return cls(settings, Aws(door, Unheard(), Fence(settings.other(site).region, site.region)), (site,))

    def leases(self) -> list[Lease]:
        """One in each region."""
        return [Lease(self.aws[site.region].s3, self._bucket(site.region), self.settings.account_id, site.region)
                for site in self.sites]

    def shelves(self) -> list[Shelf]:
        """Where copies of journals are kept, one in each region."""
        return [Shelf(self.aws[site.region].s3, self._bucket(site.region), self.settings.account_id, site.region)
                for site in self.sites]

    def _bucket(self, region: str) -> str:
        return Names(self.settings.environment, self.settings.account_id)("s3", CONTROL, region)


@contextmanager
def held(session: Session, stack: Stack, take_over: str, *, builds: bool = False) -> Iterator[Holding]:
    """The leases of both regions while the body runs.

    With `builds` the control buckets are made where they are missing; otherwise their absence raises NoControlBucket.
    What an earlier run has begun and not brought to its end is the holding's `inherited`. Raises Refused when somebody
    else holds a lease.
    """
    control = Control.of(session.run.settings, session.way)
    if builds:
        runner.build(session.run, stack.control.all)
    leases = control.leases()
    holding = _holding(session, leases)
    abandoned = [terms for terms in holding.begin(_typed(take_over, leases)) if not terms.released]
    with _renewed(session, holding, control):
        _let_settle(session, abandoned)
        yield holding


@contextmanager
def held_by_survivor(session: Session, site: Site, take_over: str) -> Iterator[Holding]:
    """The lease of `site` alone, while the other region is lost.

    A control bucket that does not answer keeps nobody from a failover, nor does one that stops answering: then it goes
    on without a lease, and says so.
    """
    control = Control.of_survivor(session.run.settings, session.way, site)
    leases = control.leases()
    holding = _holding(session, leases, HoldingAside)
    try:
        for terms in holding.begin(_typed(take_over, leases)):
            if not terms.released:
                session.run.say(f"lease taken over from {terms.owner.name}, process {terms.owner.pid}: run {terms.run}")
    except (NoControlBucket, *AwsError) as error:
        session.run.say(f"NO LEASE: the control bucket of {site.region} cannot be used ({error}); the failover goes on "
                        "all the same, so nobody else may begin one")
        yield _holding(session, ())
        return
    with _renewed(session, holding, control):
        yield holding


def _holding(session: Session, leases: Sequence[Lease], kind: type[Holding] = Holding) -> Holding:
    terms = Terms(myself(), session.run.id, session.command, datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
                  lasts(session.way.speed))
    return kind(leases, terms, session.run.clock, session.run.say)


@contextmanager
def _renewed(session: Session, holding: Holding, control: Control) -> Iterator[None]:
    """What is held guards every change while the body runs, and its journal is copied."""
    run = session.run
    run.events.guard = holding.refuse_when_lost
    session.copying = Copying(run.id, session.directory.journal, control.shelves())
    session.copying.begin()
    try:
        yield
    except DrctlError as error:
        if holding.lost is None:
            raise
        holding.lost.findings = (error.message,)
        raise holding.lost from error
    finally:
        run.events.guard = None
        holding.end()
        if holding.silent:
            session.copying.wait_no_more()


def _let_settle(session: Session, abandoned: Sequence[Terms]) -> None:
    """What a process made just before it died must have come into view before anybody looks for it."""
    if not abandoned:
        return
    for name, pid, command, run_id in {(one.owner.name, one.owner.pid, one.command, one.run) for one in abandoned}:
        session.run.say(f"lease taken over from {name}, process {pid}, whose {command} did not come to its end: "
                        f"run {run_id}")
    session.run.clock.sleep(SETTLE_S)


def _typed(take_over: str, leases: Sequence[Lease]) -> str:
    """The owner's name that a person has typed; asked for when only `--take-over` was said."""
    if take_over != ASK:
        return take_over
    holders = [seen for seen in map(_seen, leases) if seen is not None and not seen.is_free]
    if not holders:
        return ""
    terms = holders[0].terms
    click.echo(f"{terms.owner.name} holds the lease since {terms.since}: {terms.command}, run {terms.run}, process "
               f"{terms.owner.pid} on {terms.owner.host}", err=True)
    try:
        return str(click.prompt("Take it over only if that process is dead. Type the owner's name to go on", err=True))
    except click.Abort:
        raise Refused("nobody typed the owner's name; nothing was changed",
                      next_step=f"--take-over {terms.owner.name}") from None


def _seen(lease: Lease) -> Seen | None:
    try:
        return lease.look()
    except NoControlBucket:
        return None
