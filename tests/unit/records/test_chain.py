import io
import json

from hypothesis import given
from hypothesis import strategies as st
from tabard_sidecar.records.chain import Head, read_head
from tabard_sidecar.records.verification import Audit, removal_note


def log(count=6):
    head, lines = Head.fresh(), []
    for number in range(count):
        line, head = head.seal(b'{"n":%d' % number)
        lines.append(line)
    return lines


def findings(lines):
    audit = Audit()
    audit.read(io.BytesIO(b"".join(lines)))
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


def audited(lines, after=()):
    audit = Audit(after)
    audit.read(io.BytesIO(b"".join(lines)))
    audit.finish()
    return audit


def test_log_that_begins_later_is_not_intact():
    """Records that are missing from the start are a finding: an attacker may have removed them."""
    audit = audited(log()[3:])
    assert [finding.message for finding in audit.findings] == [
        f"records 1 to 3 are missing from the start of chain {next(iter(audit.chains))}"
    ]
    assert audit.starts_at == 4


def test_known_head_explains_what_is_missing():
    """The head of an earlier check, kept elsewhere, stands for the records before it; another head doesn't."""
    lines = log()
    heads = [read_head(line) for line in lines]
    assert audited(lines[3:], [heads[2]]).intact
    assert not audited(lines[3:], [heads[1]]).intact
    assert audited(lines, [heads[2]]).intact


def test_known_head_shows_that_the_end_was_cut_off():
    """What was known to be written can't be missing from the end, and can't be another record."""
    lines = log()
    last = read_head(lines[-1])
    assert not audited(lines[:-1], [last]).intact
    assert not audited(lines, [last._replace(digest="0" * 64)]).intact
    assert not audited(lines, [last._replace(chain_id="ab")]).intact


def test_log_says_itself_what_it_removed():
    """A note in the chain explains the missing start; a note about other records doesn't."""
    head, lines, heads = Head.fresh(), [], []
    for number in range(4):
        line, head = head.seal(b'{"n":%d' % number)
        lines.append(line)
        heads.append(head)
    note = json.dumps({"event": "log", "result": removal_note([("log.2", heads[1], "kept")])})
    line, _ = head.seal(note.removesuffix("}").encode())
    lines.append(line)
    assert audited(lines[2:]).intact
    assert not audited(lines[1:]).intact
    assert not audited(lines[3:]).intact


def test_empty_log_is_not_intact():
    """Nothing proves nothing."""
    audit = Audit()
    audit.read(io.BytesIO(b"\n"))
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
