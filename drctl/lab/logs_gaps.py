"""CloudWatch Logs where moto falls short of it: the key of a log group that exists."""

from __future__ import annotations

from moto.logs.exceptions import ResourceNotFoundException
from moto.logs.models import LogGroup
from moto.logs.responses import LogsResponse

from drctl.lab.rules import operation


def _group(response: LogsResponse) -> LogGroup:
    """The log group that the request names: ResourceNotFoundException when there is none."""
    group = response.logs_backend.groups.get(response._get_param("logGroupName"))
    if group is None:
        raise ResourceNotFoundException
    return group


@operation("log-group-key", LogsResponse, "associate_kms_key")
def associate_kms_key(self: LogsResponse) -> str:
    """Records that arrive from now on are encrypted with the key.

    Source: CloudWatch Logs API Reference, AssociateKmsKey.
    """
    _group(self).kms_key_id = self._get_param("kmsKeyId")
    return ""


@operation("log-group-without-key", LogsResponse, "disassociate_kms_key")
def disassociate_kms_key(self: LogsResponse) -> str:
    """Records that arrive from now on are not encrypted with a key of the account.

    Source: CloudWatch Logs API Reference, DisassociateKmsKey.
    """
    _group(self).kms_key_id = None
    return ""
