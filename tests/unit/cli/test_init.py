"""``tabard init`` leaves everything or nothing behind, and nothing that strangers can change."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import stat
import subprocess
import sys

import pytest
from tabard_sidecar.cli import main
from tabard_sidecar.identity import local
from tabard_sidecar.keys.keyring import Keyring
from tabard_sidecar.keys.model import KeyringError
from tabard_sidecar.util import fresh_files

from tests.support.waiting import eventually_blocking


def listed(folder):
    """Return everything below a folder, with modes and content."""
    return {
        path: (path.lstat().st_mode, path.read_bytes() if path.is_file() else b"")
        for path in [folder, *folder.rglob("*")]
    }


def of_others(folder):
    """Return what other users can write below a folder, but for sockets and links."""
    return [
        path
        for path in folder.rglob("*")
        if not stat.S_ISSOCK(path.lstat().st_mode)
        and not path.is_symlink()
        and path.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    ]


def test_a_umask_that_lets_every_user_write_changes_nothing(folder):
    """What commands and the sidecar write is the user's alone, parents of state and sockets included."""
    home = folder / "a" / "project"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TABARD_")}

    def run(*arguments):
        return subprocess.Popen(
            [sys.executable, "-m", "tabard_sidecar.cli", *arguments],
            cwd=home if home.exists() else folder,
            env=environment | {"TABARD_STATE__URL": "sqlite:deep/er/zone.db"},
            umask=0,
            stderr=subprocess.PIPE,
        )

    for arguments in (["init", str(home)], ["policy", "new", "more", "--into", "other"]):
        child = run(*arguments)
        assert (child.wait(60), child.stderr.read()) == (0, b"")
        child.stderr.close()
    serving = run("serve")
    try:
        eventually_blocking(
            lambda: (home / "run/agent/tabard.sock").exists() or serving.poll() is not None, 60
        )
        assert serving.poll() is None, serving.stderr.read()
    finally:
        serving.send_signal(signal.SIGTERM)
        serving.wait(30)
        serving.stderr.close()
    assert {"zone.db", "decisions.jsonl", "more.rego"} <= {path.name for path in home.rglob("*")}
    assert of_others(folder) == []
    assert {stat.S_IMODE((home / name).stat().st_mode) for name in ("deep", "deep/er", "run")} == {0o700}


def full(*_args, **_options):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def refused(*_args, **_options):
    raise KeyringError("no key")


def interrupted(*_args, **_options):
    raise KeyboardInterrupt


@pytest.mark.parametrize("fails", [full, refused, interrupted], ids=lambda fails: fails.__name__)
@pytest.mark.parametrize(
    "step",
    [
        (fresh_files.FreshFiles, "text"),
        (local, "create_local_key"),
        (Keyring, "create_directory"),
        (Keyring, "create"),
    ],
    ids=lambda step: step[1],
)
@pytest.mark.parametrize("folder", ["used", "new/er"])
def test_what_fails_leaves_nothing_behind(tmp_path, monkeypatch, capsys, fails, step, folder):  # noqa: PLR0917
    """At every step, the second key included; files that were there stay, and so does an existing folder."""
    owner, name = step
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "own.txt").write_text("mine")
    before, works, calls = listed(tmp_path), getattr(owner, name), []

    def second(*args, **options):
        calls.append(args)
        return works(*args, **options) if len(calls) < 2 and name in {"text", "create"} else fails()

    monkeypatch.setattr(owner, name, second)
    code = main(["init", str(tmp_path / folder)])
    assert code == (130 if fails is interrupted else 3)
    assert listed(tmp_path) == before
    if fails is not interrupted:
        assert "nothing was left behind" in capsys.readouterr().err


def test_a_file_of_somebody_else_that_came_meanwhile_stays(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("tabard_sidecar.cli.init._refuse_existing", lambda *_: None)
    (tmp_path / "local-subjects.json").write_text("theirs")
    (tmp_path / "keys").mkdir()
    before = listed(tmp_path)
    assert main(["init", str(tmp_path)]) == 3
    assert listed(tmp_path) == before
    assert "local-subjects.json" in capsys.readouterr().err


@pytest.mark.parametrize("folder", ["open", "open/below"])
def test_a_folder_that_others_can_change_is_refused_before_anything_is_written(tmp_path, capsys, folder):
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    before = listed(tmp_path)
    assert main(["init", str(tmp_path / folder)]) == 3
    assert listed(tmp_path) == before
    assert f"chmod go-w {tmp_path}/open" in capsys.readouterr().err


@pytest.mark.parametrize("link", ["policy", "policy/quickstart", "run", "state", "decisions.jsonl"])
def test_no_link_in_the_folder_is_followed(tmp_path, capsys, link):
    """A folder that came from elsewhere can't have files made elsewhere, by the command or by its sidecar."""
    elsewhere, home = tmp_path / "elsewhere", tmp_path / "home"
    elsewhere.mkdir()
    (home / link).parent.mkdir(parents=True)
    (home / link).symlink_to(elsewhere)
    before = listed(tmp_path)
    assert main(["init", str(home)]) == 3
    assert listed(tmp_path) == before
    error = capsys.readouterr().err
    assert "is a link; the command follows none" in error
    assert str(home / link) in error


def test_a_folder_within_that_others_can_change_is_refused(tmp_path, capsys):
    (tmp_path / "policy").mkdir()
    (tmp_path / "policy").chmod(0o777)
    before = listed(tmp_path)
    assert main(["init", str(tmp_path)]) == 3
    assert listed(tmp_path) == before
    assert f"chmod go-w {tmp_path}/policy" in capsys.readouterr().err


def test_the_folder_itself_may_be_a_link(tmp_path, capsys):
    """It is the one that the user names."""
    (tmp_path / "home").mkdir()
    (tmp_path / "link").symlink_to("home")
    assert main(["init", str(tmp_path / "link")]) == 0
    assert (tmp_path / "home/policy").is_dir()
    capsys.readouterr()


@pytest.mark.parametrize("target", ["policy/more", "policy/more/more.rego"])
def test_no_link_in_a_policy_is_followed(tmp_path, capsys, target):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / target).parent.mkdir(parents=True)
    (tmp_path / target).symlink_to(elsewhere / "x" if target.endswith("rego") else elsewhere)
    before = listed(tmp_path)
    assert main(["policy", "new", "more", "--into", str(tmp_path / "policy")]) != 0
    assert listed(tmp_path) == before
    capsys.readouterr()


def test_a_module_that_can_not_be_written_leaves_nothing_behind(tmp_path, monkeypatch, capsys):
    policy = tmp_path / "policy"
    shutil.copytree("rego/examples/quickstart/policy", policy)
    before, works, calls = listed(policy), fresh_files.FreshFiles.text, []

    def third(*args):
        calls.append(args)
        return works(*args) if len(calls) < 3 else full()

    monkeypatch.setattr(fresh_files.FreshFiles, "text", third)
    assert main(["policy", "new", "more", "--into", str(policy)]) != 0
    assert listed(policy) == before
    capsys.readouterr()
