"""A client of the lab numbers its rows, sends each once, reads some back, and records what it was told."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from drctl.lab.traffic_client import READ_EVERY, Client, Rows
from drctl.lab.traffic_record import Line
from drctl.lab.traffic_user import User
from tests.lab.traffic_world import EAST, REGIONS, World, target, world


@pytest.fixture
def there() -> Iterator[World]:
    with world() as made:
        yield made


class Desk:
    """Clients whose lines are kept here."""

    def __init__(self, there: World) -> None:
        self.lines: list[Line] = []
        self._there, self._users = there, list[User]()
        self._rows = Rows("run", itertools.count(1), self.lines.append, lambda address: REGIONS.get(address, ""))

    def client(self, number: int = 1, **other: object) -> Client:
        """One more client."""
        user = User(self._there.way, target(**other))
        user.timeout_s = 20
        self._users.append(user)
        return Client(number, user, target(**other), self._rows)

    def seen(self) -> list[tuple[str, int, str]]:
        """What was asked, the row's number, and the outcome."""
        return [(line.kind, line.n, line.outcome) for line in self.lines]

    def close(self) -> None:
        """All clients go."""
        for user in self._users:
            user.close()


@pytest.fixture
def desk(there: World) -> Iterator[Desk]:
    made = Desk(there)
    yield made
    made.close()


def ask(client: Client, times: int = 1) -> None:
    for _ in range(times):
        client.request()


def test_an_acknowledged_row_is_recorded_with_where_and_when_and_what_the_app_calls_it(
        there: World, desk: Desk) -> None:
    ask(desk.client())
    line = desk.lines[0]
    assert (line.n, line.row, line.kind, line.outcome, line.status) == (1, "run-1-1", "write", "acknowledged", 201)
    assert (line.address, line.region, line.id, line.why) == (EAST, "us-east-1", "id-1", "")
    assert line.at <= line.ended
    assert there.rows == {"id-1": "run-1-1"}


def test_every_fifth_request_reads_a_row_back(desk: Desk) -> None:
    ask(desk.client(), 2 * READ_EVERY)
    assert [kind for kind, _, _ in desk.seen()] == [*["write"] * 4, "read"] * 2
    assert {outcome for kind, _, outcome in desk.seen() if kind == "read"} == {"read"}


def test_clients_share_the_numbers(there: World, desk: Desk) -> None:
    one, two = desk.client(1), desk.client(2)
    for client in (one, two, two, one):
        ask(client)
    assert list(there.rows.values()) == ["run-1-1", "run-2-2", "run-2-3", "run-1-4"]


def test_a_refused_row_is_not_sent_again_and_why_is_kept(there: World, desk: Desk) -> None:
    client = desk.client()
    there.statuses["POST"] = 503
    ask(client)
    there.statuses.clear()
    ask(client)
    assert desk.seen() == [("write", 1, "refused"), ("write", 2, "acknowledged")]
    assert (desk.lines[0].status, desk.lines[0].why) == (503, '{"error": "as it was told"}')
    assert list(there.rows.values()) == ["run-1-2"]


def test_an_unanswered_row_says_why(there: World, desk: Desk) -> None:
    there.doors[EAST] = "closes"
    ask(desk.client())
    line = desk.lines[0]
    assert (line.outcome, line.status, line.address, line.region) == ("unanswered", None, EAST, "us-east-1")
    assert line.why.startswith("not sent: ")


def test_without_an_address_nobody_is_named(there: World, desk: Desk) -> None:
    there.sent_to = ()
    ask(desk.client())
    assert (desk.lines[0].outcome, desk.lines[0].address, desk.lines[0].region) == ("unanswered", "", "")


def read_after(there: World, desk: Desk) -> tuple[Client, list[Line]]:
    """A client whose next request is a read, and the lines from then on."""
    client = desk.client()
    ask(client, READ_EVERY - 1)
    return client, desk.lines


def test_a_lost_row_is_missing_and_a_row_with_other_contents_wrong(there: World, desk: Desk) -> None:
    client, lines = read_after(there, desk)
    there.rows.clear()
    ask(client)
    assert (lines[-1].kind, lines[-1].outcome, lines[-1].status) == ("read", "missing", 404)
    there.rows.update({f"id-{n}": "another" for n in range(1, 10)})
    ask(client, READ_EVERY)
    assert (lines[-1].outcome, lines[-1].why) == ("wrong", '{"name": "another"}')


def test_a_read_that_is_refused_or_unanswered_is_no_miss(there: World, desk: Desk) -> None:
    client, lines = read_after(there, desk)
    there.statuses["GET"] = 503
    ask(client)
    assert (lines[-1].kind, lines[-1].outcome) == ("read", "refused")
    there.doors[EAST] = "closes"  # the next request connects anew
    ask(client, READ_EVERY)
    assert (lines[-1].kind, lines[-1].outcome) == ("read", "unanswered")


def test_a_row_whose_id_the_app_does_not_tell_counts_and_is_not_read(there: World, desk: Desk) -> None:
    ask(desk.client(id_field="key"), READ_EVERY)
    assert {(line.outcome, line.why) for line in desk.lines} == {("acknowledged", "its answer has no key")}
    assert len(there.rows) == READ_EVERY
