"""The parts of a configuration that say how a stack is watched, kept and failed over, and what the lab does with it.

As in `drctl.settings`, each key's meaning is the text below it.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue


class Model(BaseModel):
    """A part of the configuration: closed (unknown keys are refused) and frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Alarms(Model):
    """Thresholds, and who hears."""

    email: str | None = None
    """Address that gets the alarms of both regions; its owner has to confirm each subscription. One of former settings
    goes on hearing them until its owner ends that by the link in each message."""
    database_cpu_percent: Annotated[float, Field(gt=0, le=100)] = 80
    """Mean CPU of a region's database over five minutes that is too much."""
    database_connections: Annotated[int, Field(ge=1)] = 200
    """Connections to a region's database that are too many."""
    replication_lag_s: Annotated[float, Field(gt=0)] = 60
    """How far the standby's database may lag behind; the alarm on what a failover would lose takes
    `objectives.rpo_minutes`."""
    error_percent: Annotated[float, Field(gt=0, le=100)] = 5
    """Share of a function's invocations that fail, and of a balancer's requests that the app answers with 5xx."""
    certificate_days: Annotated[int, Field(ge=1)] = 30
    """Days before the end of a certificate at which the alarm goes off."""


class Logs(Model):
    """Retention of every log group."""

    retention_days: int = 90
    """One of the values that CloudWatch Logs accepts, from 1 to 3653; another one is refused with the list of them."""


class Failover(Model):
    """How requests are made while a region is lost, when no one may wait for what does not answer, and the order."""

    order: Literal["side-by-side", "database-first"] = "side-by-side"
    """Whether users are sent to the other region while its database is promoted, or once it takes writes."""
    connect_timeout_s: Annotated[float, Field(gt=0, le=60)] = 2
    """How long a connection may take."""
    read_timeout_s: Annotated[float, Field(gt=0, le=60)] = 5
    """How long an answer may take."""
    attempts: Annotated[int, Field(ge=1, le=8)] = 2
    """How often a request is sent in all."""


class Backup(Model):
    """AWS Backup plan in each region for its own cluster, with a copy to the other region."""

    enabled: bool = False
    """Whether there are such plans; without them the clusters' own backups remain, which stay in their region."""
    schedule: str = "cron(0 5 ? * * *)"
    """When a recovery point is made, in UTC: cron(…) or rate(…)."""
    retention_days: Annotated[int, Field(ge=1)] = 35
    """How long recovery points and their copies are kept."""


class Trail(Model):
    """CloudTrail: a record of what is done in the account, in all regions, and of each access to the data's objects."""

    enabled: bool = False
    """Whether there is one of the stack's own; where the account or its organisation has a trail, leave it off."""
    retention_days: Annotated[int, Field(ge=1)] = 365
    """How long its files are kept; its log group is kept as long as the others."""


class Estimate(Model):
    """What a month is taken to bring; nothing but `plan` and `prices` reads it, to tell what the stack costs."""

    requests_millions: Annotated[float, Field(ge=0)] = 0
    """Requests through the users' name."""
    request_kb: Annotated[float, Field(ge=0)] = 16
    """Request and answer together, in thousands of bytes."""
    request_ms: Annotated[float, Field(ge=0)] = 5
    """Milliseconds that the app's function works on a request."""
    database_gb: Annotated[float, Field(ge=0)] = 10
    """What the database holds, which each region stores."""
    database_writes_millions: Annotated[float, Field(ge=0)] = 2.5
    """Writes to the database's storage, each of which is replicated."""
    object_gb: Annotated[float, Field(ge=0)] = 1
    """Objects in the data bucket, which each region stores."""
    object_gb_new: Annotated[float, Field(ge=0)] = 0.1
    """Of the objects, what is new in a month and so replicated."""
    events_millions: Annotated[float, Field(ge=0)] = 0.05
    """Events put on the bus, each of which goes to the other region."""
    logs_gb: Annotated[float, Field(ge=0)] = 2
    """Log lines of both regions."""
    egress_gb: Annotated[float, Field(ge=0)] = 5
    """What the functions send and fetch through endpoints or NAT."""


class Iam(Model):
    """What every role of the stack carries beside its own policy."""

    permissions_boundary: str | None = None
    """ARN of a managed policy that no role of the stack may go beyond; without one a boundary that drctl has put goes,
    and one that somebody else has put stays."""


class TrafficWrite(Model):
    """The request that writes a numbered row; `{row}` in the path and in any text of the JSON body becomes the row."""

    method: Literal["POST", "PUT", "PATCH"] = "POST"
    """Method of the request."""
    path: str = "/patients"
    """Path of the request; begins with `/`."""
    body: dict[str, JsonValue] = {"name": "{row}", "birth_date": "1980-02-29"}
    """Body of the request, sent as JSON; body or path has to hold `{row}`, else all rows would be alike."""


class TrafficRead(Model):
    """The request that reads a row back, whose answer has to contain it; the path holds `{id}`, `{row}`, or both."""

    path: str = "/patients/{id}"
    """Path of the request; `{id}` becomes what the app calls the row."""


class Traffic(Model):
    """How the lab's clients use the app behind the name; as it stands, drctl's sample application."""

    write: TrafficWrite = TrafficWrite()
    read: TrafficRead = TrafficRead()
    id_field: str = "id"
    """Where the JSON answer to a write says what the app calls the row: a key, or keys with dots between them."""


class Lab(Model):
    """What the lab does with this stack; AWS never sees it."""

    traffic: Traffic = Traffic()
