"""Code blocks of our documentation, so that tests can run them."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_BLOCK = re.compile(
    r"(?:<!-- test: (?P<name>[a-z-]+) -->\n)?```(?P<language>[a-z]+)\n(?P<code>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)


def blocks(page):
    """Return (name, language, code) of every code block of a page, in order; name is empty where none is given."""
    text = (ROOT / page).read_text()
    return [(m["name"] or "", m["language"], m["code"]) for m in _BLOCK.finditer(text)]


def code_of(page, name):
    """Return language and text of the blocks of a page that have a name."""
    found = [(language, code) for given, language, code in blocks(page) if given == name]
    assert found, f"{page} has no block named {name}"
    return found


def run(code, namespace):
    """Run a block in a namespace."""
    exec(compile(code, "<documentation>", "exec"), namespace)  # noqa: S102  # our own pages
