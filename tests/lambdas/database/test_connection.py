from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pg8000.exceptions
import pytest

from drctl.lab.authority import Authority
from drctl.lambdas.database import tls
from drctl.lambdas.database.connection import Database, Place, from_environment
from drctl.lambdas.database.errors import DatabaseProblem, LoginRefused, Lost, ReadOnly, Rejected, Unreachable, of_state
from drctl.lambdas.database.secret import Credentials, Secret
from drctl.lambdas.database.standing import standing
from tests.lambdas.conftest import Postgres

CLUSTER = "db.cluster-c0.us-west-2.rds.amazonaws.com"
READER = "db.cluster-ro-c0.us-west-2.rds.amazonaws.com"


class FakeLink:
    """A connection that answers what it is told; an exception is raised."""

    columns = ({"name": "n"},)

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.sent: list[str] = []
        self.is_closed = False

    def run(self, sql: str, **values: Any) -> Any:
        self.sent.append(sql)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def close(self) -> None:
        self.is_closed = True


class FakeServer:
    """Gives out the links in turn; an exception is a refused connection."""

    def __init__(self, *links: FakeLink | Exception) -> None:
        self.links = list(links)
        self.asked: list[tuple[str, str]] = []

    def connect(self, host: str, place: Place, credentials: Credentials) -> FakeLink:
        self.asked.append((host, credentials.password))
        link = self.links.pop(0)
        if isinstance(link, Exception):
            raise link
        return link


def sql_error(state: str) -> pg8000.exceptions.DatabaseError:
    return pg8000.exceptions.DatabaseError({"C": state, "M": "quotes a patient"})


def database(server: FakeServer, *passwords: str, host: str = CLUSTER, now: Any = lambda: 0.0) -> Database:
    given = iter(passwords or ("secret",))
    secret = Secret("arn", "here", lambda *_: json.dumps({"username": "u", "password": next(given)}))
    return Database(Place(host, 5432, "app"), secret, server.connect, now)


def test_a_connection_is_kept() -> None:
    server = FakeServer(FakeLink([[1]], [[2]]))
    mine = database(server)
    assert [mine.run("SELECT"), mine.run("SELECT")] == [[{"n": 1}], [{"n": 2}]]
    assert len(server.asked) == 1


@pytest.mark.parametrize("problem", [sql_error("57P01"), pg8000.exceptions.InterfaceError("network error"),
                                     ConnectionResetError(), sql_error("25006")])
def test_a_kept_connection_that_broke_or_leads_to_the_old_writer_is_replaced_once(problem: Exception) -> None:
    first = FakeLink([[1]], problem)
    mine = database(FakeServer(first, FakeLink([[2]])))
    mine.run("SELECT")
    assert mine.run("SELECT") == [{"n": 2}]
    assert first.is_closed


def test_a_new_connection_that_only_reads_says_so_without_another_try() -> None:
    server = FakeServer(FakeLink(sql_error("25006")))
    with pytest.raises(ReadOnly):
        database(server).run("INSERT")
    assert len(server.asked) == 1


def test_a_statement_without_an_answer_is_not_sent_again() -> None:
    slow = pg8000.exceptions.InterfaceError("network error")
    slow.__cause__ = TimeoutError()
    server = FakeServer(FakeLink([[1]], slow), FakeLink([[2]]))
    mine = database(server)
    mine.run("SELECT")
    with pytest.raises(Unreachable, match="did not answer"):
        mine.run("SELECT")
    assert len(server.asked) == 1


def test_refused_credentials_are_read_again_once() -> None:
    server = FakeServer(LoginRefused(), FakeLink([[1]]))
    assert database(server, "old", "new").run("SELECT") == [{"n": 1}]
    assert [password for _, password in server.asked] == ["old", "new"]


def test_credentials_that_stay_refused_are_an_unreachable_database() -> None:
    with pytest.raises(LoginRefused):
        database(FakeServer(*[LoginRefused()] * 3), "old", "old", "older").run("SELECT")


def test_while_a_password_is_rotated_the_one_before_is_tried_too() -> None:
    server = FakeServer(LoginRefused(), LoginRefused(), FakeLink([[1]]))
    stages = []

    def read(arn: str, region: str, stage: str) -> str:
        stages.append(stage)
        return json.dumps({"username": "u", "password": stage})

    rotating = Database(Place(CLUSTER, 5432, "app"), Secret("arn", "here", read), server.connect)
    assert rotating.run("SELECT") == [{"n": 1}]
    assert stages == ["AWSCURRENT", "AWSCURRENT", "AWSPREVIOUS"]
    assert [password for _, password in server.asked][-1] == "AWSPREVIOUS"


def test_a_secret_that_was_never_rotated_has_none_before_and_the_login_stays_refused() -> None:
    def read(arn: str, region: str, stage: str) -> str:
        if stage == "AWSPREVIOUS":
            raise Unreachable("the database secret cannot be read: ResourceNotFoundException")
        return json.dumps({"username": "u", "password": "p"})

    server = FakeServer(LoginRefused(), LoginRefused())
    with pytest.raises(LoginRefused):
        Database(Place(CLUSTER, 5432, "app"), Secret("arn", "here", read), server.connect).run("SELECT")


def test_the_reader_endpoint_is_taken_where_the_cluster_endpoint_does_not_answer() -> None:
    server = FakeServer(Unreachable("x"), FakeLink([[1]]))
    assert database(server).run("SELECT") == [{"n": 1}]
    assert [host for host, _ in server.asked] == [CLUSTER, READER]


def test_a_connection_through_the_reader_endpoint_is_not_kept_for_long() -> None:
    time = [0.0]
    server = FakeServer(Unreachable("x"), FakeLink([[1]], [[1]]), FakeLink([[2]]))
    mine = database(server, now=lambda: time[0])
    mine.run("SELECT")
    time[0] = 29
    mine.run("SELECT")
    time[0] = 31
    assert mine.run("SELECT") == [{"n": 2}]
    assert [host for host, _ in server.asked] == [CLUSTER, READER, CLUSTER]


def test_a_database_that_is_nowhere_is_unreachable() -> None:
    with pytest.raises(Unreachable, match="first"):
        database(FakeServer(Unreachable("first"), Unreachable("second"))).run("SELECT")


def test_a_refused_statement_tells_its_state_and_never_the_servers_text() -> None:
    mine = database(FakeServer(FakeLink(sql_error("23505"), [[1]])))
    with pytest.raises(Rejected) as caught:
        mine.run("INSERT")
    assert caught.value.state == "23505"
    assert "patient" not in str(caught.value)
    assert mine.run("SELECT") == [{"n": 1}]


def test_a_transaction_that_fails_leaves_no_connection_behind() -> None:
    link = FakeLink([], sql_error("42601"))
    mine = database(FakeServer(link))
    with pytest.raises(Rejected), mine.transaction() as run:
        run("nonsense")
    assert link.is_closed
    assert link.sent == ["BEGIN", "nonsense"]


def test_a_transaction_on_a_kept_connection_that_broke_begins_on_a_new_one() -> None:
    first, second = FakeLink([[1]], sql_error("57P01")), FakeLink([], [[2]], [])
    mine = database(FakeServer(first, second))
    mine.run("SELECT")
    with mine.transaction() as run:
        run("INSERT")
    assert first.is_closed
    assert second.sent == ["BEGIN", "INSERT", "COMMIT"]


@pytest.mark.parametrize(("state", "kind"), [("25006", ReadOnly), ("28P01", LoginRefused), ("57P03", Lost),
                                             ("08006", Lost), ("42P01", Rejected)])
def test_states_are_told_apart(state: str, kind: type[DatabaseProblem]) -> None:
    assert type(of_state(state)) is kind


@pytest.mark.parametrize("text", ["no json", "{}", "[]", '{"username": "u"}'])
def test_a_secret_that_is_not_as_it_should_be_is_not_shown(text: str) -> None:
    with pytest.raises(Unreachable) as caught:
        Secret("arn", "here", lambda *_: text).credentials()
    assert caught.value.__cause__ is None
    assert "password" not in repr(Credentials("u", "hidden")).partition("username")[2]


def test_a_function_without_configuration_still_loads() -> None:
    with pytest.raises(Unreachable):
        from_environment({"DATABASE_HOST": "localhost", "DATABASE_SECRET": ""})._connect(
            "localhost", Place("localhost", 1, "app"), Credentials("u", "p"))


def test_the_real_driver_connects_verified_and_reads_its_standing(postgres: Postgres) -> None:
    here, there = postgres.database("here"), postgres.database("there")
    assert here.run("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()") == [{"ssl": True}]
    assert standing(here, "us-east-1").writer
    follower = standing(there, "us-west-2")
    assert not follower.writer
    assert follower.lag_s is not None
    assert follower.lag_s < 60
    with pytest.raises(ReadOnly):
        there.run("CREATE TABLE t (n int)")
    here.close()
    there.close()


def test_a_certificate_of_somebody_else_is_refused(postgres: Postgres, tmp_path: Path,
                                                   monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "other.pem"
    other.write_bytes(Authority.make().pem)
    monkeypatch.setenv("DATABASE_CA_BUNDLE", str(other))
    with pytest.raises(Unreachable, match="SSLCertVerificationError"):
        postgres.database("here").run("SELECT 1")


def test_without_a_bundle_the_connection_is_encrypted_all_the_same(postgres: Postgres,
                                                                   monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATABASE_CA_BUNDLE")
    if tls.authority() is not None:
        pytest.skip("this machine has a bundle where Lambda has it")
    here = postgres.database("here")
    assert here.run("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()") == [{"ssl": True}]
    here.close()


def test_a_rotated_password_and_a_moved_writer_are_survived(postgres: Postgres) -> None:
    here, there = postgres.database("here"), postgres.database("there")
    here.run("CREATE TABLE t (n int)")
    postgres.rotate("second")
    postgres.pair.servers["here"].ask("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                                      "WHERE usename = 'dradmin'")
    here.run("INSERT INTO t VALUES (1)")
    postgres.until_replicated()
    assert there.run("SELECT n FROM t") == [{"n": 1}]
    postgres.pair.switchover("there")
    there.run("INSERT INTO t VALUES (2)")
    with pytest.raises(ReadOnly):
        here.run("INSERT INTO t VALUES (3)")
    here.close()
    there.close()


def test_an_answer_is_waited_for_as_long_as_the_place_says(postgres: Postgres) -> None:
    place = replace(postgres.database("here").place, patience_s=0.2)
    hurried = Database(place, Secret("arn", "region", lambda *_: postgres.secret))
    with pytest.raises(Unreachable, match=r"did not answer in 0\.2 s"):
        hurried.run("SELECT pg_sleep(1)")
    assert hurried.run("SELECT 1 AS n") == [{"n": 1}]
    hurried.close()
