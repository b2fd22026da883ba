"""`drctl verify`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from drctl.cli import options
from drctl.cli.render import emit
from drctl.errors import ConfigurationError

if TYPE_CHECKING:
    from drctl.readiness.readiness import Readiness
    from drctl.settings import Settings


@click.command("verify", epilog=options.examples(
    ("drctl verify -c config/dev.yaml", "what stands in the way of a failover, and what mends it"),
    ("drctl verify --junit readiness.xml", "in a pipeline: exit 4 when something was found"),
    ("drctl verify --publish", "from cron: the score as a metric in both regions"),
    ("drctl verify --rule DB-14 --rule SWI-04", "these rules alone"),
    ("drctl verify --list", "every rule with its reason")))
@options.config
@options.as_json
@click.option("--junit", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
              help="Write a report for build servers.")
@click.option("--watch", type=click.FloatRange(min=1), metavar="SECONDS", help="Look again and again, until Ctrl-C.")
@click.option("--rule", "rules", multiple=True, metavar="ID", help="Only this rule; may be repeated.")
@click.option("--list", "listed", is_flag=True, help="List the rules, ask nothing.")
@click.option("--publish", is_flag=True, help="Put the score as a CloudWatch metric into both regions.")
@click.pass_context
def command(context: click.Context, /, config_path: Path | None, as_json: bool, **asked: Any) -> None:
    """Whether a failover could begin now: every rule of readiness over one read of the live stack; changes nothing.

    Exit code 4 when something was found, 1 when nothing was but something could not be seen, 0 when all is well.
    """
    _refuse_contradictions(as_json, asked)
    if asked["listed"]:
        _list(asked["rules"], as_json)
        return
    from drctl.cli.session import settings_of

    settings = settings_of(config_path)
    found = _told(settings, as_json, asked)
    while asked["watch"] is not None:
        from drctl.engine.clock import Clock

        Clock(1.0).sleep(asked["watch"])
        found = _told(settings, as_json, asked)
    if found.findings:
        context.exit(4)
    if found.those("unknown"):
        context.exit(1)


def _refuse_contradictions(as_json: bool, asked: Mapping[str, Any]) -> None:
    """Bad usage gets exit 2 before anything is called."""
    from drctl.readiness.readiness import RULES

    if as_json and asked["watch"] is not None:
        raise click.UsageError("--watch is for people: --json is one document")
    if asked["publish"] and asked["rules"]:
        raise click.UsageError("--publish tells the score of all rules, and --rule chooses some")
    if unknown := sorted(set(asked["rules"]) - {rule.id for rule in RULES}):
        raise click.BadParameter(f"there is no rule {', '.join(unknown)}: drctl verify --list", param_hint="--rule")


def _told(settings: Settings, as_json: bool, asked: Mapping[str, Any]) -> Readiness:
    """One look, told as it was asked for."""
    found = _looked(settings, asked["rules"])
    if asked["junit"] is not None:
        _write(found, asked["junit"])
    if asked["publish"]:
        _publish(settings, found)
    _show(settings, found, whole=not asked["rules"], as_json=as_json)
    return found


def _list(chosen: tuple[str, ...], as_json: bool) -> None:
    from drctl.cli.verify_view import as_dicts, show_rules
    from drctl.readiness.readiness import RULES

    rules = [rule for rule in RULES if not chosen or rule.id in chosen]
    emit(as_dicts(rules), as_json=as_json, text=lambda: show_rules(rules))


def _looked(settings: Settings, rules: tuple[str, ...]) -> Readiness:
    from drctl.cli.finding_regions import those_that_do_not_answer
    from drctl.cli.session import looking
    from drctl.engine.survey import Looking, survey
    from drctl.readiness.readiness import WITHIN_S, readiness
    from drctl.stack import stack_of

    with looking(settings) as look:
        run, stack = Looking.of(look.run), stack_of(settings)
        run.take_for_silent(those_that_do_not_answer(run))
        return readiness(run, stack, survey(run, stack.steps, WITHIN_S), rules)


def _show(settings: Settings, found: Readiness, *, whole: bool, as_json: bool) -> None:
    from drctl.cli.verify_view import show_readiness

    told = found.as_dict() if whole else {key: value for key, value in found.as_dict().items() if key != "score"}
    emit({"environment": settings.environment, "target": settings.target, **told}, as_json=as_json,
         text=lambda: show_readiness(found, settings.environment, whole=whole))


def _write(found: Readiness, path: Path) -> None:
    from drctl.cli.verify_view import write_junit

    try:
        write_junit(found, path)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error.strerror}",
                                 next_step="--junit with a file that can be written") from error


def _publish(settings: Settings, found: Readiness) -> None:
    """Each region by itself: one that is lost must not keep the other one from being told."""
    from drctl.actions.readiness import published
    from drctl.aws.errors import AwsError
    from drctl.cli.session import looking
    from drctl.errors import DrctlError

    with looking(settings, hurry=True) as look:
        for call in published(look.run, ready=not found.blocked, score=found.score):
            try:
                call.send(look.run.aws)
            except (DrctlError, *AwsError) as error:
                click.echo(f"not published in {call.region}: {error}", err=True)
