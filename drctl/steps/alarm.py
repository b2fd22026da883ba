"""One CloudWatch alarm: what it watches, how it is put, and whether what stands is that."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from drctl.aws.policies import same


@dataclass(frozen=True)
class Alarm:
    """One alarm: `says` tells the person who is woken what happened; `metrics` replace namespace and metric."""

    purpose: str
    says: str
    threshold: float
    namespace: str = ""
    metric: str = ""
    dimensions: tuple[tuple[str, str], ...] = ()
    statistic: str = "Maximum"
    comparison: str = "GreaterThanThreshold"
    period_s: int = 60
    periods: int = 3
    #: What no data means: a metric that only its region's role publishes must not alarm when the role has moved.
    missing: str = "notBreaching"
    metrics: tuple[dict[str, Any], ...] = ()


def ratio(top: tuple[str, ...], bottom: str, namespace: str, dimensions: dict[str, str]) -> tuple[dict[str, Any], ...]:
    """Metric math: the sums of `top` in percent of the sum of `bottom`, and 0 when nothing happened."""
    queries = [_query(f"m{n}", namespace, metric, dimensions) for n, metric in enumerate((bottom, *top))]
    parts = " + ".join(f"FILL(m{n}, 0)" for n in range(1, len(queries)))
    share = {"Id": "share", "Expression": f"IF(m0 > 0, 100 * ({parts}) / m0, 0)", "Label": "percent",
             "ReturnData": True}
    return (*queries, share)


def _query(name: str, namespace: str, metric: str, dimensions: dict[str, str]) -> dict[str, Any]:
    named = {"Namespace": namespace, "MetricName": metric, "Dimensions": named_dimensions(dimensions.items())}
    return {"Id": name, "MetricStat": {"Metric": named, "Period": 60, "Stat": "Sum"}, "ReturnData": False}


def named_dimensions(dimensions: Iterable[tuple[str, str]]) -> list[Any]:
    """Dimensions in CloudWatch's shape."""
    return [{"Name": name, "Value": value} for name, value in dimensions]


def parameters(alarm: Alarm, topic: str) -> dict[str, Any]:
    """Arguments of PutMetricAlarm; it replaces the whole alarm, so nothing is left out."""
    metric: dict[str, Any] = {"Metrics": list(alarm.metrics)} if alarm.metrics else {
        "Namespace": alarm.namespace, "MetricName": alarm.metric, "Dimensions": named_dimensions(alarm.dimensions),
        "Statistic": alarm.statistic, "Period": alarm.period_s}
    return {"AlarmDescription": alarm.says, "ActionsEnabled": True, "AlarmActions": [topic], "OKActions": [topic],
            "Threshold": float(alarm.threshold), "ComparisonOperator": alarm.comparison,
            "EvaluationPeriods": alarm.periods, "TreatMissingData": alarm.missing, **metric}


def is_as(seen: Any, wanted: dict[str, Any]) -> bool:
    """Whether an alarm says what was put; CloudWatch adds fields of its own, also to the queries of metric math."""
    if seen is None:
        return False
    if "Metrics" in wanted:
        by_id = {query["Id"]: query for query in seen.get("Metrics", [])}
        seen = {**seen, "Metrics": [{key: by_id.get(query["Id"], {}).get(key) for key in query}
                                    for query in wanted["Metrics"]]}
    return same({key: seen.get(key) for key in wanted}, wanted)
