"""The dashboards of docs/reference fit Grafana's schema, show metrics and labels that exist, and every metric of the reference."""

from __future__ import annotations

import json
import re
import warnings
from pathlib import Path

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from tabard_sidecar.cli.root import COMMANDS

with warnings.catch_warnings():
    # Grafana has a second form now; the first is what every version imports.
    warnings.simplefilter("ignore", DeprecationWarning)
    from grafana_foundation_sdk.models.dashboard import Dashboard

ROOT = Path(__file__).resolve().parents[3]
DASHBOARDS = {
    path.name: json.loads(path.read_text()) for path in (ROOT / "docs/reference").glob("dashboard*.json")
}
PANELS = {
    f"{name}: {panel['title']}": panel
    for name, dashboard in DASHBOARDS.items()
    for panel in dashboard["panels"]
}
each_dashboard = pytest.mark.parametrize("dashboard", DASHBOARDS.values(), ids=DASHBOARDS)
ROW = re.compile(r"^\| `(tabard_\w+)` \| (\w+) \| (.*?) \|", re.MULTILINE)
ENDINGS = {"histogram": ("_bucket", "_count", "_sum"), "counter": ("",), "gauge": ("",)}
METRIC = re.compile(r"\b(tabard_\w+)(?:\{([^}]*)\})?")


def reference() -> dict[str, set[str]]:
    """Return the labels of each metric of the generated pages, by the names under which Prometheus has it."""
    pages = (ROOT / "docs/reference" / name for name in ("metrics.md", "injector.md", "control.md"))
    return {
        f"{name}{ending}": set(re.findall(r"`(\w+)`", labels))
        for page in pages
        for name, kind, labels in ROW.findall(page.read_text())
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


@each_dashboard
def test_it_fits_grafanas_schema(dashboard):
    """Grafana's own types read it and lose nothing; of a field that they don't know nothing would be left."""
    register_default_plugins()
    kept = json.loads(JSONEncoder().encode(Dashboard.from_json(dashboard)))
    assert list(lost(dashboard, kept)) == []
    misspelt = json.loads(json.dumps(dashboard))
    misspelt["panels"][0]["gridpos"] = misspelt["panels"][0].pop("gridPos")
    kept = json.loads(JSONEncoder().encode(Dashboard.from_json(misspelt)))
    assert list(lost(misspelt, kept)) == ["panels.0.gridpos"]


def lost(given, kept, place=""):
    """Yield the places whose value isn't the same."""
    if isinstance(given, dict):
        for name, value in given.items():
            if isinstance(kept, dict) and name in kept:
                yield from lost(value, kept[name], f"{place}{name}.")
            else:
                yield f"{place}{name}"
    elif isinstance(given, list) and isinstance(kept, list) and len(given) == len(kept):
        for number, value in enumerate(given):
            yield from lost(value, kept[number], f"{place}{number}.")
    elif given != kept:
        yield place.rstrip(".")


def test_the_dashboards_can_be_imported_together():
    assert len({one["uid"] for one in DASHBOARDS.values()}) == len(DASHBOARDS) == 2


@each_dashboard
def test_panels_say_what_they_show_and_dont_overlap(dashboard):
    taken = set()
    for panel in dashboard["panels"]:
        title = panel["title"]
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
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])


@each_dashboard
def test_each_panel_asks_the_chosen_instances(dashboard):
    variables = {one["name"] for one in dashboard["templating"]["list"]}
    for panel in dashboard["panels"]:
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        for expression, _ in expressions(panel):
            assert set(re.findall(r"\$(\w+)", expression)) <= variables | {"__rate_interval"}
            assert all('instance=~"$instance"' in matchers for _, matchers in METRIC.findall(expression))
