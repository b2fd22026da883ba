"""The ARNs of one stack, known before anything of it stands: its names are all that policies can be scoped to."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from drctl.names import GLOBAL, Names
from drctl.settings import Settings

#: Stands for any purpose in a name.
ANY = "any"


@dataclass(frozen=True)
class Places:
    """ARNs in both regions of the stack that `settings` describe."""

    settings: Settings

    @property
    def regions(self) -> tuple[str, str]:
        """Primary first."""
        return self.settings.regions.primary, self.settings.regions.standby

    @property
    def account(self) -> str:
        """The only account that drctl may touch."""
        return self.settings.account_id

    @property
    def environment(self) -> str:
        """The value of the stack's own tag."""
        return self.settings.environment

    def named(self, service: str, purpose: str, region: str) -> str:
        """A name of the stack; for ANY purpose a pattern of all names of a service there.

        Only services whose names are never cut may be asked for ANY (`drctl.names.LIMITS`).
        """
        name = Names(self.environment, self.account)(service, purpose, region)
        return name.replace(f"{service}-{ANY}-", f"{service}-*-", 1) if purpose == ANY else name

    def arns(self, service: str, *resources: str) -> list[str]:
        """`arn:aws:SERVICE:REGION:ACCOUNT:RESOURCE` in both regions; `{SERVICE/PURPOSE}` in it becomes a name."""
        return [f"arn:aws:{service}:{region}:{self.account}:{self.filled(resource, region)}"
                for region in self.regions for resource in resources]

    def without_region(self, service: str, *resources: str) -> list[str]:
        """`arn:aws:SERVICE::ACCOUNT:RESOURCE`, for each region's names."""
        return _once(f"arn:aws:{service}::{self.account}:{self.filled(resource, region)}"
                     for resource in resources for region in self.regions)

    def buckets(self, purposes: Iterable[str], below: str = "") -> list[str]:
        """Buckets of both regions, or objects in them when `below` begins with a slash."""
        return [f"arn:aws:s3:::{self.named('s3', purpose, region)}{below}"
                for purpose in purposes for region in self.regions]

    def filled(self, text: str, region: str) -> str:
        """The text with its names: `{alb/app}` is that of the region, `{dashboard/dr/}` what both regions share."""
        parts = text.split("{")
        return parts[0] + "".join(self._filled(part, region) for part in parts[1:])

    def _filled(self, part: str, region: str) -> str:
        name, _, rest = part.partition("}")
        service, _, purpose = name.partition("/")
        shared = purpose.endswith("/")
        return self.named(service, purpose.rstrip("/"), GLOBAL if shared else region) + rest


def _once(found: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(found))


#: What makes ARNs of a stack.
Where = Callable[[Places], list[str]]
