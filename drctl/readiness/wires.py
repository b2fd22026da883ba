"""Rules about what carries objects and events between the regions."""

from __future__ import annotations

from collections.abc import Iterator

from drctl.readiness.read import Read
from drctl.readiness.rule import Asks, Found, Note, Owns, Rule, Saw
from drctl.settings import Site
from drctl.steps.canary_queue import CanaryQueue
from drctl.steps.data_bucket import REPLICATION, DataBucket
from drctl.steps.dead_letters import DeadLetters
from drctl.steps.event_bus import EventBus
from drctl.steps.event_forwarding import EventForwarding
from drctl.steps.event_rule import FORWARDING_ROLE
from drctl.steps.replication import Replication
from drctl.steps.role import Role

#: S3 promises 99.99 % of objects within fifteen minutes (S3 User Guide, "Meeting compliance requirements with S3
#: Replication Time Control").
LATE_S = 900


def _failed(read: Read, site: Site) -> Iterator[Note]:
    failed = read.told("object replication", site)["failed"]
    if failed:
        yield Found(f"{failed:.0f} object(s) of {read.out(read.stack.wires.data.at(site)).name} could not be "
                    "replicated in the last hour", site.region)
    else:
        yield Saw(f"no object of {site.region} has failed in the last hour")


def _late(read: Read, site: Site) -> Iterator[Note]:
    late = read.told("object replication", site)["late"]
    if late > LATE_S:
        yield Found(f"objects reach {read.out(read.stack.wires.data.at(site)).name} {late / 60:.0f} minutes late",
                    site.region)
    else:
        yield Saw(f"objects reach {site.region} {late:.0f} s late")


def _dead(read: Read, site: Site) -> Iterator[Note]:
    queue = read.out(read.stack.wires.dead_letters.at(site))
    if queue.messages:
        yield Found(f"{queue.messages} event(s) of {site.region} could not be forwarded and wait in "
                    f"{queue.arn.rpartition(':')[2]}", site.region)
    else:
        yield Saw(f"no event waits in {site.region}")


RULES: tuple[Rule, ...] = (
    Owns(id="OBJ-01", of=(DataBucket,), blocks=True, must="the data bucket of each region stands",
         why="the app reads and writes objects in its own region"),
    Owns(id="OBJ-02", of=(DataBucket,), words=r"public access is not blocked", must="the data buckets are not public",
         why="patient data that anyone can read is worse than an outage"),
    Owns(id="OBJ-03", of=(DataBucket,), words=r"new objects are encrypted with", blocks=True,
         must="objects are encrypted with their region's key", why="a key of the lost region opens nothing"),
    Owns(id="OBJ-04", of=(DataBucket,), words=r"versioning is not enabled", blocks=True,
         must="the data buckets keep versions", why="objects put without versions are never replicated"),
    Owns(id="OBJ-05", of=(DataBucket,), words=r"its policy is not the stack's", blocks=True,
         must="the data buckets' policies admit replicas and nothing without TLS",
         why="a destination that does not admit the role gets nothing, silently"),
    Owns(id="OBJ-06", of=(DataBucket,), words=r"lifecycle rules", must="both data buckets keep versions equally long",
         why="lifecycle deletions are not replicated: what differs is missing in one region"),
    Owns(id="OBJ-07", of=(Replication,), blocks=True, must="objects are replicated both ways by the stack's rule",
         why="what is not covered is skipped without a trace, and missing after a failover or a failback"),
    Owns(id="OBJ-08", of=(Role,), purposes=(REPLICATION,), blocks=True,
         must="the replication role may read, write, and use the keys of both regions",
         why="without the grants on both keys every encrypted object fails"),
    Asks(id="OBJ-09", judge=_failed, blocks=True, must="no object has failed to be replicated",
         why="it exists in one region only: a failover leaves it behind",
         mend="S3 Batch Replication of what failed: aws s3control create-job; first see role, keys and bucket policy"),
    Asks(id="OBJ-10", judge=_late, blocks=True, must="objects arrive within fifteen minutes",
         why="what is on its way when a region is lost is missing in the other one",
         mend="look at role, keys and both buckets; drctl provision proves replication with an object of its own"),
    Owns(id="EVT-01", of=(EventBus,), blocks=True, must="the event bus of each region stands",
         why="the app's events go there"),
    Owns(id="EVT-02", of=(EventBus,), words=r"does not admit the forwarding", blocks=True,
         must="each bus admits the other region's forwarding, and nobody else",
         why="events that are not admitted wait as dead letters"),
    Owns(id="EVT-03", of=(EventBus,), words=r"the archive of bus", must="each bus is archived as configured",
         why="what was not forwarded when a region was lost is played again from the archive"),
    Owns(id="EVT-04", of=(EventForwarding,), blocks=True, must="the rule that forwards events stands as it must",
         why="without it the other region hears of nothing"),
    Owns(id="EVT-05", of=(EventForwarding,), words=r"is disabled", blocks=True,
         must="the rule that forwards events is enabled", why="a disabled rule drops events silently"),
    Owns(id="EVT-06", of=(Role,), purposes=(FORWARDING_ROLE,), blocks=True,
         must="the forwarding role may put events on the other bus", why="without it every event is a dead letter"),
    Owns(id="EVT-07", of=(DeadLetters,), must="the queue of dead letters takes what cannot be forwarded",
         why="otherwise such events are lost without a trace"),
    Asks(id="EVT-08", judge=_dead, must="no event waits as a dead letter",
         why="the other region has not heard of it, and will not by itself",
         mend="read why (the message attributes tell), mend it, put the events again, purge the queue"),
    Owns(id="EVT-09", of=(CanaryQueue,), must="the canary's queue and rule stand",
         why="the proof that events arrive needs them"),
)
