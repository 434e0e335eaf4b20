"""`tabard policy editor`: the real Regal resolves library, input and catalogue in what the command wrote."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import yaml

from tests.support.components import component
from tests.support.language_server import language_server
from tests.support.waiting import eventually_blocking


@pytest.fixture(scope="module")
def regal() -> str:
    """The program."""
    return component("regal.sh")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project as `init` and `policy new` write it, ready for editors."""
    tabard("init", "shop", at=tmp_path)
    root = tmp_path / "shop"
    tabard("policy", "new", "orders", at=root)
    catalogue = yaml.safe_load((root / "catalogue.yaml").read_text())
    order = {"type": "object", "properties": {"order": {"type": "string"}}, "additionalProperties": False}
    catalogue["tools"] += [{"name": f"orders.{verb}", "inputSchema": order} for verb in ("read", "delete")]
    (root / "catalogue.yaml").write_text(json.dumps(catalogue))
    tabard("policy", "editor", at=root)
    return root


def tabard(*arguments: str, at: Path) -> str:
    command = [sys.executable, "-m", "tabard_sidecar.cli", *arguments]
    answer = subprocess.run(command, cwd=at, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return answer.stdout


def test_the_linter_finds_nothing_to_say(regal, project):
    answer = subprocess.run([regal, "lint", "."], cwd=project, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_opa_checks_names_of_input_and_catalogue(project):
    """As the extension for VS Code runs it, with the settings that were written."""
    module = project / "policy/orders/orders.rego"
    settings = yaml.safe_load((project / ".vscode/settings.json").read_text())
    places = [
        text.replace("${workspaceFolder}", str(project))
        for text in (settings["opa.schema"], *settings["opa.roots"])
    ]
    check = (
        "opa",
        "check",
        "--strict",
        f"--schema={places[0]}",
        *(f"file://{place}" for place in places[1:]),
    )
    tabard(*check, at=project)
    text = module.read_text()
    for name in ("input.tool.nmae", "input.tool.arguments.ordr"):
        module.write_text(f'{text}\ndeny contains {{"code": "x", "message": "x"}} if {name} == "x"\n')
        with pytest.raises(AssertionError, match="undefined ref"):
            tabard(*check, at=project)


def test_the_language_server_completes_finds_and_reports(regal, project):
    module = project / "policy/orders/orders.rego"
    text = module.read_text()
    with language_server(regal, "language-server", root=project) as server:
        server.open(module)
        reports(server, module, None)

        row, column = place_of(text, "purpose_is")
        found = server.ask("textDocument/definition", **at(module, row, column + 2))
        library = project / ".tabard/rego/tabard/lib/intent/intent.rego"
        assert found["uri"] == library.as_uri()
        assert "purpose_is" in library.read_text().splitlines()[found["range"]["start"]["line"]]

        for typed, wanted in (
            ("\tintent.pur", "intent.purpose_in"),
            ("\tinput.task.pur", "input.task.purpose"),
            ("\tinput.tool.arguments.", "input.tool.arguments.order"),
            ("import data.tabard.lib.bud", "data.tabard.lib.budgets"),
        ):
            changed = written(text, typed)
            server.change(module, changed)
            # The server works on changes beside its answers; editors ask again, too.
            eventually_blocking(partial(completes, server, module, changed, typed, wanted), 120)

        server.change(module, text.replace("lib.intent", "lib.intnt"))
        reports(server, module, "unresolved-import")
        server.change(module, text.replace("data.orders.purposes", "data.oders.purposes"))
        reports(server, module, "unresolved-reference")


def test_the_language_server_explains_lists_and_offers(regal, project):
    """What an editor shows beside the text: hover, symbols of project and library, and what can be done with a rule."""
    module = project / "policy/orders/orders.rego"
    text = module.read_text()
    with language_server(regal, "language-server", root=project) as server:
        server.open(module)
        reports(server, module, None)
        document = {"uri": module.as_uri()}

        hover = server.ask("textDocument/hover", **at(module, *place_of(text, "sprintf")))
        assert "format" in hover["contents"]["value"]
        symbols = server.ask("textDocument/documentSymbol", textDocument=document)
        assert {"start", "grant", "deny"} <= names_of(symbols)
        found = server.ask("workspace/symbol", query="purpose_is")
        assert any(".tabard/rego/tabard/lib/intent" in one["location"]["uri"] for one in found)
        lenses = server.ask("textDocument/codeLens", textDocument=document)
        evaluated = {json.loads(one["command"]["arguments"][0])["path"] for one in lenses}
        assert "data.policy.orders.grant" in evaluated
        hints = server.ask("textDocument/inlayHint", textDocument=document, range=whole(text))
        assert "format:" in {one["label"] for one in hints}


def names_of(symbols) -> set[str]:
    inner = [names_of(one.get("children") or ()) for one in symbols]
    return {one["name"] for one in symbols}.union(*inner)


def whole(text: str) -> dict[str, object]:
    return {"start": {"line": 0, "character": 0}, "end": {"line": len(text.splitlines()), "character": 0}}


def written(text: str, typed: str) -> str:
    """Return the module with what an author types: an import, or a condition."""
    if typed.startswith("import"):
        return text.replace(
            "import data.tabard.lib.credentials", f"{typed}\nimport data.tabard.lib.credentials"
        )
    return f'{text}\ngrant contains {{"code": "y"}} if {{\n{typed}\n}}\n'


def reports(server, module: Path, code: str | None) -> None:
    """Wait until the server reports a code, or nothing at all: it reads the library while it already reports."""
    eventually_blocking(
        lambda: server.codes(module) == set() if code is None else code in server.codes(module), 120
    )


def completes(server, module: Path, text: str, typed: str, wanted: str) -> bool:
    return wanted in labels(server, module, text, typed)


def labels(server, module: Path, text: str, typed: str) -> list[str]:
    row = text.splitlines().index(typed)
    found = server.ask("textDocument/completion", **at(module, row, len(typed)), context={"triggerKind": 1})
    return [item["label"] for item in found["items"]]


def place_of(text: str, word: str) -> tuple[int, int]:
    row = next(number for number, line in enumerate(text.splitlines()) if word in line)
    return row, text.splitlines()[row].index(word)


def at(module: Path, row: int, column: int) -> dict[str, object]:
    return {"textDocument": {"uri": module.as_uri()}, "position": {"line": row, "character": column}}
