"""The data behind the simulated Aurora: one PostgreSQL that writes and others that follow it, which can change places.

A stand-in, and only that: one process a region, no shared storage, streaming replication instead of Aurora's.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from drctl.lab.postgres_server import Home, Login, PostgresFailed, Server, until
from drctl.lab.wire import Wire

#: With this command a follower asks for what the writer writes from now on (PostgreSQL documentation, "Streaming
#: Replication Protocol"); what it asks before is not replication, and not late.
REPLICATION = b"START_REPLICATION"


class ReplicatedDatabase:
    """Servers by label: `writer` is one of them, `lost` are those that a failover left behind.

    `delay` tells the real seconds after which what the writer has written reaches the others; it makes lag and loss
    real. What joins, comes back or changes places does not wait for it: a planned change loses nothing, and how long it
    takes is for whoever asks for it to say.
    """

    def __init__(self, home: Home, *, delay: Callable[[], float] = float) -> None:
        self.home, self.delay = home, delay
        self.servers: dict[str, Server] = {}
        self.wires: dict[str, Wire] = {}
        self.writer = ""
        self.lost: set[str] = set()
        self.lock = threading.RLock()
        self._hurries = False

    def start(self, label: str, login: Login, hosts: Iterable[str] = ()) -> Server:
        """The first server, with its master user and database."""
        with self.lock:
            server = Server(self.home, label, hosts)
            server.create()
            server.start()
            self.servers[label], self.writer = server, label
            create_master(server, login)
            return server

    def add(self, label: str, hosts: Iterable[str] = ()) -> Server:
        """One more server that follows the writer."""
        with self.lock:
            server = Server(self.home, label, hosts)
            server.clone(self.servers[self.writer], self._wire(label))
            server.start()
            self.servers[label] = server
            self._until_following(server)
            return server

    def switchover(self, label: str) -> None:
        """`label` becomes the writer without loss; the old writer follows. Raises PostgresFailed if it cannot."""
        with self.lock:
            if label == self.writer:
                return
            old, new = self.servers[self.writer], self.servers[label]
            with self._without_delay():
                self._empty(old, new)
                self._promote(label)
                old.follow(self._wire(old.label))
                old.start()
                old.lift()

    def _empty(self, old: Server, new: Server) -> None:
        """Stop `old` when `new` has everything of it."""
        for last in (False, False, True):
            self._until_following(new)
            # A fast shutdown ends the clients' connections, then sends followers every last record before it exits.
            old.stop("fast")
            if self._has_all_of(old, new, final=last):
                break
            old.start()  # its connection to the follower broke on the way down: the rest is sent once more

    def _has_all_of(self, old: Server, new: Server, *, final: bool) -> bool:
        """Whether `new` has replayed all that the stopped `old` wrote; the `final` look raises when it has not."""
        end = checkpoint_location(old)
        try:
            until(lambda: new.ask(f"SELECT pg_last_wal_replay_lsn() >= '{end}'") == [[True]],
                  "the arrival of the last writes", 30.0 if final else 5.0)
        except PostgresFailed:
            if final:
                raise
            return False
        return True

    def fence(self, label: str, fenced: bool) -> None:
        """The server takes no more writes, as an old primary does until its follower has everything; or again."""
        with self.lock:
            server = self.servers[label]
            if server.is_up:
                (server.fence if fenced else server.lift)()

    @contextmanager
    def _without_delay(self) -> Iterator[None]:
        self._hurries = True
        try:
            yield
        finally:
            self._hurries = False

    def _delay_now(self) -> float:
        return 0.0 if self._hurries else self.delay()

    def failover(self, label: str) -> None:
        """`label` becomes the writer as it is, the old writer is gone at once; `rejoin` brings it back.

        What the old writer had acknowledged and the wire still holds is lost.
        """
        with self.lock:
            if label == self.writer:
                return
            old = self.servers[self.writer]
            old.stop("immediate")
            if wire := self.wires.get(label):
                wire.drop()
            self.lost.add(old.label)
            self._promote(label)

    def rejoin(self, label: str) -> None:
        """A server that a failover left behind follows the writer; what only it had is undone, else it is cloned."""
        with self.lock:
            server, writer = self.servers[label], self.servers[self.writer]
            server.stop("immediate")
            try:
                server.rewind(writer)
                server.follow(self._wire(label))
            except PostgresFailed:
                server.clone(writer, self._wire(label))
            with self._without_delay():
                server.start()
                self._until_following(server)
            self.lost.discard(label)

    def detach(self, label: str) -> ReplicatedDatabase:
        """A follower becomes a database of its own."""
        with self.lock:
            alone = ReplicatedDatabase(self.home, delay=self.delay)
            alone.servers[label], alone.writer = self.servers.pop(label), label
            alone.servers[label].promote()
            self.lost.discard(label)
            if wire := self.wires.pop(label, None):
                wire.close()
            return alone

    def copy(self, label: str, new: str, hosts: Iterable[str] = ()) -> ReplicatedDatabase:
        """A database of its own with the data that `label` has now (Aurora's copy-on-write clone)."""
        with self.lock:
            alone, source = ReplicatedDatabase(self.home, delay=self.delay), self.servers[label]
            server = Server(self.home, new, hosts)
            server.clone(source, source.admin_port)
            server.start()
            server.promote()
            alone.servers[new], alone.writer = server, new
            return alone

    def remove(self, label: str) -> None:
        """A server and its data are gone."""
        with self.lock:
            self.servers.pop(label).close()
            self.lost.discard(label)
            if wire := self.wires.pop(label, None):
                wire.close()

    def lag_s(self, label: str) -> float:
        """Seconds between a commit at the writer and its replay at `label`, as the writer sees it; inf if cut off."""
        rows = self.servers[self.writer].ask(
            "SELECT coalesce(extract(epoch FROM replay_lag), 0) FROM pg_stat_replication "  # noqa: S608  # our own label
            f"WHERE application_name = '{label}' AND state = 'streaming'")
        return float(rows[0][0]) if rows else float("inf")

    def stop(self) -> None:
        """End every server."""
        with self.lock:
            for wire in self.wires.values():
                wire.close()
            for server in self.servers.values():
                server.close()
            self.servers.clear()
            self.wires.clear()

    def _promote(self, label: str) -> None:
        self.servers[label].promote()
        self.writer = label
        self.lost.discard(label)
        for other, server in self.servers.items():
            if other != label and server.is_up:
                server.follow(self._wire(other))

    def _wire(self, label: str) -> int:
        """The port through which `label` follows the writer."""
        target = self.servers[self.writer].admin_port
        if label not in self.wires:
            self.wires[label] = Wire(target, self._delay_now, begins=REPLICATION)
        wire = self.wires[label]
        if wire.target != target:
            wire.target = target
            wire.drop()
        return wire.port

    def _until_following(self, server: Server) -> None:
        until(lambda: self.lag_s(server.label) < float("inf"), f"the standby {server.label}")


def create_master(server: Server, login: Login) -> None:
    """The master user as RDS makes it (no superuser, may watch replication), and the database it owns."""
    from pg8000.native import identifier, literal

    user, password = identifier(login.username), literal(login.password)
    server.ask(f"CREATE ROLE {user} LOGIN CREATEDB CREATEROLE PASSWORD {password} IN ROLE pg_monitor")
    if login.database != "postgres":
        server.ask(f"CREATE DATABASE {identifier(login.database)} OWNER {user}")


def change_password(server: Server, login: Login) -> None:
    """The master user's password is now that of `login`."""
    from pg8000.native import identifier, literal

    server.ask(f"ALTER ROLE {identifier(login.username)} PASSWORD {literal(login.password)}")


def checkpoint_location(server: Server) -> str:
    """Where the log of a stopped server ends, as a log sequence number."""
    shown = server.home.command("pg_controldata", "-D", str(server.data))
    fields = dict(line.split(":", 1) for line in shown.splitlines() if ":" in line)
    return fields["Latest checkpoint location"].strip()
