"""An application finds everything about its own region in its own region."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from drctl.aws.clients import Aws
from drctl.aws.tags import as_list
from drctl.engine.run import NotBuilt, Run
from drctl.errors import Refused
from drctl.settings import Database, Settings
from drctl.steps.parameters import Parameters, value_of
from tests.conftest import changes, ensure_with_needs
from tests.steps.lifecycle import assert_a_second_run_changes_nothing, assert_mended, destroy_twice, given, lagging

SITE, OTHER = Settings().sites
SECRET = given(SITE, "secret", arn="arn:secret:here", standby_arn="arn:secret:there")
PARAMETERS, THERE = (
    Parameters(site, given(site, "cluster", endpoint="writer.here", reader_endpoint="reader.here", port=5432), SECRET,
               given(site, "bucket", name="bucket-here"), given(site, "bus", name="bus-here"),
               given(site, "zone", name_servers=("ns-1.example", "ns-2.example")))
    for site in (SITE, OTHER))


def test_host_secret_bucket_and_bus_are_those_of_the_region(run: Run) -> None:
    here, there = (ensure_with_needs(run, step).values for step in (PARAMETERS, THERE))
    assert here["/drctl/lab/database-host"] == "writer.here"
    assert here["/drctl/lab/peer-region"] == OTHER.region
    assert (here["/drctl/lab/database-secret"], there["/drctl/lab/database-secret"]) == (
        "arn:secret:here", "arn:secret:there")
    assert here["/drctl/lab/name-servers"] == "ns-1.example,ns-2.example"
    assert len(here) == 11


def test_a_second_run_changes_nothing(run: Run, make_run: Callable[..., Run]) -> None:
    ensure_with_needs(run, PARAMETERS)
    assert_a_second_run_changes_nothing(make_run, PARAMETERS)


def test_only_the_changed_value_is_written_and_keeps_its_tags(
        run: Run, make_run: Callable[..., Run], aws: Aws) -> None:
    ensure_with_needs(run, PARAMETERS)
    renamed = make_run(Settings(database=Database(name="patients")))
    ensure_with_needs(renamed, PARAMETERS)
    assert changes(renamed, PARAMETERS) == 1
    tags = aws[SITE.region].ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId="/drctl/lab/database-name")
    assert {"Key": "drctl:stack", "Value": "lab"} in tags["TagList"]


@pytest.mark.notices("Parameters")
def test_a_missing_or_changed_value_is_noticed_and_mended(run: Run, aws: Aws) -> None:
    ensure_with_needs(run, PARAMETERS)
    ssm = aws[SITE.region].ssm
    assert_mended(run, PARAMETERS, lambda: ssm.delete_parameter(Name="/drctl/lab/bucket"), "absent")
    assert_mended(run, PARAMETERS, lambda: ssm.put_parameter(Name="/drctl/lab/role", Value="x", Overwrite=True), "'x'")


def test_one_value_is_asked_of_its_own_region_and_an_absent_one_is_told(run: Run) -> None:
    ensure_with_needs(run, THERE)
    assert value_of(run, OTHER, "role") == "standby"
    with pytest.raises(NotBuilt, match="/drctl/lab/role is absent in us-east-1"):
        value_of(run, SITE, "role")


def test_destroy_leaves_what_others_put_beside_them(run: Run, aws: Aws) -> None:
    ensure_with_needs(run, PARAMETERS)
    ssm = aws[SITE.region].ssm
    ssm.put_parameter(Name="/drctl/lab/mine", Value="1", Type="String")
    destroy_twice(run, PARAMETERS)
    assert [one["Name"] for one in ssm.describe_parameters()["Parameters"]] == ["/drctl/lab/mine"]


def test_a_parameter_of_somebody_else_is_not_deleted(run: Run, aws: Aws) -> None:
    aws[SITE.region].ssm.put_parameter(Name="/drctl/lab/bucket", Value="1", Type="String")
    with pytest.raises(Refused, match="does not belong"):
        PARAMETERS.destroy(run)


def test_a_parameter_of_somebody_else_keeps_its_value(run: Run, aws: Aws) -> None:
    ssm = aws[SITE.region].ssm
    ssm.put_parameter(Name="/drctl/lab/bucket", Value="1", Type="String")
    with pytest.raises(Refused, match="/drctl/lab/bucket"):
        ensure_with_needs(run, PARAMETERS)
    assert [one["Value"] for one in ssm.get_parameters_by_path(Path="/drctl/lab")["Parameters"]] == ["1"]


def test_parameters_stand_while_they_are_read_late(run: Run, make_run: Callable[..., Run]) -> None:
    with lagging():
        assert len(ensure_with_needs(run, PARAMETERS).values) == 11
    assert_a_second_run_changes_nothing(make_run, PARAMETERS)


@pytest.mark.parametrize("ours", [True, False])
def test_a_parameter_that_reads_miss_is_taken_when_it_is_ours_and_refused_when_not(
        run: Run, aws: Aws, ours: bool) -> None:
    tags: Any = as_list(run.tags(SITE)) if ours else []
    with lagging(100):
        aws[SITE.region].ssm.put_parameter(Name="/drctl/lab/app-name", Value="x", Type="String", Tags=tags)
        if ours:
            assert ensure_with_needs(run, PARAMETERS).values["/drctl/lab/app-name"] == run.settings.dns.name
        else:
            with pytest.raises(Refused, match="app-name"):
                ensure_with_needs(run, PARAMETERS)
