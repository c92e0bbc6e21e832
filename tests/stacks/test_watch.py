"""Alarms and dashboard: of one stack, and of metrics that exist."""

import json
import re
from typing import Any

import pytest

from serve import telemetry
from serve.errors import INTERNAL_ERROR, FetchFailedError, FetchTimeoutError
from serve.invocation import from_context
from serve.model.classifier import Prediction
from tests.stacks.cloudformation import Meaning, Template

NAMES = {
    "Name": "cats-vs-dogs",
    "ApiId": "the-api",
    "ClassifyFunction": "the-api-function",
    "UploadsFunction": "the-uploads-function",
    "BacklogFunction": "the-backlog-function",
    "UploadQueue": "the-queue",
    "DeadLetterQueue": "the-dead-letter-queue",
    "AlarmEmail": "someone@example.org",
    "MonthlyBudgetUsd": "20",
}


@pytest.fixture
def resources(stacks: dict[str, Template]) -> dict[str, Any]:
    return watched(stacks, NAMES)


def watched(stacks: dict[str, Template], names: dict[str, str]) -> dict[str, Any]:
    return {
        name: each
        for stack in (stacks["watch"], stacks["dashboard"])
        for name, each in Meaning(stack, {key: names[key] for key in names.keys() & stack["Parameters"]})
        .resources()
        .items()
    }


def alarms(resources: dict[str, Any]) -> dict[str, Any]:
    return {name: r["Properties"] for name, r in resources.items() if r["Type"] == "AWS::CloudWatch::Alarm"}


def metrics(alarm: dict[str, Any]) -> list[tuple[str, str, dict[str, str]]]:
    """(namespace, name, dimensions) of what an alarm looks at."""
    found = [each["MetricStat"]["Metric"] for each in alarm.get("Metrics", [alarm]) if "MetricStat" in each] or [alarm]
    return [
        (each["Namespace"], each["MetricName"], {one["Name"]: one["Value"] for one in each["Dimensions"]})
        for each in found
    ]


def test_what_goes_wrong_raises_an_alarm(resources: dict[str, Any]) -> None:
    watched = {
        (metric, *dimensions.values())
        for alarm in alarms(resources).values()
        for _namespace, metric, dimensions in metrics(alarm)
    }
    assert watched == {
        ("Errors", "the-api-function"),
        ("Throttles", "the-api-function"),
        ("5xx", "the-api"),
        ("errors", "the-api-function", "fetch-failed"),
        ("errors", "the-api-function", "fetch-timeout"),
        ("Latency", "the-api"),
        ("errors", "the-api-function", "internal-error"),
        ("errors", "the-uploads-function", "internal-error"),
        ("Errors", "the-uploads-function"),
        ("Throttles", "the-uploads-function"),
        ("ApproximateAgeOfOldestMessage", "the-queue"),
        ("ApproximateNumberOfMessagesVisible", "the-dead-letter-queue"),
        ("Errors", "the-backlog-function"),
    }
    for alarm in alarms(resources).values():
        assert alarm["AlarmActions"] == alarm["OKActions"] == [{"Ref": "AlarmTopic"}]
        assert alarm["TreatMissingData"] == "notBreaching"


def test_other_peoples_servers_set_off_no_alarm_of_server_errors(resources: dict[str, Any]) -> None:
    alarm = alarms(resources)["ApiServerErrorsAlarm"]
    (expression,) = (each["Expression"] for each in alarm["Metrics"] if "Expression" in each)
    assert expression == "answered - FILL(failed, 0) - FILL(slow, 0)"
    names = {each["Id"]: each["MetricStat"]["Metric"] for each in alarm["Metrics"] if "MetricStat" in each}
    assert names["answered"]["MetricName"] == "5xx"
    for name, problem in (("failed", FetchFailedError), ("slow", FetchTimeoutError)):
        assert problem.status >= 500
        assert {"Name": "error", "Value": problem.kind} in names[name]["Dimensions"]


def emitted(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> set[tuple[str, frozenset[str]]]:
    """The metrics and dimensions of log lines that have all of them, with the function's name in a dimension."""
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "a-stack-classify")
    for probabilities in (None, dict.fromkeys(map(str, range(200)), 0.005)):
        record = telemetry.Record(from_context(None), source="http-api")
        record.add_prediction(Prediction("cat", 0.1, False, "v1", 1.0, 2.0, probabilities))
        record.add_bug(ValueError())
        record.emit()
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {line["function"] for line in lines} == {"a-stack-classify"}
    return {
        (metric["Name"], frozenset(dimensions))
        for line in lines
        for directive in line["_aws"]["CloudWatchMetrics"]
        for metric in directive["Metrics"]
        for dimensions in directive["Dimensions"]
        if all(name in line for name in dimensions)
    }


def test_alarms_and_dashboard_use_the_metrics_that_the_code_emits(
    resources: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    known = emitted(monkeypatch, capsys)
    used = [one for alarm in alarms(resources).values() for one in metrics(alarm) if one[0] == telemetry.NAMESPACE]
    assert {dimensions["error"] for _namespace, _metric, dimensions in used} == {
        str(INTERNAL_ERROR["type"]).rpartition(":")[2],
        FetchFailedError.kind,
        FetchTimeoutError.kind,
    }
    for _namespace, metric, dimensions in used:
        assert (metric, frozenset(dimensions)) in known
    searches = re.findall(r"SEARCH\('\{(\w+),([\w,]+)\} MetricName=(\w+) ", dashboard(resources))
    assert len(searches) == 15
    for namespace, named, metric in searches:
        assert namespace == telemetry.NAMESPACE
        assert (metric, frozenset(named.split(","))) in known


def test_two_stacks_share_no_metric(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert all("function" in dimensions for _metric, dimensions in emitted(monkeypatch, capsys))


def dashboard(resources: dict[str, Any]) -> str:
    body: str = resources["Dashboard"]["Properties"]["DashboardBody"]
    return body


def test_each_metric_of_the_dashboard_is_of_this_stack(resources: dict[str, Any]) -> None:
    for widget in json.loads(dashboard(resources))["widgets"]:
        for metric in widget["properties"]["metrics"]:
            if isinstance(metric[0], dict):
                assert re.search(r' function="the-(api|uploads|backlog)-function"\'', metric[0]["expression"])
            else:
                assert metric[3] in NAMES.values()


def test_without_a_backlog_nothing_watches_it(stacks: dict[str, Template]) -> None:
    resources = watched(stacks, NAMES | {"BacklogFunction": ""})
    assert "BacklogErrorsAlarm" not in resources
    assert 'function=\\"none\\"' in dashboard(resources)
