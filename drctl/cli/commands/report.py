"""`drctl report RUN`."""

from __future__ import annotations

from pathlib import Path

import click

from drctl.cli import options
from drctl.cli.render import emit, show_report, show_verification
from drctl.errors import ChecksFailed


@click.command("report", epilog=options.examples(
    ("drctl report last", "the newest run: outcome, times, figures, what failed"),
    ("drctl report last --open", "the same as a page, in the browser"),
    ("drctl report 20261129-0312 --verify", "is the journal of that run whole, and equal to its copies"),
    ("drctl report 20261129-0312 -c config/dev.yaml", "a run of another machine")))
@click.argument("run", default="last", shell_complete=options.run_ids)
@options.config
@options.as_json
@click.option("--open", "opens", is_flag=True, help="Show the report as a page, in the browser.")
@click.option("--verify", is_flag=True, help="Check that the journal is whole, and equal to its copies.")
def command(run: str, config_path: Path | None, as_json: bool, opens: bool, verify: bool) -> None:
    """What happened in RUN (an id, its beginning, or `last`): outcome, times, figures, what failed.

    A run that this machine does not know is fetched from the control buckets, which -c/--config names.
    """
    from drctl.cli import evidence
    from drctl.cli.session import settings_of, write_page
    from drctl.engine.journal import first_broken_line
    from drctl.engine.report import report_of
    from drctl.settings import Settings

    directory = evidence.named(run, lambda: settings_of(config_path))
    records = directory.records()
    report = evidence.with_what_followed(report_of(directory.id, records))
    if opens:
        write_page(directory, report)
        click.launch(str(directory.page.resolve()))
    if not verify:
        emit(report, as_json=as_json, text=lambda: show_report(report))
        if directory.page.exists():  # a run of another machine has none until --open makes it
            click.echo(f"page: {directory.page}", err=True)
        return
    broken = first_broken_line(directory.journal)
    verification = {
        "run": directory.id, "records": len(records), "journal_hash": report["journal_hash"], "broken_line": broken,
        "copies": evidence.copies(directory, Settings.model_validate(records[0]["settings"])) if records else {}}
    differing = [region for region, word in verification["copies"].items() if word == "DIFFERENT"]
    if broken is not None or differing:
        findings = ([f"line {broken} does not follow from the one before: it, or what precedes it, was changed"]
                    if broken else []) + [f"the copy in {region} is another one" for region in differing]
        raise ChecksFailed(f"the journal of {directory.id} is not as it was written", findings=tuple(findings),
                           next_step="drctl report RUN on a machine that has it from a control bucket")
    emit(verification, as_json=as_json, text=lambda: show_verification(verification))
