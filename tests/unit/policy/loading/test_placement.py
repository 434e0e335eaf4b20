"""Rules that no operation asks for, and files that add to the rules of another file, are refused."""

from __future__ import annotations

import os

import pytest
from tabard_sidecar.policy.loading import strays
from tabard_sidecar.policy.loading.compiling import CompileOptions, compile_policy
from tabard_sidecar.policy.loading.sources import fingerprint, load_source
from tabard_sidecar.policy.problems import PolicyBrokenError

from tests.support.policy import GRANT_ALL, write

DENY = 'deny contains {"code": "no", "message": "no"} if input.operation == "authorize"\n'


def loaded(engine, folder):
    """Return (file name, code) of every problem of a folder."""
    try:
        source = load_source(folder)
        compile_policy(engine, source.modules, source.data, CompileOptions(), source.tests).close()
    except PolicyBrokenError as error:
        return {(problem.file.rsplit("/", 1)[-1], problem.code) for problem in error.problems}
    return set()


@pytest.fixture
def policy(tmp_path):
    """Return a function that adds files to a good policy."""
    write(tmp_path, demo=GRANT_ALL)

    def add(path, text):
        target = tmp_path / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        return tmp_path

    return add


@pytest.mark.parametrize(
    ("path", "text", "code"),
    [
        ("x.rego", "package lib.x\n\n" + DENY, "never_asked"),
        ("x.rego", 'package lib.x\n\ngrant := {"code": "ok"}\n', "never_asked"),
        ("log.rego", "package system.log\n\n" + DENY, "system_rule"),
        ("load_test.rego", "package policy.load\n\n" + DENY, "never_asked"),
        ("load_test.rego", "package policy.load_test\n\n" + DENY, "never_asked"),
        ("load_test.rego", "package load\n\nask contains 1\n", "never_asked"),
        ("demo_test.rego", "package policy.demo\n\n_limit := 3\n", "never_asked"),
        ("x_test.rego", "package lib.x\n\nlimit := 3\n", "never_asked"),
        ("deny.REGO", "package policy.load\n\n" + DENY, "skipped"),
        ("deny.Rego", "package policy.load\n\n" + DENY, "skipped"),
        ("deny.rego ", "package policy.load\n\n" + DENY, "skipped"),
        ("deny.rego.txt", "package policy.load\n\n" + DENY, "skipped"),
        ("deny.rgo", "package policy.load\n\n" + DENY, "skipped"),
        ("deny.reog", "package policy.load\n\n" + DENY, "skipped"),
        ("date.yaml", "a: 1", "skipped"),
        ("data.jsn", "{}", "skipped"),
        ("data.yaml.txt", "a: 1", "skipped"),
        ("Data.json", "{}", "skipped"),
        ("data.YAML", "a: 1", "skipped"),
        ("load_case.yaml", "cases: []", "skipped"),
        ("load-cases.yaml", "cases: []", "skipped"),
        ("load_cases.YAML", "cases: []", "skipped"),
        ("cases.yml", "cases: []", "skipped"),
        ("demo_test.rego", "package policy.demo_test\n\ntset_no if 1 == 2\n", "never_asked"),
        (".team/deny.rego", "package policy.load\n\n" + DENY, "skipped"),
        ("team/.deny.rego", "# a comment\npackage policy.load\n\n" + DENY, "skipped"),
        ("..team/deny.REGO", "package policy.load\n\n" + DENY, "skipped"),
        ("team/a/.b/c/deny.rego", "\n  package policy.load\n\n" + DENY, "skipped"),
    ],
)
def test_a_rule_that_is_never_asked_is_refused(engine, policy, path, text, code):
    assert loaded(engine, policy(path, text)) == {(path.rsplit("/", 1)[-1], code)}


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("demo_test.rego", "package policy.demo_test\n\n_limit := 3\n\ntest_yes if _limit == 3\n"),
        ("demo_test.rego", "package policy.demo\n\ntest_yes if true\n\ntodo_test_no if false\n"),
        ("x.rego", 'package lib.x\n\nask(code) := {"code": code}\n\ngranted := 3\n'),
        (".git/hooks/x.rego", "package other\n\ndeny contains 1\n"),
        (".git/hooks/readme", "package policy.load\n\n" + DENY),
        ("load_cases.yaml", "cases: []"),
        ("showcase.yaml", "a: 1"),
        ("demo_test.rego", "package policy.demo_test\n\ntext_a := 3\n\ntest_yes if text_a == 3\n"),
        ("deny.rego.bak", "package policy.load\n\n" + DENY),
        ("deny.rego~", "package policy.load\n\n" + DENY),
        ("#deny.rego#", "package policy.load\n\n" + DENY),
        ("README.md", "package policy.load\n\n" + DENY),
        ("..2026_11_28_19_00_00.1/deny.rego", "package policy.load\n\n" + DENY),
    ],
)
def test_other_files_are_nobodys_business(engine, policy, path, text):
    assert loaded(engine, policy(path, text)) == set()


def test_a_hidden_file_that_is_gone_changes_the_fingerprint(policy):
    folder = policy(".team/deny.rego", "package policy.load\n\n" + DENY)
    before = fingerprint(folder)
    (folder / ".team" / "deny.rego").unlink()
    assert fingerprint(folder) != before


def test_a_mounted_config_map_is_read_through_its_links(engine, tmp_path):
    write(tmp_path / "..2026_11_28_19_00_00.1", demo=GRANT_ALL)
    (tmp_path / "..data").symlink_to("..2026_11_28_19_00_00.1")
    (tmp_path / "demo.rego").symlink_to("..data/demo.rego")
    assert loaded(engine, tmp_path) == set()


@pytest.mark.parametrize("path", ["other.rego", "team/guard.rego"])
def test_a_second_file_cannot_add_to_a_module(engine, policy, path):
    """It could define another value of a private helper, or make its rule true for everything."""
    folder = policy("guard.rego", "package policy.guard\n\n" + DENY)
    policy(
        path, 'package policy.guard\n\ngrant contains {"code": "more"} if input.operation == "authorize"\n'
    )
    assert {code for _, code in loaded(engine, folder)} == {"package_shared"}


def test_a_head_cannot_reach_into_another_files_package(engine, policy):
    folder = policy("a.rego", "package lib.a\n\nb.limit := 1\n")
    policy("b.rego", "package lib.a.b\n\nopen := true\n")
    assert loaded(engine, folder) == {("a.rego", "package_shared")}


@pytest.mark.parametrize("rule", ["_blocked if false\n", "_deny contains 1 if false\n", "_f(_) := 1\n"])
def test_a_private_rule_that_nothing_refers_to_is_refused(engine, policy, rule):
    folder = policy("guard.rego", f"package policy.guard\n\n{DENY}\n{rule}")
    assert loaded(engine, folder) == {("guard.rego", "rule_unused")}


@pytest.mark.parametrize(
    ("annotation", "code"),
    [
        ("schemas:\n#   - input: {}", "metadata_schemas"),
        ("schemas:\n#   - input.tool: {type: object}", "metadata_schemas"),
        ('schemas:\n#   - input: {"$ref": "file:///dev/zero"}', "metadata_schemas"),
        ("schemas:\n#   - data.lists: {}", "metadata_schemas"),
        ("custom: {tabard: 3}", "metadata"),
        ("custom: {tabard: {optional_dta: [data.x]}}", "metadata"),
        ("custom: {tabard: {optional_data: data.x}}", "metadata"),
        ("custom: {tabard: {optional_data: [lists.x]}}", "metadata"),
        ("custom: {tabard: {optional_data: [data]}}", "metadata"),
    ],
)
@pytest.mark.parametrize("scope", ["package", "rule"])
def test_metadata_cannot_weaken_a_check(engine, policy, annotation, code, scope):
    text = f"# METADATA\n# scope: {scope}\n# {annotation}\n"
    module = (
        f"{text}package policy.guard\n\n{DENY}"
        if scope == "package"
        else f"package policy.guard\n\n{text}{DENY}"
    )
    assert loaded(engine, policy("guard.rego", module)) == {("guard.rego", code)}


def test_other_metadata_is_free(engine, policy):
    text = "# METADATA\n# title: a\n# authors: [b]\n# custom: {severity: high}\n# description: c\n"
    assert loaded(engine, policy("guard.rego", f"package policy.guard\n\n{text}{DENY}")) == set()


def test_looking_for_changes_opens_no_file(policy, monkeypatch):
    folder = policy(".team/deny.rego", "package policy.load\n\n" + DENY)
    before = fingerprint(folder)
    monkeypatch.setattr(strays, "open_regular", lambda path: pytest.fail(f"opens {path}"))
    assert fingerprint(folder) == before
    policy(".team/deny.rego", "package policy.other\n\n" + DENY)
    assert fingerprint(folder) != before


def test_more_names_than_are_looked_at_are_refused(engine, policy, monkeypatch):
    monkeypatch.setattr(strays, "_MAX_ENTRIES", 5)
    folder = policy(".team/z.rego", "package policy.load\n\n" + DENY)
    assert loaded(engine, folder) == {("z.rego", "skipped")}
    for number in range(5):
        policy(f".team/a{number}.txt", "")
    assert loaded(engine, folder) == {(folder.name, "unreadable")}


def test_a_hidden_fifo_is_not_opened(engine, policy):
    folder = policy("README.md", "")
    os.mkfifo(folder / ".deny.rego")
    assert loaded(engine, folder) == set()
