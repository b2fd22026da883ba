"""The database's credentials exist once, are copied to the other region, and are seen nowhere."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from drctl.aws.clients import Aws
from drctl.engine.events import Record
from drctl.engine.run import Run
from drctl.errors import Refused
from drctl.settings import Database, Settings
from drctl.steps.key import Key
from drctl.steps.secret import GENERATION_TAG, DatabaseSecret
from tests.conftest import changes, ensure_with_needs
from tests.steps.lifecycle import lagging

HOME, AWAY = Settings().sites
SECRET = DatabaseSecret(HOME, Key(HOME), Key(AWAY))
NAME = "secret-database-global-lab"


def test_both_regions_have_the_secret_each_with_its_own_key(run: Run, aws: Aws) -> None:
    out = ensure_with_needs(run, SECRET)
    assert out.replica == "InSync"
    assert (out.key, out.replica_key) == (run.output(SECRET.primary_key).arn, run.output(SECRET.standby_key).arn)
    assert list(SECRET.verify(run, out)) == []
    values = [aws[site.region].secrets.get_secret_value(SecretId=out.local(site.region)) for site in (HOME, AWAY)]
    assert values[0]["SecretString"] == values[1]["SecretString"]
    assert json.loads(values[0]["SecretString"])["username"] == "dradmin"


def test_the_password_is_in_no_output_no_representation_and_no_record(run: Run, records: list[Record]) -> None:
    out = ensure_with_needs(run, SECRET)
    credentials = SECRET.credentials(run)
    assert len(credentials.password) == 40
    assert credentials.password not in repr((out, credentials, SECRET)) + repr(records)


def test_a_second_run_changes_nothing_and_keeps_the_password(run: Run, make_run: Callable[..., Run]) -> None:
    ensure_with_needs(run, SECRET)
    again = make_run()
    ensure_with_needs(again, SECRET)
    assert changes(again, SECRET) == 0
    assert SECRET.credentials(again).password == SECRET.credentials(run).password


@pytest.mark.notices("DatabaseSecret")
def test_verify_notices_that_the_copy_is_gone_and_ensure_makes_it_again(run: Run, aws: Aws) -> None:
    ensure_with_needs(run, SECRET)
    aws[HOME.region].secrets.remove_regions_from_replication(SecretId=NAME, RemoveReplicaRegions=[AWAY.region])
    out = run.wait_until("the copy is gone", lambda: run.refresh(SECRET), lambda seen: "missing" in str(seen),
                         within=300)
    assert out is not None
    assert "missing" in next(iter(SECRET.verify(run, out))).text
    assert not list(SECRET.verify(run, ensure_with_needs(run, SECRET)))


def test_verify_notices_another_key_and_ensure_puts_ours_back(run: Run, aws: Aws) -> None:
    ensure_with_needs(run, SECRET)
    aws[HOME.region].secrets.update_secret(SecretId=NAME, KmsKeyId="alias/aws/secretsmanager")
    out = run.refresh(SECRET) or run.output(SECRET)
    assert "not encrypted with the key of us-east-1" in next(iter(SECRET.verify(run, out))).text
    assert not list(SECRET.verify(run, ensure_with_needs(run, SECRET)))


def test_a_secret_in_its_recovery_window_is_brought_back_with_its_password(make_run: Callable[..., Run]) -> None:
    run = make_run(Settings(deletion_protection=True))
    ensure_with_needs(run, SECRET)
    password = SECRET.credentials(run).password
    SECRET.destroy(run)
    assert SECRET.find(run) is None
    assert ensure_with_needs(run, SECRET).replica == "InSync"
    assert SECRET.credentials(run).password == password


def test_destroy_removes_the_copy_and_the_secret_and_twice_is_fine(run: Run, aws: Aws) -> None:
    ensure_with_needs(run, SECRET)
    SECRET.destroy(run)
    SECRET.destroy(run)
    assert [aws[site.region].secrets.list_secrets()["SecretList"] for site in (HOME, AWAY)] == [[], []]


def test_a_new_secret_of_the_same_name_is_another_generation(run: Run) -> None:
    first = ensure_with_needs(run, SECRET).generation
    SECRET.destroy(run)
    assert ensure_with_needs(run, SECRET).generation != first


@pytest.mark.parametrize("site", [HOME, AWAY], ids=lambda site: site.role)
def test_somebody_elses_secret_of_that_name_is_left_alone(run: Run, aws: Aws, site: object) -> None:
    region = AWAY.region if site is AWAY else HOME.region
    aws[region].secrets.create_secret(Name=NAME, SecretString="theirs")
    with pytest.raises(Refused, match=NAME):
        ensure_with_needs(run, SECRET)
    if region == HOME.region:
        with pytest.raises(Refused, match=NAME):
            SECRET.destroy(run)
    assert aws[region].secrets.get_secret_value(SecretId=NAME)["SecretString"] == "theirs"


def test_the_secret_and_its_keys_stand_while_everything_is_seen_late(run: Run, make_run: Callable[..., Run]) -> None:
    with lagging(100):
        assert ensure_with_needs(run, SECRET).replica == "InSync"
        SECRET.destroy(run)
        assert ensure_with_needs(make_run(), SECRET).replica == "InSync"


def test_a_secret_of_somebody_else_that_reads_miss_is_refused(run: Run, aws: Aws) -> None:
    for need in (SECRET.primary_key, SECRET.standby_key):
        ensure_with_needs(run, need)
    with lagging():
        aws[HOME.region].secrets.create_secret(Name=NAME, SecretString="theirs")
        with pytest.raises(Refused, match=NAME):
            SECRET.ensure(run)


def rotated(make_run: Callable[..., Run], generation: int) -> Run:
    """A run with settings that ask for this password."""
    run: Run = make_run(Settings(database=Database(password_generation=generation)))
    ensure_with_needs(run, SECRET)
    return run


def test_a_new_generation_is_a_new_password_in_both_regions_once(
        run: Run, make_run: Callable[..., Run], aws: Aws, records: list[Record]) -> None:
    ensure_with_needs(run, SECRET)
    old = SECRET.credentials(run).password
    wanted = make_run(Settings(database=Database(password_generation=2)))
    assert [one.text for one in SECRET.verify(wanted, run.output(SECRET))] == [
        f"the password in secret {NAME} is of generation 1, not 2"]
    again = rotated(make_run, 2)
    new = SECRET.credentials(again).password
    assert new != old
    values = {aws[site.region].secrets.get_secret_value(SecretId=NAME)["SecretString"] for site in (HOME, AWAY)}
    assert values == {json.dumps({"username": "dradmin", "password": new})}
    assert new not in repr(records)
    assert changes(rotated(make_run, 2), SECRET) == 0


def test_a_rotation_whose_run_was_killed_before_it_was_noted_makes_no_second_password(
        run: Run, make_run: Callable[..., Run], aws: Aws) -> None:
    ensure_with_needs(run, SECRET)
    new = SECRET.credentials(rotated(make_run, 2)).password
    aws[HOME.region].secrets.tag_resource(SecretId=NAME, Tags=[{"Key": GENERATION_TAG, "Value": "1"}])
    again = rotated(make_run, 2)
    assert SECRET.credentials(again).password == new
    assert again.output(SECRET).password_generation == 2


def test_an_earlier_password_does_not_come_back(make_run: Callable[..., Run]) -> None:
    rotated(make_run, 2)
    with pytest.raises(Refused, match="of generation 2, the configuration says 1") as refused:
        rotated(make_run, 1)
    assert "set database.password_generation to 2, or to 3 for a new password" in refused.value.next_step


def test_a_secret_that_is_made_anew_begins_with_the_generation_that_is_configured(make_run: Callable[..., Run]) -> None:
    assert rotated(make_run, 4).output(SECRET).password_generation == 4
