"""The operations of AWS that drctl's own code spells: the clients' methods, paginators, and commands for a person."""

from __future__ import annotations

import ast
from pathlib import Path

import botocore.session
from botocore import xform_name

from drctl.aws.clients import SERVICE_NAMES, Region

CODE = Path(__file__).parents[2] / "drctl"
#: Operations that drctl's code speaks of and never calls; the first is a socket's.
SPOKEN_OF = {"events:CreateConnection", "s3:PutObjectLockConfiguration", "s3:SelectObjectContent",
             "s3:DeletePublicAccessBlock", "sts:AssumeRole", "kms:Decrypt", "kms:Encrypt",
             "ec2:AssignPrivateIpAddresses", "ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface",
             "ec2:UnassignPrivateIpAddresses"}
#: Where the operations are named that somebody must hear of, whoever calls them.
HEARD_OF = "trail_filters.py"


def operations_in_the_code() -> set[str]:
    """`service:Operation` of every call that drctl spells: the clients' methods, paginators, and Command(…)."""
    models = {name: botocore.session.get_session().get_service_model(SERVICE_NAMES.get(name, name))
              for name in Region.__annotations__ if name not in {"name", "_make"}}
    spelled: dict[str, set[str]] = {}
    for model in models.values():
        for operation in model.operation_names:
            spelled.setdefault(xform_name(operation), set()).add(f"{model.service_name}:{operation}")
            spelled.setdefault(operation, set()).add(f"{model.service_name}:{operation}")
    words: set[str] = set()
    for path in CODE.rglob("*.py"):
        if path.relative_to(CODE).parts[0] in {"lab", "lambdas"} or path.name == HEARD_OF:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            word = node.attr if isinstance(node, ast.Attribute) else getattr(node, "value", None)
            if isinstance(word, str) and word in spelled and is_a_call(node, word):
                words.add(word)
    return {operation for word in words for operation in spelled.get(word, ())}


#: Methods of clients whose names are words of everyday life.
SHORT = {"invoke", "publish", "subscribe", "unsubscribe"}


def is_a_call(node: ast.AST, word: str) -> bool:
    """Whether a word is more likely the name of an operation than anything else."""
    return "_" in word or word in SHORT or (isinstance(node, ast.Constant) and word[:1].isupper())
