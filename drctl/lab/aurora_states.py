"""What RDS shows while a database comes, changes and goes: stages by ARN, computed from the lab's clock when asked."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from moto.rds.exceptions import RDSClientError
from moto.rds.models import DBCluster, DBInstance
from moto.rds.responses import RDSResponse

from drctl.lab.clock import CLOCK
from drctl.lab.rules import rule

#: RDS answers one request at a time, so that a look and the change after it are one.
LOCK = threading.RLock()
#: AWS seconds in which an accepted change is not yet to be seen in the status.
UNSEEN_S = 5.0
AURORA = "aurora-postgresql"

Look = Callable[..., None]


@dataclass(frozen=True)
class Stage:
    """A status shown until a moment of the lab's clock."""

    until: float
    shows: str


_STAGES: dict[str, list[Stage]] = {}
_GOING: dict[str, tuple[float, Callable[[], None]]] = {}


def fault(code: str, text: str) -> RDSClientError:
    """A refusal of RDS."""
    return RDSClientError(code, text)


def check(name: str, owner: type[Any], *methods: str) -> Callable[[Look], Look]:
    """A rule that looks at a call and refuses it or lets it through: `def check(self, *args, **kwargs)`."""

    def install(look: Look) -> Look:
        @functools.wraps(look)
        def around(proceed: Callable[..., Any], self: Any, *args: Any, **kwargs: Any) -> Any:
            look(self, *args, **kwargs)
            return proceed(*args, **kwargs)

        rule(name, owner, *methods)(around)
        return look

    return install


def passes_through(arn: str, stages: Iterable[tuple[float, str]]) -> None:
    """From now on `arn` shows these statuses, each for so many AWS seconds, and then its own."""
    moment, planned = CLOCK.now(), []
    for aws_seconds, shows in stages:
        moment += aws_seconds
        planned.append(Stage(moment, shows))
    _STAGES[arn] = planned


def stage(arn: str) -> str | None:
    """The passing status of `arn`, None when it is at rest."""
    now = CLOCK.now()
    return next((stage.shows for stage in _STAGES.get(arn, ()) if now < stage.until), None)


def rests_at(arn: str) -> float:
    """Moment of the lab's clock from which `arn` shows its own status."""
    return max([CLOCK.now(), *(stage.until for stage in _STAGES.get(arn, ()))])


def goes(arn: str, aws_seconds: float, remove: Callable[[], None]) -> None:
    """`arn` is deleting from now on and gone after that many AWS seconds."""
    passes_through(arn, [(float("inf"), "deleting")])
    _GOING[arn] = (CLOCK.now() + aws_seconds, remove)
    CLOCK.after(aws_seconds, settle)


def gone_at(arn: str) -> float:
    """Moment at which `arn` is gone; now when it is not going."""
    return _GOING.get(arn, (CLOCK.now(), None))[0]


def settle() -> None:
    """Remove what is due."""
    with LOCK:
        now = CLOCK.now()
        for arn in [arn for arn, (moment, _) in _GOING.items() if moment <= now]:
            remove = _GOING.pop(arn)[1]
            _STAGES.pop(arn, None)
            remove()


def forget() -> None:
    """Nothing is in any stage."""
    with LOCK:
        _STAGES.clear()
        _GOING.clear()


def require_available(model: DBCluster) -> None:
    """Refuse (InvalidDBClusterStateFault) while a cluster is in any other state."""
    if model.status != "available":
        raise fault("InvalidDBClusterStateFault",
                    f"DbCluster {model.db_cluster_identifier} is in {model.status} state and not currently in the "
                    "available state.")


def instances_of(cluster: DBCluster) -> list[Any]:
    """The instances of a cluster, those that are being deleted left out."""
    return [instance for instance in cluster._members if instance.status != "deleting"]


def available_instances(cluster: DBCluster) -> list[Any]:
    """The instances of a cluster that answer."""
    return [instance for instance in cluster._members if instance.status == "available"]


def _status_of_a_cluster(self: DBCluster) -> str:
    own = self.__dict__.get("_status", "available")
    return stage(self.arn) or ("available" if own == "creating" else str(own))


def _status_of_an_instance(self: DBInstance) -> str:
    return stage(self.arn) or str(self.__dict__.get("_own_status", "available"))


def _set_cluster_status(self: DBCluster, value: str) -> None:
    self.__dict__["_status"] = value


def _set_instance_status(self: DBInstance, value: str) -> None:
    self.__dict__["_own_status"] = value


DBCluster.status = property(_status_of_a_cluster, _set_cluster_status)
DBInstance.status = property(_status_of_an_instance, _set_instance_status)

_answer = RDSResponse.call_action


def _answer_alone(self: RDSResponse) -> Any:
    with LOCK:
        settle()
        return _answer(self)


RDSResponse.call_action = _answer_alone
