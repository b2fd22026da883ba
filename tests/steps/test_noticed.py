"""Damage to steps that have no other test of it: each is noticed in words, and mended by the next ensure."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from drctl.aws.clients import Aws
from drctl.engine.run import Run
from drctl.settings import Settings
from drctl.steps.control_bucket import ControlBucket
from drctl.steps.global_cluster import GlobalCluster
from drctl.steps.network import Network
from drctl.steps.switch_bucket import SwitchBucket
from drctl.steps.zone import Zone
from tests.conftest import ensure_with_needs
from tests.steps.database import STANDBY
from tests.steps.lifecycle import assert_mended

SETTINGS = Settings()
HOME, AWAY = SETTINGS.sites


@pytest.mark.notices("SwitchBucket")
def test_a_switch_that_nobody_may_see_is_noticed_and_mended(run: Run, aws: Aws) -> None:
    bucket = SwitchBucket(AWAY)
    name = ensure_with_needs(run, bucket).name
    assert_mended(run, bucket, lambda: aws[AWAY.region].s3.delete_bucket_policy(Bucket=name), "its policy is not")


@pytest.mark.notices("ControlBucket")
def test_a_control_bucket_that_could_be_made_public_is_noticed_and_mended(run: Run, aws: Aws) -> None:
    bucket = ControlBucket(HOME)
    name = ensure_with_needs(run, bucket).name
    assert_mended(run, bucket, lambda: aws[HOME.region].s3.delete_public_access_block(Bucket=name),
                  "public access is not blocked")


@pytest.mark.notices("Zone")
def test_a_zone_that_lost_its_tags_is_noticed_and_mended(run: Run, aws: Aws) -> None:
    zone = Zone(HOME)
    zone_id = ensure_with_needs(run, zone).id
    assert_mended(run, zone, lambda: aws[HOME.region].route53.change_tags_for_resource(
        ResourceType="hostedzone", ResourceId=zone_id, RemoveTagKeys=["drctl:stack"]), "does not carry")


@pytest.mark.notices("Network")
def test_a_network_without_dns_or_gateway_is_noticed_and_mended(run: Run, aws: Aws) -> None:
    network, ec2 = Network(HOME), aws[HOME.region].ec2
    out = ensure_with_needs(run, network)
    assert_mended(run, network, lambda: ec2.modify_vpc_attribute(
        VpcId=out.vpc_id, EnableDnsHostnames={"Value": False}), "DNS hostnames are off")
    assert_mended(run, network, lambda: ec2.detach_internet_gateway(
        VpcId=out.vpc_id, InternetGatewayId=out.internet_gateway), "is not attached")


@pytest.mark.notices("GlobalCluster")
def test_a_global_cluster_that_is_protected_unasked_is_noticed_and_mended(
        run: Run, make_run: Callable[..., Run], aws: Aws) -> None:
    cluster = GlobalCluster(HOME)
    name = ensure_with_needs(run, cluster).id
    assert_mended(run, cluster, lambda: aws[HOME.region].rds.modify_global_cluster(
        GlobalClusterIdentifier=name, DeletionProtection=True), "deletion protection")


@pytest.mark.notices("StandbyCluster")
def test_a_standby_with_other_settings_is_noticed_and_mended(run: Run, aws: Aws) -> None:
    ensure_with_needs(run, STANDBY)
    assert_mended(run, STANDBY, lambda: aws[AWAY.region].rds.modify_db_cluster(
        DBClusterIdentifier=run.output(STANDBY).id, BackupRetentionPeriod=1, ApplyImmediately=True),
        "BackupRetentionPeriod is not as configured")
