"""`drctl plan`."""

from __future__ import annotations

from pathlib import Path

import click

from drctl.cli import options
from drctl.cli.render import emit


@click.command("plan", epilog=options.examples(
    ("drctl plan -c config/dev.yaml", "what provision would do, what it costs, and how long it takes"),
    ("drctl plan --exit-code", "in a pipeline: exit 4 when there is something to do")))
@options.config
@options.as_json
@click.option("--exit-code", is_flag=True, help="Exit with 4 when there is something to do, with 0 when there is not.")
@click.pass_context
def command(context: click.Context, config_path: Path | None, as_json: bool, exit_code: bool) -> None:
    """What provision would do now, what the stack costs in a month, and how long it takes; changes nothing.

    What could not be seen is told, and ends in exit code 1: a plan with holes is no answer.
    """
    from drctl.cli.session import looking, settings_of

    settings = settings_of(config_path)
    from drctl.actions.plan import plan
    from drctl.aws.prices import Prices
    from drctl.cli.finding_regions import refuse_unless_both_accept_credentials
    from drctl.cli.plan_view import show_plan
    from drctl.engine.survey import Looking
    from drctl.stack import stack_of

    with looking(settings) as look:
        refuse_unless_both_accept_credentials(look.run)
        found = plan(Looking.of(look.run), stack_of(settings).steps, Prices())
    emit({"environment": settings.environment, "target": settings.target, **found.as_dict()}, as_json=as_json,
         text=lambda: show_plan(found, settings))
    if not found.is_whole:
        context.exit(1)
    if exit_code and (found.to_do or found.in_the_way):
        context.exit(4)
