"""SSM parameters: what their names, values and types may be, and that they are read some seconds late."""

from __future__ import annotations

import copy
import re
from typing import Any

from moto.ssm.exceptions import SSMException, ValidationException
from moto.ssm.models import Parameter, SimpleSystemManagerBackend

from drctl.aws.durations import seconds
from drctl.lab.rules import hide, is_hidden, rule

#: Characters of a value by tier, and levels of a name (Systems Manager API Reference, PutParameter).
VALUE_LIMITS = {"Standard": 4_096, "Advanced": 8_192}
LEVELS = 15


@rule("parameter-name", SimpleSystemManagerBackend, "put_parameter")
def parameter_name(proceed: Any, _self: SimpleSystemManagerBackend, name: str, *args: Any, **kwargs: Any) -> Any:
    """A name has 2,048 characters at most, of letters, digits and .-_/, begins with / when it has one.

    Refuses with ValidationException. Source: Systems Manager API Reference, PutParameter.
    """
    if len(name) > 2_048 or not re.fullmatch(r"/?[a-zA-Z0-9_.-]+|(/[a-zA-Z0-9_.-]+)+", name):
        raise ValidationException("Parameter name must be a fully qualified name. It can consist of sub-paths divided "
                                  "by slash symbol; each sub-path can be formed as a mix of letters, numbers and the "
                                  "following 3 symbols .-_")
    return proceed(name, *args, **kwargs)


@rule("parameter-levels", SimpleSystemManagerBackend, "put_parameter")
def parameter_levels(proceed: Any, _self: SimpleSystemManagerBackend, name: str, *args: Any, **kwargs: Any) -> Any:
    """A name has 15 levels at most. Refuses with HierarchyLevelLimitExceededException.

    Source: Systems Manager API Reference, PutParameter.
    """
    if name.count("/") > LEVELS:
        raise SSMException("HierarchyLevelLimitExceededException", "A hierarchy can have a maximum of 15 levels.")
    return proceed(name, *args, **kwargs)


@rule("parameter-value", SimpleSystemManagerBackend, "put_parameter")
def parameter_value(proceed: Any, _self: SimpleSystemManagerBackend, name: str, description: str, value: str,
                    *args: Any, **kwargs: Any) -> Any:
    """A value has 4 KB at most, 8 KB in the advanced tier. Refuses with ValidationException.

    Source: Systems Manager API Reference, PutParameter.
    """
    if len(value) > VALUE_LIMITS.get(kwargs.get("tier") or "Standard", 8_192):
        raise ValidationException("Standard tier parameters support a maximum parameter value of 4096 characters. To "
                                  "create a larger parameter value, upgrade the parameter to use the "
                                  "advanced-parameter tier.")
    return proceed(name, description, value, *args, **kwargs)


@rule("parameter-type", SimpleSystemManagerBackend, "put_parameter")
def parameter_type(proceed: Any, self: SimpleSystemManagerBackend, name: str, description: str, value: str,
                   kind: str | None, *args: Any, **kwargs: Any) -> Any:
    """A parameter keeps its type. Refuses with HierarchyTypeMismatchException.

    Source: Systems Manager API Reference, PutParameter.
    """
    before = self.get_parameter(name)
    if before is not None and kind and kind != before.parameter_type and args[2]:
        raise SSMException("HierarchyTypeMismatchException", "Parameter Store doesn't support changing a parameter "
                                                             "type in a hierarchy.")
    return proceed(name, description, value, kind, *args, **kwargs)


@rule("parameter-age", SimpleSystemManagerBackend, "put_parameter")
def parameter_age(proceed: Any, _self: SimpleSystemManagerBackend, *args: Any, **kwargs: Any) -> Any:
    """A value just put is not read for a moment.

    Source: AWS Systems Manager User Guide, Parameter Store; Terraform provider: aws_ssm_parameter, reads until found.
    """
    parameter = proceed(*args, **kwargs)
    hide(parameter, seconds("parameter-visible"))
    return parameter


@rule("parameter-unseen", SimpleSystemManagerBackend, "get_parameters")
def parameter_unseen(proceed: Any, self: SimpleSystemManagerBackend, names: list[str]) -> dict[str, Parameter]:
    """For a moment a new parameter is among the invalid ones, and a changed one has its former value.

    Source: AWS Systems Manager User Guide, Parameter Store; Terraform provider: aws_ssm_parameter, reads until found.
    """
    seen = {}
    for name, parameter in proceed(names).items():
        shown = next((one for one in reversed(self._parameters[parameter.name]) if not is_hidden(one)), None)
        if shown is not None:
            seen[name] = shown if ":" in name else copy.copy(shown)
    return seen


@rule("parameter-listed", SimpleSystemManagerBackend, "describe_parameters")
def parameter_listed(proceed: Any, self: SimpleSystemManagerBackend, *args: Any, **kwargs: Any) -> list[Parameter]:
    """For a moment a new parameter is not listed, neither by path nor by tag.

    Source: AWS Systems Manager User Guide, Parameter Store; field experience.
    """
    return [one for one in proceed(*args, **kwargs) if not all(map(is_hidden, self._parameters[one.name]))]
