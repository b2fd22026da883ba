"""One API call as data: sent by drctl, or typed by a person who goes on by hand; both from the same words."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass, field
from typing import Any

from botocore import xform_name

from drctl.aws.calls import is_mutating
from drctl.aws.clients import SERVICE_NAMES, Aws

#: What the AWS CLI calls services whose SDK name is another.
CLI_NAMES = {"s3": "s3api"}


@dataclass(frozen=True)
class TimeAgo:
    """A moment that the line works out when it is typed, so that it is right whenever that is; GNU date knows it."""

    minutes: int = 0

    def __str__(self) -> str:
        """In double quotes, which leave the command in them to the shell and its answer one word."""
        ago = f"-d '-{self.minutes} min' " if self.minutes else ""
        return f'"$(date -u {ago}+%FT%TZ)"'


@dataclass(frozen=True)
class Command:
    """`service` is the name of a client of `drctl.aws.clients.Region`; `operation` is spelled as AWS does."""

    region: str
    service: str
    operation: str
    params: dict[str, Any] = field(default_factory=dict)

    @property
    def mutating(self) -> bool:
        """Whether it can change AWS."""
        return is_mutating(self.operation)

    def send(self, aws: Aws) -> Any:
        """Make the call and return AWS's answer."""
        client = getattr(aws[self.region], self.service)
        return getattr(client, xform_name(self.operation))(**self.params)

    def __str__(self) -> str:
        """The line of the AWS CLI; the content of an object is left out, for the CLI takes it from a file."""
        service = SERVICE_NAMES.get(self.service, self.service)
        words = ["aws", CLI_NAMES.get(service, service), xform_name(self.operation, "-")]
        for name, value in self.params.items():
            if name != "Body":
                words += _option(name, value)
        if "Payload" in self.params:
            words += ["--cli-binary-format", "raw-in-base64-out", "/dev/stdout"]
        return " ".join([*words, "--region", self.region])


def _option(name: str, value: Any) -> list[str]:
    flag = f"--{xform_name(name, '-')}"
    if isinstance(value, bool):
        return [flag if value else f"--no-{flag[2:]}"]
    if isinstance(value, TimeAgo):
        return [flag, str(value)]
    if isinstance(value, bytes):
        value = value.decode()
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return [flag, *map(shlex.quote, value)]
    return [flag, shlex.quote(value if isinstance(value, str) else json.dumps(value))]
