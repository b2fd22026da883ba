"""One PostgreSQL server of the lab: made, started, stopped, promoted, rewound."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from drctl.errors import DrctlError
from drctl.lab.authority import a_year, lab_authority
from drctl.lab.kept_folders import KeptFolder
from drctl.lab.postgres_binaries import account, binaries, usable
from drctl.lab.postgres_settings import ADMIN, SETTINGS, conninfo, who_may_connect
from drctl.lab.wire import Wire

#: Seconds for a server to come up or to go down on a busy machine.
PATIENCE_S = 30.0


@dataclass(frozen=True)
class Login:
    """Master user and first database of a cluster."""

    username: str
    password: str = field(repr=False)
    database: str


class PostgresFailed(DrctlError):
    """A PostgreSQL program of the lab ended in error; the message has its last words."""


def until(look: Any, what: str, within_s: float = PATIENCE_S) -> Any:
    """Look every 20 ms until the answer is true; raises PostgresFailed."""
    pause, end = threading.Event(), time.monotonic() + within_s
    while not (seen := look()):
        if time.monotonic() > end:
            raise PostgresFailed(f"{what} took more than {within_s:g} s")
        pause.wait(0.02)
    return seen


class Home:
    """A folder for servers, the account they run as, what clients trust, and a process that ends them with the lab."""

    def __init__(self, programs: Path | None = None, late: Callable[[str], float] = lambda _: 0.0) -> None:
        self.account = account()
        #: Real seconds by which the answers of a server are late for its clients, by its label.
        self.late = late
        self._folder = KeptFolder("postgres")
        self.root = self._folder.path
        # Others may pass (the account, and functions to the bundle); the servers' own folders are closed.
        self.root.chmod(0o755)
        self.binaries = usable(programs or binaries(), self.root)
        #: What clients of the servers trust.
        self.bundle = self.root / "authority.pem"
        self.bundle.write_bytes(lab_authority().pem)
        self.bundle.chmod(0o644)
        self.admin_password = secrets.token_urlsafe(24)
        self.hosts: tuple[str, ...] = ()

    def give(self, path: Path) -> Path:
        """Let the account own a file or folder."""
        if self.account is not None:
            os.chown(path, self.account.uid, self.account.gid)
        return path

    def command(self, program: str, *arguments: str) -> str:
        """Run one of PostgreSQL's programs to its end; raises PostgresFailed."""
        ended: subprocess.CompletedProcess[str] = subprocess.run(
            [str(self.binaries / program), *arguments], **self.manner, check=False, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True)
        if ended.returncode:
            raise PostgresFailed(f"{program}: {ended.stdout.strip()[-800:]}")
        return ended.stdout

    @property
    def manner(self) -> dict[str, Any]:
        """How every program is run: as the account, off the terminal, without the user's PG* environment."""
        environment = {"PATH": f"{self.binaries}:/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC",
                       "PGPASSWORD": self.admin_password}
        return {"env": environment, "cwd": self.root, "stdin": subprocess.DEVNULL, "start_new_session": True,
                **(self.account.popen if self.account else {})}

    def close(self) -> None:
        """End whatever still runs here and remove the folder."""
        self._folder.close()


class Server:
    """One server; `port` is where clients reach it over TLS, late if it has to be, `admin_port` where the lab does."""

    def __init__(self, home: Home, label: str, hosts: Iterable[str] = ()) -> None:
        self.home, self.label = home, label
        self.data = home.root / label
        self.admin_port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._front: Wire | None = None
        self._hosts = tuple(hosts)
        self.is_fenced = False
        self._tls_only = True

    @property
    def port(self) -> int:
        """The port for clients."""
        return self._front.port if self._front else self.admin_port

    @property
    def is_up(self) -> bool:
        """Whether the process runs."""
        return self._process is not None and self._process.poll() is None

    def create(self) -> None:
        """An empty database cluster."""
        secret = self.home.root / f"{self.label}.secret"
        secret.touch(0o600)
        secret.write_text(self.home.admin_password)
        self.home.give(secret)
        self._folder()
        self.home.command("initdb", "-D", str(self.data), "-U", ADMIN, "-A", "scram-sha-256", "--pwfile", str(secret),
                          "--no-sync", "--no-locale", "-E", "UTF8", "--no-instructions", "--wal-segsize=4")
        secret.unlink()
        with (self.data / "postgresql.conf").open("a") as file:
            file.write(SETTINGS)

    def clone(self, source: Server, through: int) -> None:
        """A copy of `source` that will follow it through a port."""
        self._folder()
        self.home.command("pg_basebackup", "-D", str(self.data), "-d", conninfo(source.admin_port), "-X", "stream",
                          "-c", "fast", "--no-sync")
        self.follow(through)

    def _folder(self) -> None:
        shutil.rmtree(self.data, ignore_errors=True)
        self.data.mkdir(0o700)
        self.home.give(self.data)

    @property
    def speaks_tls(self) -> bool:
        """Whether this build can: the wheels' cannot, and a TLS front stands before them."""
        shown = self.home.command("postgres", "-C", "ssl_library", "-D", str(self.data))
        return shown.strip() == "OpenSSL"

    def start(self) -> None:
        """Run it until it answers; raises PostgresFailed."""
        certificate, key = self._certify()
        tls = self.speaks_tls
        (self.data / "pg_hba.conf").write_text(who_may_connect(ADMIN, tls_only=tls and self._tls_only))
        given: dict[str, object] = {"port": self.admin_port, "ssl": "on" if tls else "off"}
        if tls:
            given |= {"ssl_cert_file": certificate, "ssl_key_file": key}
        arguments = [text for key_, value in given.items() for text in ("-c", f"{key_}={value}")]
        with (self.home.root / f"{self.label}.log").open("ab") as log:
            self._process = subprocess.Popen([str(self.home.binaries / "postgres"), "-D", str(self.data), *arguments],
                                             stdout=log, stderr=log, **self.home.manner)
        until(self._answers, f"the start of PostgreSQL {self.label}")
        if self._front is None:
            self._front = Wire(self.admin_port, lambda: self.home.late(self.label),
                               tls=None if tls else _context(certificate, key))
            self._front.tls_only = self._tls_only

    def _certify(self) -> tuple[Path, Path]:
        """Files with a certificate for its host names (and loopback) and with the key."""
        certificate, key = self.data / "server.crt", self.data / "server.key"
        issued = lab_authority().issue([*self._hosts, "localhost", "127.0.0.1"], *a_year())
        certificate.write_bytes(issued.certificate)
        key.touch(0o600)
        key.write_bytes(issued.key)
        return self.home.give(certificate), self.home.give(key)

    def _answers(self) -> bool:
        if not self.is_up:
            log = (self.home.root / f"{self.label}.log").read_text(errors="replace")
            raise PostgresFailed(f"PostgreSQL {self.label} did not start: {log.strip()[-800:]}")
        try:
            return bool(self.ask("SELECT 1"))
        except (OSError, PostgresFailed):
            return False

    def stop(self, how: Literal["fast", "immediate"] = "fast") -> None:
        """End it: "fast" sends followers everything first, "immediate" is a crash."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGINT if how == "fast" else signal.SIGQUIT)
        try:
            self._process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def require_tls(self, required: bool) -> None:
        """Refuse clients that do not speak TLS, which is how a server begins, or admit them too."""
        if required == self._tls_only:
            return
        self._tls_only = required
        if self._front:
            self._front.tls_only = required
        if self.is_up:
            (self.data / "pg_hba.conf").write_text(who_may_connect(ADMIN, tls_only=self.speaks_tls and required))
            before = self.ask("SELECT pg_conf_load_time()")
            self.ask("SELECT pg_reload_conf()")
            until(lambda: self.ask("SELECT pg_conf_load_time()") != before, "new rules")

    def drop_clients(self) -> None:
        """Break the connections of its clients; they may connect again."""
        if self._front:
            self._front.drop()

    def isolate(self, isolated: bool) -> None:
        """Break the connections of its clients and let none in, or let them in again; it goes on by itself."""
        if self._front:
            (self._front.cut if isolated else self._front.mend)()

    def close(self) -> None:
        """End it for good."""
        self.stop("immediate")
        if self._front:
            self._front.close()

    def ask(self, sql: str, database: str = "postgres") -> list[list[Any]]:
        """Run a statement as the administrator; raises PostgresFailed when it or the connection fails."""
        import pg8000.exceptions
        import pg8000.native

        try:
            link = pg8000.native.Connection(ADMIN, host="127.0.0.1", port=self.admin_port, database=database,
                                            password=self.home.admin_password, ssl_context=False, timeout=PATIENCE_S)
        except (pg8000.exceptions.DatabaseError, pg8000.exceptions.InterfaceError) as error:
            raise PostgresFailed(f"PostgreSQL {self.label}: {error}") from error
        try:
            return list(link.run(sql) or ())
        except (pg8000.exceptions.DatabaseError, pg8000.exceptions.InterfaceError) as error:
            raise PostgresFailed(f"PostgreSQL {self.label}: {error}") from error
        finally:
            link.close()

    def follow(self, port: int) -> None:
        """Be a standby of the server behind a port from the next start on (or at once, if it runs as one)."""
        self.home.give(_touched(self.data / "standby.signal"))
        with (self.data / "postgresql.auto.conf").open("a") as file:
            password = f"password={self.home.admin_password} application_name={self.label}"
            file.write(f"primary_conninfo = '{conninfo(port)} {password}'\n")
        if self.is_up:
            self.ask("SELECT pg_reload_conf()")

    def promote(self) -> None:
        """Become the writer with what has arrived."""
        if self.ask("SELECT pg_is_in_recovery()") == [[True]]:
            self.ask("SELECT pg_promote(true, 30)")
            until(lambda: self.ask("SELECT NOT pg_is_in_recovery()") == [[True]], f"the promotion of {self.label}")

    def fence(self) -> None:
        """Take no more writes and end whoever may be at one, until `lift`."""
        self.is_fenced = True
        self.ask("ALTER SYSTEM SET default_transaction_read_only = on")
        self.ask("SELECT pg_reload_conf()")
        self.ask("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "  # noqa: S608  # our own name
                 f"WHERE backend_type = 'client backend' AND usename <> '{ADMIN}'")

    def lift(self) -> None:
        """Take writes again, as far as it may."""
        if self.is_fenced:
            self.ask("ALTER SYSTEM RESET default_transaction_read_only")
            self.ask("SELECT pg_reload_conf()")
            self.is_fenced = False

    def rewind(self, source: Server) -> None:
        """Undo what `source` does not have, so that this (stopped) server can follow it; raises PostgresFailed."""
        # pg_rewind reads the new time line from the control file, which a promotion writes at the next checkpoint.
        source.ask("CHECKPOINT")
        self.home.command("pg_rewind", "-D", str(self.data), "--source-server", conninfo(source.admin_port),
                          "--no-sync")


def _context(certificate: Path, key: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


def free_port() -> int:
    """A loopback port that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def _touched(path: Path) -> Path:
    path.touch()
    return path
