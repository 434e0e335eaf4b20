"""docs/reference/alerts.yaml names metrics, labels and codes that exist, and docs/operations.md has a section on each alert.

tests/integration/alerts runs the rules in Prometheus' tool.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from prometheus_client import CollectorRegistry
from tabard_sidecar.certificates.serving import Kept
from tabard_sidecar.cli.root import COMMANDS
from tabard_sidecar.control.metrics import ControlMetrics
from tabard_sidecar.injector.metrics import InjectorMetrics
from tabard_sidecar.reasons import REASON_CODES
from tabard_sidecar.records.metrics import Metrics

ROOT = Path(__file__).resolve().parents[3]
GROUPS = yaml.safe_load((ROOT / "docs/reference/alerts.yaml").read_text())["groups"]
RULES = {rule["alert"]: rule for group in GROUPS for rule in group["rules"]}
SCRAPED = {"instance", "job", "le"}
METRIC = re.compile(r"\b((?:tabard|process)_\w+)\b(?:\{([^}]*)\})?")
# prometheus_client has them of the process itself, and as one collector.
PROCESS = {"process_start_time_seconds", "process_open_fds", "process_max_fds"}
LABEL = re.compile(r'(\w+)(=~|=|!=)"([^"]*)"')


def instruments():
    """Return each metric's labels and help by the names under which Prometheus has it."""
    found = {name: (set(), "") for name in PROCESS}
    parts = (
        Metrics(CollectorRegistry()),
        InjectorMetrics(CollectorRegistry(), Kept()),
        ControlMetrics(CollectorRegistry(), Kept(), float),
    )
    for one in (instrument for part in parts for instrument in vars(part).values()):
        if hasattr(one, "describe"):
            family = next(iter(one.describe()))
            endings = {"counter": ["_total"], "histogram": ["_bucket", "_count", "_sum"]}.get(
                family.type, [""]
            )
            for ending in endings:
                found[f"{family.name}{ending}"] = set(one._labelnames), family.documentation
    return found


KNOWN = instruments()


@pytest.mark.parametrize("alert", RULES)
def test_every_metric_label_and_value_exists(alert):
    expression = RULES[alert]["expr"]
    used = METRIC.findall(expression)
    assert used
    labels = set(SCRAPED)
    for name, matchers in used:
        assert name in KNOWN, name
        own, text = KNOWN[name]
        labels |= own
        for label, _, values in LABEL.findall(matchers):
            assert label in own, (name, label)
            for value in values.split("|"):
                if label == "code":
                    assert value in REASON_CODES | {"internal"}, value
                elif label == "result":
                    assert value in text, (value, text)
    for group in re.findall(r"\bby \(([^)]*)\)", expression):
        assert {label.strip() for label in group.split(",")} <= labels


@pytest.mark.parametrize("alert", RULES)
def test_every_alert_says_what_it_means_and_what_to_do(alert):
    rule = RULES[alert]
    assert alert.startswith("Tabard")
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    texts = rule["annotations"]
    assert not texts["summary"].endswith(".")
    assert texts["description"].endswith(".")
    for command in re.findall(r"`tabard (\w+)", texts["description"]):
        assert command in COMMANDS
    for metric in re.findall(r"(?<!-)\btabard_\w+", texts["description"]):
        assert any(name.startswith(metric) for name in KNOWN)
    for label in re.findall(r"\$labels\.(\w+)", " ".join(texts.values())):
        assert label in {"instance", "code", "result"}
        assert label == "instance" or re.search(rf"by \([^)]*\b{label}\b", rule["expr"])


def test_every_metric_that_counts_failures_has_an_alert():
    used = {name for rule in RULES.values() for name, _ in METRIC.findall(rule["expr"])}
    failing = {
        name
        for name in KNOWN
        if re.search(r"fail|broken|stuck|rollback|errors|ready|expires|generation|_age_seconds", name)
    }
    assert failing <= used


def test_the_page_for_operators_has_a_section_on_each_alert_and_on_no_other():
    page = (ROOT / "docs/operations.md").read_text()
    sections = re.findall(r"^### (Tabard\w+)\n\n(.*?)(?=^#|\Z)", page, re.MULTILINE | re.DOTALL)
    assert [name for name, _ in sections] == list(RULES)
    assert all(len(text.split()) > 8 for _, text in sections)
    assert set(re.findall(r"\bTabard[A-Z]\w+", page)) <= RULES.keys()
