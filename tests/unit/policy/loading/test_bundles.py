"""Bundles: nothing in them is skipped, and what claims a signature is checked."""

from __future__ import annotations

import gzip
import io
import json
import os
import subprocess
import tarfile
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st
from tabard_opa_cli import opa_binary
from tabard_sidecar.policy.loading.bundles import BundleKeys, same_data
from tabard_sidecar.policy.loading.sources import load_source
from tabard_sidecar.policy.problems import PolicyBrokenError

from tests.support.policy import GRANT_ALL, write

GUARD = 'package policy.guard\n\ndeny contains {"code": "no"} if input.operation == "authorize"\n'


def problems(path: Path, keys: BundleKeys | None = None) -> list[str]:
    with pytest.raises(PolicyBrokenError) as caught:
        load_source(path, keys)
    return [str(problem) for problem in caught.value.problems]


def pack(path: Path, *members: tuple[str, str] | tarfile.TarInfo) -> Path:
    """Write a bundle of files, by name and content, and of other members."""
    with tarfile.open(path, "w:gz") as archive:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                archive.addfile(member)
            else:
                info = tarfile.TarInfo(member[0])
                info.size = len(member[1])
                archive.addfile(info, io.BytesIO(member[1].encode()))
    return path


def special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


@pytest.fixture(scope="session")
def signed(tmp_path_factory):
    """A folder with a key pair, and a function that lets ``opa build`` sign a policy with it."""
    folder = tmp_path_factory.mktemp("signing")
    key = ec.generate_private_key(ec.SECP256R1())
    (folder / "private.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    (folder / "public.pem").write_bytes(
        key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    (folder / "public.pem").chmod(0o644)

    def build(policy: Path, target: Path, *options: str) -> Path:
        signing = ["--signing-key", str(folder / "private.pem"), "--signing-alg", "ES256"]
        subprocess.run(
            [str(opa_binary()), "build", "-b", str(policy), "-o", str(target), *(options or signing)],
            check=True,
            capture_output=True,
        )
        return target

    return BundleKeys({"main": ("ES256", folder / "public.pem")}), build


@pytest.fixture
def policy(tmp_path):
    folder = write(tmp_path / "policy", demo=GRANT_ALL, team__guard=GUARD)
    (folder / "data.json").write_text('{"limit": 12345678901234567890, "rate": 1.5, "on": true}')
    return folder


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
@pytest.mark.parametrize("name", ["guard.rego", "team", "data.json", "readme.md"])
def test_a_link_is_refused_whatever_it_is_called(tmp_path, kind, name):
    """`tar czf` keeps links as links: the file behind them was lost without a word."""
    path = pack(
        tmp_path / "b.tar.gz",
        ("demo.rego", GRANT_ALL),
        ("real/guard.rego", GUARD),
        special(name, kind, "real"),
    )
    (problem,) = problems(path)
    assert f"b.tar.gz:{name}" in problem
    assert "link, which readers skip" in problem


def test_what_tar_packs_from_a_folder_with_links_is_refused(tmp_path):
    folder = write(tmp_path / "policy", demo=GRANT_ALL)
    (tmp_path / "guard").write_text(GUARD)
    (folder / "guard.rego").symlink_to(tmp_path / "guard")
    assert len(load_source(folder).modules) == 2
    subprocess.run(["tar", "czf", tmp_path / "b.tar.gz", "-C", folder, "."], check=True)
    assert "symbolic link" in problems(tmp_path / "b.tar.gz")[0]


@pytest.mark.parametrize("kind", [tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.CONTTYPE, b"Z"])
def test_other_members_are_refused(tmp_path, kind):
    path = pack(tmp_path / "b.tar.gz", ("demo.rego", GRANT_ALL), special("x.rego", kind))
    assert "which readers skip" in problems(path)[0]


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("guard.rego", "guard.rego", "twice"),
        ("guard.rego", "./guard.rego", "twice"),
        ("guard.rego", "/guard.rego", "twice"),
        ("guard.rego", "Guard.rego", "twice"),
        ("team/guard.rego", "Team/other.rego", "twice"),
        ("team", "team/guard.rego", "a file and a folder"),
        ("../guard.rego", "x.rego", "leads out of the bundle"),
        ("a/../../guard.rego", "x.rego", "leads out of the bundle"),
        ("a\\guard.rego", "x.rego", "can't be shown"),
        ("a\x1b[2Jguard.rego", "x.rego", "can't be shown"),
        ("patch.json", "x.rego", "delta bundle"),
    ],
)
def test_names_that_readers_resolve_differently_are_refused(tmp_path, one, other, expected):
    path = pack(tmp_path / "b.tar.gz", ("demo.rego", GRANT_ALL), (one, GUARD), (other, GUARD))
    assert any(expected in problem for problem in problems(path))


@pytest.mark.parametrize(
    ("manifest", "expected"),
    [
        ({"roots": ["other"]}, "roots"),
        ({"roots": ["policy/demo"]}, "roots"),
        ({"roots": [""], "rego_version": 0}, ""),
        ({"roots": [""], "wasm": [{"entrypoint": "a", "module": "policy.wasm"}]}, ""),
    ],
)
def test_a_manifest_that_does_not_hold_for_its_bundle_is_refused(tmp_path, manifest, expected):
    path = pack(
        tmp_path / "b.tar.gz",
        (".manifest", json.dumps(manifest)),
        ("demo.rego", GRANT_ALL),
        ("guard.rego", GUARD),
    )
    assert expected in problems(path)[0]


@pytest.mark.parametrize(
    ("manifest", "expected"),
    [
        ({"root": ["policy"]}, "did you mean 'roots'"),
        ({"revison": "3"}, "did you mean 'revision'"),
        ({"revision": "\x1b[2J"}, "can be shown"),
        ({"revision": "a\nb"}, "can be shown"),
    ],
)
def test_a_manifest_with_unknown_keys_or_an_unreadable_revision_is_refused(tmp_path, manifest, expected):
    path = pack(tmp_path / "b.tar.gz", (".manifest", json.dumps(manifest)), ("demo.rego", GRANT_ALL))
    assert expected in problems(path)[0]


@pytest.mark.parametrize(
    "name",
    ["manifest", "manifest.json", "x/.manifest", ".Manifest", ".Signatures.json", "signatures.json",
     "x/.signatures.json", "inner.tar.gz", "inner.TGZ", "more.zip"],
)  # fmt: skip
def test_members_that_readers_skip_are_refused(tmp_path, name):
    path = pack(tmp_path / "b.tar.gz", ("demo.rego", GRANT_ALL), (name, "{}"))
    assert f"b.tar.gz:{name}" in problems(path)[0]


@pytest.mark.parametrize("content", ["{}", "null", '{"signatures": []}', '{"signatures": ["x"]}'])
def test_signatures_that_nobody_checks_are_refused(tmp_path, content):
    path = pack(tmp_path / "b.tar.gz", ("demo.rego", GRANT_ALL), (".signatures.json", content))
    assert "policy.bundle.keys" in problems(path)[0]


def test_a_second_archive_after_the_first_is_refused(tmp_path):
    """Such as by `cat a.tar b.tar | gzip`: the deny of the second was lost without a word."""
    one, other = (
        gzip.decompress(pack(tmp_path / f"{name}.tar.gz", (f"{name}.rego", text)).read_bytes())
        for name, text in (("demo", GRANT_ALL), ("guard", GUARD))
    )
    for content in (
        one + other,
        one.rstrip(b"\0") + bytes(512) + other,
        one + b"x",
        one[:1024] + b"X" * 512 + other,
    ):
        path = tmp_path / "b.tar.gz"
        path.write_bytes(gzip.compress(content))
        assert problems(path)
    path.write_bytes(gzip.compress(one + bytes(20_000)))
    assert len(load_source(path).modules) == 1


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        ({"exp": 1}, "expired"),
        ({"nbf": 9_999_999_999}, "isn't valid by now"),
        ({}, ""),
    ],
)
def test_a_signature_holds_in_its_time(signed, policy, tmp_path, claims, expected):
    keys, build = signed
    private = keys.files["main"][1].with_name("private.pem")
    (tmp_path / "claims.json").write_text(json.dumps(claims))
    options = [
        "--signing-key",
        str(private),
        "--signing-alg",
        "ES256",
        "--claims-file",
        str(tmp_path / "claims.json"),
    ]
    path = build(policy, tmp_path / "b.tar.gz", *options)
    if expected:
        assert expected in problems(path, keys)[0]
    else:
        assert len(load_source(path, keys).modules) == 2


def test_data_outside_the_roots_is_refused(tmp_path):
    path = pack(
        tmp_path / "b.tar.gz",
        (".manifest", '{"roots": ["policy", "lists"]}'),
        ("demo.rego", GRANT_ALL),
        ("data.json", '{"limits": {"n": 1}}'),
    )
    assert "roots" in problems(path)[0]


def test_roots_that_hold_everything_are_accepted(tmp_path):
    path = pack(
        tmp_path / "b.tar.gz",
        (".manifest", '{"revision": "r7", "roots": ["policy", "lists"]}'),
        ("demo.rego", GRANT_ALL),
        ("lists/data.json", '{"n": 1}'),
    )
    assert load_source(path).revision == "r7"


def test_data_that_two_readers_read_differently_is_refused(tmp_path):
    """YAML with more digits than OPA's reader of YAML keeps."""
    members = [("demo.rego", GRANT_ALL)]
    path = pack(tmp_path / "b.tar.gz", *members, ("data.yaml", "big: 123456789012345678901234\n"))
    assert "two readers" in problems(path)[0]
    path = pack(tmp_path / "c.tar.gz", *members, ("data.json", '{"n": 12345678901234567890}'))
    assert load_source(path).data == {"n": 12345678901234567890}


@pytest.mark.parametrize("damage", ["cut", "tail", "twice", "plain", "xz"])
def test_what_is_not_one_whole_gzip_file_is_refused(tmp_path, damage):
    good = pack(tmp_path / "good.tar.gz", ("demo.rego", GRANT_ALL)).read_bytes()
    tar = gzip.decompress(good)
    import lzma  # noqa: PLC0415

    path = tmp_path / "b.tar.gz"
    path.write_bytes(
        {"cut": good[:-9], "tail": good + b"x", "twice": good + good, "plain": tar, "xz": lzma.compress(tar)}[
            damage
        ]
    )
    assert "gzip" in problems(path)[0] or "decompressing" in problems(path)[0]


def test_a_bomb_is_refused_early(tmp_path):
    path = tmp_path / "b.tar.gz"
    path.write_bytes(gzip.compress(bytes(80 * 2**20)))
    assert "unpacks to more than" in problems(path)[0]


def test_a_bundle_as_opa_builds_it_is_loaded_with_and_without_a_signature(tmp_path, policy, signed):
    keys, build = signed
    source = load_source(build(policy, tmp_path / "signed.tar.gz"), keys)
    assert len(source.modules) == 2
    assert source.data["rate"] == 1.5
    assert load_source(build(policy, tmp_path / "plain.tar.gz", "--optimize=0")).data == source.data


def test_a_claimed_signature_without_a_key_is_refused(tmp_path, policy, signed):
    _, build = signed
    (problem,) = problems(build(policy, tmp_path / "b.tar.gz"))
    assert "policy.bundle.keys" in problem


def test_with_a_key_what_is_not_signed_is_refused(tmp_path, policy, signed):
    keys, build = signed
    assert "signatures" in problems(build(policy, tmp_path / "b.tar.gz", "--optimize=0"), keys)[0]
    assert "demands a signed bundle" in problems(policy, keys)[0]


def test_a_folder_that_claims_a_signature_is_refused(policy):
    (policy / ".signatures.json").write_text("{}")
    assert "claims a signature" in problems(policy)[0]


@pytest.mark.parametrize("change", ["edit", "add", "remove", "data", "manifest"])
def test_a_signed_bundle_that_was_changed_is_refused(tmp_path, policy, signed, change):
    keys, build = signed
    original = build(policy, tmp_path / "b.tar.gz")
    with tarfile.open(original) as archive:
        files = {
            member.name: archive.extractfile(member).read().decode() for member in archive if member.isfile()
        }
    guard = next(name for name in files if name.endswith("guard.rego"))
    if change == "edit":
        files[guard] = files[guard].replace("authorize", "renew")
    elif change == "add":
        files["/extra.rego"] = GUARD.replace("guard", "extra")
    elif change == "remove":
        del files[guard]
    elif change == "data":
        files["/data.json"] = '{"limit": 1}'
    else:
        files["/.manifest"] = files["/.manifest"].replace('"revision":""', '"revision":"new"')
    changed = pack(tmp_path / "changed.tar.gz", *files.items())
    assert problems(changed, keys)


def test_another_key_does_not_do(tmp_path, policy, signed):
    _, build = signed
    other = ec.generate_private_key(ec.SECP256R1()).public_key()
    file = tmp_path / "other.pem"
    file.write_bytes(
        other.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    file.chmod(0o644)
    path = build(policy, tmp_path / "b.tar.gz")
    assert problems(path, BundleKeys({"main": ("ES256", file)}))
    assert problems(path, BundleKeys({"main": ("RS256", file)}))
    file.chmod(0o666)
    assert "every user can write" in problems(path, BundleKeys({"main": ("ES256", file)}))[0]
    os.unlink(file)  # noqa: PTH108
    assert "No such file" in problems(path, BundleKeys({"main": ("ES256", file)}))[0]


def test_a_scope_must_be_the_signatures(tmp_path, policy, signed):
    keys, build = signed
    assert problems(build(policy, tmp_path / "b.tar.gz"), BundleKeys(keys.files, scope="production"))


numbers = st.integers() | st.floats(allow_nan=False)
json_values = st.recursive(
    st.none() | st.booleans() | numbers | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(json_values)
def test_the_same_data_is_the_same(value):
    assert same_data(value, value)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (1, 1.0, True),
        (1, True, False),
        ([0], [False], False),
        ({"a": 1}, {"a": 1, "b": 2}, False),
        ("1", 1, False),
    ],
)
def test_what_differs_is_told_apart(one, other, same):
    assert same_data(one, other) is same
