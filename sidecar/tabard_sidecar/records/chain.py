"""Chains the decision log's records by hashes.

Every line ends in ``,"hash":"<SHA-256 of all bytes of the line before that comma, hex>"}`` and holds the hash of the
line before it in ``chain.previous``. So altered, removed, inserted or reordered lines are found by reading the log
alone. An attacker who can rewrite the whole log can recompute the chain; only a copy elsewhere protects against that.
"""

from __future__ import annotations

import json
import re
import secrets
from hashlib import sha256
from typing import Any, NamedTuple

GENESIS = "0" * 64
_SUFFIX = re.compile(rb',"hash":"([0-9a-f]{64})"\}\Z')
_HEAD = re.compile(r"([0-9a-f]{1,64}):([0-9]{1,18}):([0-9a-f]{64})")
_SUFFIX_BYTES = len(b',"hash":""}') + 64


class Head(NamedTuple):
    """The head of a chain: its id, the sequence number of its last record and that record's hash."""

    chain_id: str
    sequence: int
    digest: str

    def __str__(self) -> str:
        """Return the head as ``tabard audit verify`` prints it and ``--after`` takes it."""
        return f"{self.chain_id}:{self.sequence}:{self.digest}"

    @classmethod
    def parse(cls, text: str) -> Head:
        """Read what ``str()`` wrote.

        Raises:
            ValueError: it isn't a head.
        """
        match = _HEAD.fullmatch(text)
        if match is None:
            raise ValueError("a head is written CHAIN:SEQUENCE:HASH")
        return cls(match[1], int(match[2]), match[3])

    @classmethod
    def fresh(cls) -> Head:
        """Start a chain. Its first record has sequence 1 and follows a hash of zeros."""
        return cls(secrets.token_hex(8), 0, GENESIS)

    def seal(self, body: bytes) -> tuple[bytes, Head]:
        """Return the line made of ``body`` (a JSON object without its last brace) and the head after it."""
        sequence = self.sequence + 1
        sealed = b'%b,"chain":{"id":"%b","sequence":%d,"previous":"%b"}' % (
            body,
            self.chain_id.encode(),
            sequence,
            self.digest.encode(),
        )
        digest = sha256(sealed).hexdigest()
        return b'%b,"hash":"%b"}\n' % (sealed, digest.encode()), Head(self.chain_id, sequence, digest)


def read_head(line: bytes) -> Head:
    """Return the chain's head after ``line``.

    Raises:
        ValueError: the line isn't an intact record; the message says why.
    """
    head, _, _ = open_line(line)
    return head


def open_line(line: bytes) -> tuple[Head, str, dict[str, Any]]:
    """Return the head after a line, the hash of the line before it that the line holds, and the record.

    Raises:
        ValueError: the line isn't an intact record; the message says why.
    """
    line = line.rstrip(b"\n")
    match = _SUFFIX.search(line)
    if match is None:
        raise ValueError("the line is torn or not a record")
    digest = match.group(1).decode()
    if sha256(line[:-_SUFFIX_BYTES]).hexdigest() != digest:
        raise ValueError("the line was altered: its hash doesn't match")
    try:
        record = json.loads(line)
        chain = record["chain"]
        head, previous = f"{chain['id']}:{chain['sequence']}:{digest}", chain["previous"]
        if not isinstance(previous, str):
            raise TypeError
        return Head.parse(head), previous, record
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ValueError("the line has no chain fields") from None
