"""Which PostgreSQL server stands behind which simulated Aurora cluster; started at first need, in their roles."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from typing import Any

from moto.rds.models import DBCluster, rds_backends

from drctl.lab import aurora, aurora_store, gray, lost_zones
from drctl.lab.aurora_snapshots import Move
from drctl.lab.clock import CLOCK
from drctl.lab.database_groups import requires_tls
from drctl.lab.lag import LAG
from drctl.lab.postgres import ReplicatedDatabase, change_password
from drctl.lab.postgres_server import Home, Login, Server
from drctl.lab.saved_data import SavedData
from drctl.settings import LAB_ACCOUNT


def way_s() -> float:
    """Real seconds between two regions: the simulated replication lag, at the lab's speed."""
    return LAG.ms / 1000 / CLOCK.speed


@dataclass
class Known:
    """Servers of one global database (or lone cluster), by the resource id of the cluster each stands for."""

    database: ReplicatedDatabase
    login: Login


class Databases:
    """The databases of one lab."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._home: Home | None = None
        self._known: list[Known] = []
        #: Data of snapshots by ARN; a snapshot of a database that never had a server has none.
        self._saved: dict[str, SavedData] = {}

    @property
    def home(self) -> Home:
        """Where the servers live; made at first need."""
        with self._lock:
            if self._home is None:
                self._home = Home(late=gray.answers_late_s)
            return self._home

    @property
    def ca_bundle(self) -> str:
        """What functions trust."""
        return str(self.home.bundle)

    def port_of(self, host: str) -> int | None:
        """The loopback port behind a simulated database host name; None while nothing answers there."""
        found = aurora.endpoint_role(host)
        if found is None or found[1] is None:
            return None
        cluster = aurora_store.cluster_of(_arn(found[0], found[2]))
        return self._server(cluster).port if cluster is not None else None

    def change_roles(self, kind: str, global_id: str, old_arn: str, new_arn: str) -> None:
        """What `aurora.ON_ROLE_CHANGE` calls: the servers change places as the clusters did."""
        old, new = aurora_store.cluster_of(old_arn), aurora_store.cluster_of(new_arn)
        if old is None or new is None or (known := self._of(label(old))) is None:
            return  # no server was ever needed: the first one will start in its new role
        with self._lock:
            if label(new) not in known.database.servers:
                known.database.add(label(new), hosts(new))
            if kind == "switchover":
                known.database.switchover(label(new))
            else:
                known.database.failover(label(new))
            self._cut_what_is_lost(known)

    def fence(self, arn: str, fenced: bool) -> None:
        """What `aurora.ON_FENCE` calls: the server of an old primary refuses writes, or takes them again."""
        cluster = aurora_store.cluster_of(arn)
        if cluster is not None and (known := self._of(label(cluster))) is not None:
            with self._lock:
                known.database.fence(label(cluster), fenced)

    def break_connections(self, arn: str) -> None:
        """What `lost_zones.ON_BREAK` calls: the server's clients have to connect again."""
        cluster = aurora_store.cluster_of(arn)
        if cluster is not None and (known := self._of(label(cluster))) is not None:
            known.database.servers[label(cluster)].drop_clients()

    def outage(self, _region: str) -> None:
        """What `aurora.ON_OUTAGE` calls: nothing is replicated from or to a region while it is lost.

        Nor does a client reach the server in it, not by a connection that stands either. The server itself goes on, as
        an isolated primary does; a failover ends it.
        """
        with self._lock:
            for known in self._known:
                self._cut_what_is_lost(known)

    def _cut_what_is_lost(self, known: Known) -> None:
        for name, wire in known.database.wires.items():
            if _is_cut_off(known, name):
                wire.cut()
            else:
                wire.mend()
        for name, server in known.database.servers.items():
            server.isolate(any(name.startswith(f"{region}-") for region in aurora_store.LOST))

    def resynchronised(self, arn: str) -> None:
        """What `aurora.ON_RESYNCHRONISED` calls: the server of an old primary holds from now on what the new one does.

        It takes some real time, for which nobody waits but who needs the servers; the lab may be emptied meanwhile.
        """
        if (cluster := aurora_store.cluster_of(arn)) is not None:
            threading.Thread(target=self._rejoin, args=(label(cluster),), name="rejoin", daemon=True).start()

    def _rejoin(self, name: str) -> None:
        with self._lock:
            if (known := self._of(name)) is not None:
                self._rejoin_what_was_left(known, name)

    def _rejoin_what_was_left(self, known: Known, name: str) -> None:
        """Nothing can be copied from or to a region that is lost: then it has to wait."""
        if name in known.database.lost and not _is_cut_off(known, name):
            self._cut_what_is_lost(known)  # and mend the others
            known.database.rejoin(name)

    def detach(self, global_id: str, arn: str) -> None:
        """What `aurora.ON_DETACH` calls: a secondary takes writes of its own."""
        cluster = aurora_store.cluster_of(arn)
        if cluster is None or (known := self._of(label(cluster))) is None or known.database.writer == label(cluster):
            return
        with self._lock:
            self._known.append(Known(known.database.detach(label(cluster)), known.login))

    def move(self, kind: Move, source: str, target: str) -> None:
        """What `aurora.ON_DATA` calls: clusters are cloned, saved as snapshots and restored from them."""
        with self._lock:
            match kind:
                case "clone":
                    self.copied(source, target)
                case "save":
                    self._save(source, target)
                case "copy" if source in self._saved:
                    self._saved[target] = self._saved[source].again(self.home)
                case "load":
                    self._load(source, target)
                case "forget" if source in self._saved:
                    self._saved.pop(source).forget()

    def copied(self, source_arn: str, copy_arn: str) -> None:
        """A cluster was restored as a clone of another: its server starts with the data that the other has now."""
        source, copy = aurora_store.cluster_of(source_arn), aurora_store.cluster_of(copy_arn)
        if source is None or copy is None or (known := self._known_of(source)) is None:
            return  # no server was ever needed, so there is nothing to copy
        self._known.append(Known(known.database.copy(label(source), label(copy), hosts(copy)), known.login))

    def _save(self, cluster_arn: str, snapshot_arn: str) -> None:
        """As it is now: what a failover left behind is not undone before."""
        cluster = aurora_store.cluster_of(cluster_arn)
        if cluster is not None and (known := self._known_of(cluster)) is not None:
            self._saved[snapshot_arn] = SavedData.of(known.database.servers[label(cluster)], known.login)

    def _load(self, snapshot_arn: str, cluster_arn: str) -> None:
        cluster, saved = aurora_store.cluster_of(cluster_arn), self._saved.get(snapshot_arn)
        if cluster is not None and saved is not None:
            self._known.append(Known(saved.database(self.home, label(cluster), hosts(cluster), way_s), saved.login))

    def _known_of(self, cluster: DBCluster) -> Known | None:
        """The servers of a cluster, its own among them, if any of its global database has ever been needed."""
        members = _members(cluster)
        known = next(filter(None, (self._of(label(member)) for member in members)), None)
        if known is not None and label(cluster) not in known.database.servers:
            known.database.add(label(cluster), hosts(cluster))
        return known

    def stop(self) -> None:
        """End every server and forget it."""
        with self._lock:
            for known in self._known:
                known.database.stop()
            self._known.clear()
            self._saved.clear()  # their files are in the home
            if self._home is not None:
                self._home.close()
                self._home = None

    def _of(self, name: str) -> Known | None:
        with self._lock:
            return next((known for known in self._known if name in known.database.servers), None)

    def _server(self, cluster: DBCluster) -> Server:
        with self._lock:
            self._forget_deleted()
            members = _members(cluster)
            known = next(filter(None, (self._of(label(member)) for member in members)), None) or self._start(members)
            for member in members:
                if label(member) not in known.database.servers and member.region not in aurora_store.LOST:
                    known.database.add(label(member), hosts(member))
            self._rejoin_what_was_left(known, label(cluster))
            self._keep_password(known, members)
            self._cut_what_is_lost(known)
            server = known.database.servers[label(cluster)]
            server.require_tls(requires_tls(cluster))
            return server

    def _start(self, members: list[DBCluster]) -> Known:
        writer = next((member for member in members if aurora_store.is_writer(member)), members[0])
        login = _login(members)
        known = Known(ReplicatedDatabase(self.home, delay=way_s), login)
        known.database.start(label(writer), login, hosts(writer))
        self._known.append(known)
        return known

    def _keep_password(self, known: Known, members: list[DBCluster]) -> None:
        """ModifyDBCluster may have set another master password."""
        wanted = _login(members)
        if wanted.password and wanted.password != known.login.password:
            known.login = replace(known.login, password=wanted.password)
            change_password(known.database.servers[known.database.writer], known.login)

    def _forget_deleted(self) -> None:
        """A cluster that is deleted takes its data along."""
        there = {label(cluster) for region in rds_backends[LAB_ACCOUNT].values()
                 for cluster in region.clusters.values()}
        for known in list(self._known):
            for name in [name for name in known.database.servers if name not in there]:
                if name == known.database.writer:
                    known.database.stop()
                    self._known.remove(known)
                    break
                known.database.remove(name)


def _is_cut_off(known: Known, name: str) -> bool:
    """Whether a server or the writer that it follows is in a region that is lost."""
    ends = (name, known.database.writer)
    return any(end.startswith(f"{region}-") for end in ends for region in aurora_store.LOST)


def label(cluster: DBCluster) -> str:
    """A name of the cluster that a later cluster of the same identifier does not have."""
    return f"{cluster.region}-{cluster.db_cluster_resource_id}".lower()


def hosts(cluster: DBCluster) -> tuple[str, ...]:
    """The names under which clients reach the cluster: what its certificate is for."""
    reader = str(cluster.reader_endpoint)
    return reader.replace(".cluster-ro-", ".cluster-"), reader


def _arn(region: str, cluster_id: str) -> str:
    return f"arn:aws:rds:{region}:{LAB_ACCOUNT}:cluster:{cluster_id}"


def _members(cluster: DBCluster) -> list[DBCluster]:
    """The clusters of the same global database, this one alone if it is in none."""
    known = aurora_store.of_cluster(cluster.arn)
    found = [aurora_store.cluster_of(member.arn) for member in known.members] if known else []
    return [member for member in found if member is not None] or [cluster]


def _login(members: list[DBCluster]) -> Login:
    """Master user, password and database as the cluster was created with; a secondary was created with none."""
    # moto keeps the password in this attribute and gives it out through none.
    named: Any = next((member for member in members if getattr(member, "_master_user_password", "")), members[0])
    return Login(named.master_username or "postgres", getattr(named, "_master_user_password", "") or "",
                 named.database_name or "postgres")


#: The databases of this lab process.
DATABASES = Databases()
aurora.ON_ROLE_CHANGE.append(DATABASES.change_roles)
aurora.ON_DETACH.append(DATABASES.detach)
aurora.ON_FENCE.append(DATABASES.fence)
aurora.ON_OUTAGE.append(DATABASES.outage)
aurora.ON_RESYNCHRONISED.append(DATABASES.resynchronised)
aurora.ON_DATA.append(DATABASES.move)
lost_zones.ON_BREAK.append(DATABASES.break_connections)
