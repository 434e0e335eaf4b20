"""docs/reference/library.md."""

from __future__ import annotations

import re

from tests.support.policy import REPOSITORY

PAGE = (REPOSITORY / "docs" / "reference" / "library.md").read_text(encoding="utf-8")
LIBRARY = REPOSITORY / "rego" / "tabard" / "lib"


def test_every_public_rule_of_the_library_is_on_the_page():
    """Also a rule whose head the generator wouldn't recognize; and no private helper."""
    listed = set(re.findall(r"^### (\w+\.\w+)", PAGE, re.MULTILINE))
    defined = {
        f"{folder.name}.{name}"
        for folder in LIBRARY.iterdir()
        for name in re.findall(
            r"^(?:default )?([a-z]\w*)(?:\(| :?=| if | contains )",
            (folder / f"{folder.name}.rego").read_text(encoding="utf-8"),
            re.MULTILINE,
        )
    }
    assert listed == defined
    assert not any(name.partition(".")[2].startswith("_") for name in listed)


def test_an_example_calls_the_function_that_it_stands_under():
    for name, example in re.findall(
        r"^### (\w+\.\w+)[^#]*?```rego\n(.*?)\n```", PAGE, re.MULTILINE | re.DOTALL
    ):
        assert example.startswith(f"{name}("), name
