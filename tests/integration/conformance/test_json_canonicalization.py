"""The vectors of RFC 8785's authors: documents and the sequence of numbers whose digests they publish."""

import hashlib
import math
import re
import struct
from itertools import islice
from pathlib import Path

import pytest
from tabard.arguments import canonical, format_number, parse_json

from tests.support.components import component


@pytest.fixture(scope="module")
def data():
    return Path(component("vectors.sh", "json-canonicalization"), "testdata")


def test_documents(data):
    names = sorted(path.stem for path in (data / "input").glob("*.json"))
    assert len(names) >= 6
    for name in names:
        written = canonical(parse_json((data / "input" / f"{name}.json").read_bytes()))
        assert written == (data / "output" / f"{name}.json").read_bytes(), name
        assert written == bytes.fromhex((data / "outhex" / f"{name}.txt").read_text()), name


def numbers(static):
    """Yield the doubles that testdata/README.md defines: listed ones, a series, then a chain of SHA-256."""
    yield from static
    yield from (0x0010000000000000 + index for index in range(2000))
    block = bytes(32)
    while True:
        block = hashlib.sha256(block).digest()
        for (bits,) in struct.iter_unpack("<Q", block):
            value = as_double(bits)
            if value != 0.0 and math.isfinite(value):
                yield bits


def as_double(bits):
    return struct.unpack("<d", struct.pack("<Q", bits))[0]


def test_the_first_hundred_thousand_numbers(data):
    readme = (data / "README.md").read_text()
    static = [int(bits, 16) for bits in re.findall(r"0x([0-9a-f]{16})n", readme.partition("serialU64s")[0])]
    digests = {int(lines): digest for digest, lines in re.findall(r"\| ([0-9a-f]{64}) \| (\d+) +\|", readme)}
    assert len(static) == 168
    found = hashlib.sha256()
    for written, bits in enumerate(islice(numbers(static), 100_000), start=1):
        found.update(f"{bits:x},{format_number(as_double(bits))}\n".encode())
        if written in digests:
            assert found.copy().hexdigest() == digests[written], written
    assert 100_000 in digests
