"""The `drctl` command: finds the subcommand, turns errors into messages and exit codes.

Start-up matters at 3 a.m.: nothing but click is imported before a subcommand is chosen.
"""

from __future__ import annotations

import gc
import importlib
import os
import sys
from typing import TYPE_CHECKING, Any

import click

from drctl import __version__
from drctl.cli import options
from drctl.errors import ConfigurationError, DrctlError, Interrupted

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

#: Subcommand: module below drctl.cli.commands, and the line `--help` shows, so that help imports no command.
COMMANDS = {
    "provision": ("provision", "Build or converge both regions, verify them, print the outputs."),
    "plan": ("plan", "What provision would do, what it costs and how long it takes; changes nothing."),
    "verify": ("verify", "Whether a failover could begin now: findings, and what mends them."),
    "status": ("status", "One screen: which region is active, roles, replication lag, health."),
    "failover": ("failover", "To the other region: unplanned, planned, or as a drill."),
    "failback": ("failback", "Home again, without loss, and everything that a failover has left."),
    "teardown": ("teardown", "Remove everything drctl made, and prove that nothing is left."),
    "outputs": ("outputs", "The stack's endpoints and identifiers."),
    "prices": ("prices", "What the stack costs in a month; refresh asks AWS's Price List."),
    "runs": ("runs", "Past runs, those that stopped on their way first."),
    "resume": ("resume", "Go on with a run that stopped on its way, of this machine or another."),
    "report": ("report", "The report of one run."),
    "policy": ("policy", "IAM policies for whoever does a run on this stack."),
    "lab": ("lab", "The simulated AWS on this machine."),
    "completion": ("completion", "The script that lets a shell complete drctl's commands."),
}


class Commands(click.Group):
    """Subcommands that are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, text = COMMANDS[cmd_name]
        if _only_help() and not ctx.resilient_parsing:
            return click.Command(cmd_name, short_help=text)
        command: click.Command = importlib.import_module(f"drctl.cli.commands.{module}").command
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Names and their lines come from the table, so that completing a command imports none."""
        from click.shell_completion import CompletionItem

        names = [CompletionItem(name, help=text) for name, (_, text) in COMMANDS.items() if name.startswith(incomplete)]
        return [*names, *click.Command.shell_complete(self, ctx, incomplete)]

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            self._suggest(ctx, args[0])
        return super().resolve_command(ctx, args)

    def _suggest(self, ctx: click.Context, name: str) -> None:
        import difflib

        near = difflib.get_close_matches(name, COMMANDS, n=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise click.UsageError(f"No such command {name!r}.{hint}", ctx)


def _only_help() -> bool:
    """Whether `drctl --help` lists the commands and none of them will run."""
    return len(sys.argv) < 2 or sys.argv[1] in {"--help", "-h"}


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]}, epilog=options.examples(
    ("drctl provision", "build the stack in the lab"),
    ("drctl failover --drill", "rehearse the loss of a region, measured"),
    ("drctl status -c config/dev.yaml", "what stands on AWS, and who is active")) + (
    "\n\nWithout -c/--config (or DRCTL_CONFIG) every command works on the lab, a simulated AWS on this machine. "
    "Exit codes: 0 done, 1 failed (run it again), 2 bad usage or configuration, 3 refused by a guard, "
    "4 checks found problems, 130 interrupted (run it again)."))
@click.version_option(__version__, prog_name="drctl")
@click.option("--debug", is_flag=True, help="Show tracebacks.")
def cli(debug: bool) -> None:
    """Build a two-region disaster-recovery stack on AWS, rehearse the loss of a region, take it all down again."""
    if debug:
        os.environ["DRCTL_DEBUG"] = "1"


#: Objects made before Python looks for garbage again: a start makes some 150,000, which all stay, and looking through
#: them again and again would take a tenth of its time.
NO_GARBAGE_BEFORE = 200_000


def main() -> None:
    """Entry point of the console script."""
    gc.set_threshold(NO_GARBAGE_BEFORE)
    try:
        # click gives the code of a command that has ended itself by Context.exit back, and None for any other end
        code = cli.main(standalone_mode=False) or 0
    except click.Abort:
        code = _tell(Interrupted("stopped", next_step="the same command again"))
    except click.ClickException as error:
        error.show()
        code = _tell_scripts(ConfigurationError(error.format_message(), next_step="drctl --help"))
    except DrctlError as error:
        code = _tell(error)
    except BrokenPipeError:
        code = 141
    except Exception as error:
        code = _bug(error)
    sys.exit(code)


def _tell(error: DrctlError) -> int:
    if os.environ.get("DRCTL_DEBUG"):
        import traceback

        traceback.print_exc()
    from drctl.cli.failures import show

    show(error)
    return _tell_scripts(error)


def _tell_scripts(error: DrctlError) -> int:
    from drctl.cli.failures import tell_scripts

    tell_scripts(error)
    return error.exit_code


def _bug(error: Exception) -> int:
    """A mistake of ours looks different from a mistake of the user."""
    if os.environ.get("DRCTL_DEBUG"):
        import traceback

        traceback.print_exc()
    message = f"drctl has a defect: {type(error).__name__}: {error}"
    click.echo(f"{message}\n"
               "What stands, stands; the same command again goes on. `drctl --debug …` shows the traceback.", err=True)
    return _tell_scripts(DrctlError(message, next_step="drctl --debug … shows the traceback"))
