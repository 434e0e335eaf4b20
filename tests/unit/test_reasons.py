"""Ties the reason codes to the places that give them, to their texts and to their pages."""

import ast
import re
import tomllib
from collections import defaultdict
from functools import cache
from pathlib import Path
from typing import get_args

import pytest
from mypy import api as mypy
from tabard import errors
from tabard.caveats import OPERATORS, FailureCode
from tabard.codes import CLIENT_CODES
from tabard.verify.errors import CODES as REJECTIONS
from tabard_sidecar.errors import StatusName
from tabard_sidecar.reasons import REASON_CODES, client_texts, describe, parse_texts, reason_texts

ROOT = Path(__file__).resolve().parents[2]
PAGES = ROOT / "docs" / "reference" / "errors"
SOURCES = [
    path
    for folder in ("sidecar/tabard_sidecar", "sdk/tabard/caveats")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if path.name != "reasons.py"
]
CLIENT_TEXTS = client_texts()
CODES = REASON_CODES | CLIENT_CODES
CODE_TYPES = ("ReasonCode", "FailureCode")


@cache
def trees():
    """Return the syntax tree of each source."""
    return {path: ast.parse(path.read_text()) for path in SOURCES}


def texts(node):
    """Return the string constants that an expression may evaluate to."""
    match node:
        case ast.Constant(value=str(text)):
            return {text}
        case ast.IfExp(body=body, orelse=orelse):
            return texts(body) | texts(orelse)
        case ast.Dict(values=values):
            return set().union(*map(texts, values))
    return set()


def is_code(annotation):
    return annotation is not None and any(name in ast.unparse(annotation) for name in CODE_TYPES)


def code_parameter(node):
    """Return the position at which a function or class takes a reason code as ``code``, or ``None``."""
    match node:
        case ast.ClassDef(body=body):
            made = [item for item in body if isinstance(item, ast.FunctionDef) and item.name == "__init__"]
            if made:
                names = [(argument.arg, argument.annotation) for argument in made[0].args.args[1:]]
            else:
                names = [
                    (item.target.id, item.annotation) for item in body if isinstance(item, ast.AnnAssign)
                ]
        case ast.FunctionDef(args=arguments) | ast.AsyncFunctionDef(args=arguments):
            names = [
                (argument.arg, argument.annotation) for argument in arguments.args if argument.arg != "self"
            ]
        case _:
            return None
    return next((n for n, (name, kind) in enumerate(names) if name == "code" and is_code(kind)), None)


def takers():
    """Return which functions and classes of each module take a reason code, and at which position."""
    found = defaultdict(dict)
    for path, tree in trees().items():
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts[1:])
        for node in tree.body:
            methods = node.body if isinstance(node, ast.ClassDef) else []
            named = [(node, ""), *((item, "self.") for item in methods)]
            for item, prefix in named:
                at = code_parameter(item)
                if at is not None:
                    found[module][f"{prefix}{item.name}"] = at
    for path, tree in trees().items():
        if path.name == "__init__.py":
            found[".".join(path.relative_to(ROOT).parts[1:-1])] |= taken(path, tree, found)
    return found


def taken(path, tree, found):
    """Return the names under which a module knows what takes a reason code."""
    known = dict(found.get(".".join(path.relative_to(ROOT).with_suffix("").parts[1:]), {}))
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            there = found.get(node.module, {})
            known |= {name.asname or name.name: there[name.name] for name in node.names if name.name in there}
    return known


def given_codes():
    """Return every code that the sources give."""
    given = set()
    found = takers()
    assert {"Refused", "NoDecision"} <= found["tabard_sidecar.errors"].keys()
    assert "Reason" in found["tabard_sidecar.model"]
    assert "Failure" in found["tabard.caveats.facts"]
    for path, tree in trees().items():
        known = taken(path, tree, found)
        for node in ast.walk(tree):
            match node:
                case ast.Call(func=taker, args=arguments, keywords=keywords) if ast.unparse(taker) in known:
                    at = known[ast.unparse(taker)]
                    for value in [
                        *arguments[at : at + 1],
                        *(word.value for word in keywords if word.arg == "code"),
                    ]:
                        given |= texts(value)
                case ast.AnnAssign(annotation=annotation, value=ast.expr() as value):
                    kind = ast.unparse(annotation)
                    if kind in CODE_TYPES or re.fullmatch(r"Mapping\[\w+, ReasonCode\]", kind):
                        given |= texts(value)
    return given


def client_codes():
    """Return every code that the client gives: first arguments of its errors and reasons, and typed values."""
    classes = {name for name, kind in vars(errors).items() if isinstance(kind, type)} | {"Reason"}
    given = set()
    for path in sorted((ROOT / "sdk/tabard").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), args=[first, *_]) if (
                    name in classes
                ):
                    given |= texts(first)
                case ast.Call(func=ast.Call(), args=[first, *_]):  # a class that was looked up
                    given |= texts(first)
                case ast.AnnAssign(annotation=kind, value=ast.expr() as value):
                    given |= texts(value) if re.match("Final|ClientCode", ast.unparse(kind)) else set()
    return given


def given_statuses():
    """Return the gRPC statuses with which the sources raise each code."""
    given = defaultdict(set)
    for tree in trees().values():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "NoDecision":
                status, code = node.args[:2]
                if isinstance(status, ast.Constant) and isinstance(code, ast.Constant):
                    given[code.value].add(status.value)
            elif isinstance(node, ast.AnnAssign) and "[ReasonCode, StatusName]" in ast.unparse(
                node.annotation
            ):
                for code, status in zip(node.value.keys, node.value.values, strict=True):
                    given[code.value].add(status.value)
    return given


def test_every_code_has_its_texts():
    """A code that the sidecar and the client give has one page: the sidecar's."""
    assert reason_texts().keys() == REASON_CODES
    assert CLIENT_TEXTS.keys() == CLIENT_CODES - REASON_CODES


@pytest.mark.parametrize("code", sorted(REASON_CODES | CLIENT_CODES))
def test_texts_are_complete(code):
    text = describe(code) or CLIENT_TEXTS[code]
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", code)
    assert text.title
    assert not text.title.endswith(".")
    assert text.operator.endswith(".")
    assert text.model.endswith(".")
    assert text.next_step.endswith((".", "`."))


def test_every_code_is_given_somewhere():
    assert given_codes() == REASON_CODES


def test_every_code_of_the_client_is_given_somewhere():
    assert client_codes() == CLIENT_CODES


def test_a_model_is_told_what_the_errors_say():
    shared = tomllib.loads((ROOT / "sdk/tabard/reasons.toml").read_text())["model_texts"]
    classes = {"denied": errors.Denied, "unavailable": errors.Unavailable, "invalid": errors.InvalidRequest}
    assert shared == {name: kind("rpc_failed", "").for_model() for name, kind in classes.items()}


def test_statuses_are_those_of_the_raise_sites():
    assert {
        code: set(text.status) for code, text in reason_texts().items() if text.status
    } == given_statuses()


def test_every_status_is_used():
    used = set().union(*given_statuses().values()) | {"PERMISSION_DENIED"}  # server/errors.py, for refusals
    assert used == set(get_args(StatusName))


def test_codes_of_caveats_are_reason_codes():
    assert set(get_args(FailureCode)) <= REASON_CODES


def test_every_code_has_a_page_and_every_page_a_code():
    assert {page.stem for page in PAGES.glob("*.md")} - {"README"} == REASON_CODES | CLIENT_CODES


def test_policies_own_codes_have_no_texts():
    assert describe("amount_too_high") is None


STATEMENTS = [
    ('Refused("task_ended", "")', True),
    ('Refused("task_endet", "")', False),
    ('NoDecision("UNAVAILABLE", "state_unavailable", "")', True),
    ('NoDecision("UNAVAILABLE", "state_unavailible", "")', False),
    ('NoDecision("UNAVAILIBLE", "state_unavailable", "")', False),
    ('Reason("no_grant")', True),
    ('Reason(PolicyCode("amount_too_high"))', True),
    ('Reason("no_grand")', False),
    ('Failure("read_only", "")', True),
    ('Failure("readonly", "")', False),
    ('InvalidRequest("forked", "")', True),
    ('InvalidRequest(ReportedCode("amount_too_high"), "")', True),
    ('InvalidRequest("task_king", "")', False),
    ('Rejected("credential_used")', True),
    ('Rejected("credential_useed")', False),
]
"""Statements, and whether their codes exist."""


@pytest.fixture(scope="module")
def refused(tmp_path_factory):
    """Return what mypy says of each statement: one run for all, since each takes seconds."""
    program = tmp_path_factory.mktemp("codes") / "program.py"
    imports = (
        "from tabard.caveats import Failure\n"
        "from tabard.codes import ReportedCode\n"
        "from tabard.errors import InvalidRequest\n"
        "from tabard.verify.errors import Rejected\n"
        "from tabard_sidecar.errors import NoDecision, Refused\n"
        "from tabard_sidecar.model import Reason\n"
        "from tabard_sidecar.reasons import PolicyCode\n"
    )
    program.write_text(imports + "".join(f"{statement}\n" for statement, _ in STATEMENTS))
    output, errors_of_mypy, _ = mypy.run(["--follow-imports=silent", "--no-error-summary", str(program)])
    assert not errors_of_mypy
    said = defaultdict(list)
    for line in output.splitlines():
        found = re.fullmatch(r".*/program\.py:(\d+): error: (.*)", line)
        assert found, output
        said[STATEMENTS[int(found[1]) - imports.count("\n") - 1][0]].append(found[2])
    return said


@pytest.mark.parametrize(("statement", "right"), STATEMENTS)
def test_a_misspelt_code_fails_type_checking(refused, statement, right):
    assert [message.partition(" ")[0] for message in refused[statement]] == ([] if right else ["Argument"])


def test_a_table_with_a_fault_is_refused():
    head = '[model_texts]\n[codes.a]\ntitle = "A"\noperator = "B."\nmodel = "C."\nnext_step = "D."\n'
    assert parse_texts(head)["a"].model == "C."
    for fault in ('ti = "x"\n', '[codes.b]\ntitle = "B"\nmodel = "x"\n'):
        with pytest.raises(TypeError):
            parse_texts(head + fault)
    with pytest.raises(ValueError, match="twice"):
        parse_texts(head + "[codes.a]\n")


def test_codes_that_protos_name_exist():
    for proto in (ROOT / "proto").rglob("*.proto"):
        named = set(re.findall(r'"([a-z]+(?:_[a-z]+)+)"', proto.read_text()))
        assert named - set(OPERATORS) <= REASON_CODES, proto


OTHER_WORDS = {
    "agent_id",
    "agent_issuer",
    "approval_id",
    "arguments_bytes",
    "arguments_json",
    "arguments_sha256",
    "audience_keys",
    "call_digest",
    "call_grant",
    "call_key_unknown",
    "call_kind_unknown",
    "call_together",
    "credential_id",
    "decision_id",
    "intent_source",
    "intent_token",
    "keys_file",
    "keys_secret",
    "policy_revision",
    "request_id",
    "revocation_endpoint",
    "subject_claim",
    "subject_issuer",
    "task_id",
    "task_not_started",
    "tool_without_rule",
}
"""Words of the documentation that begin like a reason code and are names of fields, settings or functions, words of a replay, or
problems of a policy."""


def test_codes_that_the_documentation_names_exist():
    """A word in backticks that begins like a reason code is one, and every link leads to a page.

    The recipes of the cookbook name codes of their own policies.
    """
    families = {code.partition("_")[0] for code in REASON_CODES}
    pages = [*ROOT.glob("*.md"), *ROOT.glob("s*/README.md"), *(ROOT / "docs").rglob("*.md")]
    for page in pages:
        text = page.read_text()
        words = set(re.findall(r"`([a-z]+(?:_[a-z]+)+)`", text))
        named = {word for word in words if word.partition("_")[0] in families} - OTHER_WORDS
        if page.parent.name == "cookbook":
            named = set()
        assert named <= CODES | REJECTIONS.keys(), page
        assert set(re.findall(r"errors/([a-z_]+)\.md", text)) <= CODES, page


def test_the_step_for_a_store_fits_every_kind_of_it():
    """Redis may be full or out of reach where no disk has to do with it; the message names the cause."""
    assert "disk" not in reason_texts()["state_unavailable"].next_step
