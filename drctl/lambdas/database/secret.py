"""The database credentials in the local region's copy of the secret; never a call to the other region."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .errors import Unreachable


@dataclass(frozen=True)
class Credentials:
    """Who logs in; the password stays out of every printed form."""

    username: str
    password: str = field(repr=False)


#: Versions of a secret by their staging labels (Secrets Manager User Guide, "What's in a Secrets Manager secret?").
CURRENT, PREVIOUS = "AWSCURRENT", "AWSPREVIOUS"


def read_from_secrets_manager(arn: str, region: str, stage: str = CURRENT) -> str:
    """The secret's text; raises Unreachable with the service's code."""
    # botocore is part of Lambda's Python runtime; importing it costs a cold start 0.2 s that /health need not pay.
    import botocore.session
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    patience = Config(connect_timeout=2, read_timeout=3, retries={"total_max_attempts": 2, "mode": "standard"})
    client: Any = botocore.session.get_session().create_client("secretsmanager", region_name=region, config=patience)
    try:
        return str(client.get_secret_value(SecretId=arn, VersionStage=stage)["SecretString"])
    except ClientError as error:
        raise Unreachable(f"the database secret cannot be read: {error.response['Error']['Code']}") from error
    except BotoCoreError as error:
        raise Unreachable(f"the database secret cannot be read: {type(error).__name__}") from error
    finally:
        client.close()


class Secret:
    """The credentials, read once and read again after `forget` (the password was rotated)."""

    def __init__(self, arn: str, region: str,
                 read: Callable[[str, str, str], str] = read_from_secrets_manager) -> None:
        self._arn, self._region, self._read = arn, region, read
        self._kept: Credentials | None = None

    def credentials(self) -> Credentials:
        """User name and password; raises Unreachable when the secret cannot be read or is not as it should be."""
        if self._kept is None:
            self._kept = self._version(CURRENT)
        return self._kept

    def before(self) -> Credentials:
        """What was current before: while a password is rotated, the database may have that one still."""
        return self._version(PREVIOUS)

    def _version(self, stage: str) -> Credentials:
        text = self._read(self._arn, self._region, stage)
        try:
            content = json.loads(text)
            return Credentials(content["username"], content["password"])
        except (ValueError, KeyError, TypeError):
            # No cause: its text could show a part of the secret.
            raise Unreachable("the database secret holds no username and password") from None

    def forget(self) -> None:
        """Read it again at the next need."""
        self._kept = None
