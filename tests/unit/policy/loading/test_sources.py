"""Reading policies from folders and bundles."""

from __future__ import annotations

import io
import json
import os
import tarfile
import time

import pytest
from tabard_sidecar.policy.loading.sources import fingerprint, load_source
from tabard_sidecar.policy.problems import PolicyBrokenError

from tests.support.policy import GRANT_ALL, write


def codes(path):
    with pytest.raises(PolicyBrokenError) as caught:
        load_source(path)
    return [problem.code for problem in caught.value.problems]


def bundle(path, **files):
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name.replace("__", "/"))
            data = content.encode()
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def test_a_folder_gives_modules_tests_and_data(tmp_path):
    write(tmp_path, demo__demo=GRANT_ALL, demo__demo_test="package x\n")
    (tmp_path / "data.json").write_text('{"a": {"b": 1}}')
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "data.yaml").write_text("c: 2\n")
    (tmp_path / "catalogue.yaml").write_text("tools: []\n")
    source = load_source(tmp_path)
    assert list(source.modules) == [f"{tmp_path}/demo/demo.rego"]
    assert list(source.tests) == [f"{tmp_path}/demo/demo_test.rego"]
    assert source.data == {"a": {"b": 1, "c": 2}}


def test_the_revision_follows_names_and_contents_and_nothing_else(tmp_path):
    one, two, three = (tmp_path / name for name in ("one", "two", "three"))
    write(one, a=GRANT_ALL)
    write(two, a=GRANT_ALL, a_test="package whatever\n")
    write(three, b=GRANT_ALL)
    assert load_source(one).revision == load_source(two).revision
    assert load_source(one).revision != load_source(three).revision
    assert len(load_source(one).revision) == 64


@pytest.mark.parametrize("top", ["policy", "lib", "tabard", "system"])
@pytest.mark.parametrize("form", ["key", "folder", "yaml"])
def test_data_that_could_be_taken_for_rules_is_refused(tmp_path, top, form):
    write(tmp_path, demo=GRANT_ALL)
    evil = {"demo": {"grant": [{"code": "ok"}]}}
    if form == "folder":
        (tmp_path / top / "demo").mkdir(parents=True)
        (tmp_path / top / "demo" / "data.json").write_text(json.dumps(evil["demo"]))
    else:
        (tmp_path / ("data.json" if form == "key" else "data.yml")).write_text(json.dumps({top: evil}))
    assert codes(tmp_path) == ["data_reserved"]


def test_data_in_a_bundle_that_could_be_taken_for_rules_is_refused(tmp_path):
    path = bundle(tmp_path / "b.tar.gz", **{"demo.rego": GRANT_ALL, "policy__data.json": '{"x": {}}'})
    assert codes(path) == ["data_reserved"]


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("data.json", "{", "json"),
        ("data.json", '{"a": 1, "a": 2}', "json"),
        ("data.json", '{"a": NaN}', "json"),
        ("data.json", '{"a": 1e999}', "json"),
        ("data.json", "[1]", "data_not_object"),
        ("data.json", '{"a":' + "[" * 5000 + "]" * 5000 + "}", "json"),
        ("data.yaml", "a: 1\na: 2\n", "yaml"),
        ("data.yaml", "a: [\n", "yaml"),
        ("data.yaml", "a: 2020-01-01\n", "yaml"),
        ("data.yaml", "1: a\n", "yaml"),
        ("data.yaml", "a: &x [1]\nb: *x\n", "yaml"),
        ("data.yaml", "a: .inf\n", "yaml"),
        ("data.yaml", "a: !!python/object:os.system {}\n", "yaml"),
    ],
)
def test_malformed_data_is_refused(tmp_path, name, content, code):
    write(tmp_path, demo=GRANT_ALL)
    (tmp_path / name).write_text(content)
    assert codes(tmp_path)[0] in {code, "depth"}


def test_data_defined_twice_is_refused(tmp_path):
    write(tmp_path, demo=GRANT_ALL)
    (tmp_path / "data.json").write_text('{"a": {"b": 1}}')
    (tmp_path / "data.yaml").write_text("a: {b: 1}\n")
    assert codes(tmp_path) == ["data_conflict"]


def test_a_file_that_is_not_utf8_is_told_beside_the_other_problems(tmp_path):
    (tmp_path / "a.rego").write_bytes(b"package policy.\xff\n")
    (tmp_path / "data.json").write_text("[]")
    assert codes(tmp_path) == ["encoding", "data_not_object"]


def test_an_unreadable_file_is_refused_and_never_skipped(tmp_path):
    write(tmp_path, demo=GRANT_ALL)
    (tmp_path / "gone.rego").symlink_to(tmp_path / "nowhere")
    assert codes(tmp_path) == ["unreadable"]


def test_an_empty_folder_is_refused(tmp_path):
    assert codes(tmp_path) == ["empty"]


def test_a_missing_folder_is_refused(tmp_path):
    assert codes(tmp_path / "policy") == ["unreadable"]


def test_only_tests_is_empty(tmp_path):
    assert codes(write(tmp_path, demo_test=GRANT_ALL)) == ["empty"]


def test_a_kubernetes_volume_is_read_through_its_links(tmp_path):
    version = tmp_path / "..2026_01"
    write(version, demo=GRANT_ALL)
    (tmp_path / "..data").symlink_to(version.name)
    (tmp_path / "demo.rego").symlink_to("..data/demo.rego")
    assert list(load_source(tmp_path).modules) == [f"{tmp_path}/demo.rego"]
    before = fingerprint(tmp_path)
    write(tmp_path / "..2026_02", demo=GRANT_ALL + "\n# newer\n")
    (tmp_path / "..tmp").symlink_to("..2026_02")
    (tmp_path / "..tmp").replace(tmp_path / "..data")
    assert fingerprint(tmp_path) != before
    assert "newer" in load_source(tmp_path).modules[f"{tmp_path}/demo.rego"]


def test_a_copy_that_keeps_size_and_time_is_a_change(tmp_path):
    """Such as by `cp -p` of a file with a fixed time over the old one."""
    for name in ("demo.rego", "data.json", ".hidden.rego"):
        file = tmp_path / name
        file.write_text("package policy.a # 900")
        os.utime(file, (1, 1))
        before = fingerprint(tmp_path)
        time.sleep(0.02)
        file.write_text("package policy.a # 100")
        os.utime(file, (1, 1))
        assert fingerprint(tmp_path) != before


def test_what_cannot_be_read_has_another_fingerprint_each_time(tmp_path):
    """It may have been readable while it was loaded: the problem alone would be the same before and after."""
    policy = tmp_path / "policy"
    broken = []
    for _ in range(2):
        broken.append(fingerprint(policy))
        policy.mkdir()
        os.mkfifo(policy / "pipe.rego")
        broken.append(fingerprint(policy))
        (policy / "pipe.rego").unlink()
        policy.rmdir()
        time.sleep(0.02)  # the clock of files is coarse
    assert len(set(broken)) == len(broken)


def test_a_folder_that_a_link_reaches_a_second_time_is_refused(tmp_path):
    """Its files would have to be read under one of two names, or without end."""
    write(tmp_path, sub__demo=GRANT_ALL)
    link = tmp_path / "sub" / "loop"
    link.symlink_to(tmp_path)
    assert codes(tmp_path) == ["unreadable"]
    link.unlink()
    (tmp_path / "again").symlink_to("sub")
    assert codes(tmp_path) == ["unreadable"]


def test_a_link_that_leads_nowhere_is_refused_whatever_its_name(tmp_path):
    """It may have been the folder with the denials."""
    write(tmp_path, demo=GRANT_ALL)
    (tmp_path / "team").symlink_to("gone")
    assert codes(tmp_path) == ["unreadable"]


def test_a_bundle_has_its_own_revision(tmp_path):
    manifest = json.dumps({"revision": "v42", "roots": [""], "rego_version": 1})
    files = {
        ".manifest": manifest,
        "demo.rego": GRANT_ALL,
        "a__data.json": '{"b": 1}',
        "demo_test.rego": "package t\n",
    }
    source = load_source(bundle(tmp_path / "b.tar.gz", **files))
    assert (source.revision, source.data) == ("v42", {"a": {"b": 1}})
    assert list(source.modules) == [f"{tmp_path}/b.tar.gz:demo.rego"]


def test_a_bundle_without_revision_gets_the_digest(tmp_path):
    assert len(load_source(bundle(tmp_path / "b.tar.gz", **{"demo.rego": GRANT_ALL})).revision) == 64


@pytest.mark.parametrize(
    ("files", "code"),
    [
        ({"..__demo.rego": GRANT_ALL}, "unreadable"),
        ({"patch.json": "{}", "demo.rego": GRANT_ALL}, "unreadable"),
        ({".manifest": "{", "demo.rego": GRANT_ALL}, "bundle_error"),
        ({".manifest": '{"rego_version": 0}', "demo.rego": GRANT_ALL}, "rego_parse_error"),
        ({".manifest": '{"revision": 3}', "demo.rego": GRANT_ALL}, "bundle_error"),
        ({"readme.md": "x"}, "empty"),
    ],
)
def test_a_bundle_that_cannot_be_used_is_refused(tmp_path, files, code):
    assert codes(bundle(tmp_path / "b.tar.gz", **files)) == [code]


def test_a_file_that_is_no_bundle_is_refused(tmp_path):
    path = tmp_path / "b.tar.gz"
    path.write_bytes(b"\x1f\x8b not really")
    assert codes(path) == ["unreadable"]


ROW = "x" * 1000
LARGE = {
    "bytes.json": [json.dumps([ROW] * 4200)],
    "bytes.yaml": [f"- {ROW}\n" * 4200],
    "bytes of several files": [f"- {ROW}\n" * 2100] * 2,
    "values.json": [json.dumps([0] * 100_001)],
    "lists.json": [json.dumps([[]] * 100_000)],
    "values.yaml": ["- 0\n" * 100_000],
    "values of several files": [json.dumps([0] * 60_000), "- 0\n" * 60_000],
}


@pytest.mark.parametrize("kind", LARGE)
def test_data_that_takes_too_long_to_parse_is_refused(tmp_path, kind):
    """Parsing holds up the calls that are being decided; a folder may hold any number of files."""
    write(tmp_path, demo=GRANT_ALL)
    for number, content in enumerate(LARGE[kind]):
        folder = tmp_path / f"f{number}"
        folder.mkdir()
        name = "data.json" if content.startswith("[") else "data.yaml"
        (folder / name).write_text(content)
    assert codes(tmp_path) == ["yaml" if kind in {"values.yaml", "values of several files"} else "limit"]


def test_data_of_the_largest_size_is_read(tmp_path):
    write(tmp_path, demo=GRANT_ALL)
    (tmp_path / "data.json").write_text(json.dumps({f"user-{number:020}": True for number in range(99_990)}))
    assert len(load_source(tmp_path).data) == 99_990


def test_large_json_in_a_bundle_is_refused_before_the_engine_reads_it(tmp_path):
    files = {"demo.rego": GRANT_ALL, "data.json": json.dumps({"x": [[]] * 100_000})}
    assert codes(bundle(tmp_path / "b.tar.gz", **files)) == ["limit"]
