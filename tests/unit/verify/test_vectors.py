"""The credentials that are published for other languages: tabard.verify says of each what the file says."""

import json

import pytest
from tabard.arguments import parse_arguments
from tabard.verify import Rejected, SqliteReplayStore, Verifier

from tests.conformance import generate_credentials

VECTORS = json.loads(generate_credentials.TARGET.read_text("utf-8"))


@pytest.fixture
def verifier(tmp_path):
    keys = tmp_path / "jwks.json"
    keys.write_text(json.dumps(VECTORS["jwks"]))
    keys.chmod(0o600)
    store = SqliteReplayStore(tmp_path / "replay.sqlite3", clock=lambda: VECTORS["now"])
    yield Verifier(
        VECTORS["audience"],
        issuer=VECTORS["issuer"],
        jwks=keys,
        replay=store,
        leeway_seconds=VECTORS["leeway_seconds"],
        clock=lambda: VECTORS["now"],
    )
    store.close()


def outcome(verifier, case):
    try:
        verifier.verify(
            case["token"], case["tool"], parse_arguments(case["arguments"].encode()), case["server"]
        )
    except Rejected as rejected:
        return rejected.code
    return ""


def test_the_file_is_what_its_script_writes():
    assert json.loads(json.dumps(generate_credentials.document())) == VECTORS


@pytest.mark.parametrize("case", VECTORS["cases"], ids=lambda case: case["name"])
def test_each_credential_is_judged_as_the_file_says(verifier, case):
    assert outcome(verifier, case) == case["code"]
    assert case["accepted"] == (case["code"] == "")


@pytest.mark.parametrize("part", ["single_use", "uses"])
def test_uses_are_counted_over_the_sequence(verifier, part):
    for case in VECTORS[part]:
        assert outcome(verifier, case) == case["code"], case["name"]
