"""Chains the decision log's records by hashes, and verifies the chain.

Every line ends in ``,"hash":"<SHA-256 of all bytes of the line before that comma, hex>"}`` and holds the hash of the
line before it in ``chain.previous``. So altered, removed, inserted or reordered lines are found by reading the log
alone. An attacker who can rewrite the whole log can recompute the chain; only a copy elsewhere protects against that.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256

GENESIS = "0" * 64
_SUFFIX = re.compile(rb',"hash":"([0-9a-f]{64})"\}\Z')
_SUFFIX_BYTES = len(b',"hash":""}') + 64


@dataclass(frozen=True, slots=True)
class Head:
    """The head of a chain: its id, the sequence number of its last record and that record's hash."""

    chain_id: str
    sequence: int
    digest: str

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
    head, _ = _open(line)
    return head


def _open(line: bytes) -> tuple[Head, str]:
    """Return the head after a line, and the hash of the line before it that the line holds."""
    line = line.rstrip(b"\n")
    match = _SUFFIX.search(line)
    if match is None:
        raise ValueError("the line is torn or not a record")
    digest = match.group(1).decode()
    if sha256(line[:-_SUFFIX_BYTES]).hexdigest() != digest:
        raise ValueError("the line was altered: its hash doesn't match")
    try:
        chain = json.loads(line)["chain"]
        return Head(str(chain["id"]), int(chain["sequence"]), digest), str(chain["previous"])
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ValueError("the line has no chain fields") from None


@dataclass(frozen=True, slots=True)
class Finding:
    """One problem of a log. ``line`` counts from 1."""

    line: int
    message: str


@dataclass(slots=True)
class Audit:
    """Result of checking a log.

    Attributes:
        records: intact records.
        chains: last head of every chain, by id.
        findings: the problems, in order.
        starts_at: sequence number of the first record; above 1 if earlier files were removed.
    """

    records: int = 0
    chains: dict[str, Head] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    starts_at: int = 0

    @property
    def intact(self) -> bool:
        """True if there are records and no findings."""
        return self.records > 0 and not self.findings

    def read(self, lines: Iterable[bytes], first_line: int = 1) -> None:
        """Check further lines; several files are read one after the other, oldest first."""
        for number, line in enumerate(lines, first_line):
            if not line.strip():
                continue
            try:
                head, previous = _open(line)
            except ValueError as error:
                self.findings.append(Finding(number, str(error)))
                continue
            self._follow(number, head, previous)

    def _follow(self, number: int, head: Head, previous: str) -> None:
        before = self.chains.get(head.chain_id)
        if before is None:
            if not self.records:
                self.starts_at = head.sequence
            elif head.sequence != 1:
                self.findings.append(
                    Finding(number, f"chain {head.chain_id} begins with record {head.sequence}")
                )
            if head.sequence == 1 and previous != GENESIS:
                self.findings.append(Finding(number, "the first record of a chain follows another record"))
        elif head.sequence != before.sequence + 1:
            self.findings.append(Finding(number, _gap(before.sequence, head.sequence)))
        elif previous != before.digest:
            self.findings.append(
                Finding(number, f"record {head.sequence} doesn't follow the record before it")
            )
        self.chains[head.chain_id] = head
        self.records += 1


def _gap(before: int, after: int) -> str:
    if after > before + 1:
        return (
            f"records {before + 1} to {after - 1} are missing"
            if after > before + 2
            else f"record {after - 1} is missing"
        )
    return f"record {after} follows record {before}: repeated or out of order"
