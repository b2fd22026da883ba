"""Whose a thing of our name pattern is: another team may name its things alike, so the tags are asked for.

Only what bears such a name is asked about: that is few, and one call each.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from drctl.aws.errors import or_none
from drctl.aws.tags import as_map, is_ours
from drctl.engine.run import Run
from drctl.names import GLOBAL
from drctl.steps.rescue_snapshot import RESCUE
from drctl.steps.temporary_copy import ISOLATED

#: Asks a client for the tags of one ARN (for SQS: URL, for S3: name).
Ask = Callable[[Any, str], Mapping[str, str]]

#: How a service, by the name of its client, is asked for tags.
ASK: dict[str, Ask] = {
    "backup": lambda client, arn: client.list_tags(ResourceArn=arn)["Tags"],
    "cloudtrail": lambda client, arn: as_map(client.list_tags(ResourceIdList=[arn])["ResourceTagList"][0]["TagsList"]),
    "cloudwatch": lambda client, arn: as_map(client.list_tags_for_resource(ResourceARN=arn)["Tags"]),
    "elbv2": lambda client, arn: as_map(tag for one in client.describe_tags(ResourceArns=[arn])["TagDescriptions"]
                                        for tag in one["Tags"]),
    "events": lambda client, arn: as_map(client.list_tags_for_resource(ResourceARN=arn)["Tags"]),
    "iam": lambda client, arn: as_map(client.list_role_tags(RoleName=arn.rpartition("/")[2])["Tags"]),
    "lambda_": lambda client, arn: client.list_tags(Resource=arn)["Tags"],
    # A group is listed with `:*` at its end, and asked about without (CloudWatch Logs API Reference, LogGroup).
    "logs": lambda client, arn: client.list_tags_for_resource(resourceArn=arn.removesuffix(":*"))["tags"],
    "rds": lambda client, arn: as_map(client.list_tags_for_resource(ResourceName=arn)["TagList"]),
    "s3": lambda client, name: as_map(client.get_bucket_tagging(Bucket=name)["TagSet"]),
    "sns": lambda client, arn: as_map(client.list_tags_for_resource(ResourceArn=arn)["Tags"]),
    "sqs": lambda client, url: client.list_queue_tags(QueueUrl=url).get("Tags", {}),
    "wafv2": lambda client, arn: as_map(
        client.list_tags_for_resource(ResourceARN=arn)["TagInfoForResource"]["TagList"]),
}
#: Kinds that AWS gives no tags to, or that take none when they are made: their names alone tell.
UNTAGGED = frozenset({"kms:alias", "events:archive", "cloudwatch:dashboard"})


def carries_our_tag(run: Run, service: str, client: Any, item_id: str) -> bool:
    """Whether AWS shows our tag; what is gone meanwhile, or has no tags at all, is not ours."""
    tags = or_none(lambda: ASK[service](client, item_id))
    return is_ours(tags or {}, run.settings.environment)


def is_log_of_our_cluster(run: Run, name: str) -> bool:
    """Whether a log group is the one that RDS makes, without tags, for a cluster of exactly our name (Aurora User
    Guide, "Publishing Aurora PostgreSQL logs to Amazon CloudWatch Logs")."""
    return name in {f"/aws/rds/cluster/{run.name('aurora', purpose, site)}/postgresql" for site in run.settings.sites
                    for purpose in ("cluster", ISOLATED, RESCUE)}


def is_stack_name(run: Run, name: str) -> bool:
    """Whether `name` follows the stack's pattern, whatever precedes it."""
    regions = "|".join(re.escape(site.region) for site in run.settings.sites)
    environment, account = re.escape(run.settings.environment), run.settings.account_id
    return re.search(rf"-(?:{regions}|{GLOBAL})-{environment}(?:-{account})?(?:-[0-9a-f]{{6}})?$", name) is not None
