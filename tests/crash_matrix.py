"""`make crash-matrix`: SIGKILL at every mutating call of provision, drill, failover, failback and teardown, before and
after its effect.

A life of the lab is killed at several calls, one after the other, whichever process makes them, and goes on each time
with the same command: from the same directory; from another one with another home; with the journals deleted; through
`drctl resume`, here and on a machine that knows nothing. It ends with an undisturbed run and must then read like a life
without disturbance, line by line. Over all lives every call of each run is met once before and once after its effect.
What a life that fails has in it is then done point by point, to name the guilty one.

`failover` is lived while the active region is gone, refusing, failing or hanging in turn, from the first process to the
last. `half` is the life of a stack that never came to be: provision is killed at a call, and teardown follows, from
anywhere.
"""

from __future__ import annotations

import argparse
import random
import re
import shutil
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from queue import Empty, Queue

from drctl.lab.server import Lab  # isort: skip  # sets moto's environment before anything imports it

from moto.core import DEFAULT_ACCOUNT_ID as ACCOUNT_ID
from moto.rds.models import rds_backends

from drctl.aws.clients import Aws, Credentials, Door
from drctl.engine.clock import Clock
from drctl.engine.events import Events
from drctl.engine.journal import read
from drctl.lab import extensions, outages
from drctl.lab.aurora_snapshots import _remove
from drctl.lab.clock import CLOCK
from tests import working
from tests.account import REGIONS, difference, stands
from tests.cli.conftest import at, cli_in
from tests.cli.test_whole_job import make_foreign_things
from tests.forking import Parent, warmed
from tests.killing import CONTROL, Killing

EAST, WEST = "us-east-1", "us-west-2"
#: AWS seconds in a second: the processes' own time counts for more, and a busy machine is no time-out.
SPEED = 400.0
COMMANDS = {"provision": ("provision", "--json"), "drill": ("failover", "--drill", "--yes", "--json"),
            "teardown": ("teardown", "--yes", "--json")}
#: What moves the stack; a failover is the answer to an outage.
MOVES = {"failover": ("failover", "--allow-data-loss", "1000h", "--yes", "--json"),
         "failback": ("failback", "--yes", "--json"),
         "planned": ("failover", "--planned", "--yes", "--json")}
ASKED = {**COMMANDS, **MOVES}
#: How the stack stands before a run, and after it: at home; moved away; moved away from a region that is back.
HOME, AWAY, LOST = "home", "away", "lost"
NEEDED = {"drill": HOME, "failover": HOME, "failback": LOST, "planned": HOME}
LEFT = {"provision": HOME, "drill": HOME, "failover": LOST, "failback": HOME, "planned": AWAY}
#: Provision killed at a call, then teardown. A kill before a call leaves what one after the call before it leaves.
HALF = "half"
RUNS = (*COMMANDS, *MOVES, HALF)
#: How the next process begins after a kill, in turn.
WAYS = ("from the same directory", "from another directory and home", "with the journals deleted", "drctl resume",
        "drctl resume on another machine")
#: How what moves the stack is gone on with when it is killed once: the machine may be in the region that is gone.
ELSEWHERE = WAYS.index("drctl resume on another machine")
#: Those of them that are no resume.
ANEW = 3
#: Calls between two kills of one life.
STRIDES = {"provision": 24, "drill": 4, "teardown": 16, "failover": 4, "failback": 8, "planned": 4}
#: Calls after those of an undisturbed run that a life may be killed at too: what is killed makes some calls again.
TAIL = {"provision": 200, "drill": 30, "teardown": 100, "failover": 20, "failback": 40, "planned": 20}
WITHIN_S = 120.0
#: Real seconds that Aurora may take in the lab to make a copy of a database that was lost.
BACK_S = 60.0


@dataclass(frozen=True)
class Life:
    """What is done to one life: the run, before or after the effect, the numbers of the calls, and the first way."""

    run: str
    after: bool
    points: tuple[int, ...]
    way: int = 0

    def __str__(self) -> str:
        return f"{self.run} {'after' if self.after else 'before'} {','.join(map(str, self.points[:12]))}"


@dataclass
class Lived:
    """How it went: the kills (number, call, how it went on), and what was wrong at the end."""

    life: Life
    kills: list[tuple[int, str, str]] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    seconds: float = 0.0


class Workshop:
    """One lab, one warmed parent, and homes; lives one after the other."""

    def __init__(self, lab: Lab, forks: Parent, folder: Path) -> None:
        self.lab, self.forks, self.folder = lab, forks, folder
        self.killing = Killing(lab)
        self.aws = Aws(Door(lab.endpoint, Credentials("lab", "lab")), Events(Clock(lab_speed())))
        self.wanted: dict[str, Counter[str]] = {}
        self.counted: dict[str, int] = {}
        self._homes = self._pid = self._killed = 0
        #: HOME, AWAY or LOST; empty while nothing stands, or nobody knows what.
        self._stands = ""

    def leave(self) -> None:
        """The lab answers by itself again."""
        self.killing.leave()

    # What an undisturbed life looks like -----------------------------------------------------------------------------

    def learn(self) -> dict[str, int]:
        """Live once without disturbance; the number of mutating calls of each run."""
        self.empty()
        for run in ("provision", "drill", "failover", "failback", "planned", "failback", "teardown"):
            self._undisturbed(run)
            self.counted.setdefault(run, len(self.killing.calls))
            if run == "failback":
                self.forget_what_was_lost()
            self.wanted.setdefault(run, stands(self.aws))
        self.counted[HALF] = self.counted["provision"]
        self._stands = ""
        return self.counted

    def _undisturbed(self, run: str) -> None:
        self.killing.forget()
        lived = Lived(Life(run, False, ()))
        self._go(lived)
        assert not lived.wrong, lived.wrong
        self._stands = LEFT.get(run, "")

    def empty(self) -> None:
        """An account with somebody else's things in it."""
        extensions.reset()
        make_foreign_things(self.aws)
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        self.wanted[HALF] = self.wanted.setdefault("teardown", stands(self.aws))

    # One life --------------------------------------------------------------------------------------------------------

    def live(self, life: Life) -> Lived:
        """Prepare, kill and go on until it is done, and compare."""
        began = time.monotonic()
        lived = Lived(life)
        try:
            self._prepare(life)
            self.go_through(lived)
        except Exception as error:
            lived.wrong.append(f"{type(error).__name__}: {error}")
        self._stands = "" if lived.wrong else LEFT.get(life.run, "")
        lived.seconds = round(time.monotonic() - began, 1)
        return lived

    def go_through(self, lived: Lived) -> None:
        """Kill and go on until it is done, and compare; in an account that is ready for the run."""
        run = lived.life.run
        self.killing.forget()
        self._go(lived)
        if run == "failback":
            lived.wrong += self._kept_otherwise_than_once()
        seen = Counter[str]() if lived.wrong else stands(self.aws)
        if not lived.wrong:
            lived.wrong += difference(self.wanted.setdefault(run, seen), seen)
        if not lived.wrong and run == "provision":
            lived.wrong += self._changes_again()

    def _kept_otherwise_than_once(self) -> Iterator[str]:
        """What the failover has lost is kept once; then it is forgotten, so that the stack reads as before."""
        kept = [name for name in rds_backends[ACCOUNT_ID][EAST].cluster_snapshots if "-rescue-" in name]
        if len(kept) != 1:
            yield f"kept of what was lost: {kept}"
        self.forget_what_was_lost()

    def _prepare(self, life: Life) -> None:
        if life.run in NEEDED:
            self.bring(NEEDED[life.run])
            return
        self.empty()
        if life.run not in {"provision", HALF}:
            self._undisturbed("provision")

    def bring(self, wanted: str) -> None:
        """Have the stack stand so, whatever it is now."""
        if self._stands == wanted:
            return
        if not self._stands:
            self.empty()
            self._undisturbed("provision")
        elif self._stands != HOME:
            self.come_home()
        if wanted == LOST:
            self._undisturbed("failover")

    def _go(self, lived: Lived) -> None:
        """The command, again and again until it has come to its end, under the circumstances that it is for."""
        if lived.life.run != "failover":
            self._go_on(lived)
            return
        self.forget_what_was_lost()
        outages.start(EAST, "", outages.MODES[lived.life.way % len(outages.MODES)])
        try:
            self._go_on(lived)
        finally:
            outages.end()
        self.await_copy(EAST)

    def _go_on(self, lived: Lived) -> None:
        life, home = lived.life, self.another_home()
        arguments = list(ASKED["provision" if life.run == HALF else life.run])
        while True:
            made = len(self.killing.calls)
            point = next((point for point in life.points if point > made), 0)
            code, out, err = self.process(home, arguments, point, after=life.after)
            if self.killing.killed is None:
                if code == 3 and arguments[0] == "resume" and lived.kills and self._was_done(home):
                    return  # it was killed at the last of all calls
                if code == 3 and "nothing tells from where" in err:
                    if self.writer() == WEST:
                        return  # a person looks who writes: it had come to its end
                    arguments = list(ASKED[life.run])
                    continue
                if code == 3 and (instead := self._as_told(life.run, arguments, err)):
                    arguments = instead
                    continue
                if code != 0:
                    lived.wrong.append(f"exit {code}: {err[-1500:] or out[-1500:]}")
                return
            self._killed = self._pid
            way = WAYS[(life.way + len(lived.kills)) % (ANEW if life.run == HALF else len(WAYS))]
            lived.kills.append((*self.killing.killed, way))
            home, arguments = self._after_a_kill(way, home, "teardown" if life.run == HALF else life.run)

    def _was_done(self, home: Path) -> bool:
        """Whether the run that was killed last had come to its end, as a machine knows it now."""
        journals = [read(file) for file in (home / "home" / "runs").glob("*/journal.jsonl")]
        return any(records[0]["owner"]["pid"] == self._killed and records[-1].get("outcome") == "done"
                   for records in journals if records)

    @staticmethod
    def _as_told(run: str, arguments: Sequence[str], err: str) -> list[str]:
        """What to do instead of a command that was refused."""
        if arguments[0] == "resume" and "no run stopped on its way" in err:
            return list(ASKED[run])  # no copy had arrived, or the buckets are gone already
        told = re.search(r"next: drctl resume (\S+?);", err)  # a move is gone on with by its name
        return ["resume", told[1], "--yes", "--json"] if told and arguments[0] != "resume" else []

    def _after_a_kill(self, way: str, home: Path, run: str) -> tuple[Path, list[str]]:
        if "another" in way:
            home = self.another_home()
        if "deleted" in way:
            shutil.rmtree(home / "home" / "runs", ignore_errors=True)
        return home, ["resume", "--yes", "--json"] if "resume" in way else list(ASKED[run])

    def process(self, home: Path, arguments: Sequence[str], point: int = 0, *, after: bool = False,
                program: str = "") -> tuple[int, str, str]:
        """One process from its begin to its end, or to call `point`: its exit code and what it has said.

        `program` is a module whose `main` is run in place of drctl's own.
        """
        environment = {**cli_in(home).environment, "AWS_ENDPOINT_URL": self.lab.endpoint}
        self.killing.expect(point, after=after)
        process = self.forks.begin(list(arguments), environment, home, home / "out", home / "err", program)
        self.killing.begun(process.pid)
        self._pid = process.pid
        try:
            code = process.wait(WITHIN_S)
        finally:
            self.killing.end()
        return code, process.out.read_text(), process.err.read_text()

    def stands_now(self, how: str) -> None:
        """What was done by others has left the stack so."""
        self._stands = how

    def pace(self, speed: float) -> None:
        """The lab, and every machine from now on, at another pace."""
        CLOCK.set_speed(speed)

    def writer(self) -> str:
        """The region that writes, once nothing is under way; empty until then."""
        seen = self.aws[WEST].rds.describe_global_clusters()["GlobalClusters"][0]
        writers = [one["DBClusterArn"].split(":")[3] for one in seen["GlobalClusterMembers"] if one["IsWriter"]]
        return writers[0] if writers and seen["Status"] == "available" and not seen.get("FailoverState") else ""

    def come_home(self) -> None:
        """The essence of a failback from WEST, in moments: nothing is left open, and a planned failover.

        A bucket that was silent may have kept a lease from telling that its failover came to its end.
        """
        self.await_copy(EAST)
        self.tidy_up(EAST)
        code, _, err = self.process(self.another_home(), ASKED["planned"])
        assert code == 0, err
        self._stands = HOME

    def tidy_up(self, lost: str) -> None:
        """What a failback does about a region that was lost, but for moving back there."""
        self.forget_what_was_lost()
        self.aws[lost].lambda_.delete_function_concurrency(FunctionName=f"lambda-app-{lost}-lab")
        for key in ("lease.json", "aftermath.json"):
            self.aws[other(lost)].s3.delete_object(Bucket=control_bucket(other(lost)), Key=key)

    def await_copy(self, region: str) -> None:
        """Return when the database of a region that was lost is a connected copy again."""
        until, pause = time.monotonic() + BACK_S, threading.Event()
        while not self._is_copy(region):
            assert time.monotonic() < until, f"the copy in {region} is not connected after {BACK_S:g} s"
            pause.wait(0.05)

    def _is_copy(self, region: str) -> bool:
        """As the other region tells."""
        seen = self.aws[other(region)].rds.describe_global_clusters()["GlobalClusters"][0]
        return seen["Status"] == "available" and not seen.get("FailoverState") and any(
            one["DBClusterArn"].split(":")[3] == region and one.get("SynchronizationStatus") == "connected"
            for one in seen["GlobalClusterMembers"])

    def forget_what_was_lost(self) -> None:
        """No snapshot of a lost tail, saved or kept, is left in the lab: each is a database's worth of disk, and every
        failback goes through them all."""
        for region in REGIONS:
            backend = rds_backends[ACCOUNT_ID][region]
            for name, snapshot in list(backend.cluster_snapshots.items()):
                if re.search("unplanned-global-failover|-rescue-", name):
                    _remove(backend, snapshot)

    def another_home(self) -> Path:
        """A machine that knows of no run."""
        self._homes += 1
        home = self.folder / f"machine-{self._homes}"
        home.mkdir(parents=True)
        at(cli_in(home), self.lab, lab_speed())
        return home

    def _changes_again(self) -> Iterator[str]:
        """A second provision changes nothing; its lease and the copies of its journal are no change of the stack."""
        self.killing.forget()
        again = Lived(Life("provision", False, ()))
        self._go(again)
        yield from again.wrong
        yield from (f"changed once more: {call}" for call in self.killing.calls if CONTROL not in call)


def other(region: str) -> str:
    """The other one of the two."""
    return next(one for one in REGIONS if one != region)


def control_bucket(region: str) -> str:
    """Name of a region's control bucket."""
    return f"s3-control-{region}-lab-{ACCOUNT_ID}"


def lab_speed() -> float:
    """The pace of the lab, as it goes now."""
    return CLOCK.speed


@contextmanager
def workshop(speed: float = SPEED) -> Iterator[Workshop]:
    """A lab of this process, and everything for lives in it."""
    folder = Path(tempfile.mkdtemp(prefix="lives-"))
    lab = Lab(speed=speed)
    lab.start()
    try:
        yield Workshop(lab, warmed(), folder / "life")
    finally:
        lab.stop()
        shutil.rmtree(folder, ignore_errors=True)


# The matrix: plans lives, hands them to workers, splits those that fail. ----------------------------------------------


def plan(counted: dict[str, int], runs: Sequence[str], every: int, seed: int) -> list[Life]:
    """Lives that together meet every `every`-th call of each run before and after its effect."""
    draw = random.Random(seed)  # noqa: S311  # repeatable, not secret
    lives = []
    for run in runs:
        if run == HALF:
            lives += [Life(run, True, (n,), draw.randrange(ANEW)) for n in range(1, counted[run] + 1, every)]
            continue
        stride = STRIDES[run]
        starts = range(1, stride + 1, every if run not in NEEDED else 1)
        for after in (False, True):
            lives += [Life(run, after, tuple(range(start, counted[run] + TAIL[run], stride)), draw.randrange(len(WAYS)))
                      for start in starts]
            if run == "drill":
                lives += [Life(run, after, (n,), draw.randrange(len(WAYS))) for n in range(1, counted[run] + 1)]
            if run in {"failover", "planned"}:
                lives += [Life(run, after, (n,), ELSEWHERE + len(WAYS) * draw.randrange(len(outages.MODES)))
                          for n in range(1, counted[run] + 1, every)]
    order = list(runs)
    lives.sort(key=lambda life: (order.index(life.run), draw.random()))
    return lives


class Matrix:
    """Lives that wait, and what came out."""

    def __init__(self, workers: int) -> None:
        self.waiting: Queue[Life] = Queue()
        self.passed: set[tuple[str, bool, int]] = set()
        self.failed: dict[tuple[str, bool, int], Lived] = {}
        self.operations: dict[tuple[str, bool], set[str]] = {}
        self._lock = threading.Lock()
        self._lives = self._planned = 0
        self._began = time.monotonic()
        self._workers = [Worker() for _ in range(workers)]

    def learn(self) -> dict[str, int]:
        """The number of calls of each run; every worker lives once undisturbed."""
        counted = [worker.told() for worker in self._workers]
        return {run: max(one["counted"][run] for one in counted) for run in RUNS}

    def work(self, lives: Sequence[Life]) -> list[Lived]:
        """Live them all, side by side."""
        self._planned += len(lives)
        for life in lives:
            self.waiting.put(life)
        results: list[Lived] = []
        threads = [threading.Thread(target=self._take, args=(worker, results)) for worker in self._workers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return results

    def _take(self, worker: Worker, results: list[Lived]) -> None:
        while True:
            try:
                life = self.waiting.get_nowait()
            except Empty:
                return
            lived = worker.live(life)
            with self._lock:
                results.append(lived)
                self._count(lived)

    def _count(self, lived: Lived) -> None:
        self._lives += 1
        points = {(lived.life.run, lived.life.after, number) for number, _, _ in lived.kills}
        if not lived.wrong:
            self.passed |= points
            self.operations.setdefault((lived.life.run, lived.life.after), set()).update(
                call for _, call, _ in lived.kills)
        minutes = (time.monotonic() - self._began) / 60
        say(f"{minutes:5.1f} min  life {self._lives} of {self._planned}: {lived.life.run}"
            f" {'after' if lived.life.after else 'before'} the effect, {len(lived.kills)} kills, {lived.seconds:.0f} s"
            f"{'' if not lived.wrong else '  FAILED'}")
        for line in lived.wrong[:4]:
            say(f"      {line[:600]}")

    def split(self, failed: Sequence[Lived]) -> None:
        """Name the guilty points of lives that failed: each alone, in the same way."""
        singles: dict[Life, Lived] = {}
        for lived in failed:
            if len(lived.kills) <= 1 and len(lived.life.points) == 1:
                self._blame(lived)
                continue
            for number, _, way in lived.kills:
                same = next(n for n in range(len(WAYS) * len(outages.MODES)) if WAYS[n % len(WAYS)] == way
                            and (n - lived.life.way) % len(outages.MODES) == 0)  # the way, and how the region is gone
                singles[Life(lived.life.run, lived.life.after, (number,), same)] = lived
        alone = [lived for lived in self.work(list(singles)) if lived.wrong]
        for lived in alone:
            self._blame(lived)
        guilty = {id(singles[lived.life]) for lived in alone}
        for chain in {id(lived): lived for lived in singles.values()}.values():
            if id(chain) not in guilty:
                self.failed[chain.life.run, chain.life.after, -len(self.failed) - 1] = chain
                say(f"only together: {chain.life}: {chain.wrong[0][:400]}")

    def _blame(self, lived: Lived) -> None:
        number = lived.life.points[0]
        self.failed[lived.life.run, lived.life.after, number] = lived
        self.passed.discard((lived.life.run, lived.life.after, number))
        call, way = (lived.kills[0][1:] if lived.kills else ("?", "?"))
        say(f"guilty: {lived.life.run} {'after' if lived.life.after else 'before'} call {number}, {call}, then {way}")

    def end(self) -> None:
        """The workers end."""
        for worker in self._workers:
            worker.end()


class Worker(working.Worker):
    """A process with a lab of its own, that lives lives."""

    def __init__(self) -> None:
        super().__init__("tests.crash_matrix")

    def live(self, life: Life) -> Lived:
        told = self.ask(asdict(life))
        return Lived(life, [(kill[0], kill[1], kill[2]) for kill in told["kills"]], told["wrong"], told["seconds"])


def work() -> None:
    """A worker's side: tells what an undisturbed life counts, then lives what it is told."""
    with working.being_asked() as (questions, answer), workshop() as shop:
        answer({"counted": shop.learn()})
        for asked in questions:
            lived = shop.live(Life(asked["run"], asked["after"], tuple(asked["points"]), asked["way"]))
            answer({"kills": lived.kills, "wrong": lived.wrong, "seconds": lived.seconds})


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main() -> int:
    given = _arguments()
    if given.work:
        work()
        return 0
    matrix = Matrix(given.workers)
    counted = matrix.learn()
    say("mutating calls of an undisturbed run, leases and copies included: "
        + ", ".join(f"{run} {counted[run]}" for run in ASKED))
    runs = given.run or list(RUNS)
    if given.point:
        lives = [Life(run, after, tuple(given.point), given.way) for run in runs for after in
                 ([True] if given.after else [False] if given.before else [False, True])]
    else:
        lives = plan(counted, runs, given.every, given.seed)
    matrix.split([lived for lived in matrix.work(lives) if lived.wrong])
    matrix.end()
    _tell(matrix, counted, runs)
    return 1 if matrix.failed else 0


def _tell(matrix: Matrix, counted: dict[str, int], runs: Sequence[str]) -> None:
    for run in runs:
        for after in (False, True):
            if run == HALF and not after:
                continue
            met = {number for one, when, number in matrix.passed if (one, when) == (run, after)}
            inside = len([number for number in met if number <= counted[run]])
            say(f"{run:9} {'after ' if after else 'before'} the effect: {inside} of {counted[run]} calls of an"
                f" undisturbed run, {len(met) - inside} beyond; {len(matrix.operations.get((run, after), ()))}"
                " kinds of calls")
    for (run, after, number), lived in sorted(matrix.failed.items()):
        alone = f"--point {number}" if number > 0 else " ".join(f"--point {one}" for one in lived.life.points)
        say(f"FAILED {run} {'after' if after else 'before'}: make crash-matrix ARGS='--run {run} {alone} --way "
            f"{lived.life.way} --{'after' if after else 'before'}'")
        for line in lived.wrong[:6]:
            say(f"    {line[:1200]}")
    say(f"{len(matrix.passed)} passed, {len(matrix.failed)} failed")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make crash-matrix")
    parser.add_argument("--run", action="append", choices=RUNS, help="only this run; may be repeated")
    parser.add_argument("--every", type=int, default=1, help="only every n-th point")
    parser.add_argument("--point", type=int, action="append", help="one life with these points only")
    parser.add_argument("--way", type=int, default=0, help="how the first kill is gone on with: " + ", ".join(
        f"{number} {way}" for number, way in enumerate(WAYS)))
    when = parser.add_mutually_exclusive_group()
    when.add_argument("--before", action="store_true", help="with --point: before the effect only")
    when.add_argument("--after", action="store_true", help="with --point: after the effect only")
    parser.add_argument("--seed", type=int, default=1, help="order of the lives and of the ways")
    parser.add_argument("--workers", type=int, default=2, help="labs side by side")
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
