"""`tabard policy editor`."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner
from tabard_sidecar import exit_codes
from tabard_sidecar.cli.policy import policy
from tabard_sidecar.policy.resources import library

from tests.support.policy import GRANT_ALL, START, write


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "policy/desk").mkdir(parents=True)
    write(tmp_path / "policy", desk=START + GRANT_ALL)
    (tmp_path / "policy/desk/data.yaml").write_text("open: true\n")
    return tmp_path


def editor(project: Path, *arguments: str, **more):
    result = CliRunner().invoke(policy, ["editor", str(project / "policy"), *arguments], **more)
    assert not isinstance(result.exception, Exception), result.output
    return result


def statuses(project: Path, *arguments: str) -> dict[str, str]:
    report = json.loads(editor(project, "--json", *arguments).stdout)
    return {one["path"]: one["status"] for one in report["files"]}


def test_a_second_run_changes_nothing(project):
    assert set(statuses(project).values()) == {"written"}
    before = {path: path.stat().st_mtime_ns for path in project.rglob("*") if path.is_file()}
    assert set(statuses(project).values()) == {"current"}
    assert {path: path.stat().st_mtime_ns for path in project.rglob("*") if path.is_file()} == before
    assert editor(project, "--check").exit_code == exit_codes.OK


def test_check_writes_nothing(project):
    before = sorted(project.rglob("*"))
    assert editor(project, "--check").exit_code == exit_codes.NEGATIVE
    assert sorted(project.rglob("*")) == before


def test_what_is_written_is_no_policy(project):
    """The loader goes on to refuse the library in the policy's folder, and never reads what stands beside it."""
    before = CliRunner().invoke(policy, ["check", str(project / "policy"), "--json"])
    editor(project)
    after = CliRunner().invoke(policy, ["check", str(project / "policy"), "--json"])
    assert (before.exit_code, before.stdout) == (after.exit_code, after.stdout)
    for place in (project / "policy", project / "policy/desk"):
        refused = editor(project, "--project", str(place))
        assert refused.exit_code == exit_codes.USAGE
        assert "must stand above" in refused.output
    (project / "policy/.tabard").mkdir()
    (project / "policy/.tabard/x.rego").write_text(library()["tabard/lib/sets/sets.rego"])
    found = CliRunner().invoke(policy, ["check", str(project / "policy")])
    assert found.exit_code == exit_codes.POLICY
    assert "is never read" in found.output


def test_an_authors_file_is_kept_and_what_it_lacks_is_told(project):
    settings = project / ".vscode/settings.json"
    settings.parent.mkdir()
    settings.write_text('// mine\n{"opa.strictMode": false, "editor.tabSize": 4}\n')
    result = editor(project)
    assert result.exit_code == exit_codes.NEGATIVE
    assert settings.read_text().startswith("// mine")
    assert '"opa.strictMode": true' in result.output
    wanted = json.loads(editor(project, "--json").stdout)["files"]
    lacks = next(one["missing"] for one in wanted if one["path"] == ".vscode/settings.json")
    settings.write_text(json.dumps({"editor.tabSize": 4, **lacks}))
    assert editor(project).exit_code == exit_codes.OK


def test_own_files_follow_the_policy_until_the_author_changes_them(project):
    editor(project)
    (project / "policy/people").mkdir()
    (project / "policy/people/data.json").write_text("{}")
    (project / "policy/people/data.json").write_text('{"u1": {}}')
    config = project / ".regal/config.yaml"
    assert statuses(project)[".regal/config.yaml"] == "written"
    assert "data.people.*" in config.read_text()
    config.write_text(config.read_text() + "# mine\n")
    (project / "policy/teams").mkdir()
    (project / "policy/teams/data.json").write_text('{"t1": {}}')
    assert statuses(project)[".regal/config.yaml"] == "yours"
    assert config.read_text().endswith("# mine\n")


def test_a_module_that_the_library_lost_is_removed_and_an_authors_own_stays(project):
    editor(project)
    held = project / ".tabard/rego/tabard/lib"
    gone, own = held / "gone.rego", held / "own.rego"
    gone.write_text("package tabard.lib.gone\n")
    own.write_text("package tabard.lib.own\n")
    listed = project / ".tabard/editor.json"
    document = json.loads(listed.read_text())
    document["files"][".tabard/rego/tabard/lib/own.rego"] = {**listed_as(own), "sha256": "0"}
    document["files"][".tabard/rego/tabard/lib/gone.rego"] = listed_as(gone)
    listed.write_text(json.dumps(document))
    editor(project)
    assert (gone.exists(), own.exists()) == (False, True)


@pytest.mark.parametrize(
    "link", [".vscode", ".vscode/settings.json", ".tabard", ".tabard/editor.json", ".regal"]
)
def test_no_link_is_followed(project, tmp_path_factory, link):
    """A folder that another user wrote can't make the command write elsewhere."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "settings.json").write_text("{}")
    place = project / link
    place.parent.mkdir(exist_ok=True)
    place.symlink_to(elsewhere / "settings.json" if place.suffix else elsewhere)
    result = editor(project)
    assert result.exit_code == exit_codes.CONFIG
    assert "is a link" in result.output
    assert [path.name for path in elsewhere.iterdir()] == ["settings.json"]
    assert (elsewhere / "settings.json").read_text() == "{}"


@pytest.mark.parametrize("place", [".", ".vscode", ".vscode/settings.json", ".tabard"])
def test_what_strangers_can_change_is_refused(project, place):
    """They could put a link there between the check and the writing."""
    editor(project)
    (project / "input.json").unlink()
    before = {path: path.stat().st_mtime_ns for path in project.rglob("*")}
    (project / place).chmod(0o777 if (project / place).is_dir() else 0o666)
    result = editor(project)
    assert result.exit_code == exit_codes.CONFIG
    assert "every user can write to it" in result.output
    assert {path: path.stat().st_mtime_ns for path in project.rglob("*")} == before


@pytest.mark.parametrize("here", [True, False])
@pytest.mark.parametrize("inner", ["policy/desk", "policy/desk/more"])
def test_a_module_of_the_served_policy_gets_no_files_beside_it(
    project, monkeypatch, tmp_path_factory, here, inner
):
    """They would stand in the policy, which no sidecar could load any more."""
    (project / inner).mkdir(exist_ok=True)
    (project / "tabard.yaml").write_text("policy: {path: policy}\n")
    monkeypatch.chdir(project if here else tmp_path_factory.mktemp("elsewhere"))
    before = sorted(project.rglob("*"))
    result = CliRunner().invoke(policy, ["editor", str(project / inner)])
    assert result.exit_code == exit_codes.USAGE
    assert f"tabard policy editor {project / 'policy'}" in result.output.replace("\n", "")
    assert sorted(project.rglob("*")) == before
    assert editor(project).exit_code == exit_codes.OK


def test_a_list_that_lies_names_nothing_outside(project):
    editor(project)
    outside = project / "mine.txt"
    outside.write_text("mine")
    listed = project / ".tabard/editor.json"
    listed.write_text(json.dumps({"files": {"mine.txt": listed_as(outside), "../x": "0", "/etc/passwd": 1}}))
    editor(project)
    assert outside.read_text() == "mine"


def test_a_bundle_is_refused(tmp_path):
    (tmp_path / "policy").write_text("x")
    assert editor(tmp_path).exit_code == exit_codes.USAGE


def listed_as(path: Path) -> dict[str, object]:
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return {"sha256": digest, "inode": path.lstat().st_ino, "changed_ns": path.lstat().st_ctime_ns}


@pytest.mark.parametrize("copied", [".vscode/settings.json", ".regal/config.yaml", "input.json"])
def test_a_folder_from_elsewhere_claims_no_file(project, tmp_path_factory, copied):
    """Its list names a file with its digest, as it was written elsewhere; only who wrote it here may replace it."""
    editor(project)
    there = tmp_path_factory.mktemp("there") / "project"
    shutil.copytree(project, there)
    listed = there / ".tabard/editor.json"
    document = json.loads(listed.read_text())
    (there / copied).write_text("{}\n")
    before = document["files"][copied]
    document["files"][copied] = {**before, "sha256": hashlib.sha256(b"{}\n").hexdigest()}
    listed.write_text(json.dumps(document))
    assert statuses(there)[copied] == "yours"
    assert (there / copied).read_text() == "{}\n"
    document["files"][copied] = before["sha256"]
    listed.write_text(json.dumps(document))
    assert statuses(there)[copied] == "yours"


def test_a_second_policy_does_not_take_the_settings_of_the_first(project):
    """It is refused with both ways out; a policy that is gone holds nothing."""
    editor(project)
    shutil.copytree(project / "policy", project / "other")
    settings = project / ".vscode/settings.json"
    before = settings.read_text()
    for options in ([], ["--check"]):
        result = CliRunner().invoke(policy, ["editor", str(project / "other"), *options])
        assert result.exit_code == exit_codes.USAGE
        assert "are for the policy policy" in result.output
        assert "--project" in result.output
        assert "--replace" in result.output
    assert settings.read_text() == before
    replaced = CliRunner().invoke(policy, ["editor", str(project / "other"), "--replace"])
    assert replaced.exit_code == exit_codes.OK
    assert "/other" in settings.read_text()
    shutil.rmtree(project / "other")
    assert editor(project).exit_code == exit_codes.OK
    assert settings.read_text() == before
