from __future__ import annotations

import subprocess
import sys

from tabard_opa import opa_version
from tabard_opa_cli import opa_binary


def test_command_line_has_the_librarys_version():
    answer = subprocess.run([opa_binary(), "version"], capture_output=True, text=True, check=True)

    assert f"Version: {opa_version()}" in answer.stdout


def test_module_is_the_command_line_and_keeps_its_exit_code(tmp_path):
    (tmp_path / "a.rego").write_text("package a\n\nimport rego.v1\n\ntest_no if false\n")
    command = [sys.executable, "-m", "tabard_opa_cli", "test", str(tmp_path)]

    assert subprocess.run(command, capture_output=True, check=False).returncode == 2
