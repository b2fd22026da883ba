"""`drctl completion`: what a shell needs to complete commands, options and runs."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from drctl.cli import options

#: The variable by which the script asks drctl what comes next; click derives the same from the program's name.
VARIABLE = "_DRCTL_COMPLETE"


@click.command("completion", epilog=options.examples(
    ('eval "$(drctl completion bash)"', "in ~/.bashrc; needs bash 4.4 or newer"),
    ("drctl completion bash > ~/.local/share/bash-completion/completions/drctl", "once, with bash-completion"),
    ("drctl completion zsh > ~/.zfunc/_drctl", "once; ~/.zfunc in fpath before compinit"),
    ("drctl completion fish > ~/.config/fish/completions/drctl.fish", "once")))
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print the script that lets SHELL complete drctl's commands, options and runs.

    The script asks drctl itself, which takes no longer than its --help and looks at nothing but this machine.
    """
    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"this click knows no completion for {shell}")
    root = click.get_current_context().find_root().command
    click.echo(kind(root, {}, "drctl", VARIABLE).source())
