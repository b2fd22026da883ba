"""How the lab's PostgreSQL servers are set."""

from __future__ import annotations

#: The administrator that RDS keeps for itself; here it replicates and looks.
ADMIN = "rdsadmin"
#: Data of a lab outlives no reboot, so nothing waits for the disk. wal_log_hints is for pg_rewind; wal_keep_size lets a
#: server that was away catch up without slots. A late wire is silent for as long as it is late, so a follower does not
#: take silence for an end, and says every second that it lives. Shared memory in files of the data folder goes with it
#: even where a server was killed.
SETTINGS = """
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
fsync = off
max_connections = 60
shared_buffers = 32MB
wal_level = replica
max_wal_senders = 6
wal_keep_size = 512MB
wal_log_hints = on
hot_standby = on
wal_sender_timeout = 10s
wal_receiver_timeout = 0
wal_receiver_status_interval = 1s
wal_retrieve_retry_interval = 100ms
jit = off
dynamic_shared_memory_type = mmap
log_min_messages = warning
"""


def conninfo(port: int) -> str:
    """The libpq connection string of the administrator, without password."""
    return f"host=127.0.0.1 port={port} user={ADMIN} dbname=postgres sslmode=disable connect_timeout=5"


def who_may_connect(admin: str, *, tls_only: bool) -> str:
    """The host-based rules: the administrator from the lab without TLS, everybody else with it, or without too."""
    clients = "hostssl" if tls_only else "host"
    return (f"host all,replication {admin} 127.0.0.1/32 scram-sha-256\n"
            f"{clients} all all 127.0.0.1/32 scram-sha-256\n")
