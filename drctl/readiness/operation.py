"""Rules about who is watching and what is left when all else fails: alarms, backups, journals, drills."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from drctl.engine import rundir
from drctl.engine.holding import left_unfinished
from drctl.engine.report import report_of
from drctl.readiness.read import Read
from drctl.readiness.rule import Asks, Found, NotAsked, Note, Owns, Rule, Saw, Unseen
from drctl.settings import Site
from drctl.steps.alarms import Alarms
from drctl.steps.backup import Backup
from drctl.steps.backup_vault import BackupVault
from drctl.steps.control_bucket import ControlBucket
from drctl.steps.dashboard import Dashboard
from drctl.steps.health_alarms import HealthAlarms
from drctl.steps.primary_cluster import PrimaryCluster
from drctl.steps.role import Role
from drctl.steps.standby_cluster import StandbyCluster
from drctl.steps.topic import Topic
from drctl.steps.trail import Trail
from drctl.steps.trail_alarms import TrailAlarms
from drctl.steps.trail_bucket import TrailBucket
from drctl.steps.trail_filters import TrailFilters
from drctl.steps.trail_key import TrailKey
from drctl.steps.trail_name import LABEL as TRAIL

ALARM_SETS = (Alarms, HealthAlarms, TrailAlarms)
#: A drill is due every quarter (HIPAA 164.308(a)(7)(ii)(D) asks for periodic testing; this is drctl's period).
QUARTER = timedelta(days=92)
#: Point-in-time restore reaches to five minutes ago (Aurora User Guide, "Backing up and restoring an Aurora DB
#: cluster"); twelve times that is a fault.
RESTORABLE = timedelta(hours=1)
#: How long a backup job and its copy may take beyond their schedule.
JOB = timedelta(days=1)


def _heard(read: Read, site: Site) -> Iterator[Note]:
    """In a lab nobody has to hear unless the configuration names somebody."""
    confirmed = [who for who, arn in read.told("who hears", site).items() if arn.startswith("arn:")]
    if confirmed:
        yield Saw(f"{len(confirmed)} confirmed subscription(s) in {site.region}")
    elif read.settings.alarms.email is None and read.settings.target == "lab":
        yield NotAsked("alarms.email is not set, and a lab wakes nobody")
    else:
        yield Found(f"nobody hears the alarms of {site.region}: no subscription is confirmed", site.region,
                    "set alarms.email, then drctl provision" if read.settings.alarms.email is None else
                    f"the owner of {read.settings.alarms.email} confirms the subscription by the link in AWS's mail")


def _quiet(read: Read, site: Site) -> Iterator[Note]:
    loud = [alarm for step in read.of(*ALARM_SETS) if step.site == site
            for alarm in read.out(step).seen.values() if alarm.get("StateValue") == "ALARM"]
    yield from (Found(f"alarm {alarm['AlarmName']} is on: {alarm.get('AlarmDescription', '')}", site.region,
                      "look at what it watches; drctl status") for alarm in loud)
    if not loud:
        yield Saw(f"no alarm of {site.region} is on")


def _restorable(read: Read, site: Site) -> Iterator[Note]:
    moment = read.out(read.stack.database.cluster.at(site)).restorable_to
    if moment is None:
        yield Unseen("the cluster has no backup yet", site.region)
    elif (age := datetime.now(UTC) - moment) > RESTORABLE:
        yield Found(f"the cluster in {site.region} can be restored up to {age.total_seconds() / 3600:.0f} h ago only",
                    site.region)
    else:
        yield Saw(f"{site.region} up to {moment:%Y-%m-%d %H:%M} UTC")


def period(schedule: str) -> timedelta:
    """How far two backups of a schedule are apart: rate(…), or cron(…) by its days."""
    if found := re.fullmatch(r"rate\((\d+) (minute|hour|day)s?\)", schedule):
        return timedelta(**{f"{found[2]}s": int(found[1])})
    fields = schedule.removeprefix("cron(").removesuffix(")").split()
    day, week = (fields[2], fields[4]) if len(fields) > 4 else ("*", "*")  # minute to year
    if day not in {"*", "?"}:
        return timedelta(days=31)
    return timedelta(days=1 if week in {"*", "?"} else 7)


def _points(read: Read, site: Site) -> Iterator[Note]:
    if not read.settings.backup.enabled:
        yield NotAsked("backup.enabled is false")
        return
    points, limit = read.told("recovery points", site), period(read.settings.backup.schedule) + JOB
    newest = points["newest"]
    if newest is None and datetime.now(UTC) - points["vault"] < limit:
        yield Saw(f"the vault of {site.region} is younger than its schedule, and empty")
    elif newest is None:
        yield Found(f"the vault of {site.region} has no recovery point", site.region)
    elif (age := datetime.now(UTC) - newest) > limit:
        yield Found(f"the newest recovery point of {site.region} is {age.days} days old", site.region)
    else:
        yield Saw(f"newest in {site.region} of {newest:%Y-%m-%d %H:%M} UTC")


def _copied(read: Read, _: Site) -> Iterator[Note]:
    if not read.settings.backup.enabled:
        yield NotAsked("backup.enabled is false")
        return
    own, copy = (read.told("recovery points", site)["newest"] for site in read.settings.sites)
    region = read.settings.standby.region
    if own is not None and (copy is None or own - copy > period(read.settings.backup.schedule) + JOB):
        yield Found(f"the newest recovery point has no copy in {region}", region)
    else:
        yield Saw(f"{region} has a copy" if own else "nothing was backed up yet")


def _drilled(read: Read, _: Site) -> Iterator[Note]:
    """The newest of what this machine and both control buckets know; a young stack has time until its first quarter."""
    known = [read.told("drills", site) for site in read.settings.sites]
    done = max((*(one["done"] for one in known), _done_here(read)))
    began = min((one["first"] for one in known if one["first"]), default="")
    if not done and not began:
        yield Unseen("no run of this stack is known, here or in the control buckets")
    elif _age(done or began) > QUARTER:
        text = f"the last drill that came to its end is {_age(done).days} days old" if done else \
            f"nobody has drilled this stack in the {_age(began).days} days since its first run"
        yield Found(f"{text}: more than a quarter")
    else:
        yield Saw(f"drill {done}" if done else f"no drill yet; the first run was {began}")


def _done_here(read: Read) -> str:
    """The newest drill of this home that came to its end on this stack."""
    for directory in rundir.all_runs():
        if "-drill-" in directory.id:
            report = report_of(directory.id, directory.records())
            if (report["outcome"], report["environment"], report["target"]) == (
                    "done", read.settings.environment, read.settings.target):
                return directory.id
    return ""


def _age(run_id: str) -> timedelta:
    """How long ago a run began, which its id tells."""
    began = datetime.strptime(run_id[:15], "%Y%m%d-%H%M%S").replace(tzinfo=UTC)
    return datetime.now(UTC) - began


def _aftermath(read: Read, site: Site) -> Iterator[Note]:
    note = read.told("aftermath", site)
    if note is None:
        yield Saw(f"no note lies in {site.region}")
    else:
        who = f"run {note.run}" if note.run else "by hand"
        yield Found(f"the failover from {note.lost} ({who}) has left something to be done", site.region)


def _unfinished(read: Read, _: Site) -> Iterator[Note]:
    seen = [lease for site in read.settings.sites if (lease := read.told("lease", site)) is not None]
    held = next((one for one in seen if not one.is_free), None)
    begun = left_unfinished(one.terms for one in seen)
    if held is not None:
        yield Saw(f"{held.terms.owner.name} is at work: {held.terms.command}, run {held.terms.run}")
    elif begun.get("run"):
        yield Found(f"the {begun['command']} that run {begun['run']} has begun has not come to its end",
                    mend="drctl failback" if begun["command"] == "fault drill" else f"drctl resume {begun['run']}")
    else:
        yield Saw("no run has stopped on its way")


RULES: tuple[Rule, ...] = (
    Owns(id="ALM-01", of=ALARM_SETS, must="the alarms of each region stand",
         why="who is not woken does not decide"),
    Owns(id="ALM-02", of=ALARM_SETS, words=r"watches something else", must="each alarm watches what it should",
         why="an alarm that was changed by hand is silent when it counts"),
    Owns(id="ALM-03", of=(Topic,), must="the topic of the alarms stands", why="it is who alarms speak to"),
    Owns(id="ALM-04", of=(Topic,), words=r"cannot publish|alarms are not heard",
         must="CloudWatch may publish to the topic, with the stack's key", why="otherwise alarms are dropped silently"),
    Asks(id="ALM-05", judge=_heard, must="somebody hears the alarms of each region",
         why="an unconfirmed subscription gets nothing, and says nothing"),
    Asks(id="ALM-06", judge=_quiet, must="no alarm is on",
         why="a failover to a region that is in alarm may make it worse"),
    Owns(id="ALM-07", of=(Dashboard,), must="the dashboard shows both regions",
         why="it is what people look at while they decide"),
    Owns(id="BAK-01", of=(PrimaryCluster, StandbyCluster), words=r"BackupRetentionPeriod is not as configured",
         must="the clusters keep their own backups as long as configured",
         why="how far back a mistake can be undone"),
    Asks(id="BAK-02", judge=_restorable, must="each cluster can be restored up to an hour ago",
         why="replication copies a mistake within a second; only a backup does not"),
    Owns(id="BAK-03", of=(Backup, BackupVault), must="the backup plan and both vaults stand as configured",
         why="they are the second line when both copies are bad"),
    Owns(id="BAK-04", of=(Backup,), words=r"does not let AWS Backup", must="the account lets AWS Backup back up Aurora",
         why="without it Aurora is skipped silently"),
    Owns(id="BAK-05", of=(Role,), purposes=("backup",), must="the backup role may snapshot and copy",
         why="jobs fail without it"),
    Asks(id="BAK-06", judge=_points, must="the newest recovery point is as young as its schedule says",
         why="an old one loses all that came later", mend="aws backup list-backup-jobs names the reason"),
    Asks(id="BAK-07", judge=_copied, everywhere=False, must="the newest recovery point has a copy in the other region",
         why="one that lies in the lost region is lost with it", mend="aws backup list-copy-jobs names the reason"),
    Owns(id="AUD-01", of=(Trail,), must="the trail records all management events and every access to the data",
         why="after an outage, or an intrusion, it is what tells who did what"),
    Owns(id="AUD-02", of=(Trail,), words=r"is stopped", must="the trail is recording",
         why="a trail that somebody has stopped tells nothing, and looks as if it did"),
    Owns(id="AUD-03", of=(TrailBucket, TrailKey), must="the trail's bucket and key stand as configured",
         why="the record lies there, closed to whoever it is about"),
    Owns(id="AUD-04", of=(Role,), purposes=(TRAIL,), must="the trail's role may write to its log group",
         why="filters and alarms see what arrives there"),
    Owns(id="AUD-05", of=(TrailFilters,), must="the trail's log is filtered for what somebody must hear of",
         why="an alarm whose filter is gone is silent for ever"),
    Owns(id="OPS-01", of=(ControlBucket,), must="the control bucket of each region stands as configured",
         why="leases, journals and the note of a failover lie there; a failover goes on without, and says so"),
    Asks(id="OPS-02", judge=_drilled, everywhere=False, must="the last drill is younger than a quarter",
         why="what is not rehearsed does not work on the day", mend="drctl failover --drill"),
    Asks(id="OPS-03", judge=_aftermath, blocks=True, must="no failover has left anything to be done",
         why="the other region may hold an old copy, or an app that is stopped", mend="drctl failback"),
    Asks(id="OPS-04", judge=_unfinished, everywhere=False, blocks=True, must="no run has stopped on its way",
         why="roles, users or settings may stand between here and there", mend="drctl resume"),
)
