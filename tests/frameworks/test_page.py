"""docs/agents.md: the programs for frameworks run in the project that the page makes, with scripted models."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys

import agents
import mcp
import mcp_types
import pytest
from langgraph.types import Command

from tests.frameworks.test_langgraph import scripted
from tests.frameworks.test_langgraph import told as told_by_graph
from tests.frameworks.test_openai_agents import ScriptedModel
from tests.frameworks.test_openai_agents import told as told_by_run
from tests.support.pages import FRAMEWORKS, blocks_of, files_of
from tests.support.waiting import eventually_blocking

SHARE = {"id": 7, "reader": "bob"}
DENIED = "agents don't delete notes"


@pytest.fixture
def desk(folder, monkeypatch):
    """The project, with its sidecar, as the page makes it; the programs can be imported."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TABARD_")}
    environment["PATH"] = f"{os.path.dirname(sys.executable)}:{os.environ['PATH']}"  # noqa: PTH120
    blocks = blocks_of("docs/agents.md", before="## Tasks, calls and denials")
    programs = files_of(blocks_of("docs/agents.md"))
    setup = "".join(text for kind, text in blocks if kind == "sh")
    before, serve, after = setup.partition("tabard serve")
    made, tools, rest = before.partition("tabard catalogue")
    (folder / "tools.py").write_text(programs["tools.py"])
    script = f"set -e\n{made}\ncp ../tools.py .\n{tools}{rest}"
    subprocess.run(["bash", "-c", script], cwd=folder, env=environment, check=True, capture_output=True)
    project = folder / "desk"
    for name, text in programs.items():
        (project / name).write_text(text)
    with (project / "log").open("w") as log:
        server = subprocess.Popen(["tabard", "serve"], cwd=project, env=environment, stderr=log, stdout=log)
    try:

        def healthy():
            assert server.poll() is None, (project / "log").read_text()
            asked = subprocess.run(
                ["tabard", "health"], cwd=project, env=environment, check=False, capture_output=True
            )
            return asked.returncode == 0

        eventually_blocking(healthy)
        assert serve == "tabard serve", after
        monkeypatch.chdir(project)
        monkeypatch.syspath_prepend(project)
        monkeypatch.setenv("PATH", environment["PATH"])
        monkeypatch.setenv("TOKEN", run("tabard", "token", "alice").strip())
        yield project
    finally:
        server.terminate()
        server.wait(30)
        for name in programs:
            sys.modules.pop(name.removesuffix(".py"), None)


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def approve(approval_id=""):
    """Decide as the person does, by the page's commands."""
    if not approval_id:
        (approval_id,) = re.findall(r'"approval_id": "(.*)"', run("tabard", "approvals", "list", "--json"))
    token = run("tabard", "token", "alice", "--audience", "tabard-approval")
    subprocess.run(
        ["tabard", "approvals", "approve", approval_id, "--token-file", "-", "--yes"],
        input=token, text=True, check=True, capture_output=True,
    )  # fmt: skip


async def test_langgraph(desk):
    graph = importlib.import_module("graph")
    agent = graph.agent_of(scripted(("delete_note", {"id": 1}), ("share_note", SHARE)))
    config = {"configurable": {"thread_id": "1"}}
    async with graph.connect() as client, await client.start_task(os.environ["TOKEN"]):
        state = await agent.ainvoke({"messages": [("user", "share")]}, config)
        approve(state["__interrupt__"][0].value["approvals"][0]["approval_id"])
        state = await agent.ainvoke(Command(resume=True), config)
    assert told_by_graph(state) == [DENIED, "shared 7 with bob"]


async def test_openai_agents(desk):
    agents.set_tracing_disabled(disabled=True)
    payer = importlib.import_module("payer")
    agent = payer.agent_of(ScriptedModel(("delete_note", {"id": 1}), ("share_note", SHARE)))
    tabard = importlib.import_module("tabard")
    async with tabard.aio.connect() as client, await client.start_task(os.environ["TOKEN"]):
        result = await agents.Runner.run(agent, "share")
        state = result.to_state()
        approve()
        state.approve(result.interruptions[0])
        result = await agents.Runner.run(agent, state)
    assert "shared 7 with bob" in told_by_run(result)


async def test_mcp(desk):
    server = importlib.import_module("server")

    async def user(_context, _params):
        approve()
        return mcp_types.ElicitResult(action="accept", content={})

    async with server.desk() as made, mcp.Client(made, mode="legacy", elicitation_callback=user) as client:
        denied = await client.call_tool("delete_note", {"id": 1})
        shared = await client.call_tool("share_note", SHARE)
    assert denied.is_error
    assert DENIED in denied.content[0].text
    assert shared.content[0].text == "shared 7 with bob"


async def test_the_mcp_server_as_a_program(desk):
    """Its handlers run under the task that is current where the server runs."""
    program = mcp.StdioServerParameters(command=sys.executable, args=["server.py"], env=dict(os.environ))
    async with mcp.Client(program) as client:
        denied = await client.call_tool("delete_note", {"id": 1})
    assert denied.is_error
    assert DENIED in denied.content[0].text


def test_every_program_for_a_framework_has_a_test_here():
    assert set(files_of(blocks_of("docs/agents.md", after=FRAMEWORKS))) == {
        "graph.py",
        "payer.py",
        "server.py",
    }
