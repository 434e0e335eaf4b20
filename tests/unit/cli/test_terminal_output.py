"""Control characters never reach a terminal, whichever party supplied them: every command writes through one helper."""

from __future__ import annotations

import ast
import json
import re
import socket
import threading
from pathlib import Path

import click
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tabard_sidecar import cli
from tabard_sidecar.cli import main
from tabard_sidecar.cli.health import run_health
from tabard_sidecar.cli.root import command
from tabard_sidecar.operating import terminal
from tabard_sidecar.util.visible import hidden, one_line, printable, visible_json

EVIL = "a\x1b[2J\x1b]0;t\x07b\x9b31mc\u202ed\rerror: none\x7f"
SOURCES = sorted(Path(cli.__file__).parent.glob("*.py"))
# Only the helper itself; the rest must go through it. The probe can't import click, so it has its own two lines.
WRITERS = {"echo", "secho", "style", "print", "write", "writelines", "echo_via_pager", "progressbar"}
ALLOWED = {"terminal.py": {"echo", "style", "progressbar"}, "health.py": {"write"}}


def foreign(text):
    """The characters that no command may have let through."""
    return {character for character in text if hidden(character) and character != "\n"}


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.name)
def test_commands_write_through_the_helper_only(source):
    """No print, no stream and no click.echo in any command."""
    found = set()
    for node in ast.walk(ast.parse(source.read_text("utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        called = node.func
        if isinstance(called, ast.Attribute) and called.attr in WRITERS and "click" in ast.dump(called.value):
            found.add(called.attr)
        if (
            isinstance(called, ast.Attribute)
            and called.attr in {"write", "writelines"}
            and "'sys'" in ast.dump(called)
        ):
            found.add(called.attr)
        if isinstance(called, ast.Name) and called.id == "print":
            found.add(called.id)
    assert found <= ALLOWED.get(source.name, set())


@given(st.text(), st.text())
@example("", "\x1b[31m")
def test_the_helper_lets_nothing_through(given_text, styled):
    """Any text makes one row of visible characters; line breaks stay where a text has several rows."""
    assert not foreign(one_line(given_text))
    assert "\n" not in one_line(given_text)
    assert not foreign(printable(given_text))
    assert terminal.unstyled(terminal.style(styled, fg="red")) == styled
    document = {given_text: [styled]}
    shown = visible_json(json.dumps(document, ensure_ascii=False))
    assert not foreign(shown)
    assert json.loads(shown) == document


def test_a_style_can_not_be_written_by_others(capsys, monkeypatch):
    """Colours work; what looks like one, or like a style's mark, is shown as text."""
    monkeypatch.setattr(click.utils, "should_strip_ansi", lambda *_: False)
    terminal.echo(f"{terminal.style('x', fg='red')} \x1b[31mfake \x00abc[31m")
    shown = capsys.readouterr().out
    assert shown == "\x1b[31mx\x1b[0m \\x1b[31mfake \\x00abc[31m\n"


def leaves(group, path=()):
    """Every command with its path."""
    context = click.Context(group)
    for name in group.list_commands(context):
        found = group.get_command(context, name)
        if isinstance(found, click.Group):
            yield from leaves(found, (*path, name))
        else:
            yield (*path, name), found


def invocations(found):
    """Arguments that put a hostile text in every place of a command that takes one."""
    arguments = [p for p in found.params if isinstance(p, click.Argument)]
    options = [p for p in found.params if isinstance(p, click.Option) and not p.is_flag and p.name != "help"]
    positional = [EVIL for _ in arguments] or []
    yield positional
    yield [f"--no-such-{EVIL}", *positional]
    for option in options:
        yield [f"{option.opts[-1]}={EVIL}", *positional]
    yield ["--json", *positional]


NOT_RUN = {("opa",)}  # becomes another program, with a terminal of its own


@pytest.mark.parametrize(
    ("path", "found"),
    [one for one in leaves(command) if one[0] not in NOT_RUN],
    ids=lambda one: " ".join(one) if isinstance(one, tuple) else "",
)
def test_no_command_prints_control_characters(path, found, tmp_path, monkeypatch, capsys):
    """Wherever a hostile text is given to a command, its output holds visible characters only."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TABARD_OPERATOR_ADDRESS", "unix:/nonexistent/o")
    monkeypatch.setenv("TABARD_ADDRESS", "unix:/nonexistent/a")
    for arguments in invocations(found):
        main([*path, *arguments])
        out, err = capsys.readouterr()
        assert not foreign(out + err), (arguments, out, err)


def test_names_of_files_are_shown_escaped(tmp_path, monkeypatch, capsys):
    """A policy's file names, rules and messages can't move the cursor or imitate a row."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "policy").mkdir()
    (tmp_path / "policy" / "x\x1b[2J\x9b\nerror: none.rego").write_text(
        "package policy.x\n\ngrant contains {"
    )
    (tmp_path / "policy" / "y\u202e.rego").write_text('package policy.y\n\ndeny contains "\x1b[2J')
    assert main(["policy", "check", "policy"]) != 0
    out, err = capsys.readouterr()
    assert not foreign(out + err)
    assert not re.search(r"^error: none", out, re.MULTILINE)
    assert "x\\x1b[2J" in out


@pytest.mark.parametrize("options", [[], ["--json"], ["--live"]])
@pytest.mark.parametrize(
    "body", [EVIL, json.dumps({"status": EVIL, "ready": False, "reasons": [EVIL]}), f'{{"a": "{EVIL}"}}']
)
def test_what_listens_where_health_asks_is_shown_escaped(options, body, capsys):
    """Any process may listen there."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer():
            connection, _ = server.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"HTTP/1.0 503 x\r\n\r\n" + body.encode())

        thread = threading.Thread(target=answer)
        thread.start()
        run_health(["--address", f"127.0.0.1:{server.getsockname()[1]}", *options])
        thread.join()
    out, err = capsys.readouterr()
    assert out
    assert not foreign(out + err)


def test_an_unexpected_error_is_shown_escaped(monkeypatch, capsys):
    """A stack trace quotes what others supplied."""

    def broken(*_args, **_kwargs):
        raise RuntimeError(EVIL)

    monkeypatch.setattr(command, "main", broken)
    assert main(["version"]) == 1
    err = capsys.readouterr().err
    assert "RuntimeError" in err
    assert not foreign(err)
