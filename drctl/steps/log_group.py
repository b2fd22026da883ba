"""A CloudWatch Logs group with retention and the region's key, made before its writer would make one without either."""

from __future__ import annotations

from dataclasses import dataclass

from drctl.aws.errors import Refusal, absent_is_fine
from drctl.aws.tags import is_ours
from drctl.engine.run import Run
from drctl.engine.waiting import minutes
from drctl.errors import NotOurs, Refused
from drctl.settings import Site

#: The name is being made or deleted by somebody else (Terraform provider: 1 to 2 min), or the key is too new.
BUSY = (Refusal("OperationAbortedException"), Refusal("InvalidParameterException", "KMS key"))


@dataclass(frozen=True)
class LogGroup:
    """The group as it stands; retention in days, None for ever; the key's ARN, None for CloudWatch's own."""

    name: str
    arn: str
    retention_days: int | None
    key: str | None


def find(run: Run, site: Site, name: str) -> LogGroup | None:
    """The group of exactly this name: DescribeLogGroups filters by prefix. Its ARN has no `:*` at the end."""
    for page in run.at(site).logs.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=name):
        for group in page["logGroups"]:
            if group["logGroupName"] == name:
                return LogGroup(name, group["arn"].removesuffix(":*"), group.get("retentionInDays"),
                                   group.get("kmsKeyId"))
    return None


def is_as_wanted(run: Run, group: LogGroup | None, key_arn: str) -> bool:
    """Whether the group is there with the configured retention and this key."""
    return not difference(run, group, key_arn)


def difference(run: Run, group: LogGroup | None, key_arn: str) -> str:
    """What is wrong with the group, to follow its name in a finding; empty when nothing is."""
    wanted = run.settings.logs.retention_days
    if group is None:
        return "is not there"
    wrong = []
    if (days := group.retention_days) != wanted:
        wrong.append(f"keeps its lines {'for ever' if days is None else f'for {days} d'}, not for {wanted} d")
    if group.key != key_arn:
        wrong.append(f"is encrypted with {group.key or 'no key of ours'}, not with {key_arn}")
    return " and ".join(wrong)


def ensure(run: Run, site: Site, name: str, key_arn: str, *, untagged_is_ours: bool = False) -> LogGroup:
    """Make the group, or give ours the configured retention and key; Refused when it is somebody else's.

    `untagged_is_ours`: the name is made of one of our resources' and its service makes the group without tags.
    """
    logs, group = run.at(site).logs, find(run, site, name)
    if group is not None and is_as_wanted(run, group, key_arn):
        return group
    if group is None:
        group = _make(run, site, name, key_arn)
    if group is not None:
        if not _refuse_foreign(run, site, group, untagged_is_ours):
            logs.tag_resource(resourceArn=group.arn, tags=run.tags(site, name))
        if group.key != key_arn:
            run.retry(f"log group {name} takes its key", lambda: logs.associate_kms_key(
                logGroupName=name, kmsKeyId=key_arn), BUSY, within=minutes(2))
    run.retry(f"log group {name} takes its retention", lambda: logs.put_retention_policy(
        logGroupName=name, retentionInDays=run.settings.logs.retention_days),
        (*BUSY, Refusal("ResourceNotFoundException")), within=minutes(2))
    return run.wait_until(f"log group {name} is as configured", lambda: find(run, site, name),
                          lambda seen: is_as_wanted(run, seen, key_arn), within=minutes(2)) or _missing(name)


def _make(run: Run, site: Site, name: str, key_arn: str) -> LogGroup | None:
    """Make the group; where there is one that the list missed, made moments ago, that one."""
    logs = run.at(site).logs
    try:
        run.retry(f"log group {name} can be made", lambda: logs.create_log_group(
            logGroupName=name, kmsKeyId=key_arn, tags=run.tags(site, name)), BUSY, within=minutes(2))
    except logs.exceptions.ResourceAlreadyExistsException:
        return run.wait_until(f"log group {name} can be seen", lambda: find(run, site, name),
                              lambda seen: seen is not None, within=minutes(2))
    return None


def _missing(name: str) -> LogGroup:
    raise Refused(f"log group {name} disappeared while it was made", next_step="drctl provision")


def remove(run: Run, site: Site, name: str, *, untagged_is_ours: bool = False) -> bool:
    """Delete the group with all it holds, and say whether there was one; Refused when it is somebody else's."""
    logs, group = run.at(site).logs, find(run, site, name)
    if group is None:
        return False
    with absent_is_fine():
        _refuse_foreign(run, site, group, untagged_is_ours)
        run.retry(f"log group {name} can be deleted", lambda: logs.delete_log_group(logGroupName=name), BUSY[:1],
                  within=minutes(2))
    return True


def _refuse_foreign(run: Run, site: Site, group: LogGroup, untagged_is_ours: bool) -> bool:
    """Whether the group has tags."""
    tags = run.at(site).logs.list_tags_for_resource(resourceArn=group.arn)["tags"]
    if (tags or not untagged_is_ours) and not is_ours(tags, run.settings.environment):
        raise NotOurs(f"log group {group.name} in {site.region} does not belong to this stack",
                      next_step="delete or rename that log group, or choose another environment name")
    return bool(tags)
