from __future__ import annotations

import hashlib
import io
import json
import tarfile

import jwt
import pytest
from tabard_opa import BundleVerification, EngineError, VerificationKey

SECRET = "a shared secret of thirty-two bytes!"
FILES = {
    ".manifest": {
        "revision": "r-7",
        "roots": ["policy/a", "limits"],
        "rego_version": 1,
        "metadata": {"team": "support"},
    },
    "policy/a/a.rego": "package policy.a\n\ngrant contains 1 if input.x\n",
    "limits/data.json": {"refund": 200},
}
VERIFICATION = BundleVerification(keys={"k": VerificationKey(SECRET, "HS256")})


def _encode(content):
    return content.encode() if isinstance(content, str) else json.dumps(content).encode()


def _digest(name, content):
    """OPA hashes structured files by their parsed value; sorted and without spaces is that form for these."""
    if name.endswith((".json", ".manifest")):
        content = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(_encode(content)).hexdigest()


def _signatures(files, secret=SECRET, algorithm="HS256"):
    entries = [
        {"name": name, "hash": _digest(name, content), "algorithm": "SHA-256"}
        for name, content in files.items()
    ]
    return {
        "signatures": [
            jwt.encode({"files": entries, "iss": "builder"}, secret, algorithm, headers={"kid": "k"})
        ]
    }


@pytest.fixture
def write(tmp_path):
    def write(files):
        path = tmp_path / "bundle.tar.gz"
        with tarfile.open(path, "w:gz") as archive:
            for name, content in files.items():
                text = _encode(content)
                member = tarfile.TarInfo("/" + name)
                member.size = len(text)
                archive.addfile(member, io.BytesIO(text))
        return path

    return write


def _problem(engine, path, **options):
    with pytest.raises(EngineError) as caught:
        engine.parse_bundle(path, **options)
    return caught.value.errors[0]


def test_bundle_holds_revision_roots_modules_and_data(engine, write):
    bundle = engine.parse_bundle(write(FILES))

    assert (bundle.revision, bundle.roots, bundle.signed) == ("r-7", ("policy/a", "limits"), False)
    assert bundle.metadata == {"team": "support"}
    assert bundle.modules == {"policy/a/a.rego": FILES["policy/a/a.rego"]}
    assert bundle.data == {"limits": {"refund": 200}}
    engine.compile(bundle.modules, bundle.data, entrypoints=["data.policy.a.grant"]).close()


def test_bundle_without_a_manifest_owns_everything(engine, write):
    files = {name: content for name, content in FILES.items() if name != ".manifest"}
    bundle = engine.parse_bundle(write(files))

    assert (bundle.revision, bundle.roots) == ("", ("",))


def test_file_outside_the_roots_is_refused(engine, write):
    problem = _problem(engine, write({**FILES, "other/data.json": {"x": 1}}))

    assert problem.code == "bundle_error"
    assert "other" in problem.message


def test_good_signature_is_accepted(engine, write):
    bundle = engine.parse_bundle(
        write({**FILES, ".signatures.json": _signatures(FILES)}), verification=VERIFICATION
    )

    assert bundle.signed


def test_unsigned_bundle_is_refused_when_keys_are_configured(engine, write):
    assert _problem(engine, write(FILES), verification=VERIFICATION).code == "bundle_error"


def test_signed_bundle_is_refused_without_a_key_to_check_it(engine, write):
    assert _problem(engine, write({**FILES, ".signatures.json": _signatures(FILES)})).code == "bundle_error"


def test_signature_by_another_key_is_refused(engine, write):
    signatures = _signatures(FILES, secret="another secret that is thirty-two!")

    assert (
        _problem(engine, write({**FILES, ".signatures.json": signatures}), verification=VERIFICATION).code
        == "bundle_error"
    )


def test_unsecured_signature_is_refused(engine, write):
    signatures = _signatures(FILES, secret=None, algorithm="none")

    assert (
        _problem(engine, write({**FILES, ".signatures.json": signatures}), verification=VERIFICATION).code
        == "bundle_error"
    )


@pytest.mark.parametrize(
    "change",
    [
        {"limits/data.json": {"refund": 2000}},
        {"policy/a/a.rego": "package policy.a\n\ngrant contains 1\n"},
        {"policy/a/b.rego": "package policy.a\n\ngrant contains 2\n"},
    ],
    ids=["changed data", "changed module", "added module"],
)
def test_changed_after_signing_is_refused(engine, write, change):
    files = {**FILES, ".signatures.json": _signatures(FILES), **change}

    assert _problem(engine, write(files), verification=VERIFICATION).code == "bundle_error"


def test_file_removed_after_signing_is_refused(engine, write):
    files = {**FILES, ".signatures.json": _signatures(FILES)}
    del files["limits/data.json"]

    assert _problem(engine, write(files), verification=VERIFICATION).code == "bundle_error"


def test_syntax_error_in_a_bundle_has_its_place(engine, write):
    problem = _problem(
        engine, write({**FILES, "policy/a/a.rego": "package policy.a\n\ngrant contains := 1\n"})
    )

    assert problem.code == "rego_parse_error"
    assert problem.file == "policy/a/a.rego"
    assert problem.row == 3


def test_patch_bundles_are_refused(engine, write):
    patch = {"data": [{"op": "upsert", "path": "/policy", "value": {}}]}

    assert _problem(engine, write({"patch.json": patch})).code == "bundle_error"


@pytest.mark.parametrize("content", [b"", b"no tarball", b"\x1f\x8b\x08", b"\x1f\x8b" + b"\x00" * 500])
def test_no_tarball_is_refused(engine, tmp_path, content):
    path = tmp_path / "bundle.tar.gz"
    path.write_bytes(content)

    assert _problem(engine, path).code == "bundle_error"


def test_missing_file_is_refused(engine, tmp_path):
    assert "no such file" in _problem(engine, tmp_path / "nothing").message


def test_bundle_that_unpacks_to_too_much_is_refused(engine, write):
    path = write({**FILES, "limits/pad.rego": "package limits\n" + "#" * 2_000_000})

    assert path.stat().st_size < 20_000
    assert "larger than" in _problem(engine, path, max_bytes=1_000_000).message
