"""Grants and go-macaroon understand each other both ways, in the format that grants have: version 2, binary.

The Go module's own tests hold packets, sections and a macaroon that libmacaroons made; our reader runs on these, too.
"""

import json
import re
import subprocess
import time
from pathlib import Path

import pytest
from tabard import base64url, macaroon
from tabard.caveats import CaveatError, Limits, Tools, decode_caveat, encode_caveat
from tabard.delegation import branch, narrow
from tabard.macaroon import MacaroonError, RawCaveat
from tabard_sidecar.errors import Refused

from tests.support.components import component
from tests.support.grants import BOB, make_kit

KEY = bytes(range(32))
OTHER_KEY = bytes(range(1, 33))
TABARD = {"location": "tabard"}


@pytest.fixture(scope="module")
def go():
    """Asks go-macaroon; binary values go in and come out as bytes."""
    program = component("gomacaroon.sh")

    def plain(value):
        if isinstance(value, bytes):
            return base64url.encode(value)
        if isinstance(value, dict):
            return {name: plain(item) for name, item in value.items()}
        return [plain(item) for item in value] if isinstance(value, list) else value

    def ask(**request):
        run = subprocess.run(
            [program], input=json.dumps(plain(request)), capture_output=True, text=True, check=True
        )
        return json.loads(run.stdout)

    return ask


@pytest.fixture
def kit(tmp_path):
    return make_kit(tmp_path / "keys", clock=time.time)


def covered(answer):
    """Return the caveats that go-macaroon found covered by the signature."""
    assert "error" not in answer, answer
    return [base64url.decode(text) for text in answer["caveats"] or ()]


def test_both_write_the_same_bytes(go):
    caveats = [encode_caveat(Tools(("refunds.*",))), "é\u2028".encode(), b"\x00\x01", b"x" * 20_000]
    for count in range(len(caveats) + 1):
        made = go(
            key=KEY, identifier=b"id", caveats=[{"identifier": one} for one in caveats[:count]], **TABARD
        )
        assert made["macaroon"] == macaroon.mint(KEY, b"id", caveats[:count])
        assert made["signature"] == base64url.encode(macaroon.parse(made["macaroon"]).signature)


def test_a_grant_verifies_there(go, kit):
    """Minted, handed on with a seal, branched and narrowed."""
    text = kit.delegate(kit.mint(), BOB, Limits(tools=("refunds.*",), max_depth=3))
    text = narrow(branch(text, "resëarcher"), Limits(read_only=True))
    key = kit.keyring.derive(kit.keyring.active("root"), "grant")

    found = covered(go(verify=base64url.decode(text), key=key))
    assert tuple(map(decode_caveat, found)) == kit.verify(text).caveats
    assert "error" in go(verify=base64url.decode(text), key=OTHER_KEY)


def test_a_forgery_made_there_is_refused_here(go, kit):
    identifier = macaroon.parse(kit.mint()).identifier
    with pytest.raises(Refused, match="grant_signature"):
        kit.verify(go(key=OTHER_KEY, identifier=identifier, **TABARD)["macaroon"])


def test_a_caveat_that_is_no_text_counts_and_is_refused(go):
    text = go(key=KEY, identifier=b"id", caveats=[{"identifier": b"foo\xff"}], **TABARD)["macaroon"]
    (step,) = macaroon.verify(text, KEY).steps
    with pytest.raises(CaveatError):
        decode_caveat(step.caveat.identifier)


def test_a_macaroon_of_another_location_is_refused_here(go):
    for location in ("", "elsewhere", "tabard "):
        with pytest.raises(MacaroonError):
            macaroon.parse(go(key=KEY, identifier=b"id", location=location)["macaroon"])


def test_third_party_caveats_and_discharges_made_there_hold_here(go):
    third = {"identifier": b"ask", "key": OTHER_KEY, "location": "approvals"}
    root = go(key=KEY, identifier=b"id", caveats=[{"identifier": b"one"}, third], **TABARD)
    signature = base64url.decode(root["signature"])
    answer = {"key": OTHER_KEY, "identifier": b"ask", "caveats": [{"identifier": b"two"}], **TABARD}
    bound, unbound = go(bind_to=signature, **answer)["macaroon"], go(**answer)["macaroon"]

    verified = macaroon.verify(root["macaroon"], KEY, [bound])
    assert [step.caveat.identifier for step in verified.steps] == [b"one", b"ask"]
    assert [macaroon.demands(step, OTHER_KEY) for step in verified.steps] == [False, True]
    for discharges in ([], [unbound], [bound, unbound]):
        with pytest.raises(MacaroonError):
            macaroon.verify(root["macaroon"], KEY, discharges)


def test_third_party_caveats_and_discharges_made_here_hold_there(go):
    root = macaroon.append_third_party(macaroon.mint(KEY, b"id", [b"one"]), "approvals", OTHER_KEY, b"ask")
    unbound = macaroon.mint(OTHER_KEY, b"ask", [b"two"])
    there = {"verify": base64url.decode(root), "key": KEY}

    bound = base64url.decode(macaroon.bind(root, unbound))
    assert sorted(covered(go(discharges=[bound], **there))) == [b"one", b"two"]
    assert "error" in go(discharges=[base64url.decode(unbound)], **there)
    assert "error" in go(**there)


# --- The vectors in the Go module's tests ---


def literals(source, name):
    """Return the value of each `data:` of a table of Go tests, with the expected error, empty if there is none."""
    table = re.search(rf"^var {name} = .*?^}}}}$", source, re.DOTALL | re.MULTILINE)[0]
    cases = []
    for case in table.split("}, {"):
        data = re.search(r'\bdata: +((?:"(?:\\.|[^"\\])*"[\s+]*)+)', case)
        error = re.search(r'expectError: *"(.*)"', case)
        if data:
            cases.append((text_of(data[1]), error[1] if error else ""))
    return cases


def text_of(expression):
    """Return the bytes of Go string literals that are joined with `+`."""
    parts = re.findall(r'"((?:\\.|[^"\\])*)"', expression)
    return "".join(parts).encode("latin-1").decode("unicode_escape").encode("latin-1")


@pytest.fixture(scope="module")
def sources():
    folder = Path(component("vectors.sh", "macaroon"))
    return {path.name: path.read_text("utf-8") for path in folder.glob("*_test.go")}


def test_their_packets(sources):
    cases = literals(sources["packet-v2_test.go"], "parsePacketV2Tests")
    assert len(cases) >= 8
    for data, error in cases:
        if data == b"\x00":
            continue  # the end of a section, which has no payload
        if error:
            with pytest.raises((MacaroonError, IndexError)):
                macaroon._payload(data, 1)
        else:
            assert macaroon._payload(data, 1) == (b"xyz", len(data))


def test_their_sections(sources):
    cases = literals(sources["packet-v2_test.go"], "parseSectionV2Tests")
    assert len(cases) >= 6
    for data, error in cases:
        # Our reader knows the fields of a section and accepts no others.
        if error or b"abcde" in data:
            with pytest.raises((MacaroonError, IndexError)):
                macaroon._section(data, 0)
        else:
            (location, identifier, vid), end = macaroon._section(data, 0)
            assert (location, vid, end) == (None, None, len(data))
            assert identifier == (b"xyz" if len(data) > 1 else None)


def test_the_macaroon_that_libmacaroons_made(sources, monkeypatch):
    """It is the second example of libmacaroons' README, with the secrets that the Go test's comment names."""
    binary = re.search(r"data := \[\]byte\((.*?),\n\t\)", sources["marshal_test.go"], re.DOTALL)[1]
    text = base64url.encode(text_of(binary))
    comment = sources["macaroon_test.go"]
    secret, caveat_key = (
        re.search(rf"// {name} = '(.*)'", comment)[1].encode() for name in ("secret", "caveat_key")
    )
    signature = re.search(r'"([0-9a-f]{64})"', comment)[1]
    with pytest.raises(MacaroonError):
        macaroon.parse(text)  # made at another location

    monkeypatch.setattr(macaroon, "LOCATION", "http://mybank/")
    parsed = macaroon.parse(text)
    assert parsed.signature.hex() == signature
    assert parsed.identifier == b"we used our other secret key"
    reminder = b"this was how we remind auth of key/pred"
    assert parsed.caveats[0] == RawCaveat(b"account = 3735928559")
    assert (parsed.caveats[1].identifier, parsed.caveats[1].location) == (reminder, "http://auth.mybank/")
    discharge = macaroon._extend(macaroon.Macaroon("http://mybank/", reminder, caveat_key, version=2), [])
    verified = macaroon.verify(text, secret, [macaroon.bind(text, discharge)])
    assert [step.caveat for step in verified.steps] == list(parsed.caveats)
    with pytest.raises(MacaroonError):
        macaroon.verify(text, secret + b"x", [macaroon.bind(text, discharge)])
