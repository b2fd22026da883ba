"""What a function of the stack may do, and where it writes its log."""

from __future__ import annotations

from drctl.engine.run import Run
from drctl.settings import Site
from drctl.steps.key import Key
from drctl.steps.role import Statements
from drctl.steps.secret import DatabaseSecret

#: What Lambda needs to attach a function to a VPC (Lambda Developer Guide, "Giving Lambda functions access to resources
#: in an Amazon VPC").
ON_INTERFACES = ("AssignPrivateIpAddresses", "CreateNetworkInterface", "DeleteNetworkInterface",
                 "DescribeNetworkInterfaces", "DescribeSubnets", "UnassignPrivateIpAddresses")


def log_group_name(run: Run, site: Site, label: str) -> str:
    """Where Lambda writes what the function prints."""
    return f"/aws/lambda/{run.name('lambda', label, site)}"


def policy(run: Run, site: Site, label: str, key: Key, secret: DatabaseSecret) -> Statements:
    """What function `label` may do: write its own log, read the local copy of the secret, decrypt with the local key.

    Lambda itself needs the rights on network interfaces, which know no narrower resource; the function's code is
    denied them (Lambda Developer Guide, "Giving Lambda functions access to resources in an Amazon VPC").
    """
    place, interfaces = f"{site.region}:{run.settings.account_id}", [f"ec2:{action}" for action in ON_INTERFACES]
    return [
        {"Effect": "Allow", "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
         "Resource": f"arn:aws:logs:{place}:log-group:{log_group_name(run, site, label)}:*"},
        {"Effect": "Allow", "Action": "secretsmanager:GetSecretValue",
         "Resource": run.output(secret).local(site.region)},
        {"Effect": "Allow", "Action": "kms:Decrypt", "Resource": run.output(key).arn},
        {"Effect": "Allow", "Action": interfaces, "Resource": "*"},
        {"Effect": "Deny", "Action": interfaces, "Resource": "*", "Condition": {"ArnEquals": {
            "lambda:SourceFunctionArn": f"arn:aws:lambda:{place}:function:{run.name('lambda', label, site)}"}}},
    ]
