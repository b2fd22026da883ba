"""`drctl lab scenario`: what happens to a stack in a lab, beside what is expected."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from drctl.cli import options
from drctl.cli.render import emit
from drctl.errors import ChecksFailed

if TYPE_CHECKING:
    from drctl.cli.scenarios import Outcome

#: AWS seconds in a second of a scenario's lab, unless told.
SPEED = 60.0


@click.command("scenario", epilog=options.examples(
    ("drctl lab scenario --list", "what there is, and why each matters"),
    ("drctl lab scenario region-lost lying-health", "these two"),
    ("drctl lab scenario all -c config/production.yaml", "all of them with your configuration: for your CI"),
    ("drctl lab scenario ./my-own.yaml", "one of your own")))
@click.argument("names", nargs=-1, metavar="[NAME|FILE]...")
@click.option("--list", "listing", is_flag=True, help="The scenarios there are, and why each matters.")
@click.option("--speed", type=click.FloatRange(min=1, max=1000), default=SPEED, show_default=True,
              help="AWS seconds in a second of their labs.")
@options.config
@options.as_json
def scenario(names: tuple[str, ...], listing: bool, speed: float, config_path: Path | None, as_json: bool) -> None:
    """Play scenarios, each in a lab of its own, and compare what drctl and users get with what is expected.

    Your configuration is taken as it is, but for what only your account has: the target becomes the lab, the hosted
    zone and the certificates are made in it. `all` plays all that come with drctl; a file is a scenario of your own.
    Exit 4 when one ends otherwise than expected. Their runs stay under DRCTL_HOME/scenarios.
    """
    from drctl.cli.scenarios import chosen, in_the_lab, listed, play
    from drctl.configuration import packaged_lab
    from drctl.home import home

    settings = in_the_lab(config_path or packaged_lab())
    if listing:
        found = listed(settings)
        emit({"scenarios": found}, as_json=as_json, text=lambda: click.echo("\n".join(
            f"{one['name']:32} {one['title']}" for one in found)))
        return
    if not names:
        raise click.UsageError("name the scenarios, or all; --list shows them")
    wanted = chosen(names, settings)
    ends: list[Outcome] = []
    for name, one in wanted.items():
        ends.append(play(name, one, home() / "scenarios" / name, settings, speed))
        if not as_json:
            _tell(ends[-1])
    report = {"scenarios": [asdict(end) for end in ends]}
    if differ := [end for end in ends if end.differs]:
        failed = ChecksFailed(f"{len(differ)} of {len(ends)} scenarios ended otherwise than expected (simulated)",
                              findings=tuple(f"{end.name}, step {end.step}: {end.differs}" for end in differ),
                              next_step=f"look at the runs under {home() / 'scenarios'}")
        failed.report = report
        raise failed
    emit(report, as_json=as_json, text=lambda: click.echo(
        f"{len(ends)} of {len(ends)} scenarios ended as expected (simulated)"))


def _tell(end: Outcome) -> None:
    word = "differs" if end.differs else "ok"
    click.echo(f"{word:8} {end.name:32} {end.seconds:5.0f} s  {end.title}")
    if end.differs:
        click.echo(f"         step {end.step}: {end.steps[-1] if end.steps else 'before the first'}\n"
                   f"         {end.differs}")
