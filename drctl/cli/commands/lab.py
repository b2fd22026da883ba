"""`drctl lab`: the simulated AWS on this machine."""

from __future__ import annotations

import re
from typing import Any

import click

from drctl.cli import options
from drctl.cli.commands.lab_scenario import scenario
from drctl.cli.commands.lab_traffic import traffic
from drctl.cli.render import emit
from drctl.errors import Refused


@click.group("lab", epilog=options.examples(
    ("drctl lab up", "start it; any command starts one when none runs"),
    ("drctl lab outage start --region us-east-1", "a region is gone"),
    ("drctl lab scenario region-lost", "the whole story, in a lab of its own"),
    ("drctl lab down", "end it, and what was built in it")))
def command() -> None:
    """The simulated two-region AWS on this machine: no account, no network, no Docker.

    One lab runs under one DRCTL_HOME (default .drctl); several homes hold several labs side by side.
    """


command.add_command(traffic)
command.add_command(scenario)


@command.command("up", epilog=options.examples(
    ("drctl lab up --speed 20", "20 AWS seconds in a second"),
    ("drctl lab up --faults 0.2 --seed 7", "a fifth of all calls goes wrong, the same ones each time"),
    ("drctl lab up --without clone-of-a-secondary", "one rule switched off"),
    ('aws --endpoint-url "$(drctl lab up --json | jq -r .endpoint)" ec2 describe-vpcs', "the AWS CLI sees the lab")))
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port on loopback; default: a free one.")
@click.option("--speed", type=click.FloatRange(min=0, min_open=True), default=None,
              help="AWS seconds in a second; default: DRCTL_SPEED, or 60.")
@click.option("--without", multiple=True, metavar="RULE", help="Switch a rule of the lab off, by name.")
@click.option("--faults", type=click.FloatRange(0, 1), default=0.0, metavar="SHARE",
              help="Share of calls that end in an error, a reset or a lost answer, for example 0.2.")
@click.option("--seed", type=int, default=0, help="Makes the faults the same again.")
@options.as_json
def up(port: int, speed: float | None, without: tuple[str, ...], faults: float, seed: int, as_json: bool) -> None:
    """Start the lab of this home; a lab that runs already is told."""
    from drctl.lab import process

    lab, started = process.up(port, speed, without, faults, seed)
    document = {"endpoint": lab.endpoint, "speed": lab.speed, "dns": lab.dns, "edge": lab.edge, "pid": lab.pid,
                "faults": lab.faults}
    word = "started" if started else "runs already"
    emit(document, as_json=as_json, text=lambda: click.echo(
        f"lab: {word} at {lab.endpoint}, speed {lab.speed:g} AWS seconds a second, names at {lab.dns}, "
        f"clients at {lab.edge}"))


@command.command("down", epilog=options.examples(("drctl lab down", "nothing of the lab is left but its runs")))
@options.as_json
def down(as_json: bool) -> None:
    """End the lab of this home and the traffic in it; what was built in it, and what the traffic saw, is gone."""
    from drctl.lab import process

    lab = process.down()
    text = f"lab: {lab.endpoint} is down" if lab else "lab: none was running"
    emit({"stopped": lab.endpoint if lab else None}, as_json=as_json, text=lambda: click.echo(text))


@command.command("status", epilog=options.examples(("drctl lab status --json", "for a script")))
@options.as_json
def status(as_json: bool) -> None:
    """Address, speed, AWS time, calls, lag, outages and faults of the lab of this home; exit 1 when none answers."""
    from drctl.lab import process

    lab = process.needed()
    told: dict[str, Any] = {"endpoint": lab.endpoint, "pid": lab.pid, **process.ask(lab, "status")}
    throttled = ", ".join(f"{service} {count}" for service, count in sorted(told["throttled"].items()))
    shown = {**told, "lag_ms": _lag(told["lag_ms"]), "throttled": throttled or "none",
             "outages": ", ".join(map(_place, told["outages"])) or "none",
             "faults": _faults(told["faults"]) if told["faults"] else "none"}
    lines = (f"{key.removesuffix('_ms'):12} {shown[key]}" for key in shown)
    emit(told, as_json=as_json, text=lambda: click.echo("\n".join(lines)))


def _place(outage: dict[str, Any]) -> str:
    return " ".join(filter(None, (outage["region"], outage["service"], outage.get("bucket"), outage.get("gray"),
                                  outage.get("zone"))))


def _faults(faults: dict[str, Any]) -> str:
    struck = ", ".join(f"{kind} {count}" for kind, count in faults["struck"].items())
    return f"{faults['rate']:g} of the calls, seed {faults['seed']}: {struck} of {faults['calls']}"


@command.command("rules", epilog=options.examples(
    ("drctl lab rules", "every rule, and what it refuses or delays"),
    ("drctl lab up --without clone-of-a-secondary", "a lab without one of them")))
@options.as_json
def rules(as_json: bool) -> None:
    """What the lab refuses or delays as AWS does: name and sense of every rule."""
    from drctl.lab import process

    known = process.rules()
    emit({"rules": known}, as_json=as_json, text=lambda: click.echo("\n".join(
        f"{one['name']:38} {one['rule']}{'' if one['on'] else ' (off)'}" for one in known)))


@command.command("lag", epilog=options.examples(
    ("drctl lab lag", "how far behind the copy is"),
    ("drctl lab lag 20m", "twenty minutes from now on"),
    ("drctl lab lag default", "as ever")))
@click.argument("lag", required=False, metavar="[500ms|20s|20m|1h|default]")
@options.as_json
def lag(lag: str | None, as_json: bool) -> None:
    """Tell, or set, how far the secondaries of global databases lag behind, in AWS time; a day at most.

    The metrics show it from now on, and what is written from now on arrives so late. A switchover takes longer by it
    and loses nothing; a failover loses what has not arrived.
    """
    from drctl.lab import process

    lag_ms = _milliseconds(lag) if lag and lag != "default" else None
    lab = process.needed()
    if lag_ms is not None:
        told = process.ask(lab, "lag", "POST", lag_ms=lag_ms)
    else:
        told = process.ask(lab, "lag", "DELETE" if lag else "GET")
    usual = ", as ever" if told["default"] else ""
    emit(told, as_json=as_json, text=lambda: click.echo(f"lab: secondaries lag {_lag(told['lag_ms'])} behind{usual}"))


def _milliseconds(text: str, of: str = "LAG") -> float:
    """Of `500ms`, `20s`, `20m` or `1h`; BadParameter for anything else."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m|h)", text)
    if found is None:
        raise click.BadParameter(f"{text!r} is no span of time: 500ms, 20s, 20m, 1h", param_hint=of)
    return float(found[1]) * {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000}[found[2]]


def _lag(lag_ms: float) -> str:
    return f"{lag_ms:g} ms" if lag_ms < 1000 else f"{lag_ms / 1000:g} s"


@command.group("outage", epilog=options.examples(
    ("drctl lab outage start --region us-east-1 --mode hang", "connections are taken and never answered"),
    ("drctl lab outage list", "what is gone, and how many requests it has struck"),
    ("drctl lab outage end", "all of it is back")))
def outage() -> None:
    """Take a region, or one service of it, away from the lab, and give it back."""


_region = click.option("--region", metavar="REGION", help="The region, for example us-east-1.")
_service = click.option("--service", metavar="SERVICE", default="", help="One service, for example rds; default: all.")
_gray = click.option("--gray", type=click.Choice(["slow-database", "lying-health", "one-zone"]), default=None,
                     help="A region that half works: databases answer late; health paths answer 200 whatever is so; "
                          "one availability zone is gone.")


@outage.command("start", epilog=options.examples(
    ("drctl lab outage start --region us-east-1", "a region refuses connections"),
    ("drctl lab outage start --region us-east-1 --service rds --mode hang", "one service of it never answers"),
    ("drctl lab outage start --region us-east-1 --gray slow-database --delay 4s", "it half works")))
@click.option("--region", metavar="REGION", required=True, help="The region, for example us-east-1.")
@_service
@click.option("--bucket", metavar="BUCKET", default="", help="One bucket, with --service s3.")
@click.option("--mode", type=click.Choice(["refuse", "error", "hang"]), default=None,
              help="Connections are cut, which is the default; 503; no answer until the outage ends.")
@_gray
@click.option("--delay", metavar="SPAN",
              help="With --gray slow-database: by how much, 500ms or 4s of the functions' own time; default: 500ms.")
@options.as_json
def start(region: str, service: str, bucket: str, mode: str | None, gray: str | None, delay: str | None,
          as_json: bool) -> None:
    """Begin an outage; with us-east-1 the control planes of IAM, Route 53 and CloudFront are gone too.

    A gray failure (--gray) leaves the APIs alone.
    """
    if gray or delay:
        if not gray or service or mode or bucket:
            raise click.UsageError("--gray goes without --service, --mode and --bucket, and --delay goes with --gray")
        _start_gray(region, gray, delay, as_json)
    else:
        _start_outage(region, service, bucket, mode or "refuse", as_json)


def _start_gray(region: str, gray: str, delay: str | None, as_json: bool) -> None:
    from drctl.lab import process

    delay_s = _milliseconds(delay, "--delay") / 1000 if delay else None
    told = process.ask(process.needed(), "outages", "POST", region=region, gray=gray, delay_s=delay_s)
    if delay_s is not None and told["delay_s"] != delay_s:
        raise Refused(f"{_place(told)} is there already, answers {told['delay_s']:g} s late",
                      next_step=f"drctl lab outage end --region {region} --gray {gray}")
    word = "now" if told["started"] else "already"
    emit(told, as_json=as_json, text=lambda: click.echo(f"lab: {_place(told)} {word}{_late(told)}"))


def _late(outage: dict[str, Any]) -> str:
    return f", answers {outage['delay_s']:g} s late" if outage.get("delay_s") else ""


def _start_outage(region: str, service: str, bucket: str, mode: str, as_json: bool) -> None:
    from drctl.lab import process

    told = process.ask(process.needed(), "outages", "POST", region=region, service=service, bucket=bucket,
                       mode=mode)
    if told["mode"] != mode:
        raise Refused(f"{_place(told)} is out already, in mode {told['mode']}",
                      next_step=f"drctl lab outage end --region {region}"
                                + (f" --service {told['service']}" if told["service"] else ""))
    word = "is out now" if told["started"] else "is out already"
    emit(told, as_json=as_json, text=lambda: click.echo(f"lab: {_place(told)} {word}, mode {told['mode']}"))


@outage.command("end", epilog=options.examples(
    ("drctl lab outage end", "all outages"),
    ("drctl lab outage end --region us-east-1 --service rds", "that one")))
@_region
@_service
@_gray
@options.as_json
def end(region: str | None, service: str, gray: str | None, as_json: bool) -> None:
    """End the outages of a region, of a service, or of a gray kind; without any, all."""
    from drctl.lab import process

    told = process.ask(process.needed(), "outages", "DELETE", region=region or "", service=service, gray=gray or "")
    ended = ", ".join(map(_place, told["ended"]))
    emit(told, as_json=as_json, text=lambda: click.echo(
        f"lab: {ended} answers again" if ended else "lab: there was no such outage"))


@outage.command("list", epilog=options.examples(("drctl lab outage list --json", "for a script")))
@options.as_json
def outages(as_json: bool) -> None:
    """The outages there are, and how many requests each has struck."""
    from drctl.lab import process

    told = process.ask(process.needed(), "outages")
    lines = [f"{_place(one):32} {one['mode']:8} since {one['since']:g} s of AWS time{_struck(one)}"
             for one in told["outages"]]
    emit(told, as_json=as_json, text=lambda: click.echo("\n".join(lines) or "lab: no outages"))


def _struck(outage: dict[str, Any]) -> str:
    return _late(outage) if outage.get("gray") else f", struck {outage['struck']} requests"
