"""`drctl policy RUN`."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from drctl.cli import options
from drctl.cli.render import emit

if TYPE_CHECKING:
    from drctl.permissions.documents import Policy

#: Spelled here too, so that help imports nothing; a test holds them to `drctl.permissions.documents.RUNS`.
RUNS = ("provision", "drill", "failover", "teardown", "read")


@click.command("policy", epilog=options.examples(
    ("drctl policy failover -c config/production.yaml", "what an operator on call may do, and how to attach it"),
    ("drctl policy provision --json", "one JSON document, for the pipeline that makes the role")))
@click.argument("run", type=click.Choice(RUNS))
@options.config
@options.as_json
def command(run: str, config_path: Path | None, as_json: bool) -> None:
    """IAM policies for whoever does RUN on this stack, and for nothing else; calls nothing.

    read is for status, outputs, runs and report. failover has two parts, one that makes and deletes nothing, and one
    for the failback; drill has two, one for the isolated drill. A part too long for IAM becomes several policies.
    """
    from drctl.cli.session import settings_of

    settings = settings_of(config_path)
    from drctl.permissions.documents import FOR, policies_of

    policies = policies_of(settings, run)
    document = {"run": run, "environment": settings.environment, "account_id": settings.account_id, "policies": [
        {"name": one.name, "part": one.part, "for": FOR[one.part], "characters": one.characters,
         "document": one.document} for one in policies]}
    again = f"drctl policy {run}" + (f" -c {shlex.quote(str(config_path))}" if config_path else "")
    emit(document, as_json=as_json, text=lambda: show(document, policies, again))


def show(document: dict[str, Any], policies: list[Policy], again: str) -> None:
    """The documents, each with what it is for and its size, then how to attach them."""
    for told in document["policies"]:
        click.echo(f"# {told['name']}: {told['for']} ({told['characters']} of 6,144 characters)")
        click.echo(json.dumps(told["document"], indent=2))
    click.echo(f"\n# {len(policies)} managed {'policy' if len(policies) == 1 else 'policies'}; to attach to a role:")
    for number, one in enumerate(policies):
        file = f"{one.name}.json"
        click.echo(f"{again} --json | jq '.policies[{number}].document' > {file}")
        click.echo(f"aws iam create-policy --policy-name {one.name} --policy-document file://{file}")
        click.echo(f"aws iam attach-role-policy --role-name ROLE --policy-arn arn:aws:iam::{document['account_id']}"
                   f":policy/{one.name}")
