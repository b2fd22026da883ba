"""Which versions of Aurora PostgreSQL exist and on which instance classes they run: what RDS says when it is asked."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from moto.core.responses import ActionResult, PaginatedResult
from moto.ec2.models.availability_zones_and_regions import RegionsAndZonesBackend
from moto.rds.responses import RDSResponse

from drctl.lab.aurora_states import AURORA, fault
from drctl.lab.rules import operation

#: Minor versions by major version.
MINORS = {13: (14, 15, 16, 18, 20, 21, 22), 14: (11, 12, 13, 15, 17, 18, 19), 15: (6, 7, 8, 10, 12, 13, 14),
          16: (2, 3, 4, 6, 8, 9, 10), 17: (4, 5, 6)}
VERSIONS = tuple(f"{major}.{minor}" for major, minors in MINORS.items() for minor in minors)
DEFAULT = "16.6"
#: Sizes by family of instance classes; those of the t family are for development and not for a global database.
_MEMORY = ("large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge")
SIZES = {"r5": (*_MEMORY, "24xlarge"), "r6g": _MEMORY, "r6i": (*_MEMORY, "24xlarge", "32xlarge"), "r7g": _MEMORY,
         "r7i": (*_MEMORY, "24xlarge", "48xlarge"), "r8g": (*_MEMORY, "24xlarge", "48xlarge"),
         "t3": ("medium", "large"), "t4g": ("medium", "large")}
CLASSES = ("db.serverless", *(f"db.{family}.{size}" for family, sizes in SIZES.items() for size in sizes))


def family(version: str) -> str:
    """The parameter group family of an engine version."""
    return f"{AURORA}{version.partition('.')[0]}"


def is_burstable(instance_class: str) -> bool:
    """Whether a class is of the t family."""
    return instance_class.startswith("db.t")


def compare(version: str) -> tuple[int, ...]:
    """A version as numbers."""
    return tuple(int(part) for part in version.split("."))


@cache
def _upgrades(version: str) -> list[dict[str, Any]]:
    return [{"Engine": AURORA, "EngineVersion": other, "Description": f"Aurora PostgreSQL (Compatible with {other})",
             "AutoUpgrade": False, "IsMajorVersionUpgrade": compare(other)[0] > compare(version)[0],
             "SupportsGlobalDatabases": True, "SupportedEngineModes": ["provisioned"]}
            for other in VERSIONS if compare(other) > compare(version)]


@cache
def _version(version: str) -> dict[str, Any]:
    return {"Engine": AURORA, "MajorEngineVersion": version.partition(".")[0], "EngineVersion": version,
            "DBParameterGroupFamily": family(version), "DBEngineDescription": "Aurora PostgreSQL",
            "DBEngineVersionDescription": f"Aurora PostgreSQL (Compatible with PostgreSQL {version})",
            "ValidUpgradeTarget": _upgrades(version), "ExportableLogTypes": ["instance", "postgresql"],
            "SupportsLogExportsToCloudwatchLogs": True, "SupportsReadReplica": False, "Status": "available",
            "SupportedEngineModes": ["provisioned"], "SupportedFeatureNames": ["Bedrock", "Lambda", "s3Export"],
            "SupportsParallelQuery": False, "SupportsGlobalDatabases": True, "SupportsBabelfish": True,
            "SupportsCertificateRotationWithoutRestart": True, "SupportsLocalWriteForwarding": True,
            "SupportedCACertificateIdentifiers": ["rds-ca-rsa2048-g1", "rds-ca-ecc384-g1", "rds-ca-rsa4096-g1"],
            "ServerlessV2FeaturesSupport": {"MinCapacity": 0, "MaxCapacity": 256}}


@operation("engine-versions", RDSResponse, "describe_db_engine_versions")
def describe_db_engine_versions(self: RDSResponse) -> ActionResult:
    """Engine versions are listed by engine, version and family; an unknown version gives an empty list.

    Refuses an unknown engine with InvalidParameterValue.
    Source: RDS API Reference, DescribeDBEngineVersions
    """
    engine, version = self.params.get("Engine") or AURORA, self.params.get("EngineVersion")
    if engine != AURORA:
        raise fault("InvalidParameterValue", f"Unrecognized engine name: {engine}")
    group = self.params.get("DBParameterGroupFamily")
    if self.params.get("DefaultOnly"):
        majors = {major: f"{major}.{minors[-1]}" for major, minors in MINORS.items()} | {16: DEFAULT}
        version = majors.get(compare(version)[0], "none") if version else DEFAULT
    rows = [_version(known) for known in VERSIONS
            # "16" asks for every 16.x
            if (not version or known == version or known.partition(".")[0] == version)
            and (not group or family(known) == group)]
    return PaginatedResult({"DBEngineVersions": rows})


@operation("orderable-classes", RDSResponse, "describe_orderable_db_instance_options")
def describe_orderable_db_instance_options(self: RDSResponse) -> ActionResult:
    """Instance classes are listed for each engine version and Region; t classes do not support global databases.

    Refuses an unknown engine with InvalidParameterValue.
    Source: RDS API Reference, DescribeOrderableDBInstanceOptions; Aurora User Guide, Aurora DB instance classes
    """
    if (engine := self.params.get("Engine")) != AURORA:
        raise fault("InvalidParameterValue", f"Unrecognized engine name: {engine}")
    return PaginatedResult({"OrderableDBInstanceOptions": list(_options(
        self.region, self.params.get("EngineVersion"), self.params.get("DBInstanceClass")))})


def _options(region: str, version: str | None, instance_class: str | None) -> Iterator[dict[str, Any]]:
    zones = [{"Name": zone.name} for zone in RegionsAndZonesBackend.zones[region]]
    for known in VERSIONS:
        for name in CLASSES:
            if version in {None, known} and instance_class in {None, name}:
                yield _option(known, name, zones)


def _option(version: str, instance_class: str, zones: list[dict[str, str]]) -> dict[str, Any]:
    serverless = instance_class == "db.serverless"
    return {"Engine": AURORA, "EngineVersion": version, "DBInstanceClass": instance_class,
            "LicenseModel": "postgresql-license", "AvailabilityZones": zones, "MultiAZCapable": False,
            "ReadReplicaCapable": False, "Vpc": True, "SupportsStorageEncryption": True, "StorageType": "aurora",
            "SupportsIops": False, "SupportsEnhancedMonitoring": True, "SupportsIAMDatabaseAuthentication": True,
            "SupportsPerformanceInsights": serverless or not is_burstable(instance_class),
            "SupportedEngineModes": ["provisioned"], "SupportsStorageAutoscaling": False,
            "SupportsKerberosAuthentication": True, "OutpostCapable": False,
            "SupportsGlobalDatabases": not is_burstable(instance_class), "SupportedNetworkTypes": ["IPV4", "DUAL"],
            "SupportsClusters": False}
