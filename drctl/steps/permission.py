"""Permission for one AWS service to invoke the live version of a function, for one source of its own alone."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from drctl.aws.errors import Refusal, absent_is_fine, or_none
from drctl.aws.tags import refuse_foreign
from drctl.engine.run import Run
from drctl.engine.waiting import minutes
from drctl.settings import Site

if TYPE_CHECKING:
    from drctl.steps.deployed_function import FunctionOut


@dataclass(frozen=True)
class Permission:
    """`statement` names it in the function's policy; `principal` is the service that may invoke."""

    statement: str
    principal: str

    def is_given(self, run: Run, site: Site, function: FunctionOut, source: str) -> bool:
        """Whether the function's alias lets this very source (an ARN) invoke it."""
        return any(one["Effect"] == "Allow" and one["Principal"] == {"Service": self.principal}
                   and one.get("Condition", {}).get("ArnLike", {}).get("AWS:SourceArn") == source
                   for one in _statements(run, site, function))

    def give(self, run: Run, site: Site, function: FunctionOut, source: str) -> None:
        """Let the source invoke the alias; a statement of this name for an earlier source is replaced."""
        client = run.at(site).lambda_
        with absent_is_fine():
            client.remove_permission(FunctionName=function.name, Qualifier=_alias(function),
                                     StatementId=self.statement)
        run.retry("the function takes a permission", lambda: client.add_permission(
            FunctionName=function.name, Qualifier=_alias(function), StatementId=self.statement,
            Action="lambda:InvokeFunction", Principal=self.principal, SourceArn=source),
            (Refusal("ResourceConflictException"), Refusal("ResourceNotFoundException")), within=minutes(2))

    def take(self, run: Run, site: Site, function: FunctionOut) -> None:
        """Take it back; Refused when the function of our name is somebody else's."""
        client = run.at(site).lambda_
        if not any(one["Sid"] == self.statement for one in _statements(run, site, function)):
            return
        with absent_is_fine():
            tags = client.list_tags(Resource=function.arn).get("Tags", {})
            refuse_foreign("function", function.arn, tags, run.settings.environment)
            client.remove_permission(FunctionName=function.name, Qualifier=_alias(function),
                                     StatementId=self.statement)


def _statements(run: Run, site: Site, function: FunctionOut) -> list[Any]:
    """The statements of the alias's policy; Lambda answers with an error where nothing was ever permitted."""
    client = run.at(site).lambda_
    policy = or_none(lambda: client.get_policy(FunctionName=function.name, Qualifier=_alias(function))["Policy"])
    return list(json.loads(policy)["Statement"]) if policy else []


def _alias(function: FunctionOut) -> str:
    return str(function.alias_arn.rpartition(":")[2])
