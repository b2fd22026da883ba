"""`drctl prices`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from drctl.cli import options
from drctl.cli.render import emit, heading, rows, verdict


@click.group("prices", invoke_without_command=True, epilog=options.examples(
    ("drctl prices -c config/production.yaml", "a month of the configured stack, by part"),
    ("drctl prices refresh -c config/production.yaml", "ask AWS's Price List; its answers win from then on")))
@options.config
@options.as_json
@click.pass_context
def command(context: click.Context, config_path: Path | None, as_json: bool) -> None:
    """What the configured stack costs in a month, by part, and the prices that it is added up from; asks nobody."""
    if context.invoked_subcommand is not None:
        return
    from drctl.actions.bill import bill
    from drctl.aws.prices import Prices
    from drctl.cli.by_hand import offline_run
    from drctl.cli.plan_view import show_prices
    from drctl.cli.session import settings_of
    from drctl.stack import stack_of

    settings = settings_of(config_path)
    estimate = bill(offline_run(settings), dict.fromkeys(stack_of(settings).steps), Prices())
    emit(estimate.with_prices(), as_json=as_json, text=lambda: show_prices(estimate))


@command.command("refresh", epilog=options.examples(
    ("drctl prices refresh -c config/production.yaml", "ask AWS's Price List; its answers win from then on")))
@options.config
@options.as_json
def refresh(config_path: Path | None, as_json: bool) -> None:
    """Ask AWS's Price List, and keep the answers in DRCTL_HOME/prices.yaml: from then on they win.

    Where it cannot be reached the old prices stay. The lab has no Price List.
    """
    from drctl.aws import price_list
    from drctl.aws.prices import Prices, refreshed_file
    from drctl.cli.session import looking, settings_of
    from drctl.errors import DrctlError

    settings, before = settings_of(config_path), Prices()
    keeps = "the prices of before stay"
    with looking(settings, hurry=True) as look:
        if look.way.lab is not None:
            raise DrctlError(f"the lab has no Price List; {keeps}",
                             next_step="drctl prices refresh -c with a configuration of target: aws")
        try:
            told = price_list.ask(look.run.at(price_list.PLACE), [site.region for site in settings.sites],
                                  settings.database.instance_class)
        except price_list.Unreachable as silence:
            raise DrctlError(f"AWS's Price List cannot be reached: {silence}; {keeps}",
                             next_step="the same command again, where api.pricing.us-east-1.amazonaws.com answers"
                             ) from None
    count = price_list.write(refreshed_file(), told, before.refreshed)
    document = {"file": str(refreshed_file()), "refreshed": count, "prices": [
        {"price": one.price.name, "region": one.region, "value": one.value, "was": was(before, one),
         "source": one.source, "why_not": one.why} for one in told]}
    emit(document, as_json=as_json, text=lambda: show(document))


def was(before: Any, one: Any) -> float | None:
    """What a price was until now."""
    known = before.of(one.price.name, one.region)
    return known.value if known is not None else None


def show(document: dict[str, Any]) -> None:
    """What is new, and what stays as it was."""
    prices = document["prices"]
    verdict(bool(document["refreshed"]),
            f"{document['refreshed']} of {len(prices)} prices are those of AWS's Price List")
    changed = [one for one in prices if one["value"] is not None and one["value"] != one["was"]]
    if changed:
        heading("changed")
    rows((f"{one['price']} {one['region']}", f"{one['was'] or 0:g} → {one['value']:g}") for one in changed)
    if kept := [one for one in prices if one["value"] is None]:
        heading("kept as they were")
        rows((f"{one['price']} {one['region']}", one["why_not"]) for one in kept)
