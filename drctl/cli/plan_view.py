"""A plan and its price on the screen: a tree by region, and tables of dollars and minutes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rich.console import Console
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from drctl.actions.bill import LEFT_OUT, Bill
from drctl.actions.plan import Plan
from drctl.cli.progress import span
from drctl.engine.intent import Intent, What
from drctl.settings import Settings, Site

#: A sign and a colour for each kind, as people know them from `diff`.
SIGNS: Mapping[What, tuple[str, str]] = {
    "create": ("+", "green"), "change": ("~", "yellow"), "replace": ("±", "yellow"), "keep": (" ", "dim"),
    "refused": ("!", "red"), "not-ours": ("!", "red"), "unknown": ("?", "red")}
#: What each kind is called in words.
WORDS: Mapping[What, str] = {
    "create": "create", "change": "change in place", "replace": "replace", "keep": "keep",
    "refused": "refused", "not-ours": "not ours", "unknown": "not seen"}
#: Lines of a step that a screen shows; `--json` has them all.
LINES = 4
#: Columns of a plan that goes into a file.
WIDTH = 160


def show_plan(plan: Plan, settings: Settings) -> None:
    """What provision would do, what that costs and how long it takes."""
    console = Console(highlight=False, soft_wrap=True)
    if not console.is_terminal:
        console.width = WIDTH
    tree = Tree(Text(f"{settings.environment}: {_headline(plan)}", style="bold"))
    for site in settings.sites:
        _add_region(tree, site, [one for one in plan.intents if one.step.region == site.region])
    console.print(tree, soft_wrap=False)
    for one in plan.leftovers:
        console.print(f"[yellow]left over[/]  {one.kind} {one.id} ({one.region}): it carries this stack's tag and "
                      "belongs to nothing in the configuration; drctl leaves it until teardown")
    if plan.leftovers_unknown:
        console.print(f"[yellow]left over[/]  not known: {plan.leftovers_unknown}")
    show_bill(plan.bill, console)
    if plan.to_do:
        _show_path(plan, console)


def _headline(plan: Plan) -> str:
    counts = plan.counts()
    said = [f"{counts[what]} to {WORDS[what]}" for what in ("create", "change", "replace") if what in counts]
    said += [f"{counts[what]} {WORDS[what]}" for what in ("refused", "not-ours", "unknown") if what in counts]
    kept = counts.get("keep", 0)
    return f"{', '.join(said)}, {kept} to keep" if said else f"nothing to do: all {kept} steps are as configured"


def _add_region(tree: Tree, site: Site, found: Iterable[Intent]) -> None:
    shown = [one for one in found if one.what != "keep" or one.waits]
    if not shown:
        return
    branch = tree.add(Text(f"{site.region} ({site.role})", style="bold"))
    for intent in shown:
        sign, colour = SIGNS[intent.what]
        leaf = branch.add(Text.assemble((f"{sign} {_named(intent.step.key, site)}: {WORDS[intent.what]}", colour),
                                        (_after(intent, site), "dim")))
        texts = intent.texts if intent.what != "create" else ()  # that it is not there says it all
        for text in texts[:LINES]:
            leaf.add(Text(text))
        if len(texts) > LINES:
            leaf.add(Text(f"and {len(texts) - LINES} more: --json", style="dim"))
        for text in intent.waits:
            leaf.add(Text(f"provision waits until {text}", style="dim"))
        if intent.way:
            leaf.add(Text(f"way: {intent.way}"))


def _named(key: str, site: Site) -> str:
    """A step's key; in its own region without the region."""
    return key.removesuffix(f" {site.region}")


def _after(intent: Intent, site: Site) -> str:
    """What has to be there before, as far as a line holds."""
    said = [_named(key, site) for key in intent.after]
    more = f" and {len(said) - LINES} more" if len(said) > LINES else ""
    return f", after {', '.join(said[:LINES])}{more}" if said else ""


def show_bill(bill: Bill, console: Console | None = None) -> None:
    """US dollars a month by part: as configured, now, and the difference."""
    console = console or Console(highlight=False, soft_wrap=True)
    table = Table("US dollars a month, both regions", box=None, pad_edge=False)
    for column in ("as configured", "now", "difference"):
        table.add_column(column, justify="right")
    for part in bill.parts:
        table.add_row(part.name, *_dollars(part.planned, part.now))
    table.add_row("sum", *_dollars(bill.planned, bill.now), style="bold")
    console.print(table)
    _show_assumptions(bill, console)


def _show_assumptions(bill: Bill, console: Console) -> None:
    for name in bill.unpriced:
        console.print(f"[yellow]no price is known of {name}, so it is not in the sum: drctl prices refresh[/]")
    taken = ", ".join(f"{name} {value:g}" for name, value in bill.assumptions.items())
    console.print(f"\n[dim]taken for a month (estimate in the configuration): {taken};\n{LEFT_OUT}[/]\n")


def show_prices(bill: Bill) -> None:
    """What the configuration costs, and every price in it with its source."""
    console = Console(highlight=False, soft_wrap=True)
    table = Table("US dollars a month, both regions", box=None, pad_edge=False)
    table.add_column("as configured", justify="right")
    for part in bill.parts:
        table.add_row(part.name, f"{part.planned:.0f}")
    table.add_row("sum", f"{bill.planned:.0f}", style="bold")
    console.print(table)
    _show_assumptions(bill, console)
    alike: dict[tuple[str, str], list[str]] = {}
    for spelled, price in sorted(bill.prices.items()):
        name, _, region = spelled.partition(" ")
        words = f"{price.value:>12.10g} per {price.unit}; {price.source}; read {price.read}"
        alike.setdefault((name, words), []).append(region)
    for (name, words), regions in alike.items():
        console.print(f"  {name:27} {words}; {', '.join(regions)}")


def _dollars(planned: float, now: float) -> tuple[str, str, str]:
    difference = round(planned) - round(now)
    return f"{planned:.0f}", f"{now:.0f}", f"{difference:+d}" if difference else ""


def _show_path(plan: Plan, console: Console) -> None:
    console.print(f"usually about {max(1, round(plan.path.seconds / 60))} min, the longest way:" if plan.path.seconds
                  else "usually a minute or two: nothing in it is waited for long")
    for step, seconds in plan.on_the_way():
        console.print(f"  {span(seconds):>6}  {step.key}")
