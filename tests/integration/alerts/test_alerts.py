"""The example alerts, checked and run by Prometheus' own tool."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.components import component

ALERTS = Path(__file__).resolve().parents[3] / "docs/reference/alerts.yaml"
DASHBOARD = ALERTS.with_name("dashboard.json")
CASES = Path(__file__).with_name("rules_test.yaml")


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


def test_prometheus_reads_the_expressions_of_the_dashboard(promtool: str, tmp_path: Path):
    panels = json.loads(DASHBOARD.read_text())["panels"]
    expressions = [
        target["expr"].replace("$__rate_interval", "5m") for panel in panels for target in panel["targets"]
    ]
    rules = [{"record": f"panel:{number}", "expr": text} for number, text in enumerate(expressions)]
    file = tmp_path / "rules.json"
    file.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
    run = subprocess.run([promtool, "check", "rules", str(file)], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
