"""`make blackout-matrix`: a failover while something is gone, and how it may be gone: every place, way and moment.

Places: the active region, with the global control planes when it is us-east-1; each service of it alone that a
failover could touch; the surviving region's control bucket, alone and beside a lost region. Ways: connections are cut,
503, no answer at all. Moments: before the run, at its first call, as the promotion is asked for, while the writer is
waited for.

Each must end with exit 0, with the writer, the users' name and a write in the surviving region. Every request is seen
where the network stands: the region that is left may be asked aside, each question once or twice, and nothing else; the
global control planes change nothing; and until users are served a place that hangs takes no longer than one that
refuses. Afterwards the region that was left comes back, and a planned failover brings the stack home, so that no case
is the heir of another; `drctl failback`, which takes longer, ends each worker's day.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from drctl.lab.server import Lab  # isort: skip  # noqa: F401  # sets moto's environment before anything imports it

from drctl.aws import dns
from drctl.engine.journal import read
from drctl.lab import outages
from tests.account import difference, stands
from tests.crash_matrix import EAST, WEST, Workshop, control_bucket, other, say, workshop
from tests.watching import Seen, Watching
from tests.working import Worker, being_asked, work_off

NAME = "app.dr.example.com"
#: Places that are no service: all of the region; the survivor's control bucket; that one while the region is lost too.
REGION, BUCKET, BOTH = "region", "bucket", "bucket+region"
#: Services without regions, whose control planes are in us-east-1.
GLOBAL = ("iam", "route53")
#: Services that a failover uses, or could be thought to.
SERVICES = ("rds", "lambda", "s3", "ssm", "elasticloadbalancing", "monitoring", "sns", "sqs", "events",
            "secretsmanager", "kms", "sts", "logs", "ec2")
BEFORE, FIRST, PROMOTION, WAITING = "before", "first-call", "promotion", "waiting"
MOMENTS = (BEFORE, FIRST, PROMOTION, WAITING)
#: Real seconds that a run may take longer where a place hangs or fails than where it refuses; and how often both are
#: run again for it, because a busy machine takes its time too.
LONGER_S, AGAIN = 1.5, 2
#: What the region that is left may be asked, aside, and how often at most, each try of the SDK counted.
ASIDE = {"who writes": r"rds DescribeGlobalClusters",
         "what it has begun": r"s3 GET /s3-control-[^/]+/(lease|aftermath)\.json",
         "its database": r"rds DescribeDBClusters", "its probe": r"lambda POST /.*lambda-probe-[^/]+/invocations",
         "what its app has reserved": r"lambda GET /.*lambda-app-[^/]+/concurrency",
         "that its app stops": r"lambda PUT /.*lambda-app-[^/]+/concurrency"}
TRIES = 2  # the lease and the note once each
#: The same by operation, as the journal tells the calls that are no lease's.
CALLS_ASIDE = {"DescribeGlobalClusters", "DescribeDBClusters", "Invoke", "GetFunctionConcurrency",
               "PutFunctionConcurrency"}


@dataclass(frozen=True)
class Cell:
    """What is gone: a place of the region `left`, how, and from when."""

    left: str
    place: str
    moment: str
    mode: str = "refuse"

    def __str__(self) -> str:
        return f"{self.left} {self.place} {self.mode} {self.moment}"

    @property
    def survivor(self) -> str:
        return other(self.left)

    @property
    def seems_healthy(self) -> bool:
        """Whether a failover has to be forced: the region answers when it is decided on."""
        return self.place not in {REGION, BOTH} or (self.place == REGION and self.moment in {PROMOTION, WAITING})

    def begin(self) -> None:
        """Take the place away."""
        if self.place in {BUCKET, BOTH}:
            outages.start(self.survivor, "s3", self.mode, control_bucket(self.survivor))
        elif self.place in GLOBAL:
            outages.start(EAST, self.place, self.mode)
        else:
            outages.start(self.left, "" if self.place == REGION else self.place, self.mode)

    def is_moment(self, seen: Sequence[Seen], new: Seen) -> bool:
        """Whether it is to be taken away now, as a request comes."""
        match self.moment:
            case "first-call":
                return True
            case "promotion":
                return new.operation == "FailoverGlobalCluster"
            case "waiting":
                return new.operation == "DescribeGlobalClusters" and any(
                    one.operation == "FailoverGlobalCluster" for one in seen)
        return False


@dataclass
class Went:
    """How it went: real seconds of the process, what the region that is left was asked, and what is wrong."""

    cell: Cell
    seconds: float = 0.0
    aside: dict[str, int] = field(default_factory=dict)
    #: Requests that came to the place while it was gone.
    struck: int = 0
    wrong: list[str] = field(default_factory=list)


class Blackouts:
    """A stack that stands, and what is taken away from under a failover of it."""

    def __init__(self, shop: Workshop, *, stands: bool = False) -> None:
        self.shop, self.watching, self.stands = shop, Watching(shop.lab), stands

    def leave(self) -> None:
        """The lab answers by itself again."""
        self.watching.leave()

    def build(self) -> None:
        """A stack, active at home."""
        self.shop.empty()
        code, _, err = self.shop.process(self.shop.another_home(), ("provision", "--json"))
        assert code == 0, err
        self.shop.wanted["blackout"] = stands(self.shop.aws)
        self.stands = True

    # A case ----------------------------------------------------------------------------------------------------------

    def trio(self, cell: Cell, modes: Sequence[str] = outages.MODES, program: str = "") -> list[Went]:
        """The same place and moment in each way; one that takes longer than a refusal is run again, and that too."""
        went = [self.run(replace(cell, mode=mode), program) for mode in modes]
        for _ in range(AGAIN):
            for one in [went[0], *slow] if (slow := list(too_slow(went))) and not any(x.wrong for x in went) else ():
                once_more = self.run(one.cell, program)
                one.wrong += once_more.wrong
                one.seconds = min(one.seconds, once_more.seconds)
        for one in too_slow(went):
            one.wrong.append(f"{one.seconds - went[0].seconds:.1f} s longer than where {went[0].cell} is refused: "
                             "something was waited for")
        return went

    def run(self, cell: Cell, program: str = "") -> Went:
        """One failover, judged, and the way home."""
        went = Went(cell)
        try:
            self._run(went, program)
        except Exception as error:
            went.wrong.append(f"{type(error).__name__}: {error}")
            self.stands = False
        finally:
            outages.end()
        return went

    def _run(self, went: Went, program: str) -> None:
        cell = went.cell
        if not self.stands:
            self.build()
        home = self.shop.another_home()
        if cell.left == WEST:
            self._do(home, "failover", "--planned", "--yes", "--json")
        if cell.place == BOTH:
            outages.start(cell.left, "", "refuse")
        if cell.moment == BEFORE:
            cell.begin()
        self.watching.watch(lambda new: cell.is_moment(self.watching.seen[:-1], new), cell.begin)
        began = time.time()
        code, out, err = self.shop.process(home, [
            "failover", "--allow-data-loss", "1000h", "--yes", "--json",
            *(["--force", f"only {cell.place} is gone"] if cell.seems_healthy else [])], program=program)
        went.seconds = round(time.time() - began, 2)
        went.struck = sum(one.struck for one in outages.present())
        went.wrong += [f"exit {code}: {err[-1500:] or out[-1500:]}"] if code else []
        went.wrong += self._moment_missed(cell)
        seen = self.watching.leave_off()
        went.wrong += judged(cell, seen, went.aside)
        if not code:
            records = read(home / "home" / "runs" / json.loads(out)["run"] / "journal.jsonl")
            went.seconds = round(served(records) - began, 2)
            went.wrong += in_the_journal(cell, records)
            went.wrong += self._stands_in_the_survivor(cell)
        outages.end()
        self.shop.await_copy(cell.left)
        self.shop.tidy_up(cell.left)
        if cell.left == EAST:
            self._do(home, "failover", "--planned", "--yes", "--json")

    def _do(self, home: Path, *arguments: str) -> None:
        """A command that has to succeed; a gate that refuses, because this machine is busy, is asked once more."""
        code, _, err = self.shop.process(home, arguments)
        if code == 3:
            code, _, err = self.shop.process(home, arguments)
        assert code == 0, f"{' '.join(arguments)} exit {code}: {err[-1500:]}"

    def _moment_missed(self, cell: Cell) -> Iterator[str]:
        if cell.moment != BEFORE and self.watching.began is None:
            yield f"the moment {cell.moment} never came"

    def _stands_in_the_survivor(self, cell: Cell) -> Iterator[str]:
        """The writer is there, the users' name is answered with its balancer, and its database takes a write."""
        there = self.shop.aws[cell.survivor]
        members = there.rds.describe_global_clusters()["GlobalClusters"][0]["GlobalClusterMembers"]
        writer = [one["DBClusterArn"].split(":")[3] for one in members if one["IsWriter"]]
        if writer != [cell.survivor]:
            yield f"the writer is in {writer}"
        server = ("127.0.0.1", self.shop.lab.dns_port)
        balancers = there.elbv2.describe_load_balancers()["LoadBalancers"]
        told = dns.answers(NAME, server, 2.0)
        if not set(told) & {address for one in balancers for address in dns.answers(one["DNSName"], server, 2.0)}:
            yield f"{NAME} answers {told}, which is no balancer of {cell.survivor}"
        answer = there.lambda_.invoke(FunctionName=f"lambda-probe-{cell.survivor}-lab", Qualifier="live",
                                      Payload=json.dumps({"action": "write", "run": "blackout", "n": time.time_ns()}))
        if not (wrote := json.load(answer["Payload"])).get("ok"):
            yield f"no write in {cell.survivor}: {wrote}"

    def end(self) -> list[str]:
        """Put everything in order by a failback; what differs from the stack as it was built, but for the snapshots of
        what was lost, which are kept."""
        if not self.stands:
            return []
        self._do(self.shop.another_home(), "failback", "--yes", "--json")
        lines = difference(self.shop.wanted["blackout"], stands(self.shop.aws))
        return [line for line in lines if not re.match(r"too much \d+: snapshot ", line)]


def judged(cell: Cell, seen: Iterable[Seen], aside: dict[str, int]) -> Iterator[str]:
    """What is wrong with the requests of a failover; `aside` is filled with those that the region was asked so."""
    for one in seen:
        if one.mutating and (one.service in outages.CONTROL_PLANES):
            yield f"a control plane was asked for a change: {one}"
        if one.region == cell.left:
            question = next((name for name, what in ASIDE.items() if re.fullmatch(what, one.text)), "")
            if not question:
                yield f"{cell.left} was asked {one.text}"
            aside[question] = aside.get(question, 0) + 1
    yield from (f"{cell.left} was asked {count} times for {name}" for name, count in aside.items()
                if name and count > TRIES)


def served(records: Iterable[dict[str, Any]]) -> float:
    """When users were served: the last proof had ended; in seconds since 1970. What is noted after it keeps nobody."""
    return max(float(record["at"]) for record in records
               if record["event"] == "action-ended" and record["step"].startswith("prove "))


def in_the_journal(cell: Cell, records: Iterable[dict[str, Any]]) -> Iterator[str]:
    """Calls of the run's own journal to the region that is left, and to control planes without regions."""
    for record in records:
        if record["event"] == "call" and (
                record["service"] in {*GLOBAL, "cloudfront"}
                or (record["to"] == cell.left and record["operation"] not in CALLS_ASIDE)):
            yield f"the journal has {record['operation']} in {record['to']}"


def too_slow(went: Sequence[Went]) -> Iterator[Went]:
    """Those that took longer than the first, where the place refused; what nothing came to was not waited for."""
    return (one for one in went[1:] if one.struck and one.seconds > went[0].seconds + LONGER_S)


# The matrix ----------------------------------------------------------------------------------------------------------


def plan() -> list[Cell]:
    """Every place and moment; each is to be gone in every way."""
    places = [(left, place) for left in (EAST, WEST) for place in (
        REGION, *SERVICES, *(GLOBAL if left == EAST else ()), BUCKET, BOTH)]
    return [Cell(left, place, moment) for left, place in places for moment in MOMENTS]


def drawn(cells: Sequence[Cell], every: int, seed: int) -> list[Cell]:
    """Every `every`-th, in an order of this seed."""
    shuffled = list(cells)
    random.Random(seed).shuffle(shuffled)  # noqa: S311  # repeatable, not secret
    return shuffled[::every]


def work() -> None:
    """A worker's side."""
    with being_asked() as (questions, answer), workshop() as shop:
        blackouts = Blackouts(shop)
        for asked in questions:
            if asked is None:
                answer(blackouts.end())
            else:
                answer([asdict(one) for one in blackouts.trio(Cell(**asked))])


def main() -> int:
    given = _arguments()
    if given.work:
        work()
        return 0
    cells = [cell for cell in drawn(plan(), given.every, given.seed)
             if not given.only or re.search(given.only, f"{cell.left} {cell.place} {cell.moment}")]
    began, results, left_over = time.monotonic(), [], []

    def heard(trio: Any) -> None:
        for told in trio:
            went = Went(**{**told, "cell": Cell(**told["cell"])})
            results.append(went)
            if not given.json:
                say(f"{len(results):4} of {3 * len(cells)} {'FAILED' if went.wrong else 'ok    '} {went.cell!s:46} "
                    f"{went.seconds:5.1f} s, {went.struck} struck")
                for line in went.wrong[:6]:
                    say(f"       {line[:1500]}")

    workers = [Worker("tests.blackout_matrix") for _ in range(given.workers)]
    work_off(workers, [asdict(cell) for cell in cells], heard)
    for worker in workers:
        left_over += worker.ask(None)
        worker.end()
    failed = [went for went in results if went.wrong]
    document = {"passed": len(results) - len(failed), "failed": len(failed), "seed": given.seed,
                "minutes": round((time.monotonic() - began) / 60, 1), "left_over": left_over,
                "asked_aside": dict(sum((Counter(went.aside) for went in results), Counter())),
                "cells": [{**asdict(went.cell), **{key: value for key, value in asdict(went).items() if key != "cell"}}
                          for went in results]}
    if given.json:
        say(json.dumps(document, indent=2))
    else:
        _tell(document, failed)
    return 1 if failed or left_over else 0


def _tell(document: dict[str, Any], failed: Sequence[Went]) -> None:
    asked = ", ".join(f"{name} {count}" for name, count in sorted(document["asked_aside"].items()))
    say(f"asked aside, tries of the SDK included: {asked}")
    for went in failed:
        cell = went.cell
        say(f"FAILED {cell}: make blackout-matrix ARGS=\"--only '^{cell.left} {re.escape(cell.place)} {cell.moment}'\"")
    for line in document["left_over"][:20]:
        say(f"not as before: {line[:400]}")
    say(f"{document['passed']} passed, {document['failed']} failed, {document['minutes']} min, seed {document['seed']}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make blackout-matrix")
    parser.add_argument("--every", type=int, default=1, help="only every n-th place and moment")
    parser.add_argument("--seed", type=int, default=1, help="their order, and so which of them")
    parser.add_argument("--only", metavar="PATTERN", help="places and moments that match, such as 'us-east-1 rds' or "
                        "'region before'")
    parser.add_argument("--workers", type=int, default=2, help="labs side by side")
    parser.add_argument("--json", action="store_true", help="one JSON document")
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
