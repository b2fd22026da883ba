"""One naming function: the same pattern everywhere, within every service's limits for every region name."""

from __future__ import annotations

import re

import pytest

from drctl.names import GLOBAL, LIMITS, Names, name

LONG_REGION = "ap-southeast-2"


def test_trap_12_the_pattern_is_service_purpose_region_environment() -> None:
    names = Names("dev", "210987654321")
    assert names("aurora", "cluster", "us-east-1") == "aurora-cluster-us-east-1-dev"
    assert names("aurora", "cluster", "us-west-2") == "aurora-cluster-us-west-2-dev"
    assert names("aurora", "database", GLOBAL) == "aurora-database-global-dev"


def test_bucket_names_carry_the_account_because_they_are_unique_in_the_world() -> None:
    assert Names("dev", "210987654321")("s3", "data", "us-east-1") == "s3-data-us-east-1-dev-210987654321"


@pytest.mark.parametrize("service", sorted(LIMITS))
def test_the_longest_names_keep_the_services_limit_and_end_in_no_hyphen(service: str) -> None:
    made = name(service, "a-rather-long-purpose", LONG_REGION, "an-environment-of-20", suffix="210987654321")
    assert len(made) <= LIMITS[service]
    assert re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", made)


def test_two_names_that_are_cut_stay_different() -> None:
    cut = {name("alb", f"a-rather-long-purpose-number-{number}", LONG_REGION, "production") for number in range(50)}
    assert len(cut) == 50


def test_a_service_without_a_limit_is_a_defect() -> None:
    with pytest.raises(KeyError):
        name("nonsense", "a", "b", "c")


def test_tokens_are_the_same_for_the_same_thing_and_32_word_characters() -> None:
    names = Names("dev", "210987654321")
    assert names.token("vpc-1", "public") == names.token("vpc-1", "public") != names.token("vpc-2", "public")
    assert re.fullmatch(r"\w{32}", names.token("x"))
