"""A configuration that is wrong says so completely, with file, path and line, before anything is called."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from drctl.configuration import InvalidConfiguration, load, packaged_lab, parse
from drctl.configuration_rules import latch
from drctl.lambdas.latch.decision import Act, Latch, Lies, Seen, State
from drctl.settings import Dns, Settings

EXAMPLES = Path(__file__).parent.parent / "config"
GOOD_AWS = """\
target: aws
environment: dev
account_id: "210987654321"
network: {admit_cidrs: [198.51.100.0/24]}
dns: {zone: dev.acme-health.com}
"""


def problems(text: str) -> list[str]:
    with pytest.raises(InvalidConfiguration) as refused:
        parse(text, "x.yaml")
    assert refused.value.exit_code == 2
    return [str(problem) for problem in refused.value.problems]


@pytest.mark.parametrize("name", ["lab", "dev", "production"])
def test_the_example_configurations_validate(name: str) -> None:
    assert load(EXAMPLES / f"{name}.yaml").environment == name


def test_without_a_configuration_only_the_lab_can_be_touched() -> None:
    assert load(packaged_lab()).target == "lab"
    assert Settings().target == "lab"


def test_all_problems_are_reported_at_once_each_with_its_line() -> None:
    found = problems("""\
target: aws
enviroment: dev
regions: {primary: us-east-1, standby: us-east-1}
network:
  primary_cidr: 10.0.0.0/16
  standby_cidr: 10.0.128.0/17
  availability_zones: 99
database:
  instance_class: db.t3.medium
""")
    assert len(found) == 8
    text = "\n".join(found)
    assert "x.yaml:2: enviroment: is not a known key; did you mean environment?" in text
    assert "x.yaml:3: regions.standby: is the same region as regions.primary (us-east-1)" in text
    assert "x.yaml:6: network.standby_cidr: 10.0.128.0/17 overlaps network.primary_cidr 10.0.0.0/16" in text
    assert "x.yaml:7: network.availability_zones: input should be less than or equal to 6" in text
    assert "x.yaml:9: database.instance_class: db.t3.medium cannot be in a global database" in text
    assert "account_id: is required with target: aws" in text
    assert "network.admit_cidrs: admits nobody" in text


def test_trap_9_a_missing_key_names_itself_and_an_example() -> None:
    found = problems("target: aws\nenvironment: dev\nnetwork: {admit_cidrs: [10.0.0.0/8]}\ndns: {zone: a.acme.com}\n")
    assert found == ["x.yaml: account_id: is required with target: aws, so that no other account is ever touched "
                     '(for example: "210987654321")']


@pytest.mark.parametrize(("line", "message"), [
    ("environment: Dev_1", "lower-case letters"),
    ("environment: a-name-that-is-much-too-long", "20 are allowed"),
    ('account_id: "123456789012"', "documentation examples"),
    ("regions: {primary: useast1}", "not the name of an AWS region"),
    ("network: {primary_cidr: 10.0.0.0/24, admit_cidrs: [10.0.0.0/8]}", "between /16 and /22"),
    ("network: {admit_cidrs: [0.0.0.0/0]}", "say open_to_the_world"),
    ("dns: {zone: dr.example.com}", "reserved for documentation"),
    ("database: {instance_class: db.m6g.large}", "memory-optimized"),
    ("database: {name: table}", "reserved word"),
    ("database: {name: db}", "reserved word"),
    ("database: {username: a_very_long_user_name}", "Aurora allows 16"),
    ("database: {username: pg_owner}", "not with pg_"),
    ("database: {min_acu: 8, max_acu: 4}", "over max_acu"),
    ("database: {engine_version: sixteen}", "full version"),
    ("logs: {retention_days: 8}", "is not one of"),
    ("alarms: {email: nobody}", "not an e-mail address"),
    ("app: {package: /nowhere/app.zip}", "does not exist"),
    ('tags: {"aws:x": y}', "reserved"),
    ("iam: {permissions_boundary: boundary}", "not the ARN of a managed policy"),
    ("iam: {permissions_boundary: 'arn:aws:iam::999999999999:policy/b'}", "not the ARN of a managed policy of AWS or"),
    ("lab: {traffic: {write: {path: orders}}}", "lab.traffic.write.path: 'orders' must begin with /"),
    ("lab: {traffic: {write: {body: {name: x}}}}", "all rows would be alike"),
    ('lab: {traffic: {write: {path: "/orders/{id}"}}}', "only in its answer"),
    ("lab: {traffic: {read: {path: /orders}}}", "would not say which row"),
    ("lab: {traffic: {id_field: data..id}}", "keys with dots between them"),
    ("lab: {traffic: {write: {method: GET}}}", "lab.traffic.write.method: input should be 'POST', 'PUT' or 'PATCH'"),
    ("lab: {traffic: {reed: {path: /x}}}", "did you mean read?"),
    ('lab: {traffic: {write: {body: {name: "{row}", born: 1980-02-29}}}}', "lab.traffic.write.body"),
    ("environment: dev\nenvironment: dev", "given twice"),
])
def test_values_aws_would_refuse_are_refused_here(line: str, message: str) -> None:
    key, _, _ = line.partition(":")
    text = "".join(kept + "\n" for kept in GOOD_AWS.splitlines() if not kept.startswith(key + ":")) + line + "\n"
    assert any(message in problem for problem in problems(text)), problems(text)


@pytest.mark.parametrize(("dns", "least"), [
    ("latch_minutes: 1", 3),
    ("latch_minutes: 2", 3),
    ("latch_minutes: 5, health_interval_s: 30, health_threshold: 10", 8),
    ("health_interval_s: 30, health_threshold: 5", 6),
    ("health_threshold: 5, latch_minutes: 3", 4),  # three minutes exactly are not more than three minutes
])
def test_a_latch_that_would_undo_the_operators_turn_is_refused_with_its_line_and_the_least_that_is_not(
        dns: str, least: int) -> None:
    text = GOOD_AWS.replace("dns: {zone: dev.acme-health.com}", f"dns: {{zone: dev.acme-health.com, {dns}}}")
    found = problems(text)
    assert len(found) == 1
    assert found[0].startswith("x.yaml:5: dns.latch_minutes: ")
    assert "the latch would undo the turn" in found[0]
    assert found[0].endswith(f"give at least {least}")
    given = re.sub(r", latch_minutes: \d+", "", text).replace("{zone", f"{{latch_minutes: {least}, zone")
    assert parse(given, "x.yaml").dns.latch_minutes == least


@pytest.mark.parametrize("threshold", range(1, 11))
@pytest.mark.parametrize("interval", [10, 30])
def test_a_latch_is_accepted_just_when_it_undoes_no_turn_whenever_it_looks_and_though_a_look_counts_twice(
        interval: int, threshold: int) -> None:
    for minutes in range(1, 61):
        dns = Dns.model_validate({"health_interval_s": interval, "health_threshold": threshold,
                                  "latch_minutes": minutes})
        refused = bool(list(latch(Settings(dns=dns))))
        assert refused == any(undoes_the_turn(dns, first) for first in range(0, 60, 5)), dns


def undoes_the_turn(dns: Dns, first: int) -> bool:
    """Whether the old region's latch puts its object while users still arrive there after a turn; it looks first after
    that many seconds, and its first look could not be remembered, so that it is made again and counts twice."""
    turned, old, state, acts = 10_000.0, Latch("primary", dns.latch_minutes), State(), set()
    moved = turned + dns.health_interval_s * (dns.health_threshold + 1)
    for look, at in enumerate([first, *range(first, first + 3600, 60)]):
        now = turned + at
        act, state = old.decide(Seen(now <= moved, Lies(known=True), Lies(known=True, since=turned)), state, now,
                                f"look {look}")
        acts.add(act)
    return Act.PUT in acts


@pytest.mark.parametrize(("arn", "message"), [
    ("arn:aws:acm:us-west-2:210987654321:certificate/0b6c1d2e-3f45-4a67-89ab-cdef01234567", "region us-west-2"),
    ("arn:aws:acm:us-east-1:999988887777:certificate/0b6c1d2e-3f45-4a67-89ab-cdef01234567", "account 999988887777"),
    ("arn:aws:acm:us-east-1:210987654321:certificate/REPLACE-ME", "placeholder"),
    ("arn:aws:acm:us-east-1:210987654321:certificate/12345678-1234-1234-1234-123456789012", "placeholder"),
    ("certificate", "not the ARN"),
])
def test_trap_1_a_certificate_of_the_wrong_place_or_a_placeholder_is_refused(arn: str, message: str) -> None:
    good = "arn:aws:acm:us-west-2:210987654321:certificate/0b6c1d2e-3f45-4a67-89ab-cdef01234567"
    found = problems(f"{GOOD_AWS}tls: {{mode: given, primary_certificate_arn: '{arn}', "
                     f"standby_certificate_arn: '{good}'}}\n")
    assert [message in found[0], len(found)] == [True, 1], found


def test_a_file_that_is_not_there_or_not_yaml_is_one_problem() -> None:
    with pytest.raises(InvalidConfiguration) as refused:
        load(Path("/nowhere.yaml"))
    assert "cannot be read" in str(refused.value.problems[0])
    assert "x.yaml:2: file: is not YAML" in problems("a: [\n  b: }")[0]
    assert "must be a mapping" in problems("- a")[0]
