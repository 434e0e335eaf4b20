"""Decision cases as data."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest
from tabard_sidecar.policy.authoring.case_files import read_cases
from tabard_sidecar.policy.authoring.case_keys import case_schema
from tabard_sidecar.policy.authoring.cases import Catalogues, run_cases
from tabard_sidecar.policy.catalogue import Catalogue, load_catalogue
from tabard_sidecar.policy.loading.compiling import CompileOptions
from tabard_sidecar.policy.loading.sources import load_source
from tabard_sidecar.policy.problems import PolicyBrokenError

from tests.support.policy import REPOSITORY, write

RULES = """\
package policy.desk

import data.tabard.lib.clock
import data.tabard.lib.credentials
import data.tabard.lib.history
import data.tabard.lib.labels
import data.tabard.lib.subject

start contains {"code": "started", "limits": {"budgets": {"cents": 100}}} if input.subject.id == "alice"

delegate contains {"code": "handed_on"} if input.request.holder == "spiffe://example.org/b"

renew contains {"code": "renewed", "ttl_seconds": 60} if count(input.delegation.chain) == 1

grant contains {
	"code": "pay",
	"charges": {"cents": input.tool.arguments.cents},
	"credential": credentials.once("bank", ["pay", "read"], 60),
	"labels": ["paid"],
} if {
	input.tool.name == "pay"
}

grant contains {"code": "read"} if input.tool.name == "read"

grant contains {"code": "attest"} if {
	input.tool.name == "attest"
	input.tool.annotations.readOnlyHint
	input.tool.server == "s"
	subject.has_claim("groups", "staff")
	subject.authenticated_within(60)
	input.agent.sub_agent == "clerk"
	input.agent.attributes.namespace == "desk"
	input.context.asserted.ticket == "t-1"
	input.context.time == 1795473000
	input.budgets.cents == {"limit": 100, "spent": 30, "remaining": 70}
	history.called({"read"})
	history.times_within({"pay"}, 10) == 1
	clock.weekday("UTC")
}

deny contains {"code": "closed", "message": "closed at night"} if not clock.between("06:00", "23:00", "UTC")

deny contains {"code": "too_deep", "message": "too deep"} if count(input.delegation.chain) > 2

ask contains {"code": "large", "approvers": ["boss"], "reason": "large", "uses": 1, "ttl_seconds": 60} if {
	input.tool.arguments.cents > 1000
}

ask contains {"code": "tainted", "approvers": ["boss"], "reason": "read", "uses": 1, "ttl_seconds": 60} if {
	input.tool.name == "pay"
	labels.untrusted
}
"""
TOOLS = """\
tools:
  - name: pay
    labels: [bank]
    inputSchema: {type: object, properties: {cents: {type: integer}}, required: [cents]}
  - {name: attest, annotations: {readOnlyHint: true}}
"""


@pytest.fixture
def policy(tmp_path):
    return write(tmp_path / "policy", desk=RULES)


@pytest.fixture
def decide(engine, policy):
    """Run the cases of one text, by name the differences."""

    def run(text: str, catalogue: Catalogue | None = None) -> dict[str, list[str]]:
        (policy / "desk_cases.yaml").write_text(text)
        report = run_cases(engine, policy, CompileOptions(), Catalogues(catalogue or Catalogue()))
        return {one.case.name: list(map(str, one.differences)) for one in report.results}

    return run


def problems(folder: Path, text: str) -> list[tuple[int, str, str]]:
    """Return line, message and next step of every mistake in a file with cases."""
    (folder / "x_cases.yaml").write_text(text)
    with pytest.raises(PolicyBrokenError) as caught:
        read_cases(folder)
    assert {problem.file for problem in caught.value.problems} == {str(folder / "x_cases.yaml")}
    return [(problem.row, problem.message, problem.next_step) for problem in caught.value.problems]


def test_everything_that_a_case_can_expect(decide):
    differences = decide("""\
cases:
  - name: all of it
    tool: pay
    arguments: {cents: 5}
    expect:
      effect: allow
      code: pay
      credential: {kind: jwt, audience: bank, scopes: [read, pay], ttl_seconds: 60, single_use: true, role: ""}
      charges: {cents: 5}
      labels: [paid]
  - {name: no credential, tool: read, expect: {effect: allow, credential: {kind: none}}}
  - {name: nothing grants, tool: other, expect: {effect: deny, code: no_grant}}
  - {name: two denials, tool: read, time: "2026-01-05T23:30:00Z", hops: [a, b, c], expect: {effect: deny, code: [too_deep, closed]}}
  - {name: a question, tool: pay, arguments: {cents: 1001}, expect: {effect: ask, code: large}}
  - {name: two questions, tool: pay, arguments: {cents: 1001}, labels: [untrusted], expect: {effect: ask, code: [large, tainted]}}
""")
    assert (len(differences), [name for name, told in differences.items() if told]) == (6, [])


def test_what_differs_is_told(decide):
    assert decide("""\
defaults: {tool: pay, arguments: {cents: 5}}
cases:
  - {name: effect, expect: {effect: deny, code: closed}}
  - {name: code, expect: {effect: allow, code: [pay, read]}}
  - {name: credential, expect: {effect: allow, credential: {audience: shop, scopes: [pay], ttl_seconds: 30, single_use: false}}}
  - {name: no credential, expect: {effect: allow, credential: {kind: none}}}
  - {name: charges, expect: {effect: allow, charges: {cents: 6}}}
  - {name: labels, expect: {effect: allow, labels: []}}
  - {name: ask, labels: [untrusted], expect: {effect: allow}}
""") == {
        "effect": ["effect: expected deny, got allow", "code: expected closed, got pay"],
        "code": ["code: expected pay, read, got pay"],
        "credential": [
            "credential.audience: expected shop, got bank",
            "credential.scopes: expected pay, got pay, read",
            "credential.single_use: expected false, got true",
            "credential.ttl_seconds: expected 30, got 60",
        ],
        "no credential": ["credential.kind: expected none, got jwt"],
        "charges": ["charges: expected cents 6, got cents 5"],
        "labels": ["labels: expected none, got paid"],
        "ask": ["effect: expected allow, got ask"],
    }


def test_a_denial_by_a_failure_of_the_policy_has_to_be_named(decide, policy):
    """A case that expects a denial and states no code doesn't pass because a rule fails."""
    rule = 'deny contains {"code": "many", "message": "many"} if to_number(input.tool.arguments.cents) > 9\n'
    write(policy, many=f"package policy.many\n\n{rule}")
    assert decide("""\
defaults: {tool: pay, arguments: {cents: many}}
cases:
  - {name: no code, expect: {effect: deny}}
  - {name: code, expect: {effect: deny, code: policy_error}}
""") == {"no code": ["code: expected none, got policy_error"], "code": []}


def test_every_short_key_reaches_the_input(decide, tmp_path):
    (tmp_path / "tools.yaml").write_text(TOOLS)
    assert decide(
        """\
cases:
  - name: all keys
    tool: attest
    server: s
    subject: bob
    issuer: https://login.example
    claims: {groups: [staff]}
    authenticated_seconds_ago: 60
    agent: spiffe://example.org/a
    sub_agent: clerk
    attributes: {namespace: desk}
    hops: [spiffe://example.org/a]
    purpose: p
    statement: please
    labels: [internal]
    budgets: {cents: {limit: 100, spent: 30}}
    calls: [read, {tool: pay, seconds_ago: 5, labels: [paid]}]
    context: {ticket: t-1}
    time: "2026-11-23T23:30:00+01:00"
    expect: {effect: allow, code: attest}
  - {name: start, operation: start_task, subject: alice, limits: {max_depth: 1}, expect: {effect: allow, code: started}}
  - {name: delegate, operation: delegate, holder: spiffe://example.org/b, expect: {effect: allow, code: handed_on}}
  - {name: renew, operation: renew, hops: [spiffe://example.org/a], expect: {effect: allow, code: renewed}}
""",
        load_catalogue(tmp_path / "tools.yaml"),
    ) == {"all keys": [], "start": [], "delegate": [], "renew": []}


def test_a_key_of_a_case_replaces_the_default_as_a_whole(decide):
    assert decide("""\
defaults: {tool: pay, arguments: {cents: 2000}}
cases:
  - {name: default, expect: {effect: ask}}
  - {name: own, arguments: {cents: 1}, expect: {effect: allow, charges: {cents: 1}}}
""") == {"default": [], "own": []}


def test_an_approval_answers_its_ask(decide):
    assert decide("""\
defaults: {tool: pay, arguments: {cents: 2000}, labels: [untrusted]}
cases:
  - {name: both, approvals: [{module: desk, code: large}, {module: desk, code: tainted}], expect: {effect: allow}}
  - {name: one, approvals: [{module: desk, code: large}], expect: {effect: ask, code: tainted}}
  - {name: other module, approvals: [{module: x, code: large}, {module: desk, code: tainted}], expect: {effect: ask, code: large}}
""") == {"both": [], "one": [], "other module": []}


def test_the_catalogue_refuses_before_policy_and_adds_its_labels(decide, tmp_path):
    (tmp_path / "tools.yaml").write_text(TOOLS)
    text = """\
cases:
  - {name: wrong, tool: pay, arguments: {cents: five}, expect: {effect: deny, code: arguments_invalid}}
  - {name: labels, tool: pay, arguments: {cents: 5}, expect: {effect: allow, labels: [bank, paid]}}
  - {name: unknown, tool: read, expect: {effect: deny, code: tool_unknown}}
"""
    catalogue = load_catalogue(tmp_path / "tools.yaml", required=True)
    assert decide(text, catalogue) == {"wrong": [], "labels": [], "unknown": []}


def test_a_file_names_its_catalogue_and_a_flag_wins(engine, policy, tmp_path):
    (tmp_path / "tools.yaml").write_text(TOOLS)
    (policy / "desk_cases.yaml").write_text("""\
catalogue: ../tools.yaml
cases:
  - {name: refused, tool: pay, arguments: {cents: five}, expect: {effect: deny, code: arguments_invalid}}
""")
    configured = Catalogues(Catalogue())
    assert run_cases(engine, policy, CompileOptions(), configured).passed == 1
    flag = Catalogues(Catalogue(), for_all=Catalogue())
    assert run_cases(engine, policy, CompileOptions(), flag).passed == 0


def test_a_catalogue_that_is_missing_is_an_error(decide):
    with pytest.raises(PolicyBrokenError, match=r"missing\.yaml"):
        decide("catalogue: missing.yaml\ncases: [{name: a, tool: read, expect: {effect: allow}}]\n")


def test_a_pattern_chooses_cases_by_name(engine, policy):
    (policy / "desk_cases.yaml").write_text(
        "cases:\n"
        "  - {name: reading, tool: read, expect: {effect: allow}}\n"
        "  - {name: writing, tool: write, expect: {effect: allow}}\n"
    )
    report = run_cases(engine, policy, CompileOptions(), Catalogues(Catalogue()), pattern="^read")
    assert [result.case.name for result in report.results] == ["reading"]


def test_a_failed_case_names_its_line_and_the_deciding_rule(engine, policy):
    (policy / "desk_cases.yaml").write_text(
        "cases:\n\n  - name: at night\n    tool: read\n    time: '2026-01-05T03:00:00Z'\n    expect: {effect: allow}\n"
    )
    (result,) = run_cases(engine, policy, CompileOptions(), Catalogues(Catalogue())).failed
    assert result.as_json() == {
        "file": f"{policy}/desk_cases.yaml",
        "line": 3,
        "name": "at night",
        "effect": "deny",
        "codes": ["closed"],
        "differences": [{"part": "effect", "expected": "allow", "actual": "deny"}],
        "reasons": [f"closed by policy.desk ({policy}/desk.rego:42): closed at night"],
    }


def test_cases_of_a_bundle(engine, policy, tmp_path):
    (policy / "desk_cases.yaml").write_text("cases: [{name: a, tool: read, expect: {effect: allow}}]\n")
    bundle = tmp_path / "bundle.tar.gz"
    with tarfile.open(bundle, "w:gz") as archive:
        archive.add(policy, arcname=".")
    report = run_cases(engine, bundle, CompileOptions(), Catalogues(Catalogue()))
    assert [(one.place, one.differences) for one in report.results] == [(f"{bundle}:desk_cases.yaml:1", ())]


def test_a_bundle_names_no_catalogue(policy, tmp_path):
    (policy / "desk_cases.yaml").write_text(
        "catalogue: c.yaml\ncases: [{name: a, tool: read, expect: {effect: allow}}]\n"
    )
    with tarfile.open(tmp_path / "b.tar.gz", "w:gz") as archive:
        archive.add(policy, arcname=".")
    with pytest.raises(PolicyBrokenError, match="--catalogue"):
        read_cases(tmp_path / "b.tar.gz")


def test_cases_are_neither_data_nor_part_of_the_revision(policy):
    before = load_source(policy)
    (policy / "desk_cases.yaml").write_text("cases: [")
    assert load_source(policy) == before


def test_words_that_readers_of_yaml_read_differently_need_quotes(policy):
    """YAML 1.1 would read NO as false and the date as a date."""
    text = "cases: [{name: a, tool: read, arguments: {country: NO, 'on': 2026-01-05}, expect: {effect: allow}}]\n"
    (policy / "desk_cases.yaml").write_text(text)
    with pytest.raises(PolicyBrokenError, match="'NO' without quotes") as caught:
        read_cases(policy)
    assert len(caught.value.problems) == 2
    (policy / "desk_cases.yaml").write_text(text.replace("NO", "'NO'").replace("2026-01-05", "'2026-01-05'"))
    (case,) = read_cases(policy)
    assert case.keys.arguments == {"country": "NO", "on": "2026-01-05"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", (1, "has neither cases nor matrices nor requests", "")),
        ("cases: []\n", (1, "cases: must hold at least 1 item", "")),
        ("case:\n  - {}\n", (1, 'case: unknown key "case"', 'Did you mean "cases"?')),
        ("cases:\n  - name: a\n    tol: x\n    expect: {effect: deny}\n", (3, 'cases.0.tol: unknown key "tol"', 'Did you mean "tool"?')),
        ("cases:\n  - {name: a, tool: x, expect: {efect: deny}}\n", (2, 'cases.0.expect.efect: unknown key "efect"', 'Did you mean "effect"?')),
        ("cases:\n  - {name: a, tool: x, expect: {effect: maybe}}\n", (2, "cases.0.expect.effect: must be 'allow', 'deny' or 'ask'", "")),
        ("cases:\n  - {name: a, tool: x}\n", (2, "cases.0.expect: is required", "")),
        ("cases:\n  - {name: a, tool: x, expect: {effect: allow, credential: {}}}\n", (2, "cases.0.expect.credential: states nothing to compare", "")),
        ("cases:\n  - {name: a, tool: x, expect: {effect: deny, code: []}}\n", (2, "cases.0.expect.code: must hold at least 1 item", "")),
        ("cases:\n  - name: a\n    tool: x\n    expect: {effect: deny, code: }\n", (4, 'cases.0.expect: the key "code" has no value', "")),
        ("cases:\n  - name: a\n    tool: x\n    expect: {effect: deny, charges: {cents: 1}}\n", (4, "cases.0.expect.charges: only an allowed call has this", "Remove it")),
        ("cases:\n  - {name: a, operation: renew, expect: {effect: allow, labels: []}}\n", (2, "cases.0.expect.labels: only an allowed call has this", "Remove it")),
        ("cases:\n  - {name: a, expect: {effect: deny}}\n", (2, "cases.0: the tool is missing", "Correct the case, or the operation")),
        ("cases:\n  - {name: a, operation: start_task, tool: x, expect: {effect: deny}}\n", (2, "cases.0: start_task has no tool", "Correct the case, or the operation")),
        ("cases:\n  - {name: a, operation: delegate, expect: {effect: deny}}\n", (2, "cases.0: the holder is missing", "Correct the case, or the operation")),
        ("cases:\n  - {name: a, operation: filter_tools, tool: x, expect: {effect: deny}}\n", (2, "cases.0: a case can't use filter_tools", "Use authorize with arguments")),
        ("cases:\n  - {name: a, tool: x, expect: {effect: deny}}\n  - {name: a, tool: z, expect: {effect: deny}}\n", (3, "cases.1.name: another case has the name 'a'", "Give each case its own name")),
        ("cases:\n  - {name: a, tool: x, time: noon, expect: {effect: deny}}\n", (2, "cases.0.time: must be a time such as 2026-01-05T12:00:00Z", "")),
        ("cases:\n  - {name: a, tool: x, time: '2026-01-05T12:00:00', expect: {effect: deny}}\n", (2, "cases.0.time: must name its offset from UTC, as 2026-01-05T12:00:00Z does", "")),
        ("cases:\n  - {name: a, tool: 3, expect: {effect: deny}}\n", (2, "cases.0.tool: must be a valid string", "")),
        ("cases:\n  - {name: a, tool: x, tool: z, expect: {effect: deny}}\n", (2, 'the key "tool" is repeated, first in line 2', "Keep one of them")),
        ("cases: [\n", (2, "not YAML: while parsing a flow node, did not find expected node content", "Correct the syntax")),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_line(tmp_path, text, expected):
    assert expected in problems(tmp_path, text)


def test_limits_that_no_request_can_have_are_an_error(decide):
    with pytest.raises(PolicyBrokenError, match=r"desk_cases.yaml:2: error case: input.request.limits"):
        decide(
            "cases:\n  - {name: a, operation: start_task, limits: {max_depht: 1}, expect: {effect: deny}}\n"
        )


def test_the_schema_knows_every_key_and_refuses_others():
    schema = case_schema()
    kinds = {"cases", "matrices", "requests"}
    assert set(schema["properties"]) == kinds | {"catalogue", "defaults", "never_facts", "people"}
    assert schema["anyOf"] == [{"required": [kind]} for kind in ("cases", "matrices", "requests")]
    assert not schema["additionalProperties"]
    case = schema["$defs"]["CaseKeys"]
    assert case["required"] == ["name", "expect"]
    assert all("description" in one or "$ref" in one for one in case["properties"].values())


@pytest.mark.parametrize("name", ["quickstart", "support", "callbacks"])
def test_the_cases_of_the_examples_fit(engine, name):
    policy = REPOSITORY / "rego" / "examples" / name / "policy"
    report = run_cases(engine, policy, CompileOptions(), Catalogues(Catalogue()))
    assert (report.failed, report.passed > 4) == ((), True)


SEQUENCE = """\
cases:
  - {name: a task, operation: start_task, subject: alice, expect: {effect: allow}}
  - {name: nothing was read, after: a task, tool: attest2, expect: {effect: deny, code: no_grant}}
  - {name: a large part, after: a task, tool: pay, arguments: {cents: 60}, expect: {effect: allow, charges: {cents: 60}}}
  - {name: too much, after: a large part, tool: pay, arguments: {cents: 41}, expect: {effect: deny, code: budget_exhausted}}
  - {name: the rest, after: too much, tool: pay, arguments: {cents: 40}, expect: {effect: allow}}
  - {name: nothing is left, after: the rest, tool: pay, arguments: {cents: 1}, expect: {effect: deny, code: budget_exhausted}}
  - {name: another branch, after: a large part, tool: pay, arguments: {cents: 40}, expect: {effect: allow}}
"""


def test_a_case_after_another_finds_what_that_one_left(decide):
    """Charges and labels of allowed calls; a denial leaves nothing, and several cases may follow the same one."""
    differences = decide(SEQUENCE)
    assert (len(differences), [told for told in differences.values() if told]) == (7, [])


APPROVED = """\
cases:
  - {name: a task, operation: start_task, subject: alice, expect: {effect: allow}}
  - name: paid
    after: a task
    tool: pay
    arguments: {cents: 60}
    expect: {effect: allow, charges: {cents: 60}}
  - name: again
    after: paid
    tool: pay
    arguments: {cents: 30}
    approved: APPROVED
    expect: {effect: ask, code: twice}
  - {name: the rest, after: again, tool: pay2, arguments: {cents: 11}, expect: {effect: EFFECT}}
  - {name: seen, after: again, tool: attest2, expect: {effect: SEEN}}
"""


@pytest.mark.parametrize(
    ("approved", "effect", "seen"), [("true", "deny", "allow"), ("false", "allow", "deny")]
)
def test_a_sequence_goes_on_after_an_asked_call_as_the_person_decided(decide, policy, approved, effect, seen):
    """An approved call leaves its charge and its place in the history; a refused one leaves nothing."""
    (policy / "desk.rego").write_text(
        (policy / "desk.rego").read_text()
        + """
ask contains {"code": "twice", "approvers": ["boss"], "reason": "again", "uses": 1, "ttl_seconds": 60} if {
	input.tool.name == "pay"
	history.called({"pay"})
}

grant contains {"code": "pay2", "charges": {"cents": input.tool.arguments.cents}} if input.tool.name == "pay2"

grant contains {"code": "attest2"} if {
	input.tool.name == "attest2"
	count([call | some call in input.history.calls; call.tool == "pay"]) == 2
}
"""
    )
    text = APPROVED.replace("APPROVED", approved).replace("EFFECT", effect).replace("SEEN", seen)
    differences = decide(text)
    assert (len(differences), [told for told in differences.values() if told]) == (5, [])
    if approved == "true":
        stated = text.replace("code: twice}", "code: twice, charges: {cents: 31}}")
        assert decide(stated)["again"] == ["charges: expected cents 31, got cents 30"]
        over = decide(text.replace("cents: 30", "cents: 41"))
        assert over["again"] == ["after the approval: expected allow, got deny by budget_exhausted"]


@pytest.mark.parametrize(
    ("case", "message", "step"),
    [
        ("approved: true, expect: {effect: allow}", "only a call about which policy asks has this", "Remove it, or expect `ask`"),
        ("approved: false, expect: {effect: ask, charges: {cents: 1}}", "only an allowed call has this", "State `approved: true`"),
        ("outcome: {failed: true}, expect: {effect: ask}", "only an allowed call has this", "State `approved: true`"),
    ],
)  # fmt: skip
def test_a_decision_of_a_person_stands_where_policy_asks(tmp_path, case, message, step):
    ((_, told, next_step),) = problems(tmp_path, f"cases:\n  - {{name: a, tool: pay, {case}}}\n")
    assert told.endswith(message)
    assert next_step.startswith(step)


def test_a_sequence_carries_labels_calls_and_time(decide, tmp_path):
    (tmp_path / "policy" / "seen.rego").write_text("""\
package policy.seen

import data.tabard.lib.history

grant contains {"code": "look", "labels": ["looked"]} if input.tool.name == "look"

grant contains {"code": "after_look"} if {
	input.tool.name == "after"
	"looked" in input.history.labels
	history.times_within({"look"}, 90) == 1
	input.subject.id == "bob"
}
""")
    text = """\
defaults: {time: "2026-01-05T12:00:00Z"}
cases:
  - {name: blind, tool: after, subject: bob, expect: {effect: deny, code: no_grant}}
  - {name: look, tool: look, subject: bob, expect: {effect: allow}}
  - {name: soon, after: look, tool: after, expect: {effect: allow, code: after_look}}
  - {name: too late, after: soon, tool: after, expect: {effect: deny, code: no_grant}}
  - {name: at once, after: look, tool: after, time: "2026-01-05T12:00:00Z", expect: {effect: allow}}
"""
    differences = decide(text)
    assert [told for told in differences.values() if told] == []


def test_a_pattern_also_runs_the_cases_before(engine, policy):
    (policy / "desk_cases.yaml").write_text(SEQUENCE)
    report = run_cases(engine, policy, CompileOptions(), Catalogues(Catalogue()), pattern="^nothing is left$")
    assert [(result.case.name, result.differences) for result in report.results] == [("nothing is left", ())]


def test_a_budget_of_a_single_case_is_enforced(decide):
    differences = decide("""\
cases:
  - name: spent
    tool: pay
    arguments: {cents: 5}
    budgets: {cents: {limit: 10, spent: 6}}
    expect: {effect: deny, code: budget_exhausted}
""")
    assert differences == {"spent": []}


def test_a_charge_without_a_budget_is_refused_within_a_task(decide):
    differences = decide("""\
cases:
  - {name: read, tool: read, expect: {effect: allow}}
  - {name: pay, after: read, tool: pay, arguments: {cents: 5}, expect: {effect: deny, code: budget_not_granted}}
""")
    assert differences == {"read": [], "pay": []}


NOTING = """\
package policy.shop

import data.tabard.lib.facts

start contains {"code": "s", "limits": {"tools": ["*"], "audiences": ["A"]}} if input.subject.id != ""

grant contains {"code": "look", "facts": {"seen": {input.tool.arguments.id}, "looks": 1}} if {
	input.tool.name == "look"
	input.task.facts.looks < 3
}

grant contains {
	"code": "cancel",
	"facts": {"cancelled": {input.tool.arguments.id}},
	"notes": ["made"],
	"credential": {"kind": "jwt", "audience": "A", "ttl_seconds": 60},
} if {
	input.tool.name == "cancel"
	facts.has("seen", input.tool.arguments.id)
	not facts.has("cancelled", input.tool.arguments.id)
}

grant contains {"code": "remove"} if {
	input.tool.name == "remove"
	facts.has("made", input.tool.arguments.id)
}

grant contains {
	"code": "pages",
	"facts": {"looks": 1},
	"credential": {"kind": "jwt", "audience": "A", "ttl_seconds": 60, "uses": 3},
} if {
	input.tool.name == "pages"
}
"""
NOTED = """\
cases:
  - {name: blind, tool: cancel, arguments: {id: W1}, expect: {effect: deny, code: no_grant}}
  - {name: stated, tool: cancel, arguments: {id: W1}, facts: {seen: [W1]}, expect: {effect: allow, facts: {cancelled: [W1]}}}
  - {name: look, tool: look, arguments: {id: W1}, expect: {effect: allow, facts: {seen: [W1], looks: 1}}}
  - {name: cancel, after: look, tool: cancel, arguments: {id: W1}, expect: {effect: allow}}
  - {name: twice, after: cancel, tool: cancel, arguments: {id: W1}, expect: {effect: deny, code: no_grant}}
  - {name: fails, after: look, tool: cancel, arguments: {id: W1}, outcome: {failed: true}, expect: {effect: allow}}
  - {name: again, after: fails, tool: cancel, arguments: {id: W1}, outcome: {facts: {made: [m1]}}, expect: {effect: allow}}
  - {name: own, after: again, tool: remove, arguments: {id: m1}, expect: {effect: allow, facts: {}}}
  - {name: other, after: again, tool: remove, arguments: {id: m2}, expect: {effect: deny, code: no_grant}}
  - {name: third, tool: look, arguments: {id: W1}, facts: {looks: 2}, expect: {effect: allow}}
  - {name: fourth, after: third, tool: look, arguments: {id: W1}, expect: {effect: deny, code: no_grant}}
"""


@pytest.fixture
def noting(decide, tmp_path):
    """Return what decides cases under a policy that notes facts."""
    (tmp_path / "policy" / "shop.rego").write_text(NOTING)
    return decide


def test_a_sequence_carries_facts(noting):
    """Those of the grant, taken back if the backend signs that the call failed, and those that it signs itself."""
    differences = noting(NOTED)
    assert (len(differences), [told for told in differences.values() if told]) == (11, [])


@pytest.mark.parametrize(
    ("case", "told"),
    [
        ("facts: {ordres: [W1]}, tool: look", "no grant notes the fact 'ordres'"),
        ("facts: {seen: 2}, tool: look", "the fact 'seen' is a set: write a list of texts"),
        ("facts: {looks: [a]}, tool: look", "the fact 'looks' is a counter: write a number"),
        ("facts: {seen: [a], looks: -1}, tool: look", "facts.looks"),
        (
            "tool: look, arguments: {id: a}, outcome: {facts: {seen: [a]}}",
            "doesn't list the fact 'seen' under notes",
        ),
        ("tool: look, arguments: {id: a}, outcome: {}", "states either facts or failed"),
        (
            "tool: look, arguments: {id: a}, outcome: {failed: true, facts: {made: [a]}}",
            "states either facts or failed",
        ),
        ("tool: pages, outcome: {failed: true}", "a failure of one of 3 uses takes nothing back"),
    ],
)
def test_facts_that_cant_be_meant_are_told(noting, case, told):
    with pytest.raises(PolicyBrokenError, match=told):
        noting(f"cases:\n  - {{name: a, {case}, expect: {{effect: allow}}}}\n")


def test_only_an_allowed_call_has_an_outcome(noting):
    with pytest.raises(PolicyBrokenError, match="only an allowed call has this"):
        noting("cases:\n  - {name: a, tool: look, outcome: {failed: true}, expect: {effect: deny}}\n")


def test_a_task_that_is_full_of_facts_is_denied(noting):
    elements = ", ".join(f"e{number}" for number in range(256))
    text = f"cases:\n  - {{name: a, tool: look, arguments: {{id: x}}, facts: {{seen: [{elements}]}}, expect: {{effect: deny, code: facts_exceeded}}}}\n"
    assert [told for told in noting(text).values() if told] == []


def test_a_case_has_the_budgets_of_the_start_rule_unless_it_states_some(decide):
    """One that states `{}` has none, and neither has a person whose task doesn't start."""
    differences = decide("""
cases:
  - {name: enough, subject: alice, tool: pay, arguments: {cents: 100}, expect: {effect: allow}}
  - {name: too much, subject: alice, tool: pay, arguments: {cents: 101}, expect: {effect: deny, code: budget_exhausted}}
  - {name: stated, subject: alice, budgets: {cents: {limit: 200}}, tool: pay, arguments: {cents: 101}, expect: {effect: allow}}
  - {name: none, subject: alice, budgets: {}, tool: pay, arguments: {cents: 101}, expect: {effect: allow}}
  - {name: no task, subject: bob, tool: pay, arguments: {cents: 101}, expect: {effect: allow}}
""")
    assert differences == {name: [] for name in ("enough", "too much", "stated", "none", "no task")}
