"""A user's software keeps names for their TTL and connections while they are good, and waits for nothing too long."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from drctl.lab.resolver import NEGATIVE_TTL_S, Resolver, Unresolved
from drctl.lab.traffic_target import Asked, Target
from drctl.lab.traffic_user import Unanswered, User, Way
from tests.lab.conftest import eventually
from tests.lab.traffic_world import CLIENT, EAST, EAST_TOO, NAME, WEST, WEST_NAME, Authority, World, target, world

GET = Asked("GET", "/patients/id-0")
#: Real seconds that a user waits who waits in vain, and one who does not.
SHORT, LONG = 0.3, 20.0


@pytest.fixture
def there() -> Iterator[World]:
    with world() as made:
        yield made


class Watch:
    """A clock of real seconds that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def resolver(there: World, watch: Watch) -> Resolver:
    return Resolver(there.url("dns"), NAME, there.speed, watch)


@pytest.fixture
def user(there: World) -> Iterator[User]:
    made = User(there.way, target())
    made.timeout_s = LONG
    yield made
    made.close()


def test_an_answer_is_kept_for_its_ttl_in_aws_seconds_and_not_longer(
        there: World, resolver: Resolver, watch: Watch) -> None:
    assert resolver.addresses() == (EAST,)
    there.sent_to = (WEST,)
    watch.now += 0.99  # a TTL of 60 s is over in one second at speed 60
    assert resolver.addresses() == (EAST,)
    watch.now += 0.01
    assert resolver.addresses() == (WEST,)
    assert there.questions == 2


def test_the_shortest_ttl_of_an_answer_counts(there: World, resolver: Resolver, watch: Watch) -> None:
    there.sent_to, there.ttl = (EAST, EAST_TOO), 6
    assert resolver.addresses() == (EAST, EAST_TOO)
    there.sent_to = (WEST,)
    watch.now += 0.1
    assert resolver.addresses() == (WEST,)


def test_a_cname_is_kept_for_its_own_ttl_while_its_addresses_are_asked_for_again(
        there: World, resolver: Resolver, watch: Watch) -> None:
    there.renamed = "east.elb.example.com"
    assert resolver.addresses() == (EAST,)
    there.renamed, there.sent_to = WEST_NAME, (EAST_TOO,)
    watch.now += 59.9  # an hour is over in a minute at speed 60
    assert resolver.addresses() == (EAST_TOO,)
    watch.now += 1
    assert resolver.addresses() == (WEST,)


@pytest.mark.parametrize("code", ["NXDOMAIN", "NOERROR"])
def test_that_there_is_no_address_is_kept_shortly(
        there: World, resolver: Resolver, watch: Watch, code: str) -> None:
    there.sent_to, there.code = (), code
    assert resolver.addresses() == ()
    there.sent_to, there.code = (EAST,), "NOERROR"
    watch.now += NEGATIVE_TTL_S / 60 - 0.01
    assert resolver.addresses() == ()
    watch.now += 0.02
    assert resolver.addresses() == (EAST,)


def test_when_asking_again_fails_nothing_stale_is_told_and_the_next_request_asks_again(
        there: World, resolver: Resolver, watch: Watch) -> None:
    assert resolver.addresses() == (EAST,)
    there.code = "SERVFAIL"
    watch.now += 1
    with pytest.raises(Unresolved, match="SERVFAIL"):
        resolver.addresses()
    there.code = "NOERROR"
    assert resolver.addresses() == (EAST,)


def test_a_truncated_answer_is_asked_for_again_over_tcp(there: World, resolver: Resolver) -> None:
    there.truncates = True
    assert resolver.addresses() == (EAST,)
    assert there.questions == 2


def test_requests_go_through_the_edge_with_the_clients_address_and_the_users_name_on_one_connection(
        there: World, user: User) -> None:
    for _ in range(3):
        assert user.ask(GET).status == 404
    assert there.connections == [(EAST, CLIENT)]
    assert there.requests == [(EAST, "GET", "/patients/id-0", NAME)] * 3


def test_without_tls_port_80_is_asked(there: World) -> None:
    user = User(there.way, target(tls=False))
    assert user.ask(GET).status == 404
    user.close()


def refused(way: Way, wanted: Target, timeout_s: float = LONG) -> str:
    """Why a request did not come to an answer."""
    user = User(way, wanted)
    user.timeout_s = timeout_s
    with pytest.raises(Unanswered) as none:
        user.ask(GET)
    return none.value.why


def test_a_certificate_of_another_authority_or_for_another_name_is_refused(there: World) -> None:
    page, stranger = there.page, Authority().ca
    assert "not sent: [SSL: CERTIFICATE_VERIFY_FAILED]" in refused(Way.of({**page, "ca": stranger}), target())
    assert "Hostname mismatch" in refused(there.way, target(name="other.example.com"))


@pytest.mark.parametrize(("ttl", "then"), [(600, EAST), (0, WEST)])
def test_users_who_are_connected_follow_the_name_when_its_ttl_is_over(
        there: World, user: User, ttl: int, then: str) -> None:
    there.ttl = ttl
    assert user.ask(GET).address == EAST
    there.sent_to = (WEST,)
    assert user.ask(GET).address == then


@pytest.mark.parametrize(("status", "connections"), [(500, 2), (503, 2), (403, 1), (404, 1)])
def test_after_an_answer_5xx_the_next_request_connects_anew(
        there: World, user: User, status: int, connections: int) -> None:
    there.statuses["GET"] = status
    assert [user.ask(GET).status for _ in range(2)] == [status, status]
    assert len(there.connections) == connections


def test_a_new_connection_goes_to_the_next_address(there: World, user: User) -> None:
    there.sent_to, there.statuses["GET"] = (EAST, EAST_TOO), 503
    assert [user.ask(GET).address for _ in range(3)] == [EAST, EAST_TOO, EAST]


def test_a_connection_that_the_balancer_ended_meanwhile_is_not_used(there: World, user: User) -> None:
    there.doors[EAST] = "closes after"
    for connections in (1, 2, 3):
        assert user.ask(GET).status == 404
        assert eventually(lambda: there.ended == connections)  # noqa: B023  # used at once
    assert len(there.connections) == 3


@pytest.mark.parametrize(("door", "why"), [
    ("hangs", "not sent: no answer within 0.3 s"),
    ("closes", "not sent: "),
])
def test_a_balancer_that_does_not_take_a_connection_is_given_up_and_nothing_was_sent(
        there: World, door: str, why: str) -> None:
    there.doors[EAST] = door
    begun = time.monotonic()
    assert refused(there.way, target(), SHORT).startswith(why)
    assert time.monotonic() - begun < SHORT + 1
    assert not there.requests


def test_an_answer_that_does_not_come_is_given_up_and_the_next_request_connects_anew(there: World, user: User) -> None:
    user.ask(GET)
    there.doors[EAST] = "stalls"
    user.timeout_s = SHORT
    with pytest.raises(Unanswered, match=r"^no answer within 0\.3 s$") as none:
        user.ask(GET)
    assert none.value.address == EAST
    there.doors.clear()
    user.timeout_s = LONG
    assert user.ask(GET).status == 404
    assert len(there.connections) == 2


def test_a_name_without_address_ends_the_connection_and_a_silent_name_server_does_not(
        there: World, user: User) -> None:
    there.ttl = 0
    user.ask(GET)
    there.code = "SERVFAIL"
    assert user.ask(GET).status == 404
    assert len(there.connections) == 1
    there.code, there.sent_to = "NXDOMAIN", ()
    with pytest.raises(Unanswered, match=r"not sent: app\.dr\.example\.com has no address"):
        user.ask(GET)


def test_a_name_server_that_never_answers_is_given_up(there: World, user: User) -> None:
    there.silent = True
    with pytest.raises(Unanswered, match="not sent: the name server does not answer"):
        user.ask(GET)
    assert there.questions == 2


@pytest.mark.parametrize(("speed", "seconds"), [(1, 10), (5, 2), (60, 1), (1000, 1)])
def test_a_request_may_take_ten_aws_seconds_but_at_least_a_real_one(speed: float, seconds: float) -> None:
    assert Way("", "", "", speed).timeout_s == seconds
