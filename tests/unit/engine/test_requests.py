"""A policy whose request another process made is compiled out of shared memory."""

from __future__ import annotations

import json
import mmap

import pytest
from tabard_opa import Engine, EngineError

RULE = "data.policy.demo.grant"
REQUEST = json.dumps(
    {
        "data": {"limit": 5},
        "modules": {"demo.rego": "package policy.demo\n\ngrant if input.amount < data.limit\n"},
        "entrypoints": [RULE],
        "strict": True,
    }
).encode()


def shared(content: bytes) -> mmap.mmap:
    """Return memory with the content."""
    memory = mmap.mmap(-1, len(content))
    memory[:] = content
    return memory


@pytest.mark.parametrize("before", [b"", b"{not json", b"\xff" * 4096])
def test_a_part_of_memory_is_read_and_nothing_else(before: bytes):
    """The policy doesn't need the memory any more."""
    with Engine() as engine:
        memory = shared(before + REQUEST + before)
        policy = engine.compile_request(memory, [RULE], len(before), len(before) + len(REQUEST))
        memory.close()
        assert policy.evaluate_blocking(RULE, b'{"amount": 4}', deadline_seconds=5) == b"true"
        policy.close()


def test_what_does_not_compile_is_told():
    with Engine() as engine:
        for content in (b"{", REQUEST.replace(b"input.amount", b"unknown(input)")):
            memory = shared(content)
            with pytest.raises(EngineError):
                engine.compile_request(memory, [RULE])
            memory.close()


def test_a_request_of_bytes_is_read_as_well():
    with Engine() as engine, engine.compile_request(b"xx" + REQUEST, [RULE], 2) as policy:
        assert policy.evaluate_blocking(RULE, b'{"amount": 4}', deadline_seconds=5) == b"true"
