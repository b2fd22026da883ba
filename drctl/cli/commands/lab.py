"""`drctl lab`: the simulated AWS on this machine."""

from __future__ import annotations

from typing import Any

import click

from drctl.cli import options
from drctl.cli.render import emit
from drctl.errors import DrctlError


@click.group("lab")
def command() -> None:
    """The simulated two-region AWS on this machine: no account, no network, no Docker.

    One lab runs under one DRCTL_HOME (default .drctl); several homes hold several labs side by side.
    """


@command.command("up", epilog="Example: drctl lab up --speed 60; AWS CLI: aws --endpoint-url $ENDPOINT ec2 …")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port on loopback; default: a free one.")
@click.option("--speed", type=click.FloatRange(min=0, min_open=True), default=None,
              help="AWS seconds in a second; default: DRCTL_SPEED, or 60.")
@click.option("--without", multiple=True, metavar="RULE", help="Switch a rule of the lab off, by name.")
@options.as_json
def up(port: int, speed: float | None, without: tuple[str, ...], as_json: bool) -> None:
    """Start the lab of this home; a lab that runs already is told."""
    from drctl.lab import process

    lab, started = process.up(port, speed, without)
    document = {"endpoint": lab.endpoint, "speed": lab.speed, "dns": lab.dns, "pid": lab.pid}
    word = "started" if started else "runs already"
    emit(document, as_json=as_json, text=lambda: click.echo(
        f"lab: {word} at {lab.endpoint}, speed {lab.speed:g} AWS seconds a second, names at {lab.dns}"))


@command.command("down")
@options.as_json
def down(as_json: bool) -> None:
    """End the lab of this home; what was built in it is gone."""
    from drctl.lab import process

    lab = process.down()
    text = f"lab: {lab.endpoint} is down" if lab else "lab: none was running"
    emit({"stopped": lab.endpoint if lab else None}, as_json=as_json, text=lambda: click.echo(text))


@command.command("status")
@options.as_json
def status(as_json: bool) -> None:
    """Address, speed, AWS time and calls of the lab of this home; exit 1 when none answers."""
    from drctl.lab import process

    lab = process.state()
    if lab is None or not process.answers(lab):
        where = f"at {lab.endpoint} " if lab else ""
        raise DrctlError(f"no lab {where}answers" + ("; what was in it is gone" if lab else ""),
                         next_step="drctl lab up")
    told: dict[str, Any] = {"endpoint": lab.endpoint, "pid": lab.pid, **process.ask(lab, "status")}
    emit(told, as_json=as_json, text=lambda: click.echo("\n".join(f"{key:12} {told[key]}" for key in told)))
