"""Every command finds its sidecar in the same way, and none reaches another zone's by accident."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tabard.address import AGENT, MAX_SOCKET_PATH_BYTES, OPERATOR, AddressError, check_client
from tabard.project import UnusualFormError, client_address, listed, top_level
from tabard_sidecar.cli.root import COMMANDS, command
from tabard_sidecar.config import load
from tabard_sidecar.operating.operator import operator_option
from tabard_sidecar.operating.reach import find
from tabard_sidecar.util.problems import SourceError
from tabard_sidecar.util.yaml_source import parse

from tests.support.waiting import eventually_blocking

FILE = "zone: shop\nlisten:\n  agent: unix:run/a\n  operator: unix:/o/tabard.sock\n"
SETTINGS = {
    "TABARD_LISTEN__AGENT": "unix:/v/s",
    "TABARD_LISTEN__OPERATOR": "unix:/w/s",
    "TABARD_ZONE": "vars",
}
CLIENTS = {"TABARD_ADDRESS": "unix:/c", "TABARD_OPERATOR_ADDRESS": "unix:/d/x.sock"}


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def found(surface, flag="", *, environment=(), **options):
    target = find(surface, flag, environment=dict(environment), **options)
    return target.address, target.zone


def test_flag_environment_configuration_default(here):
    """The first that names an address wins, for all three sockets; the zone has its own order."""
    runtime = {"XDG_RUNTIME_DIR": "/r"}
    for surface in (AGENT, OPERATOR):
        assert found(surface, environment=runtime) == (f"unix:/r/tabard/{surface}/tabard.sock", "")
    assert found("health", environment=runtime) == ("unix:/r/tabard/operator/tabard.health", "")
    (here / "tabard.yaml").write_text(FILE)
    assert found(AGENT) == (f"unix:{here}/run/a", "shop")
    assert found(OPERATOR) == ("unix:/o/tabard.sock", "shop")
    assert found("health") == ("unix:/o/tabard.health", "shop")
    assert found(AGENT, environment=SETTINGS) == ("unix:/v/s", "vars")
    assert found("health", environment=SETTINGS) == ("unix:/w/s.health", "vars")
    assert found(AGENT, environment=SETTINGS | CLIENTS) == ("unix:/c", "vars")
    assert found(OPERATOR, environment=SETTINGS | CLIENTS) == ("unix:/d/x.sock", "vars")
    assert found("health", environment=CLIENTS) == ("unix:/d/x.health", "shop")
    assert found("health", environment={"TABARD_LISTEN__HEALTH": "unix:h"}) == (f"unix:{here}/h", "shop")
    # A control service is for operators; the health is that of the sidecar here.
    remote = {"TABARD_OPERATOR_ADDRESS": "https://control.example.org:8445"}
    assert found(OPERATOR, environment=remote) == ("https://control.example.org:8445", "shop")
    assert found("health", environment=remote) == ("unix:/o/tabard.health", "shop")
    assert found(AGENT, environment=CLIENTS, assignments=("listen.agent=unix:/s", "zone=set")) == (
        "unix:/s",
        "set",
    )
    assert found(AGENT, "unix:/f", environment=CLIENTS, zone="named") == ("unix:/f", "named")


def test_the_configuration_is_the_one_that_serve_reads(here):
    """Named by flag, by variable, or here; relative paths count from its folder."""
    (here / "other").mkdir()
    other = here / "other" / "t.yaml"
    other.write_text(FILE)
    expected = (f"unix:{here}/other/run/a", "shop")
    assert found(AGENT, config_file=Path("other/t.yaml")) == expected
    assert found(AGENT, environment={"TABARD_CONFIG": str(other)}) == expected
    with pytest.raises(ValueError, match="no such file"):
        found(AGENT, config_file=Path("gone.yaml"))


@pytest.mark.parametrize(
    "text",
    [
        FILE,
        "zone: a\n\nlisten:  # x\n\n  # y\n  agent: 'unix:/x/s'  # z\nhttp:\n  listen: unix:/y\n",
        'zone: "b"\nlisten:\n    agent: unix:/a/s\n    health: "unix:/b"',
        "listen: {agent: 'unix:/c/s', operator: unix:/d/s}\n",
        '{"zone": "e", "listen": {"health": "unix:/d"}}',
        '"listen":\n  "agent": unix:/e/s\n"zone": f\n',
        "listen:\n  agent: >-\n    unix:/f/s\n",
        "listen:\n",
        "policy:\n  path: p\n",
        "---\nzone: g\n",
        "",
    ],
)
@pytest.mark.parametrize("environment", [{}, SETTINGS])
def test_what_is_read_is_what_the_loader_reads(here, text, environment):
    """The usual form is read at once, every other form correctly."""
    (here / "tabard.yaml").write_text(text)
    settings = load(environment=environment).settings
    listen = settings.listen
    for surface, address in (
        (AGENT, listen.agent),
        (OPERATOR, listen.operator),
        ("health", listen.health_address),
    ):
        assert found(surface, environment=environment) == (address, settings.zone), surface


def test_a_mistake_elsewhere_in_the_configuration_keeps_nobody_from_revoking(here):
    """The sidecar may still run with what the file was before."""
    (here / "tabard.yaml").write_text(FILE + "nonsense: [\n")
    with pytest.raises(SourceError):
        load(environment={})
    assert found(OPERATOR) == ("unix:/o/tabard.sock", "shop")


def test_a_configuration_that_others_can_write_is_refused(here):
    """Its author would choose who gets the approver's token."""
    (here / "tabard.yaml").write_text(FILE)
    (here / "tabard.yaml").chmod(0o646)
    with pytest.raises(ValueError, match="every user can write to it"):
        found(OPERATOR)
    with pytest.raises(ValueError, match="TABARD_ADDRESS"):
        client_address({})


def test_programs_find_the_sidecar_of_their_folder(here):
    """As commands do, without a YAML parser; another form than the usual one is said, not guessed."""
    assert client_address({"XDG_RUNTIME_DIR": "/r"}) == "unix:/r/tabard/agent/tabard.sock"
    write = (here / "tabard.yaml").write_text
    write(FILE)
    assert client_address({}) == f"unix:{here}/run/a"
    assert client_address(CLIENTS) == "unix:/c"
    write("listen: {agent: unix:/x}\n")
    with pytest.raises(ValueError, match=r"listen\.agent isn't written in block form"):
        client_address({})
    (here / "run").mkdir(mode=0o700)
    (here / "run").chmod(0o777)
    write(FILE)
    with pytest.raises(ValueError, match="run"):
        client_address({})


def test_forms():
    """What isn't certain is an error."""
    assert listed(FILE, "listen", "agent") == "unix:run/a"
    assert listed("listen:\n  agent: unix:/y\n", "listen", "health") is None
    assert listed("notlisten:\n  health: x\n", "listen", "health") is None
    assert top_level(FILE, "zone") == "shop"
    assert top_level("listen:\n  zone: x\n", "zone") is None
    for text in ("zone: &a b\n", "zone:\n  b\n", "{zone: b}", "--- {zone: b}\n", "zone: 'b\n"):
        with pytest.raises(UnusualFormError):
            top_level(text, "zone")


def _commands(group, names=()):
    for name in group.list_commands(None):
        found = group.get_command(None, name)
        if isinstance(found, click.Group):
            yield from _commands(found, (*names, name))
        yield (*names, name), found


def test_every_operators_command_has_the_same_options():
    """All that ask the operators' socket take --operator, --config and --zone, and print --json."""
    assert set(command.list_commands(None)) == set(COMMANDS)
    asking = {
        " ".join(names): {option for parameter in found.params for option in parameter.opts}
        for names, found in _commands(command)
        if any("--operator" in parameter.opts for parameter in found.params)
    }
    assert len(asking) > 15
    for name, options in asking.items():
        assert {"--operator", "--config", "--zone", "--json"} <= options, name
    groups = ("revoke", "tasks", "approvals")
    for names, found in _commands(command):
        if names[0] in groups and not isinstance(found, click.Group):
            assert " ".join(names) in asking
    assert callable(operator_option)


class Project:
    """A folder that `tabard init` wrote, with its sidecar."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder, self.environment = folder, environment
        self.tabard("init", folder, cwd=folder.parent)
        with (folder / "sidecar.log").open("w") as log:
            self.server = subprocess.Popen(
                [sys.executable, "-m", "tabard_sidecar.cli", "serve"],
                cwd=folder,
                env=environment,
                stdout=log,
                stderr=log,
            )

    @property
    def zone(self) -> str:
        return load(self.folder / "tabard.yaml", environment={}).settings.zone

    def ready(self) -> bool:
        assert self.server.poll() is None, (self.folder / "sidecar.log").read_text()
        return self.tabard("health").returncode == 0

    def tabard(self, *arguments, cwd=None, **environment):
        return subprocess.run(
            [sys.executable, "-m", "tabard_sidecar.cli", *map(str, arguments)],
            cwd=cwd or self.folder,
            env=self.environment | environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def json(self, *arguments):
        answer = self.tabard(*arguments, "--json")
        assert answer.returncode == 0, answer.stderr
        return json.loads(answer.stdout)


@pytest.fixture
def projects(folder):
    """Two projects on one machine, both served, in one home directory."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TABARD_")}
    environment |= {
        "HOME": str(folder),
        "XDG_STATE_HOME": str(folder / "state"),
        "XDG_RUNTIME_DIR": str(folder),
    }
    # One with a path that no socket fits into.
    deep = folder / "-".join(["project"] * 12)
    both = [Project(place, environment) for place in (folder / "shop", deep)]
    try:
        for project in both:
            eventually_blocking(project.ready)
        yield both
    finally:
        for project in both:
            project.server.terminate()
        for project in both:
            project.server.wait(30)


def test_projects_share_nothing(projects):
    """Zone, state, sockets, keys and log are each project's own; no command reaches the other one by accident."""
    one, two = projects
    assert len(str(two.folder)) + len("/run/operator/tabard.sock") > MAX_SOCKET_PATH_BYTES - 10
    for project in projects:
        health = project.json("health")
        assert (health["zone"], health["config"], health["pid"]) == (
            project.zone,
            str(project.folder / "tabard.yaml"),
            project.server.pid,
        )
        answer = project.json("call", "notes.read", "--arg", "id=7")
        assert (answer["allowed"], answer["sidecar"]["zone"]) == (True, project.zone)
        tasks = project.json("tasks")
        assert len(tasks["tasks"]) == 1
        assert tasks["sidecar"]["zone"] == project.zone
        assert (project.folder / "state" / "zone.db").exists()
        assert (project.folder / "decisions.jsonl").exists()
    assert one.zone != two.zone
    agent = "spiffe://local.tabard.dev/agent/quickstart"
    revoked = one.tabard("revoke", "agent", agent)
    assert f"answered by zone {one.zone} ({one.folder}/tabard.yaml, pid {one.server.pid})\n" in revoked.stderr
    assert one.tabard("call", "notes.read", "--arg", "id=7").returncode == 1
    assert two.tabard("call", "notes.read", "--arg", "id=7").returncode == 0


def test_a_command_for_another_zone_is_refused(projects):
    """Whatever named the address; nothing is done, both zones are named, and --zone means it."""
    one, two = projects
    operator = load(two.folder / "tabard.yaml", environment={}).settings.listen.operator
    agent = load(two.folder / "tabard.yaml", environment={}).settings.listen.agent
    target = ("revoke", "subject", "alice", "--issuer", "https://local.tabard.dev")
    for answer in (
        one.tabard(*target, "--operator", operator),
        one.tabard(*target, TABARD_OPERATOR_ADDRESS=operator),
        one.tabard(*target, TABARD_LISTEN__OPERATOR=operator),
        one.tabard("tasks", TABARD_OPERATOR_ADDRESS=operator),
        one.tabard("approvals", "list", "--operator", operator),
        one.tabard("call", "notes.read", "--address", agent),
        one.tabard("call", "notes.read", TABARD_ADDRESS=agent),
    ):
        assert answer.returncode == 3, answer.stdout
        assert f"meant for zone {one.zone} (" in answer.stderr
        assert "nothing was done" in answer.stderr
        assert "--zone" in answer.stderr
    assert one.tabard("health", TABARD_OPERATOR_ADDRESS=operator).returncode == 6
    assert two.json("revoke", "list")["revocations"] == []
    assert one.tabard(*target, "--operator", operator, "--zone", two.zone).returncode == 0
    assert one.tabard(*target, "--config", two.folder / "tabard.yaml").returncode == 0
    assert len(two.json("revoke", "list")["revocations"]) == 1
    assert one.json("revoke", "list")["revocations"] == []


def test_no_command_finds_a_sidecar_in_another_way():
    """Addresses come from one module, channels to operators are opened in one place."""
    folder = Path(operator_option.__code__.co_filename).parent
    texts = {path.name: path.read_text() for path in folder.glob("*.py")}
    for words, places in (
        (("default_address", "named_address", "TABARD_OPERATOR_ADDRESS"), {"reach.py"}),
        (("listen.agent", "listen.operator", "listen.health", ".health_address"), {"reach.py"}),
        (("insecure_channel",), {"operator.py"}),
        (("tabard.connect(",), {"call.py"}),
    ):
        code = {name: re.sub(r'(?s)""".*?"""|"[^"\n]*"|#[^\n]*', "", text) for name, text in texts.items()}
        using = {name for name, text in code.items() if any(word in text for word in words)}
        assert using <= places, words


LINES = st.sampled_from(
    [
        "zone: a",
        "zone: 'b'",
        'zone: "c" # x',
        "zone:",
        "  d",
        "zone: >-",
        "zone : e",
        "'zone': f",
        "# zone: g",
        "listen:",
        "listen: # x",
        "listen: {agent: unix:/h/s}",
        "listen: {",
        "}",
        "  agent: unix:/i/s",
        "   agent: unix:/i/t",
        "  agent: 'unix:/j/s'  # y",
        "  agent:",
        "    unix:/k/s",
        "  agent: |-",
        "  operator: unix:/l/s",
        "  # agent: unix:/m/s",
        "    agent: unix:/n/s",
        "  health: 'x",
        "  agent: unix:/o/s'",
        "policy:",
        "  path: 'p",
        "  path: q",
        "  agent: unix:/r/s\tx",
        "other: [",
        "]",
        "---",
        "...",
        "",
        "  ",
        "- s",
    ]
)


@given(st.lists(LINES, max_size=8))
def test_what_is_read_without_a_parser_is_what_a_parser_reads(lines):
    """For every document that the parser takes: the same value, or that it isn't in the usual form."""
    text = "\n".join(lines) + "\n"
    try:
        parsed, problems = parse(text.encode(), "t")
    except SourceError:
        return
    if problems or not isinstance(parsed.value, dict):
        return
    section = parsed.value.get("listen")
    for read, true in (
        (lambda: top_level(text, "zone"), parsed.value.get("zone")),
        (
            lambda: listed(text, "listen", "agent"),
            section.get("agent") if isinstance(section, dict) else None,
        ),
    ):
        with suppress(UnusualFormError):
            assert read() == true, text


@pytest.mark.parametrize("surface", [AGENT, OPERATOR])
@pytest.mark.parametrize("listens", ["127.0.0.1:7", "unix:open/s", "unix:open/not/there/s"])
def test_a_configuration_sends_no_secrets_where_others_can_listen(here, surface, listens):
    """Commands send tokens and approvers' words there."""
    (here / "tabard.yaml").write_text(f"zone: shop\nlisten:\n  {surface}: {listens}\n")
    (here / "open").mkdir()
    (here / "open").chmod(0o777)
    with pytest.raises(ValueError, match=r"isn't unix|can write to it"):
        find(surface, environment={})
    (here / "open").chmod(0o755)
    if listens.startswith("unix:"):
        assert find(surface, environment={}).address == f"unix:{here}/{listens.removeprefix('unix:')}"


def test_a_folder_that_another_user_could_make_later_is_refused(here):
    """A client connects later than its address is looked up."""
    (here / "tabard.yaml").write_text("zone: shop\nlisten:\n  agent: unix:open/later/s\n")
    (here / "open").mkdir()
    (here / "open").chmod(0o1777)
    with pytest.raises(AddressError, match="can write to it"):
        client_address(environ={})


def test_the_usual_folder_is_made_before_another_user_can(tmp_path):
    environ = {"XDG_RUNTIME_DIR": str(tmp_path)}
    check_client(f"unix:{tmp_path}/tabard/agent/tabard.sock", environ)
    assert (tmp_path / "tabard").stat().st_mode & 0o777 == 0o700
