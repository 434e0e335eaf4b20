"""sdk/README.md: its examples run against the fake sidecar."""

import asyncio
import re

from tabard import errors

from tests.support import markdown

PAGE = "sdk/README.md"


def test_the_examples_run(tabard_fake, capsys):
    tabard_fake.allow("orders.read", audience="orders")
    tabard_fake.allow("refunds.create", audience="refunds")
    namespace = {"__name__": "page", "token": "token"}
    python = [code for _, language, code in markdown.blocks(PAGE) if language == "python"]
    for code in python:
        markdown.run(code, namespace)
    asyncio.run(namespace["main"]())
    assert capsys.readouterr().out.count("allowed") == 50
    tabard_fake._state.calls.clear()
    namespace["test_only_small_refunds"](tabard_fake)


def test_every_error_class_is_in_the_table():
    text = (markdown.ROOT / PAGE).read_text()
    for name in ("Denied", "ApprovalRequired", "Unavailable", "InvalidRequest"):
        assert f"`{name}`" in text
        assert issubclass(getattr(errors, name), errors.TabardError)


def test_every_code_that_the_client_gives_is_listed():
    text = (markdown.ROOT / PAGE).read_text()
    source = "".join(path.read_text() for path in (markdown.ROOT / "sdk/tabard").glob("*.py"))
    pattern = r'(?:Unavailable|InvalidRequest|Denied|Reason)\(\s*"([a-z_]+)"'
    codes = set(re.findall(pattern, source))
    assert codes
    assert {code for code in codes if f"`{code}`" not in text} == set()
