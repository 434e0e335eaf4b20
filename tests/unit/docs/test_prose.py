"""Pages and docstrings: links lead somewhere, prose is wrapped, and some words stay out."""

import ast
import re
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


def prose(page):
    """The page without code blocks."""
    return re.sub(r"^ *```.*?^ *```$", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)


def anchors(page):
    """The anchors that GitHub gives to the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=names)
def test_every_link_leads_somewhere(page):
    for target in re.findall(r"\]\((?!https?:)([^)]*)\)", prose(page)):
        path, _, anchor = target.partition("#")
        linked = page.parent / path if path else page
        assert linked.exists(), target
        assert not anchor or anchor in anchors(linked), target


@pytest.mark.parametrize("page", PAGES, ids=names)
def test_prose_is_wrapped(page):
    """Table rows and headings can't be wrapped, and neither can a line without spaces."""
    lines = [line for line in prose(page).splitlines() if not line.lstrip().startswith(("|", "#", "<!--"))]
    assert [line for line in lines if len(line) > WIDTH and " " in line.strip()] == []


@pytest.mark.parametrize("page", PAGES, ids=names)
def test_idioms_stay_out_of_a_page(page):
    assert BANNED.findall(prose(page)) == []


@pytest.mark.parametrize("source", SOURCES, ids=names)
def test_idioms_stay_out_of_source(source):
    """Comments, names and messages included."""
    assert BANNED.findall(source.read_text("utf-8")) == []


@pytest.mark.parametrize("module", MODULES, ids=names)
def test_idioms_stay_out_of_docstrings(module):
    """And a module's docstring says what the module does, not "What ..."."""
    tree = ast.parse(module.read_text("utf-8"))
    texts = [ast.get_docstring(node) or "" for node in ast.walk(tree) if isinstance(node, DOCUMENTED)]
    assert [text for text in texts if BANNED.search(text)] == []
    assert not texts[0].startswith(QUESTION_WORDS)
