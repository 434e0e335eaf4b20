"""Pages and docstrings: links lead somewhere, prose is wrapped, and some words stay out."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PAGES = [
    *ROOT.glob("*.md"),
    *(
        path
        for folder in ("bench", "demo", "docs", "engine", "k8s", "sdk", "sidecar")
        for path in (ROOT / folder).rglob("*.md")
    ),
    ROOT / "tests" / "conformance" / "README.md",
]
FOLDERS = ("bench", "demo", "docs", "engine", "proto", "rego", "sdk", "sidecar", "testbed", "tests")
BUILT = {".venv", "build", "dist", "node_modules"}
TRIED = ROOT / "bench" / "workspaces"
"""The policies of a trial below it look for the words that people use, idioms too."""
MODULES = [
    path
    for folder in FOLDERS
    for path in sorted((ROOT / folder).rglob("*.py"))
    if "_pb2" not in path.name and not BUILT & set(path.parts)
]
SOURCES = [
    path
    for folder in FOLDERS
    if folder != "tests"
    for ending in ("py", "go", "lua", "rego", "proto")
    for path in sorted((ROOT / folder).rglob(f"*.{ending}"))
    if "_pb2" not in path.name and not path.stem.endswith("_test") and not BUILT & set(path.parts)
    if path.suffix != ".rego" or TRIED not in path.parents
]
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
WIDTH = 100
QUESTION_WORDS = ("What ", "How ", "Where ", "Which ", "Who ", "Why ", "Whether ")
BANNED = re.compile(
    r"\b(whoever|whomever|nobody|somebody|everybody|anybody|pull(?:ing)? the plug|got around|for good|vouch(?:es|ed)? for)\b",
    re.IGNORECASE,
)


def names(page):
    return str(page.relative_to(ROOT))


@cache
def prose(page):
    """The page without code blocks."""
    return re.sub(r"^ *```.*?^ *```$", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)


@cache
def anchors(page):
    """The anchors that GitHub gives to the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_link_leads_somewhere():
    lost = []
    for page in PAGES:
        for target in re.findall(r"\]\((?!https?:)([^)]*)\)", prose(page)):
            path, _, anchor = target.partition("#")
            linked = page.parent / path if path else page
            if not linked.exists() or (anchor and anchor not in anchors(linked)):
                lost.append((names(page), target))
    assert lost == []


def test_prose_is_wrapped():
    """Table rows and headings can't be wrapped, and neither can a line without spaces."""
    lines = [
        (names(page), line)
        for page in PAGES
        for line in prose(page).splitlines()
        if not line.lstrip().startswith(("|", "#", "<!--"))
    ]
    assert [(page, line) for page, line in lines if len(line) > WIDTH and " " in line.strip()] == []


def test_idioms_stay_out_of_pages():
    found = {names(page): BANNED.findall(prose(page)) for page in PAGES}
    assert {name: idioms for name, idioms in found.items() if idioms} == {}


def test_idioms_stay_out_of_source():
    """Comments, names and messages included."""
    found = {names(source): BANNED.findall(source.read_text("utf-8")) for source in SOURCES}
    assert {name: idioms for name, idioms in found.items() if idioms} == {}


@pytest.fixture(scope="module")
def docstrings():
    """The docstrings of each module; its own first."""
    return {names(module): docstrings_of(ast.parse(module.read_text("utf-8"))) for module in MODULES}


def docstrings_of(tree):
    return [ast.get_docstring(node) or "" for node in ast.walk(tree) if isinstance(node, DOCUMENTED)]


def test_idioms_stay_out_of_docstrings(docstrings):
    assert [(name, text) for name, texts in docstrings.items() for text in texts if BANNED.search(text)] == []


def test_a_modules_docstring_says_what_the_module_does(docstrings):
    """Not "What ..."."""
    assert [name for name, texts in docstrings.items() if texts[0].startswith(QUESTION_WORDS)] == []
