"""What a failback asks before it begins, and how it finds out what was lost."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import pytest
from click.testing import CliRunner

from drctl.aws.clients import Door
from drctl.cli.asked import Asked
from drctl.cli.commands import failback as command
from drctl.cli.failing_back import _confirmed
from drctl.cli.progress import progress_for
from drctl.cli.session import Session, Way
from drctl.engine.rundir import RunDirectory
from drctl.errors import Refused
from drctl.settings import Settings
from drctl.stack import stack_of
from tests.engine.fakes import offline_run

REAL = Settings.model_validate({"target": "aws", "environment": "prod", "account_id": "210987654321"})


def session() -> Session:
    """A session that is open, and has shown nothing."""
    run, nowhere = replace(offline_run(), settings=REAL), cast(RunDirectory, None)
    return Session("failback", Way(Door()), run, nowhere, progress_for(run.clock), {})


def test_a_rebuild_is_confirmed_with_the_name_and_the_region_of_the_cluster_that_it_may_delete() -> None:
    asked = Asked(REAL, {"rebuild": True})
    assert command.ask(asked) == "", "which cluster it is, is not known yet"
    with CliRunner().isolation(input="prod\n") as (_, err, _):
        assert _confirmed(asked, session(), stack_of(REAL), REAL.standby) == "'prod' typed at the prompt"
        question = err.getvalue().decode()
    assert f"delete the cluster {session().run.name('aurora', 'cluster', REAL.standby)} in us-west-2" in question


def test_a_lost_region_that_is_none_of_the_stack_is_bad_usage() -> None:
    end = CliRunner().invoke(command.command, ["--lost", "eu-west-1"])
    assert end.exit_code == 2
    assert "'eu-west-1' is no region of this stack" in " ".join(end.output.split())


def test_a_rebuild_that_nobody_confirms_is_refused() -> None:
    with CliRunner().isolation(input="yes\n"), pytest.raises(Refused, match="nothing was changed"):
        _confirmed(Asked(REAL, {"rebuild": True}), session(), stack_of(REAL), REAL.standby)
