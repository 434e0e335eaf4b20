"""docs/reference/dashboard.json shows metrics and labels that exist, and every metric of the reference."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from tabard_sidecar.cli.root import COMMANDS

ROOT = Path(__file__).resolve().parents[3]
DASHBOARD = json.loads((ROOT / "docs/reference/dashboard.json").read_text())
PANELS = {panel["title"]: panel for panel in DASHBOARD["panels"]}
ROW = re.compile(r"^\| `(tabard_\w+)` \| (\w+) \| (.*?) \|", re.MULTILINE)
ENDINGS = {"histogram": ("_bucket", "_count", "_sum"), "counter": ("",), "gauge": ("",)}
METRIC = re.compile(r"\b(tabard_\w+)(?:\{([^}]*)\})?")


def reference() -> dict[str, set[str]]:
    """Return the labels of each metric of the generated page, by the names under which Prometheus has it."""
    page = (ROOT / "docs/reference/metrics.md").read_text()
    return {
        f"{name}{ending}": set(re.findall(r"`(\w+)`", labels))
        for name, kind, labels in ROW.findall(page)
        for ending in ENDINGS[kind]
    }


KNOWN = reference()
SCRAPED = {"instance", "job", "le"}


def expressions(panel) -> list[tuple[str, str]]:
    return [(target["expr"], target["legendFormat"]) for target in panel["targets"]]


@pytest.mark.parametrize("title", PANELS)
def test_every_metric_and_label_is_in_the_reference(title):
    for expression, legend in expressions(PANELS[title]):
        used = METRIC.findall(expression)
        assert used
        labels = set(SCRAPED)
        for name, matchers in used:
            assert name in KNOWN, name
            assert set(re.findall(r"(\w+)=", matchers)) <= KNOWN[name] | SCRAPED
            labels |= KNOWN[name]
        grouped = [
            part.strip() for group in re.findall(r"by \(([^)]*)\)", expression) for part in group.split(",")
        ]
        assert set(grouped) <= labels
        shown = set(re.findall(r"\{\{(\w+)\}\}", legend))
        assert shown <= (set(grouped) if grouped else labels)


def test_every_metric_is_shown():
    names = {
        name
        for panel in PANELS.values()
        for expr, _ in expressions(panel)
        for name, _ in METRIC.findall(expr)
    }
    families = {re.sub(r"_(bucket|count|sum)$", "", name) for name in names}
    missing = {re.sub(r"_(bucket|count|sum)$", "", name) for name in KNOWN} - families
    assert missing == {
        "tabard_policy_loaded_timestamp_seconds",
        "tabard_audit_records_total",
        "tabard_audit_mask_failures_total",
    }


def test_panels_say_what_they_show_and_dont_overlap():
    taken = set()
    for title, panel in PANELS.items():
        assert panel["description"].endswith("."), title
        for command in re.findall(r"`tabard (\w+)", panel["description"]):
            assert command in COMMANDS
        place = panel["gridPos"]
        cells = {
            (column, row)
            for column in range(place["x"], place["x"] + place["w"])
            for row in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, title
        assert place["x"] + place["w"] <= 24
        taken |= cells
    assert len({panel["id"] for panel in PANELS.values()}) == len(DASHBOARD["panels"])


def test_each_panel_asks_the_chosen_sidecars():
    variables = {one["name"] for one in DASHBOARD["templating"]["list"]}
    for panel in PANELS.values():
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        for expression, _ in expressions(panel):
            assert set(re.findall(r"\$(\w+)", expression)) <= variables | {"__rate_interval"}
            assert all('instance=~"$instance"' in matchers for _, matchers in METRIC.findall(expression))
