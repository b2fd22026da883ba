"""Finds out which region writes, and which one a failover is to leave, while either may be silent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from botocore.exceptions import ClientError

from drctl.actions.aftermath import Aftermath, aftermath_in
from drctl.actions.preflight import account, identity
from drctl.actions.prove import refuse_without
from drctl.aws.retries import is_silence
from drctl.cli.asked import Asked
from drctl.cli.control import Control
from drctl.cli.session import Session
from drctl.engine.looks import Answers, Unanswered, first_of, look_all
from drctl.engine.run import Run
from drctl.errors import Refused
from drctl.settings import Settings, Site
from drctl.stack import Stack
from drctl.steps.global_cluster import GlobalClusterOut

#: Real seconds in which one of the regions must tell who writes.
LOCATE_S = 8.0
#: The same where nobody is in a hurry.
PATIENCE_S = 15.0
#: The same for a look that goes on without a region.
SILENT_S = 5.0
#: Real seconds that a person who is asked anyway can wait for the lost region's answers; nobody else waits.
GRACE_S, NO_GRACE_S = 2.0, 0.05
#: Real seconds for the writer's region to tell that it is there, once one region has told who writes; and for its lease
#: to tell what was begun.
THERE_S, BEGUN_S = 0.05, 0.5


def named_source(asked: Asked) -> Site | None:
    """The region to leave, where it does not have to be found out: by --to, or of the run that is gone on with."""
    to = site_named(asked.settings, asked.request.get("to"))
    return asked.settings.other(to) if to else site_named(asked.settings, asked.told("from_region"))


def where_it_writes(run: Run, stack: Stack) -> Site:
    """The region of the writer, as the first region tells that answers at all. Raises Refused when none does."""
    return writer_and_who_answers(run, stack)[0]


def writer_and_who_answers(run: Run, stack: Stack, grace_s: float = 0.0) -> tuple[Site, frozenset[str]]:
    """The same, and the regions that have told it by `grace_s` real seconds after the first."""
    cluster = stack.database.global_cluster
    seen = first_of(_looks(run, stack), LOCATE_S, grace_s)
    answers = [one for one in seen.values() if not isinstance(one, Unanswered)]
    if not answers:
        for refusal in (one.error for one in seen.values()):
            if isinstance(refusal, ClientError):
                raise refusal  # both regions are there and refuse: that is no outage
        findings = tuple(f"{region}: {one.why}" for region, one in seen.items())
        raise Refused("neither region tells which of them writes; nothing was changed", findings=findings,
                      next_step="look at credentials and network; then the same command again; a failover with --to "
                                "REGION does without that answer")
    if answers[0] is None:
        raise Refused(f"there is no stack {run.settings.environment}", next_step="drctl provision")
    run.remember(cluster, answers[0])
    writer = site_named(run.settings, answers[0].writer) or run.settings.primary
    return writer, frozenset(region for region, answer in seen.items() if not isinstance(answer, Unanswered))


def _looks(run: Run, stack: Stack) -> dict[str, Callable[[], GlobalClusterOut | None]]:
    """Each region's own look at the global database, by clients that need that region alone."""
    return {region: partial(stack.database.global_cluster.find_from, run, aws[region])
            for region, aws in run.alone.items()}


def refuse_unless_both_answer(run: Run, stack: Stack, resumes: str = "") -> None:
    """Refused, within seconds, where one region is silent and both are needed, or there is no stack.

    `resumes` is the run that is gone on with: only an escalation knows which region it was to leave.
    """
    cluster = stack.database.global_cluster
    seen = look_all(_looks(run, stack), LOCATE_S)
    found = next((one for one in seen.values() if one is not None and not isinstance(one, Unanswered)), None)
    refuse_silent(seen, f"drctl failover --escalate {resumes}" if resumes else "drctl failover",
                  (found.writer or "") if found is not None and not resumes else "")
    if found is not None:
        run.remember(cluster, found)
    refuse_without(run, cluster)


def refuse_unless_both_accept_credentials(run: Run) -> None:
    """Refused, as soon, where one region is silent, and where the credentials are not those of this account.

    A region that refuses is asked again for the words of its refusal.
    """
    seen = look_all({site.region: partial(account, run.at(site), site) for site in run.settings.sites}, PATIENCE_S)
    refuse_silent(seen, within_s=PATIENCE_S)
    identity(run, {region: one for region, one in seen.items() if not isinstance(one, Unanswered)})


def those_that_do_not_answer(run: Run) -> list[str]:
    """The regions that are silent, asked at once by clients that nobody waits long for.

    Refused where none answers, and where the credentials are not those of this account in one that does.
    """
    seen = look_all({site.region: partial(account, run.alone[site.region][site.region], site)
                     for site in run.settings.sites}, SILENT_S)
    silent = [region for region, one in seen.items() if isinstance(one, Unanswered) and is_silence(one.error)]
    if len(silent) == len(seen):
        raise Refused(f"{' and '.join(silent)} do not answer: nothing was changed",
                      next_step="look at the network; then the same command again")
    for region, one in seen.items():
        if isinstance(one, Unanswered) and region not in silent and one.error is not None:
            raise one.error
        if isinstance(one, str) and one != run.settings.account_id:
            raise Refused(f"the credentials belong to account {one}; the configuration allows only "
                          f"{run.settings.account_id} ({region}); nothing was changed",
                          next_step="use the right profile (AWS_PROFILE), or correct account_id")
    return silent


def refuse_silent(seen: Answers, move: str = "drctl failover", writer: str = "", within_s: float = LOCATE_S) -> None:
    """Refused when a region has not answered a look; one that refuses, or fails, is there.

    `move` is what is left to do should that region be gone, unless it is known that the `writer` is in the other one.
    """
    silent = [region for region, one in seen.items() if isinstance(one, Unanswered) and is_silence(one.error)]
    if not silent:
        return
    whys = tuple(f"{region}: {seen[region].within(within_s)}" for region in silent)
    if len(silent) > 1:
        raise Refused(f"{' and '.join(silent)} do not answer: nothing was changed", findings=whys,
                      next_step="look at the network; then the same command again")
    is_needed = not writer or writer in silent
    raise Refused(f"{silent[0]} does not answer: nothing was changed", findings=whys, next_step="drctl status; " + (
        f"if the region is gone: {move}" if is_needed else f"the same command again, once {silent[0]} answers"))


def region_to_leave(asked: Asked, session: Session, stack: Stack) -> tuple[Site, Callable[[], bool]]:
    """The region to leave, and whether a failover from there was begun before.

    It is the one named, that of the failover gone on with, or the one found.
    """
    settings = asked.settings
    left = site_named(settings, asked.told("from_region"))
    resumes_one = asked.told("request", {}).get("mode") == "unplanned"
    if left is not None and resumes_one:
        return left, lambda: True
    if to := site_named(settings, asked.request.get("to")):
        source = settings.other(to)
        return source, partial(_goes_on, session, source)
    if left is not None:
        return escalated_from(asked, session.run, stack), lambda: True
    return _found(session, stack), lambda: True


def escalated_from(asked: Asked, run: Run, stack: Stack) -> Site:
    """The region to leave in the middle of a planned move: the one of the two that is gone, wherever the writer is.

    Raises Refused when none is.
    """
    writer, answering = writer_and_who_answers(run, stack, THERE_S)
    left = site_named(asked.settings, asked.told("from_region")) or writer
    if writer.region not in answering or writer == left:
        return writer
    _, answering = writer_and_who_answers(run, stack, GRACE_S)
    if left.region in answering:
        raise Refused(f"{writer.region} writes, and both regions answer: there is nothing to escalate",
                      next_step=f"drctl resume {asked.resumes}; if the database of {writer.region} is gone all the "
                                "same: drctl failover")
    return left


def _told_by(session: Session, survivor: Site) -> tuple[Mapping[str, str], Aftermath | Unanswered | None]:
    """What the lease of the surviving region tells to be unfinished, and its note of a failover; silence tells nothing.

    Nobody waits long for them.
    """
    run = session.run
    control = Control.of_survivor(run.settings, session.way, survivor)
    seen = look_all({"lease": control.leases()[0].look,
                     "note": lambda: aftermath_in(run, survivor, control.aws)}, BEGUN_S)
    lease = seen["lease"]
    return {} if lease is None or isinstance(lease, Unanswered) else lease.terms.unfinished, seen["note"]


def _goes_on(session: Session, source: Site) -> bool:
    """Whether a failover from `source` was begun before, as far as the surviving region tells."""
    begun, note = _told_by(session, session.run.settings.other(source))
    return (isinstance(note, Unanswered) or (note is not None and note.lost == source.region)
            or (begun.get("command"), begun.get("source")) == ("failover", source.region))


def _found(session: Session, stack: Stack) -> Site:
    """The region of a failover which did not come to its end, else the writer's.

    After a promotion the writer is in the surviving region, so its control bucket is asked what was begun, and which
    region was left. A bucket that is silent is not waited for: that the other region holds no connected copy tells as
    much, for no failover could go there. In an outage that is just detected the writer's region is the lost one, which
    does not even tell who writes: nothing is asked of it.
    """
    run, settings = session.run, session.run.settings
    writer, answering = writer_and_who_answers(run, stack, THERE_S)
    if writer.region not in answering:
        return writer
    begun, note = _told_by(session, writer)
    if begun.get("command") == "failover" and (source := site_named(settings, begun.get("source"))):
        run.say(f"going on with a failover from {source.region} that has not ended: run {begun.get('run')}")
        return source
    other = settings.other(writer)
    left = isinstance(note, Unanswered) or (note is not None and note.lost == other.region)
    if left and not run.output(stack.database.global_cluster).is_copy(other.region):
        run.say(f"{writer.region} writes, and {other.region} holds no connected copy: going on with a failover from "
                f"{other.region}")
        return other
    return writer


def site_named(settings: Settings, region: str | None) -> Site | None:
    """The site of a region, if it is one of this stack."""
    return next((site for site in settings.sites if site.region == region), None)
