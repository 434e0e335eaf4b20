"""``tabard catalogue from-python``: what it writes is what the guards then send."""

import datetime as dt
import json
import subprocess
import sys
import textwrap
import weakref

import pytest
import yaml
from tabard_sidecar.cli import main
from tabard_sidecar.policy.catalogue import load_catalogue

TOOLS = '''
from __future__ import annotations

import dataclasses
import datetime as dt
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal

import pydantic
import tabard

print("importing")


class Colour(Enum):
    RED = "red"
    NO = "NO"


@dataclasses.dataclass
class Line:
    item: str
    count: int = 1


class Address(pydantic.BaseModel):
    street: str
    post_code: str = pydantic.Field(alias="postCode", pattern="^[A-Z0-9]+$")
    rent: Decimal = Decimal(1)


class Session: ...


@tabard.guard("orders.place", server="shop", ignore=["session"])
async def place(
    lines: list[Line],
    to: Address,
    on: dt.date,
    colour: Colour,
    session: Session,
    kind: Annotated[Literal["a", "b"], pydantic.Field(description="which")] = "a",
    note: str | None = None,
    credential: tabard.Credential = tabard.INJECTED,
) -> None:
    """Place an order.

    With lines.
    """


@tabard.guard("orders.read")
def read(id: int, *more: int, **filters: str) -> None: ...


def wrapped():
    """Frameworks keep the guarded function inside of an object."""

    @tabard.guard("orders.list")
    def list_orders(page, size: int = 10): ...

    return {"tool": list_orders}


TOOL = wrapped()
'''
ADDRESS = {"street": "High St", "postCode": "X1", "rent": "1"}


@pytest.fixture(autouse=True)
def no_guards_of_other_tests(monkeypatch):
    """The command takes every guard of its process; here, a process runs other tests before."""
    monkeypatch.setattr("tabard._tool._made", weakref.WeakSet())


@pytest.fixture
def shop(tmp_path, monkeypatch):
    """A module of a name that no other test uses, in the working directory."""
    name = f"shop_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(TOOLS)
    monkeypatch.chdir(tmp_path)
    return name


def test_the_catalogue_takes_what_the_guards_send(shop, capsys, tmp_path):
    assert main(["catalogue", "from-python", shop, "--output", "catalogue.yaml"]) == 0
    assert "importing" not in capsys.readouterr().out
    catalogue = load_catalogue(tmp_path / "catalogue.yaml")
    place = catalogue.lookup("orders.place", "shop")
    assert place.arguments == {"lines", "to", "on", "colour", "kind", "note"}
    order = {
        "lines": [{"item": "tea", "count": 2}],
        "to": ADDRESS,
        "on": dt.date(2026, 1, 2).isoformat(),
        "colour": "NO",
        "kind": "b",
        "note": None,
    }
    assert place.validate(order) is None
    assert place.validate({key: order[key] for key in ("lines", "to", "on", "colour")}) is None
    for wrong in (
        {"session": 1},
        {"colour": "blue"},
        {"kind": "c"},
        {"lines": [{"item": 1}]},
        {"to": ADDRESS | {"postCode": "x!"}},
        {"note": 7},
    ):
        assert place.validate(order | wrong) is not None, wrong
    (described,) = [tool for tool in _tools(tmp_path / "catalogue.yaml") if tool["name"] == "orders.place"]
    assert described["description"] == "Place an order.\n\nWith lines."
    assert described["inputSchema"]["properties"]["kind"]["description"] == "which"
    read = catalogue.lookup("orders.read", "")
    assert read.validate({"id": 1, "more": [2, 3], "state": "open"}) is None
    assert read.validate({"id": 1, "state": 3}) is not None
    assert read.validate({"more": []}) is not None
    assert catalogue.lookup("orders.list", "").validate({"page": {"any": "thing"}, "size": 3}) is None


def _tools(path):
    return yaml.safe_load(path.read_text())["tools"]


def test_without_a_file_it_goes_to_standard_output(shop, capsys):
    assert main(["catalogue", "from-python", f"{shop}.py", "--json"]) == 0
    names = [tool["name"] for tool in json.loads(capsys.readouterr().out)["tools"]]
    assert {"orders.place", "orders.read", "orders.list"} <= set(names)


def test_an_update_keeps_what_people_wrote(shop, capsys, tmp_path):
    file = tmp_path / "catalogue.yaml"
    file.write_text(
        textwrap.dedent("""
        tools:
          - name: orders.read
            annotations: {readOnlyHint: true}
            labels: [untrusted]
            inputSchema: {type: object}
          - name: mail.send
        """)
    )
    assert main(["catalogue", "from-python", shop, "--output", str(file)]) == 2
    assert "exists already" in capsys.readouterr().err
    assert main(["catalogue", "from-python", shop, "--output", str(file), "--update", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["kept"] == 1
    read = next(tool for tool in _tools(file) if tool["name"] == "orders.read")
    assert read["labels"] == ["untrusted"]
    assert read["annotations"] == {"readOnlyHint": True}
    assert read["inputSchema"]["properties"]["id"] == {"type": "integer"}
    assert load_catalogue(file).lookup("mail.send", "") is not None


def test_what_needs_attention_is_told(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "odd_tools.py").write_text(
        textwrap.dedent("""
        import pydantic, tabard
        from typing import Annotated

        @tabard.guard("odd.made", arguments=lambda x: {"x": x})
        def made(x): ...

        @tabard.guard("odd.pattern")
        def pattern(x: Annotated[str, pydantic.Field(json_schema_extra={"pattern": "^(?=a)"})]): ...

        @tabard.guard("odd.twice")
        def one(x: int): ...

        @tabard.guard("odd.twice")
        def two(x: str): ...
        """)
    )
    assert main(["catalogue", "from-python", "odd_tools", "--output", "c.yaml"]) == 1
    err = capsys.readouterr().err
    assert "odd.made (odd_tools.made): its guard makes the arguments by a function" in err
    assert "left out: tool 'odd.pattern'" in err
    assert "left out: odd.twice is there twice" in err
    assert load_catalogue(tmp_path / "c.yaml").lookup("odd.made", "") is not None


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("import nowhere_at_all", "ModuleNotFoundError"),
        ("raise SystemExit(3)", "SystemExit"),
        ("def broken(:", "SyntaxError"),
    ],
)
def test_a_module_that_can_not_be_imported_says_why(capsys, tmp_path, monkeypatch, source, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad_module.py").write_text(source)
    assert main(["catalogue", "from-python", "bad_module.py"]) == 2
    assert message in capsys.readouterr().err


HOSTILE = """
import dataclasses
from typing import Literal

import pydantic
import tabard


class Raising:
    @classmethod
    def __get_pydantic_core_schema__(cls, source, handler):
        raise RuntimeError("\\x1b[31mred\\x1b]0;title\\x07" + "x" * 5000)


class Silent(Exception):
    def __str__(self):
        raise ValueError


@dataclasses.dataclass
class Order:
    it: Raising


def model(made):
    class Model(pydantic.BaseModel):
        x: int

        @classmethod
        def __get_pydantic_json_schema__(cls, core, handler):
            return made()

    return Model


def silent():
    raise Silent


ROUND = {}
ROUND["round"] = ROUND
DEEP = {}
for _ in range(100_000):
    DEEP = {"not": DEEP}


def tool(kind):
    def work(x: kind):
        \'\'\'Work.\\x1b]0;title\\x07\'\'\'

    return work


KINDS = [Order, *map(model, [silent, lambda: ROUND, lambda: DEEP, lambda: {"type": object()}, lambda: {"$ref": "file:///x"}])]
WRAPPED = [tabard.guard(f"t{number}")(tool(kind)) for number, kind in enumerate(KINDS)]
GOOD = tabard.guard("good\\x1b[31m")(tool(int))
"""


def test_types_whose_own_code_is_hostile_are_told_and_nothing_else_is_lost(tmp_path):
    """Exceptions of any kind, without text, with control characters; schemas without end, with objects, with files.

    In a process of its own: Hypothesis watches the collector, and fails with a word on standard error where a schema
    without end has used up the stack.
    """
    (tmp_path / "hostile.py").write_text(HOSTILE)
    command = [sys.executable, "-m", "tabard_sidecar.cli", "catalogue", "from-python", "hostile.py"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    out, err = ended.stdout, ended.stderr
    assert ended.returncode == 1
    assert "Traceback" not in err
    assert not {"\x1b", "\x07"} & {*out, *err}
    assert max(map(len, err.splitlines())) < 1000
    names = {tool["name"] for tool in yaml.safe_load(out)["tools"]}
    assert "good\x1b[31m" in names
    assert all(f"t{number}" in names or f"'t{number}'" in err for number in range(6))


def test_a_catalogue_that_no_sidecar_would_read_is_not_written(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    source = 'import tabard\nfrom typing import Literal\nB = Literal[tuple(f"value {i}" * 9 for i in range(50000))]\n'
    (tmp_path / "big.py").write_text(f'{source}@tabard.guard("big")\ndef big(x: B): ...\n')
    assert main(["catalogue", "from-python", "big.py"]) == 1
    out, err = capsys.readouterr()
    assert (out, "more than 4194304 bytes" in err or "left out" in err) == ("", True)


def test_without_the_client_for_mcp_the_extra_is_named(capsys):
    """The environment of these tests doesn't have it; tests/frameworks has."""
    assert main(["catalogue", "from-mcp", "server"]) == 2
    assert "pip install 'tabard-sidecar[mcp]'" in capsys.readouterr().err


def test_an_update_needs_a_file(capsys):
    assert main(["catalogue", "from-python", "tests", "--update"]) == 2
    assert "--output" in capsys.readouterr().err


@pytest.mark.parametrize("form", ["list", "result", "response"])
def test_a_saved_answer_becomes_a_catalogue_without_what_cant_be_used(capsys, tmp_path, form):
    """Another party's tool can't be mended here, so one that isn't supported doesn't hold back the others."""
    tools = [
        {"name": "find", "inputSchema": {"properties": {"word": {"type": "string", "pattern": r"^\p{L}+$"}}}},
        {"name": "newer", "inputSchema": {"type": "object"}, "keyOfTomorrow": {"a": 1}},
        {"name": "strict", "inputSchema": {"properties": {"word": {"type": "string", "pattern": "^(?!x)"}}}},
    ]
    answer, written = tmp_path / "tools.json", tmp_path / "catalogue.yaml"
    forms = {"list": tools, "result": {"tools": tools}, "response": {"id": 1, "result": {"tools": tools}}}
    answer.write_text(json.dumps(forms[form]))
    assert main(["catalogue", "from-mcp", "--server", "s", "--output", str(written), str(answer)]) == 1
    assert "left out: tool 'strict'" in capsys.readouterr().err
    assert [(tool.name, tool.server) for tool in load_catalogue(written)] == [("find", "s"), ("newer", "s")]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "No such file"),
        ("<html>", "can't be read"),
        ("[3]", "no list of tools"),
        ('{"tools": [{"title": "x"}]}', "no list of tools"),
        ('{"result": {"tools": [], "nextCursor": "2"}}', "one page of several"),
    ],
)
def test_a_file_that_holds_no_answer_is_told(capsys, tmp_path, content, told):
    if content is not None:
        (tmp_path / "tools.json").write_text(content)
    assert main(["catalogue", "from-mcp", str(tmp_path / "tools.json")]) == (2 if content is None else 1)
    assert told in capsys.readouterr().err


ODD = "^(?!x)"
PATTERNS = {
    "name": "strict",
    "inputSchema": {
        "type": "object",
        "properties": {
            "word": {"type": "string", "pattern": ODD, "maxLength": 9},
            "filter": {
                "type": "array",
                "items": {
                    "properties": {
                        "pattern": {"anyOf": [{"type": "string", "pattern": ODD}, {"type": "null"}]}
                    }
                },
            },
            "code": {"type": "string", "pattern": "^[a-z]+$"},
            "shared": {"$ref": "#/$defs/shared"},
        },
        "$defs": {"shared": {"type": "string", "pattern": ODD}},
    },
}
FIELDS = ["word", "filter.pattern", "$defs.shared"]


def from_saved(tmp_path, *options):
    """Run the command on a server's saved answer."""
    answer, written = tmp_path / "tools.json", tmp_path / "catalogue.yaml"
    answer.write_text(json.dumps([PATTERNS, {"name": "find", "inputSchema": {"type": "object"}}]))
    return main(["catalogue", "from-mcp", "--output", str(written), *options, str(answer)]), written


def test_a_tool_that_is_left_out_for_its_patterns_says_how_to_keep_it(capsys, tmp_path):
    code, _ = from_saved(tmp_path)
    error = "".join(capsys.readouterr().err.split())
    assert code == 1
    for field in FIELDS:
        assert f"--drop-patternstrict:{field}" in error
    assert "strict:code" not in error


def test_patterns_are_dropped_where_tool_and_field_are_named_and_nowhere_else(capsys, tmp_path):
    code, written = from_saved(tmp_path, "--json", *(f"--drop-pattern=strict:{field}" for field in FIELDS))
    captured = capsys.readouterr()
    assert code == 0
    assert len(json.loads(captured.out)["dropped"]) == 3
    assert captured.err.count("warning: dropped: the pattern '^(?!x)' of strict:") == 3
    tool = next(tool for tool in load_catalogue(written) if tool.name == "strict")
    assert tool.validate({"word": "xyz", "filter": [{"pattern": "x"}], "code": "a", "shared": "x"}) is None
    for wrong in (
        {"word": "0123456789"},
        {"word": 1},
        {"code": "A"},
        {"shared": 1},
        {"filter": [{"pattern": 1}]},
    ):
        assert tool.validate(wrong) is not None


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("strict", "isn't TOOL:FIELD"),
        ("none:word", "offers no tool 'none'"),
        ("strict:code", "has no pattern that the sidecar refuses; these have one: $defs.shared, filter"),
        ("find:word", "has no pattern that the sidecar refuses"),
    ],
)
def test_a_pattern_that_is_not_there_or_is_accepted_is_not_dropped(capsys, tmp_path, given, told):
    code, written = from_saved(tmp_path, "--drop-pattern", given)
    assert code == 2
    assert told in capsys.readouterr().err
    assert not written.exists()
