"""The edge of a region for tests: balancer and what it needs, with a function that is made by hand."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, cast

from botocore.exceptions import ClientError

from drctl.aws.errors import is_gone
from drctl.engine.run import Run
from drctl.engine.step import Finding, Step
from drctl.settings import Site
from drctl.steps.balancer import Balancer
from drctl.steps.certificate import Certificate
from drctl.steps.listeners import Listeners
from drctl.steps.log_bucket import LogBucket
from drctl.steps.network import Network
from drctl.steps.security_groups import SecurityGroups
from drctl.steps.subnets import Subnets
from drctl.steps.zone import Zone

TRUST = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole",
                                                 "Principal": {"Service": "lambda.amazonaws.com"}}]}


@dataclass(frozen=True)
class SmallFunctionOut:
    """What a balancer needs to know of a function."""

    name: str
    arn: str
    alias_arn: str


@dataclass(frozen=True, eq=False)
class SmallFunction(Step[SmallFunctionOut]):
    """A function with an alias `live`, and nothing around it."""

    def find(self, run: Run) -> SmallFunctionOut | None:
        name = run.name("lambda", "app", self.site)
        try:
            alias = run.at(self.region).lambda_.get_alias(FunctionName=name, Name="live")["AliasArn"]
        except ClientError as error:
            if is_gone(error):
                return None
            raise
        return SmallFunctionOut(name, alias.rpartition(":")[0], alias)

    def ensure(self, run: Run) -> SmallFunctionOut:
        if self.find(run) is None:
            self._create(run)
        return run.output(self)

    def _create(self, run: Run) -> None:
        code = io.BytesIO()
        with zipfile.ZipFile(code, "w") as archive:
            archive.writestr("app.py", "def handler(event, context):\n    return {'statusCode': 200, 'body': '{}'}\n")
        at, name = run.at(self.region), run.name("lambda", "app", self.site)
        role = at.iam.create_role(RoleName=run.name("iam", "test", self.site),
                                  AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
        at.lambda_.create_function(FunctionName=name, Runtime="python3.12", Role=role, Handler="app.handler",
                                   Code={"ZipFile": code.getvalue()}, Tags=run.tags(self.site))
        at.lambda_.get_waiter("function_active_v2").wait(FunctionName=name)
        version = at.lambda_.publish_version(FunctionName=name)["Version"]
        at.lambda_.create_alias(FunctionName=name, Name="live", FunctionVersion=version)

    def verify(self, run: Run, out: SmallFunctionOut) -> Iterable[Finding]:
        return ()

    def destroy(self, run: Run) -> None:
        run.at(self.region).lambda_.delete_function(FunctionName=run.name("lambda", "app", self.site))


class Edge:
    """The steps of one region's edge."""

    def __init__(self, site: Site, zone: Zone, *, tls: bool = True) -> None:
        self.network = Network(site)
        self.subnets = Subnets(site, self.network)
        self.groups = SecurityGroups(site, self.network)
        self.logs = LogBucket(site)
        self.balancer = Balancer(site, self.network, self.subnets, self.groups, self.logs)
        self.certificate = Certificate(site, zone) if tls else None
        self.app = SmallFunction(site)
        self.listeners = Listeners(site, self.balancer, cast(Any, self.app), self.certificate)
