"""A file that is named on the command line and doesn't exist makes the command unusable as it was written: exit code 2."""

from __future__ import annotations

import subprocess
import sys

import click
import pytest
from click.testing import CliRunner
from tabard_sidecar import exit_codes
from tabard_sidecar.cli.root import command
from tabard_sidecar.operating.options import Existing

MADE = {("control keys new", "directory"), ("catalogue from-mcp", "output"), ("catalogue from-python", "output"), ("init", "directory"),
        ("keys copy", "directory"), ("keys new", "directory"), ("policy build", "output"), ("policy new", "into"), ("policy sign", "output"),
        ("replay", "page"), ("suggest", "out"), ("suggest", "page"), ("suggest", "patch"), ("suggest", "widen")}  # fmt: skip
"""What a command writes needn't exist."""
OTHERS = [
    ["approvals", "approve", "x", "--token-file", "nofile"],
    ["call", "notes.read", "--grant", "@nofile"],
    ["call", "notes.read", "--token", "@nofile"],
    ["call", "notes.read", "--intent", "@nofile"],
    ["catalogue", "from-mcp", "nofile.json"],
    ["catalogue", "from-python", "nofile.py"],
    ["catalogue", "from-mcp", "--token", "@nofile", "https://127.0.0.1:1"],
]
"""Files that a parameter of another type names."""


def leaves(found, path=()):
    if isinstance(found, click.Group):
        context = click.Context(found)
        for name in found.list_commands(context):
            yield from leaves(found.get_command(context, name), (*path, name))
    else:
        yield " ".join(path), found


FIRST = {"log show": ["decision"], "policy words": ["statement"]}
"""What must come before a path."""

PATHS = [
    (path, option)
    for path, found in leaves(command)
    for option in found.params
    if isinstance(option.type, click.Path)
]


def test_every_path_is_one_that_must_exist_or_is_written():
    other = {(path, option.name) for path, option in PATHS if not isinstance(option.type, Existing)}
    assert other == MADE


@pytest.mark.parametrize(
    ("path", "option"),
    [(path, option) for path, option in PATHS if (path, option.name) not in MADE],
    ids=lambda value: getattr(value, "name", value),
)
def test_a_named_file_that_is_absent_is_an_error_of_usage(path, option, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    named = [option.opts[0], "nofile"] if option.param_type_name == "option" else ["nofile"]
    named = [*FIRST.get(path, ()), *named]
    result = CliRunner().invoke(command, [*path.split(), *named])
    assert result.exit_code == exit_codes.USAGE, result.output
    assert "'nofile' doesn't exist" in result.output


@pytest.mark.parametrize("arguments", [*OTHERS, ["health", "--config", "nofile"]], ids=" ".join)
def test_so_is_one_that_another_parameter_names(arguments, tmp_path):
    program = [sys.executable, "-m", "tabard_sidecar.cli", *arguments]
    answer = subprocess.run(
        program, cwd=tmp_path, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    assert answer.returncode == exit_codes.USAGE, answer.stderr
    assert "nofile" in answer.stderr
