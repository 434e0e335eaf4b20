import json

from hypothesis import given
from hypothesis import strategies as st
from tabard_sidecar.records.chain import Audit, Head


def log(count=6):
    head, lines = Head.fresh(), []
    for number in range(count):
        line, head = head.seal(b'{"n":%d' % number)
        lines.append(line)
    return lines


def findings(lines):
    audit = Audit()
    audit.read(lines)
    return [(finding.line, finding.message) for finding in audit.findings]


def test_intact_log_has_no_findings():
    """What was sealed verifies."""
    assert findings(log()) == []


def test_altered_line_is_found():
    """A changed byte shows at its line."""
    lines = log()
    lines[2] = lines[2].replace(b'"n":2', b'"n":7')
    assert findings(lines)[0] == (3, "the line was altered: its hash doesn't match")


def test_removed_lines_are_found():
    """A gap names the records that are missing."""
    lines = log()
    del lines[2:4]
    assert findings(lines) == [(3, "records 3 to 4 are missing")]


def test_repeated_and_swapped_lines_are_found():
    """A record stands once and in its place."""
    lines = log()
    assert findings([*lines[:2], lines[1], *lines[2:]]) != []
    assert findings([lines[1], lines[0], *lines[2:]]) != []


def test_line_resealed_in_place_is_found():
    """Recomputing one line's hash doesn't help: the next one names the old hash."""
    lines = log()
    head = Head.fresh()
    for line in lines[:2]:
        body = line.split(b',"chain"')[0]
        _, head = Head(head.chain_id, head.sequence, head.digest).seal(body)
    forged, _ = Head(_id(lines), 2, _previous(lines[2])).seal(b'{"n":9')
    assert findings([*lines[:2], forged, *lines[3:]]) == [(4, "record 4 doesn't follow the record before it")]


def test_file_that_begins_later_tells_where():
    """Old files may be gone; the audit says where the log begins."""
    audit = Audit()
    audit.read(log()[3:])
    assert audit.intact
    assert audit.starts_at == 4


def test_empty_log_is_not_intact():
    """Nothing proves nothing."""
    audit = Audit()
    audit.read([b"\n"])
    assert not audit.intact


@given(st.data())
def test_any_flipped_byte_is_found(data):
    """No single changed byte goes unnoticed."""
    lines = log(3)
    text = bytearray(b"".join(lines))
    place = data.draw(st.integers(0, len(text) - 2))
    text[place] ^= data.draw(st.integers(1, 255))
    assert findings(bytes(text).splitlines(keepends=True)) != []


def _id(lines):
    return json.loads(lines[0])["chain"]["id"]


def _previous(line):
    return json.loads(line)["chain"]["previous"]
