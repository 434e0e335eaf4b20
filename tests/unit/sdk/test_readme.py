"""sdk/README.md: its examples run against the fake sidecar."""

import asyncio
import threading

from tabard import errors

from tests.support import markdown

PAGE = "sdk/README.md"


def test_the_examples_run(tabard_fake, capsys, monkeypatch):
    monkeypatch.setenv("TOKEN", "token")
    tabard_fake.allow("orders.read", audience="orders")
    tabard_fake.allow("refunds.create", audience="refunds")
    tabard_fake.ask("payments.send")
    namespace = {"__name__": "page"}
    python = [code for _, language, code in markdown.blocks(PAGE) if language == "python"]
    done = threading.Event()

    def person():
        while not done.wait(0.01):
            tabard_fake.approve()

    thread = threading.Thread(target=person)
    thread.start()
    try:
        for code in python:
            markdown.run(code, namespace)
    finally:
        done.set()
        thread.join()
    assert [call.tool for call in tabard_fake.calls if call.request_id] == ["payments.send"]
    asyncio.run(namespace["main"]())
    assert capsys.readouterr().out.count("allowed") == 50
    tabard_fake._state.calls.clear()
    namespace["test_only_small_refunds"](tabard_fake)


def test_every_error_class_is_in_the_table():
    text = (markdown.ROOT / PAGE).read_text()
    for name in ("Denied", "ApprovalRequired", "Unavailable", "InvalidRequest"):
        assert f"`{name}`" in text
        assert issubclass(getattr(errors, name), errors.TabardError)
