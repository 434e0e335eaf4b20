"""The tests of the whole library, which take a quarter of a minute, under ``tabard policy test``."""

from __future__ import annotations

import json

from click.testing import CliRunner
from tabard_sidecar.cli.policy import policy

from tests.support.policy import REPOSITORY


def test_the_library_passes_its_tests():
    """Without network and environment; `make rego` runs them with all of OPA, and measures their coverage."""
    result = CliRunner().invoke(
        policy, ["test", str(REPOSITORY / "rego" / "tabard"), "--no-coverage", "--json"]
    )
    report = json.loads(result.stdout)
    assert (result.exit_code, report["failed"]) == (0, [])
    assert report["passed"] > 200
