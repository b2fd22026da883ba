"""`drctl outputs`."""

from __future__ import annotations

from pathlib import Path

import click

from drctl.cli import options
from drctl.cli.render import emit, show_outputs


@click.command("outputs", epilog=options.examples(
    ("drctl outputs -c config/dev.yaml", "addresses, buckets, and the name servers for the parent zone"),
    ("drctl outputs -c config/dev.yaml --json", "the same for a script")))
@options.config
@options.as_json
def command(config_path: Path | None, as_json: bool) -> None:
    """The stack's endpoints and identifiers, as AWS shows them now."""
    from drctl.cli.session import looking, settings_of

    settings = settings_of(config_path)
    from drctl.actions.prove import refuse_without
    from drctl.stack import stack_of

    with looking(settings) as look:
        run = look.run
        stack = stack_of(settings)
        refuse_without(run, stack.front.zone)
        outputs = stack.outputs(run)
    emit(outputs, as_json=as_json, text=lambda: show_outputs(outputs, {}))
