"""Opens a run for a command: settings, door to AWS, journal, progress, Ctrl-C; and closes it with a report."""

from __future__ import annotations

import os
import platform
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click

from drctl import __version__
from drctl.actions.notify import Notices, channels_of
from drctl.aws.clients import Aws, Credentials, Door, boto_version
from drctl.aws.errors import AwsError, code_of
from drctl.aws.fence import Fence
from drctl.aws.retries import is_silence
from drctl.cli import failures
from drctl.cli.asked import Asked
from drctl.cli.progress import Progress, progress_for
from drctl.cli.stopping import ends_on_ctrl_c, stops_on_ctrl_c
from drctl.configuration import load, packaged_lab
from drctl.engine import rundir
from drctl.engine.clock import Clock
from drctl.engine.copies import Copying
from drctl.engine.events import Events
from drctl.engine.journal import Journal
from drctl.engine.owner import myself
from drctl.engine.report import report_of
from drctl.engine.run import Aside, Run
from drctl.engine.rundir import RunDirectory
from drctl.engine.runner import failure_of
from drctl.errors import DrctlError, Interrupted, Refused, RunFailed
from drctl.settings import Settings, Site

if TYPE_CHECKING:
    from drctl.cli.lab_clients import LabClients
    from drctl.lab.process import LabState


def settings_of(config_path: Path | None) -> Settings:
    """The settings a command works with."""
    return load(config_path or packaged_lab())


@dataclass(frozen=True)
class Way:
    """How requests reach AWS or the lab."""

    door: Door
    name_server: tuple[str, int] | None = None
    #: The lab of this home, if it is what is reached.
    lab: LabState | None = None

    @property
    def speed(self) -> float:
        """AWS seconds in a second."""
        return self.door.speed

    def is_cut(self) -> bool:
        """Whether nobody listens any more where the lab should be."""
        if self.door.waits_for_endpoint or self.door.endpoint_url is None:
            return False
        place = urlsplit(self.door.endpoint_url)
        try:
            socket.create_connection((place.hostname or "", place.port or 80), timeout=2).close()
        except OSError:
            return True
        return False

    def cut(self) -> DrctlError:
        """The error that says so."""
        from drctl.lab.process import LabDown

        if "AWS_ENDPOINT_URL" in os.environ:
            return LabDown(f"nothing answers at {self.door.endpoint_url}, which AWS_ENDPOINT_URL names",
                           next_step="start what should answer there, or unset AWS_ENDPOINT_URL to work with drctl's "
                                     "own lab")
        return LabDown(f"the lab at {self.door.endpoint_url} does not answer any more; what was in it is gone",
                       next_step="drctl provision starts another lab and builds the stack in it")


def way_if_there(settings: Settings) -> Way | None:
    """The way to the settings' target, None when it would be a lab and none runs."""
    if settings.target == "lab" and "AWS_ENDPOINT_URL" not in os.environ:
        from drctl.lab import process

        if process.running() is None:
            return None
    return way_to(settings)


def way_to(settings: Settings) -> Way:
    """The way to the settings' target; starts a lab, and says so, when the target is one and none runs."""
    given = os.environ.get("AWS_ENDPOINT_URL")
    if settings.target == "aws":
        return Way(Door(endpoint_url=given, speed=float(os.environ.get("DRCTL_SPEED", "1")) if given else 1.0))
    keys = Credentials("lab", "lab")
    from drctl.lab import process

    lab = process.running()
    if lab is None and given is None:
        stopped = process.state()
        lab, _ = process.up()
        why = f"the one at {stopped.endpoint} is gone, and what was in it" if stopped else "none was running"
        click.echo(f"lab: started at {lab.endpoint}, speed {lab.speed:g} ({why})", err=True)
    speed = lab.speed if lab else float(os.environ.get("DRCTL_SPEED", process.DEFAULT_SPEED))
    server = None
    if lab and lab.dns:
        host, _, port = lab.dns.rpartition(":")
        server = (host, int(port))
    door = Door(endpoint_url=given or (lab.endpoint if lab else None), credentials=keys, speed=speed,
                waits_for_endpoint=False)
    return Way(door, server, lab if given is None else None)


@dataclass
class Session:
    """An open run, and what is shown of it."""

    command: str
    way: Way
    run: Run
    directory: RunDirectory
    progress: Progress
    report: dict[str, Any]
    #: Copies the journal to the control buckets, once the run has them.
    copying: Copying | None = None

    def end_copying(self) -> None:
        """No part of the journal is copied from now on."""
        if self.copying is not None:
            self.copying.end()
            self.copying = None


@contextmanager
def opened(command: str, asked: Asked, *, hurry: bool = False) -> Iterator[Session]:
    """A run with its journal; at the end, however it comes, the report is written, as JSON and as a page.

    What was asked for, with the settings, lets any machine go on with the run. With `hurry` no call waits longer than
    while a region is lost. A DrctlError passes through after it was recorded; the journal says how the run ended.
    """
    settings = asked.settings
    way = way_to(settings)
    if hurry:
        way = replace(way, door=way.door.in_a_hurry(settings.failover))
    directory = rundir.new(command)
    clock = Clock(way.speed)
    journal = Journal(directory.journal)
    progress = progress_for(clock)
    events = Events(clock, journal, progress)
    run = _run(directory.id, settings, way, clock, events)
    clients = _clients(run, way)
    if clients is not None:
        progress.shows(clients.counted)
    events.emit("run-started", command=command, environment=settings.environment, target=settings.target,
                version=__version__, versions=_versions(), settings=settings.model_dump(mode="json"),
                owner=asdict(myself()), approval=asked.approval, request=dict(asked.request),
                **({"resumes": asked.resumes} if asked.resumes else {}))
    session = Session(command, way, run, directory, progress, {})
    outcome, error = "done", None
    try:
        with progress, stops_on_ctrl_c(run), explained(command, way):
            yield session
    except DrctlError as failure:
        outcome, error = _outcome(failure), failure
        raise
    except BaseException:
        outcome = "failed"
        raise
    finally:
        if clients is not None:
            clients.close()
        ending = {} if error is None else {"error": failures.as_dict(error),
                                           "failures": failures.as_dict(error).get("failures", [])}
        events.emit("run-ended", outcome=outcome, **ending)
        journal.close()
        session.report |= report_of(directory.id, directory.records())
        directory.write_report(session.report)
        session.end_copying()
        if error is not None:
            error.report = session.report
        write_page(directory, session.report)  # last: nothing of a run may wait for a picture of it


def _run(run_id: str, settings: Settings, way: Way, clock: Clock, events: Events) -> Run:
    door = way.door.in_a_hurry(settings.failover)  # these are asked whether their region is there at all
    alone = {site.region: Aws(door, events, Fence(settings.other(site).region, site.region)) for site in settings.sites}
    return Run(run_id, settings, Aws(way.door, events), clock, events, way.name_server, alone=alone)


def _clients(run: Run, way: Way) -> LabClients | None:
    """The witness that a lab has: clients of the users' name."""
    if way.lab is None:
        return None
    from drctl.cli.lab_clients import clients_of

    run.clients = clients = clients_of(way.lab, run.settings, run.clock)
    return clients


def take_for_lost(run: Run, site: Site) -> None:
    """From now on the run asks `site` nothing but aside, and the control planes that live there nothing at all."""
    run.lost, run.aside = site.region, Aside(run.alone[site.region])
    run.aws = run.alone[run.settings.other(site).region]


def notices(session: Session, what: str, source: Site, target: Site) -> Notices:
    """Messages about a move by the topic of the region that is moved to, and by the webhook; nothing waits for them."""
    run = session.run
    fence = Fence(run.lost, target.region) if run.lost else None
    return Notices(run, what, source.region, target.region,
                   channels_of(run, session.way.door, target, fence, os.environ))


@dataclass(frozen=True)
class Look:
    """A run that only reads, and its way."""

    run: Run
    way: Way


@contextmanager
def looking(settings: Settings, *, hurry: bool = False) -> Iterator[Look]:
    """A run that only reads: it leaves no directory behind. With `hurry` no call waits long."""
    way = way_to(settings)
    if hurry:
        way = replace(way, door=way.door.in_a_hurry(settings.failover))
    clock = Clock(way.speed)
    events = Events(clock)
    run = _run("look", settings, way, clock, events)
    with ends_on_ctrl_c(), explained("look", way):
        yield Look(run, way)


@contextmanager
def explained(command: str, way: Way) -> Iterator[None]:
    """What AWS or the SDK raises outside of any step becomes an error of ours; a lab that is gone is told as such."""
    try:
        yield
    except Interrupted:
        raise
    except (DrctlError, *AwsError) as error:
        if way.is_cut():
            raise way.cut() from error
        if isinstance(error, DrctlError):
            raise
        silent = is_silence(error)
        raise RunFailed("AWS did not answer" if silent else f"AWS answered {code_of(error)}",
                        failures=(failure_of(command, "", error),),
                        next_step="the same command again, once AWS answers" + " otherwise" * (not silent)) from error


def _outcome(error: DrctlError) -> str:
    return {3: "refused", 4: "problems found", 130: "interrupted"}.get(error.exit_code, "failed")


def write_page(directory: RunDirectory, report: Mapping[str, Any]) -> None:
    """Keep the report as a page beside it."""
    from drctl.cli.page import page  # its template engine is needed at the end of a run only

    directory.page.write_text(page(report), encoding="utf-8")


def _versions() -> dict[str, str]:
    """What the run was made with."""
    return {"drctl": __version__, "Python": platform.python_version(), "boto3": boto_version(),
            "system": f"{platform.system()} {platform.machine()}"}


def confirm(asked: Asked, question: str, *, typed: bool) -> str:
    """Ask before anything changes, and return how it was confirmed, for the report.

    Against AWS what moves traffic or deletes wants the environment's name typed.
    """
    settings = asked.settings
    if asked.yes:
        return "--yes"
    if settings.target == "lab":
        return "not asked for: the lab is nobody's production"
    try:
        if typed:
            answer = click.prompt(f"{question} Type the environment's name to go on", err=True)
            if answer != settings.environment:
                raise Refused(f"{answer!r} is not {settings.environment!r}; nothing was changed")
        elif not click.confirm(question, err=True):
            raise Refused("not confirmed; nothing was changed")
    except click.Abort:
        raise Refused("nobody confirmed; nothing was changed", next_step="--yes confirms beforehand") from None
    return f"{settings.environment!r} typed at the prompt" if typed else "yes at the prompt"
