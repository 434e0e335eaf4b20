"""Law: an evaluation that takes long is never on its caller's thread, so an event loop goes on."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

SCRIPT = """
import asyncio, json, os, sys, time
from tabard_opa import Engine, EvaluationError

async def main():
    rules, data, deadline = json.load(sys.stdin)
    policy = Engine().compile({"a.rego": rules}, data, entrypoints=["data.a.answer"])
    longest, last = 0.0, time.monotonic()
    call = asyncio.ensure_future(policy.evaluate("data.a.answer", b'{"a": 1}', deadline_seconds=deadline))
    while not call.done():
        await asyncio.sleep(0.01)
        now = time.monotonic()
        longest, last = max(longest, now - last), now
    error = call.exception()
    print(getattr(error, "code", "answered"), longest, flush=True)
    os._exit(0)  # what OPA can't interrupt goes on

asyncio.run(main())
"""
_LEVELS = "".join(f"{v}{n} := [{v}{n - 1} | some _ in [1, 2, 3]]\n\n" for v in "xy" for n in range(1, 26))
_SHARED = f"package a\n\nx0 := input.a\n\ny0 := input.a\n\n{_LEVELS}"
_TEXTS = {"s": "é" * 300_000, "c": "y" * 2_000_000 + "é"}


@pytest.mark.parametrize(
    ("rules", "data", "ends"),
    [
        (_SHARED + "answer if x25 == y25\n", {}, "timeout"),
        (_SHARED + "answer if count({x25, y25}) == 1\n", {}, "timeout"),
        (_SHARED + "answer if x25 < y25\n", {}, "builtin_error"),
        ('package a\n\nanswer if trim(data.s, data.c) == "z"\n', _TEXTS, "builtin_error"),
        ("package a\n\nanswer if indexof(data.c, data.s) == 5\n", _TEXTS, "builtin_error"),
    ],
    ids=["compared", "in a set", "ordered", "trimmed", "searched"],
)
def test_a_long_step_doesnt_occupy_the_event_loop(rules, data, ends):
    answer = subprocess.run(
        [sys.executable, "-c", SCRIPT], input=json.dumps([rules, data, 0.5 if ends == "timeout" else 30.0]),
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert answer.stdout, answer.stderr
    code, longest = answer.stdout.split()
    assert code == ends
    assert float(longest) < 1
