"""The table of metrics, the dashboard and the alerts name what is really exported."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
import yaml  # type: ignore[import-untyped]

from iterable_destination import Outbox, errors
from iterable_destination.metrics import names
from iterable_destination.metrics.names import METRICS
from iterable_destination.model.outcomes import OutcomeName
from iterable_destination.testing import LocalIterable, Script, faults
from tests.project.test_docs import PAGES, ROOT, code, rows, section
from tests.support.delivering import delivering, track
from tests.support.exporting import Prometheus

EXAMPLES = ROOT / "examples"
DASHBOARD = json.loads((EXAMPLES / "grafana-dashboard.json").read_text("utf-8"))
ALERTS = yaml.safe_load((EXAMPLES / "alerts.yml").read_text("utf-8"))
RULES = [rule for group in ALERTS["groups"] for rule in group["rules"]]
QUERIES = {
    "dashboard": [target["expr"] for each in DASHBOARD["panels"] for target in each["targets"]],
    "alerts": [rule["expr"] for rule in RULES],
}


def test_the_table_of_metrics_is_the_one_that_is_used() -> None:
    table = rows(section(PAGES["howto/watch.md"], "### All metrics"))[1 : len(METRICS) + 1]
    assert [[code(row[0]), code(row[1]), *row[2:3], code(row[3])] for row in table] == [
        [
            [each.family if each.kind == "histogram" else each.series[0]],
            [each.name],
            each.kind,
            [each.unit],
        ]
        for each in METRICS
    ]
    assert [(tuple(code(row[4])), row[5]) for row in table] == [
        (each.labels, each.description) for each in METRICS
    ]


def test_every_label_is_explained() -> None:
    text = section(PAGES["howto/watch.md"], "### All metrics").partition("| Label ")[2]
    used = {label for metric in METRICS for label in metric.labels}
    assert {code(row[0])[0] for row in rows(text)[1:]} == used


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The names of all series that the collector gives of an outbox, a retry and so on."""
    prometheus = Prometheus()
    with (
        LocalIterable(faults=Script([faults.server_error(503)])) as iterable,
        Outbox(tmp_path_factory.mktemp("outbox") / "outbox") as outbox,
        delivering(iterable, on_request=prometheus.metrics.on_request) as to,
    ):
        outbox.add(track(1))
        prometheus.metrics.watch(to, outbox)
        to.send(track(2))
        families = list(prometheus.registry.collect())
    return {sample.name for family in families for sample in family.samples}


def test_every_series_that_is_named_is_exported(exported: set[str]) -> None:
    assert exported == {series for metric in METRICS for series in metric.series}


@pytest.mark.parametrize("where", QUERIES)
def test_queries_ask_for_what_is_exported(where: str, exported: set[str]) -> None:
    asked = {name for query in QUERIES[where] for name in re.findall(r"iterable_\w+", query)}
    assert asked - exported == set()
    assert len(asked) > 4


def test_the_dashboard_shows_every_metric() -> None:
    shown = " ".join(QUERIES["dashboard"])
    assert [each.name for each in METRICS if not re.search(rf"\b{each.family}", shown)] == []


def test_the_dashboard_is_one_that_grafana_takes() -> None:
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels) > 10
    places = [panel["gridPos"] for panel in panels]
    assert all(place["x"] + place["w"] <= 24 for place in places)
    cells = [
        (x, y)
        for place in places
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(cells) == len(set(cells)), "panels overlap"
    assert all(panel["title"] and panel["description"] for panel in panels)
    [variable] = DASHBOARD["templating"]["list"]
    assert {panel["datasource"]["uid"] for panel in panels} == {f"${{{variable['name']}}}"}


def selectors(query: str) -> Iterator[tuple[str, str, list[str]]]:
    """Yield each condition on a label: the metric, the label, and the values that it allows."""
    for metric, conditions in re.findall(r"(iterable_\w+)\{([^}]*)\}", query):
        for label, values in re.findall(r'(\w+)(?:=~|!=|=)"([^"]*)"', conditions):
            yield metric, label, values.split("|")


@pytest.mark.parametrize("where", QUERIES)
def test_queries_use_labels_and_values_that_there_are(where: str) -> None:
    labels = {series: metric.labels for metric in METRICS for series in metric.series}
    allowed: dict[str, set[str]] = {
        "error": {*vars(errors), names.NO_ERROR},
        "outcome": set(get_args(OutcomeName)),
        "status": {"none", *(f"{hundreds}xx" for hundreds in range(1, 6))},
    }
    found = [each for query in QUERIES[where] for each in selectors(query)]
    assert found
    for metric, label, values in found:
        assert label in labels[metric], (metric, label)
        assert set(values) <= allowed[label]
    known = {label for each in labels.values() for label in each} | {"le", "instance", "job"}
    grouped = {
        label
        for query in QUERIES[where]
        for names_in_by in re.findall(r"\b(?:by|on) \(([^)]*)\)", query)
        for label in names_in_by.split(", ")
    }
    assert grouped <= known


def test_every_alert_says_what_is_wrong_and_how_bad_it_is() -> None:
    titles = [rule["alert"] for rule in RULES]
    assert len(titles) == len(set(titles)) > 5
    for rule in RULES:
        assert rule["labels"]["severity"] in {"critical", "warning"}
        assert rule["annotations"]["summary"].endswith(".")
        assert re.fullmatch(r"\d+[smh]", rule.get("for", "5m"))


def balanced(query: str) -> bool:
    return all(query.count(left) == query.count(right) for left, right in ("()", "[]", "{}"))


@pytest.mark.parametrize("where", QUERIES)
def test_the_brackets_of_queries_are_closed(where: str) -> None:
    assert [query for query in QUERIES[where] if not balanced(query)] == []


def test_the_page_leads_to_the_dashboard() -> None:
    [link] = re.findall(r"\]\(([^)]*dashboard\.json)\)", PAGES["howto/watch.md"])
    assert (ROOT / "docs/howto" / link).resolve() == (EXAMPLES / Path(link).name).resolve()
