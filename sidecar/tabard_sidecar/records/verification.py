"""Verifies the hash chains of decision logs."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import field
from typing import Any, BinaryIO

from tabard_sidecar.records.chain import GENESIS, Head, open_line
from tabard_sidecar.records.completing import left_out
from tabard_sidecar.records.lines import MAX_LINE_BYTES, Line, OddLineError, lines_of, require_bounded
from tabard_sidecar.util.lean import dataclass

NOTE = "log"
"""``event`` of the records that the log writes about itself."""
MAX_FINDINGS = 1000
"""Most findings that are kept; further ones are counted."""
MAX_CHAINS = 100_000
"""Most chains that are followed, and most removals that are believed; each start of a sidecar makes at most one."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One problem of a log. ``line`` counts from 1; 0 if the problem has no line."""

    line: int
    message: str


@dataclass(slots=True)
class Audit:
    """Result of checking a log.

    Attributes:
        after: heads that are known from elsewhere, for example from an earlier check: records up to them may be missing
            from the start, and must have been written.
        records: intact records.
        chains: last head of every chain, by id.
        findings: the first :data:`MAX_FINDINGS` problems, in order.
        more_findings: how many more there are.
        begins: for every chain, the head before its first record here.
        removed: heads up to which the log itself says that it removed records, after their time or when shipped.
        incomplete: records that leave out what stands in records before the first one here.
    """

    after: Collection[Head] = ()
    records: int = 0
    chains: dict[str, Head] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    more_findings: int = 0
    begins: dict[str, Head] = field(default_factory=dict)
    removed: set[Head] = field(default_factory=set)
    incomplete: int = 0

    @property
    def intact(self) -> bool:
        """True if there are records and no findings."""
        return self.records > 0 and not self.findings

    @property
    def starts_at(self) -> int:
        """Sequence number of the first record; above 1 if earlier records were removed."""
        return next(iter(self.begins.values())).sequence + 1 if self.begins else 0

    def read(self, stream: BinaryIO) -> None:
        """Check a further file; several are read one after the other, oldest first."""
        for line in lines_of(stream):
            try:
                head, previous, record = _opened(line)
            except ValueError as error:
                self._find(line.number, str(error))
                continue
            if head.chain_id not in self.chains and len(self.chains) >= MAX_CHAINS:
                self._find(line.number, f"there are more than {MAX_CHAINS} chains")
                continue
            self._follow(line.number, head, previous)
            begin = self.begins[head.chain_id].sequence
            self.incomplete += any(_sequence(place) <= begin for place in left_out(record))
            if record.get("event") == NOTE and len(self.removed) < MAX_CHAINS:
                self.removed |= _removed(record)

    def finish(self) -> None:
        """Check the ends of the chains, after the last file.

        What is missing from the start must have been removed by the log itself or be known from elsewhere, and nothing
        that is known from elsewhere may be missing from the end.
        """
        for chain_id, begin in self.begins.items():
            if begin.sequence and begin not in self.removed and begin not in self.after:
                missing = "record 1 is" if begin.sequence == 1 else f"records 1 to {begin.sequence} are"
                self._find(0, f"{missing} missing from the start of chain {chain_id}")
        for known in self.after:
            last = self.chains.get(known.chain_id)
            if last is None or last.sequence < known.sequence:
                here = f"ends with record {last.sequence}" if last is not None else "isn't here"
                if known != self.begins.get(known.chain_id):
                    self._find(0, f"chain {known.chain_id} {here}, but record {known.sequence} was written")

    def _follow(self, number: int, head: Head, previous: str) -> None:
        before = self.chains.get(head.chain_id)
        if before is None:
            self.begins[head.chain_id] = Head(head.chain_id, head.sequence - 1, previous)
            if head.sequence == 1 and previous != GENESIS:
                self._find(number, "the first record of a chain follows another record")
        elif head.sequence != before.sequence + 1:
            self._find(number, _gap(before.sequence, head.sequence))
        elif previous != before.digest:
            self._find(number, f"record {head.sequence} doesn't follow the record before it")
        for known in self.after:
            if (known.chain_id, known.sequence) == (head.chain_id, head.sequence) and known != head:
                self._find(number, f"record {head.sequence} isn't the one that was known before")
        self.chains[head.chain_id] = head
        self.records += 1

    def _find(self, line: int, message: str) -> None:
        if len(self.findings) < MAX_FINDINGS:
            self.findings.append(Finding(line, message))
        else:
            self.more_findings += 1


def _opened(line: Line) -> tuple[Head, str, dict[str, Any]]:
    if line.too_long:
        raise OddLineError(f"the line has more than {MAX_LINE_BYTES} bytes")
    require_bounded(line.content)
    return open_line(line.content)


def removal_note(heads: Iterable[tuple[str, Head, str]]) -> dict[str, Any]:
    """Return the result of a note about removed files, each given as name, last head and reason."""
    return {
        "removed": [{"file": name, "head": str(head), "reason": reason} for name, head, reason in heads],
    }


def _removed(record: dict[str, Any]) -> set[Head]:
    """Return the heads in a :func:`removal_note`."""
    found = set()
    result = record.get("result")
    removed = result.get("removed") if isinstance(result, dict) else None
    for one in removed[:MAX_CHAINS] if isinstance(removed, list) else []:
        try:
            found.add(Head.parse(one["head"]))
        except (ValueError, KeyError, TypeError):
            continue
    return found


def _sequence(place: dict[str, Any]) -> int:
    sequence = place.get("sequence")
    return sequence if isinstance(sequence, int) else 0


def _gap(before: int, after: int) -> str:
    if after > before + 1:
        return (
            f"records {before + 1} to {after - 1} are missing"
            if after > before + 2
            else f"record {after - 1} is missing"
        )
    return f"record {after} follows record {before}: repeated or out of order"
