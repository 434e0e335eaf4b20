"""Every test that the documentation or a comment names exists under that name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
_TEXTS = {".md", ".proto", ".py", ".rego", ".sh", ".toml", ".yaml"}
_NOT_OURS = {"__pycache__", "build", "dist"}
_PATH = re.compile(r"(?<![\w./-])(?:\.\./)*(tests/[\w./-]*\w)")
_FILE = re.compile(r"(?<![\w./-])(test_\w+\.py)\b")
_FUNCTION = re.compile(r"`(test_\w+)`")
# Written apart, so that this file has none.
_LEFT_OUT = re.compile(
    r"pytest\.(?:importor)?" + r"skip\(|mark\." + r"(?:skip|skipif|xfail)\b|pytest\." + r"xfail\("
)
_DEFINITION = re.compile(r"^ *(?:async )?def (test_\w+)", re.MULTILINE)


def texts(folder: Path) -> Iterator[Path]:
    """Find the text files of the repository; what tools put there begins with a dot or has a name of theirs."""
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.name in _NOT_OURS:
            continue
        if path.is_dir():
            yield from texts(path)
        elif path.suffix in _TEXTS or path.name == "Makefile":
            yield path


TEXTS = list(texts(ROOT))
PAGES = [path for path in TEXTS if path.suffix == ".md"]
TESTS = [path for path in TEXTS if path.suffix == ".py" and path.is_relative_to(ROOT / "tests")]


@pytest.fixture(scope="module")
def functions() -> set[str]:
    """The names of all test functions."""
    return {name for path in TESTS for name in _DEFINITION.findall(path.read_text("utf-8"))}


def test_every_path_of_a_test_that_is_named_exists():
    named = {
        (path.relative_to(ROOT).as_posix(), name)
        for path in TEXTS
        for name in _PATH.findall(path.read_text("utf-8"))
    }
    assert ("docs/threat-model.md", "tests/contracts/state") in named
    assert {(text, name) for text, name in named if not (ROOT / name).exists()} == set()


def test_every_test_that_a_page_names_exists(functions):
    """Pages name files without their folder, too, and tests by the name of their function."""
    known = functions | {path.name for path in TESTS}
    named = {
        (page.relative_to(ROOT).as_posix(), name)
        for page in PAGES
        for pattern in (_FILE, _FUNCTION)
        for name in pattern.findall(page.read_text("utf-8"))
    }
    assert {name for _, name in named} & functions
    assert {(page, name) for page, name in named if name not in known} == set()


def test_no_test_is_left_out():
    """A test that can't run is a failure: what it needs is installed, and a tier is chosen by its folder."""
    left_out = [
        path.relative_to(ROOT).as_posix() for path in TESTS if _LEFT_OUT.search(path.read_text("utf-8"))
    ]
    assert left_out == []
    assert _LEFT_OUT.search("    pytest" + '.skip("no")')
