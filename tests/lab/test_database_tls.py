"""Databases take clients without TLS, or refuse them, as the parameter group of their cluster says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from drctl.aws.clients import Aws
from drctl.lab import postgres_binaries
from drctl.lab.clock import LabClock
from drctl.lab.databases import DATABASES
from drctl.lab.postgres import ReplicatedDatabase
from drctl.lab.postgres_server import Home, Login
from drctl.lambdas.database import tls
from tests.lab.aurora_world import EAST, WEST, build, pass_an_hour
from tests.lab.test_aurora_outage import host

LOGIN = Login("dradmin", "long-enough-1", "app")


def refusal(port: int | None, bundle: str | None) -> str:
    """The code with which a client is refused that speaks TLS, or does not; empty when it is admitted."""
    import pg8000.exceptions
    import pg8000.native

    try:
        link: Any = pg8000.native.Connection(LOGIN.username, host="127.0.0.1", port=port or 0, database="postgres",
                                             password=LOGIN.password,
                                             ssl_context=tls.context(Path(bundle)) if bundle else False)
    except pg8000.exceptions.DatabaseError as error:
        return str(error.args[0]["C"])
    link.close()
    return ""


def programs() -> list[Path]:
    """The builds of PostgreSQL on this machine: an installed one and the wheel's, or one of them."""
    found = [postgres_binaries.binaries(), *postgres_binaries.wheels()]
    return [one for one in dict.fromkeys(found) if (one / "postgres").exists()]


@pytest.fixture(params=programs(), ids=str)
def home(request: pytest.FixtureRequest) -> Iterator[Home]:
    made = Home(request.param)
    yield made
    made.close()


def test_a_server_of_any_build_refuses_clients_without_tls_until_it_is_told_to_admit_them(home: Home) -> None:
    database = ReplicatedDatabase(home)
    server, bundle = database.start("a", LOGIN), str(home.bundle)
    assert (refusal(server.port, bundle), refusal(server.port, None)) == ("", "28000")
    server.require_tls(False)
    assert (refusal(server.port, bundle), refusal(server.port, None)) == ("", "")
    server.stop()
    server.require_tls(True)
    server.start()
    assert (refusal(server.port, bundle), refusal(server.port, None)) == ("", "28000")
    database.stop()


def set_parameter(aws: Aws, region: str, value: str) -> None:
    aws[region].rds.modify_db_cluster_parameter_group(DBClusterParameterGroupName="ours", Parameters=[
        {"ParameterName": "rds.force_ssl", "ParameterValue": value, "ApplyMethod": "immediate"}])


def test_the_parameter_group_of_a_cluster_decides_and_its_version_where_the_group_says_nothing(
        aws: Aws, clock: LabClock) -> None:
    build(aws, clock)

    def without_tls(region: str) -> str:
        return refusal(DATABASES.port_of(host(region)), None)

    assert (without_tls(EAST), without_tls(WEST)) == ("", "")  # version 16
    set_parameter(aws, EAST, "1")
    assert (without_tls(EAST), without_tls(WEST)) == ("28000", "")
    assert refusal(DATABASES.port_of(host(EAST)), DATABASES.ca_bundle) == ""
    pass_an_hour(clock)
    set_parameter(aws, EAST, "0")
    assert without_tls(EAST) == ""
