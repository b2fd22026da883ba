"""Whether a call can change AWS is known from its name; what is not known counts as a change."""

from __future__ import annotations

import pytest

from drctl.aws.calls import is_mutating


@pytest.mark.parametrize("operation", ["DescribeVpcs", "GetObject", "ListBuckets", "HeadBucket", "LookupEvents",
                                       "AssumeRole", "Decrypt", "Invoke"])
def test_reads_change_nothing(operation: str) -> None:
    assert not is_mutating(operation)


@pytest.mark.parametrize("operation", ["CreateVpc", "PutObject", "DeleteBucket", "SwitchoverGlobalCluster",
                                       "UpdateHealthCheck", "SomethingNew"])
def test_everything_else_is_a_change(operation: str) -> None:
    assert is_mutating(operation)
