"""The example alerts, checked and run by Prometheus' own tool."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.support.components import component

ALERTS = Path(__file__).resolve().parents[3] / "docs/reference/alerts.yaml"
DASHBOARDS = sorted(ALERTS.parent.glob("dashboard*.json"))
CASES = Path(__file__).with_name("rules_test.yaml")
EACH = yaml.safe_load(Path(__file__).with_name("cases.yaml").read_text())


@pytest.fixture(scope="module")
def promtool() -> str:
    """The tool."""
    return component("promtool.sh").splitlines()[-1]


def test_prometheus_reads_the_alerts(promtool: str):
    run = subprocess.run(
        [promtool, "check", "rules", str(ALERTS)], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr


def test_alerts_fire_when_they_should_and_stay_quiet_otherwise(promtool: str, tmp_path: Path):
    for file in (ALERTS, CASES):
        shutil.copy(file, tmp_path)
    run = subprocess.run(
        [promtool, "test", "rules", CASES.name], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr


def _minutes(values: str) -> int:
    """Return how many minutes a series has."""
    return sum(int(part.partition("x")[2] or 0) + 1 for part in values.split())


def _case(alert: str, kind: str) -> dict[str, object]:
    """Return a test of promtool: the number of minutes in which the alert fired, and whether there has to be one."""
    series = EACH[alert][kind]
    fired = f'count_over_time((count(ALERTS{{alertname="{alert}",alertstate="firing"}}) > 0)[2d:1m]) > bool 0'
    return {
        "name": f"{alert} {kind}",
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [
            {
                "expr": fired,
                "eval_time": f"{max(map(_minutes, series.values())) - 2}m",
                "exp_samples": [{"labels": "{}", "value": 1}] if kind == "fires" else [],
            }
        ],
    }


def test_each_alert_fires_and_is_quiet(promtool: str, tmp_path: Path):
    groups = yaml.safe_load(ALERTS.read_text())["groups"]
    assert sorted(EACH) == sorted(rule["alert"] for group in groups for rule in group["rules"])
    shutil.copy(ALERTS, tmp_path)
    document = {
        "rule_files": [ALERTS.name],
        "evaluation_interval": "1m",
        "tests": [_case(alert, kind) for alert in EACH for kind in ("fires", "quiet")],
    }
    (tmp_path / "each.yaml").write_text(yaml.safe_dump(document))
    run = subprocess.run(
        [promtool, "test", "rules", "each.yaml"], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr


def test_prometheus_reads_the_expressions_of_the_dashboards(promtool: str, tmp_path: Path):
    panels = [panel for file in DASHBOARDS for panel in json.loads(file.read_text())["panels"]]
    expressions = [
        target["expr"].replace("$__rate_interval", "5m") for panel in panels for target in panel["targets"]
    ]
    rules = [{"record": f"panel:{number}", "expr": text} for number, text in enumerate(expressions)]
    file = tmp_path / "rules.json"
    file.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
    run = subprocess.run([promtool, "check", "rules", str(file)], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
