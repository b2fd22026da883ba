"""CloudTrail, by choice: who did what in the account, in all regions, and who read or wrote which object of the data.

Files are validated by digests, encrypted with a key of their own, and lie in the standby region; a log group in the
primary region has the same events, for alarms and searches.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from drctl.aws.errors import Refusal, absent_is_fine, already, or_none
from drctl.aws.policies import same
from drctl.aws.tags import as_list, as_map, refuse_foreign
from drctl.engine.run import Run
from drctl.engine.step import Finding, Resource, Step
from drctl.engine.usage import Use
from drctl.engine.waiting import minutes
from drctl.settings import Site
from drctl.steps import log_group
from drctl.steps.data_bucket import DataBucket
from drctl.steps.key import Key
from drctl.steps.log_group import LogGroup
from drctl.steps.role import Role
from drctl.steps.trail_bucket import TrailBucket
from drctl.steps.trail_name import LABEL, trail_arn, trail_name

#: The policies of bucket and key, or the role, are not seen yet (Terraform provider: aws_cloudtrail, 1 min for IAM).
TOO_YOUNG = (Refusal("InsufficientS3BucketPolicyException"), Refusal("InsufficientEncryptionPolicyException"),
             Refusal("S3BucketDoesNotExistException"), Refusal("KmsKeyNotFoundException"), Refusal("KmsException"),
             Refusal("InvalidCloudWatchLogsRoleArnException"), Refusal("InvalidCloudWatchLogsLogGroupArnException"))
PROPAGATION = minutes(5)
#: Kilobytes of one event in the log group; most have one to two (CloudTrail User Guide, "CloudTrail record contents").
EVENT_KB = 1.5


@dataclass(frozen=True)
class TrailOut:
    """The trail as it stands: `settings` as CreateTrail takes them, and whether it is writing at all."""

    name: str
    arn: str
    settings: Mapping[str, Any]
    selectors: list[Any]
    logging: bool
    logs: LogGroup | None


def log_group_name(run: Run, site: Site) -> str:
    """Name of the log group that receives the events."""
    return run.name("logs", LABEL, site)


def policy(run: Run, site: Site) -> list[dict[str, Any]]:
    """What CloudTrail may do in CloudWatch Logs (CloudTrail User Guide, "Role policy document for CloudTrail to use
    CloudWatch Logs for monitoring"): write streams of its own name."""
    group = f"arn:aws:logs:{site.region}:{run.settings.account_id}:log-group:{log_group_name(run, site)}"
    return [{"Effect": "Allow", "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
             "Resource": f"{group}:log-stream:{run.settings.account_id}_CloudTrail_*"}]


@dataclass(frozen=True, eq=False)
class Trail(Step[TrailOut]):
    """One trail of all regions, found by its name in the primary region."""

    bucket: TrailBucket
    logs_key: Key
    role: Role
    data: tuple[DataBucket, ...]

    def find(self, run: Run) -> TrailOut | None:
        trails, name = run.at(self.site).cloudtrail, trail_name(run)
        if (seen := or_none(lambda: trails.get_trail(Name=name)["Trail"])) is None:
            return None
        # One that was deleted a moment ago is still shown by some hosts, and has neither status nor selectors.
        status = or_none(lambda: trails.get_trail_status(Name=name)) or {}
        chosen = or_none(lambda: trails.get_event_selectors(TrailName=name)) or {}
        return TrailOut(name, seen["TrailARN"], {key: seen.get(_SHOWN.get(key, key)) for key in self._wanted(run)},
                        chosen.get("AdvancedEventSelectors") or [], bool(status.get("IsLogging")),
                        log_group.find(run, self.site, log_group_name(run, self.site)))

    def _wanted(self, run: Run) -> dict[str, Any]:
        group = f"arn:aws:logs:{self.region}:{run.settings.account_id}:log-group:{log_group_name(run, self.site)}:*"
        return {"S3BucketName": self.bucket.name(run), "KmsKeyId": run.output(self.bucket.encryption_key).arn,
                "IsMultiRegionTrail": True, "IncludeGlobalServiceEvents": True, "EnableLogFileValidation": True,
                "CloudWatchLogsLogGroupArn": group, "CloudWatchLogsRoleArn": run.output(self.role).arn}

    def _selectors(self, run: Run) -> list[Any]:
        """All management events, KMS's among them, and each access to an object of the data."""
        objects = sorted(f"{bucket.arn(run)}/" for bucket in self.data)
        return [_selector("management", eventCategory={"Equals": ["Management"]}),
                _selector("objects", **{"eventCategory": {"Equals": ["Data"]},
                                        "resources.type": {"Equals": ["AWS::S3::Object"]},
                                        "resources.ARN": {"StartsWith": objects}})]

    def ensure(self, run: Run) -> TrailOut:
        out = run.found(self)
        if out and not list(self.verify(run, out)):
            return out
        trails, name = run.at(self.site).cloudtrail, trail_name(run)
        if out is not None:
            self._refuse_foreign(run, out.arn)
        log_group.ensure(run, self.site, log_group_name(run, self.site), run.output(self.logs_key).arn)
        if out is None:
            self._create(run, name)
        elif out.settings != self._wanted(run):
            run.retry(f"trail {name} takes its settings", lambda: trails.update_trail(Name=name, **self._wanted(run)),
                      TOO_YOUNG, within=PROPAGATION)
        if out is None or not self._selects(run, out):
            trails.put_event_selectors(TrailName=name, AdvancedEventSelectors=self._selectors(run))
        if out is None or not out.logging:
            trails.start_logging(Name=name)
        return run.wait_until(f"trail {name} writes", lambda: self.find(run), within=minutes(2),
                              ready=lambda seen: seen is not None and not list(self.verify(run, seen)),
                              show=lambda seen: "not up to date yet" if seen else "not visible yet") or run.output(self)

    def _create(self, run: Run, name: str) -> None:
        """A trail of this name that reads have missed is judged by its tags: made by a call whose answer was lost, or
        somebody else's."""
        trails = run.at(self.site).cloudtrail
        with already(Refusal("TrailAlreadyExistsException")):
            run.retry(f"trail {name} can be made", lambda: trails.create_trail(
                Name=name, TagsList=as_list(run.tags(self.site, name)), **self._wanted(run)), TOO_YOUNG,
                within=PROPAGATION)
        self._refuse_foreign(run, trail_arn(run))

    def _refuse_foreign(self, run: Run, arn: str) -> None:
        listed = run.at(self.site).cloudtrail.list_tags(ResourceIdList=[arn])["ResourceTagList"]
        refuse_foreign("trail", arn, as_map(listed[0].get("TagsList") if listed else ()), run.settings.environment)

    def _selects(self, run: Run, out: TrailOut) -> bool:
        return same(_ordered(out.selectors), _ordered(self._selectors(run)))

    def verify(self, run: Run, out: TrailOut) -> Iterable[Finding]:
        for key, value in self._wanted(run).items():
            if out.settings.get(key) != value:
                yield Finding(f"trail {out.name}: {key} is {out.settings.get(key)}, not {value}")
        if not self._selects(run, out):
            yield Finding(f"trail {out.name} does not record all management events and every access to the data")
        if not out.logging:
            yield Finding(f"trail {out.name} is stopped: nothing that is done is recorded")
        if wrong := log_group.difference(run, out.logs, run.output(self.logs_key).arn):
            yield Finding(f"the log group of trail {out.name} {wrong}")

    def destroy(self, run: Run) -> None:
        """The trail first: what it still delivers would keep its bucket."""
        trails, name = run.at(self.site).cloudtrail, trail_name(run)
        with absent_is_fine():
            self._refuse_foreign(run, trails.get_trail(Name=name)["Trail"]["TrailARN"])
            trails.delete_trail(Name=name)
        log_group.remove(run, self.site, log_group_name(run, self.site))

    def foreseen(self, run: Run, out: TrailOut | None) -> Mapping[str, Any]:
        return {"name": trail_name(run), "arn": trail_arn(run)}

    def uses(self, run: Run, out: TrailOut | None) -> Iterable[Use]:
        """The first trail's management events cost nothing; of the data, at most one access for each request."""
        events = run.settings.estimate.requests_millions
        yield Use("trail", "trail-data-million", events)
        yield Use("trail", "logs-gb", events * EVENT_KB)

    def resources(self, out: TrailOut) -> Iterable[Resource]:
        yield Resource("cloudtrail:trail", out.arn, self.region)
        if out.logs is not None:
            yield Resource("logs:log-group", out.logs.arn, self.region)


#: Settings that AWS shows under another name than it takes them.
_SHOWN = {"EnableLogFileValidation": "LogFileValidationEnabled"}


def _selector(name: str, **fields: dict[str, list[str]]) -> Any:
    return {"Name": name, "FieldSelectors": [{"Field": field, **chosen} for field, chosen in fields.items()]}


def _ordered(selectors: list[Any]) -> Any:
    """Without the order, and the empty lists, in which AWS gives selectors back."""
    return {one.get("Name"): sorted((field["Field"], sorted((key, sorted(value)) for key, value in field.items()
                                                             if key != "Field" and value))
                                    for field in one["FieldSelectors"]) for one in selectors}
