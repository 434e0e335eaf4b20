"""`tabard suggest` on logs of an agent that does the same each day."""

from __future__ import annotations

import gzip
import json
import random
import subprocess
import sys

import pytest
from tabard_opa_cli import opa_binary
from tabard_sidecar.cli import main

from tests.unit.suggest.logs import PERMISSIVE, record, write

PAYER = "spiffe://x/payer"
STATEFUL = """package policy.open

start contains {"code": "any", "limits": {"tools": ["*"], "budgets": {"cents": 1000}}}

grant contains {"code": "read", "labels": ["secret"]} if {
	input.tool.name == "read"
	startswith(input.tool.arguments.path, "/secret/")
}

grant contains {"code": "read_plain"} if {
	input.tool.name == "read"
	not startswith(input.tool.arguments.path, "/secret/")
}

grant contains {"code": "mail"} if {
	input.tool.name == "mail"
	not "secret" in input.history.labels
}
"""


def routine(days=20, *, tool="pay", **given):
    """Four tasks a day: invoices below one folder are read, and one of two suppliers is paid up to 120."""
    for day in range(days):
        for number in range(4):
            about = {
                "day": day,
                "agent": PAYER,
                "task": f"{tool}{day}-{number}",
                "purpose": "invoices",
                **given,
            }
            path = f"/invoices/{day}-{number}.pdf"
            yield record(tool="read", after=10.0 + number, arguments={"path": path}, **about)
            paid = {"supplier": ["acme", "globex"][number % 2], "cents": 30 * (number + 1)}
            yield record(tool=tool, after=20.0 + number, arguments=paid, charge=30, **about)


@pytest.fixture
def policy(tmp_path):
    """The author's policy: everything is allowed."""
    home = tmp_path / "policy"
    home.mkdir()
    (home / "open.rego").write_text(PERMISSIVE)
    return home


def told(capsys, *arguments, jobs=1):
    """The exit code, what is printed as JSON, and what is told beside it."""
    code = main(["suggest", *map(str, arguments), "--json", "--jobs", str(jobs)])
    out, err = capsys.readouterr()
    return code, json.loads(out) if out else {}, err


def kinds(report):
    """What is proposed of each kind for a tool and argument."""
    return {
        (one["kind"], one["tool"], one["name"]): one["value"]
        for one in report["restrictions"]
        if one["agent"] == PAYER
    }


def test_what_was_used_is_what_stays(policy, tmp_path, capsys):
    """Tools, arguments, values, ranges, beginnings, depth, children, budgets, time; nothing changes later; exit code 0."""
    log = write(tmp_path / "log.jsonl", routine())
    code, report, _ = told(capsys, log, "--policy", policy)
    assert code == 0
    found = kinds(report)
    assert found["only_listed_tools", "", ""] == ["pay", "read"]
    assert found["only_listed_arguments", "pay", ""] == ["cents", "supplier"]
    assert found["one_of", "pay", "supplier"] == ["acme", "globex"]
    assert found["at_least", "pay", "cents"] == 0
    assert found["at_most", "pay", "cents"] == 240
    assert found["begins_with", "read", "path"] == "/invoices/"
    assert found["types", "read", "path"] == ["string"]
    assert found["most_depth", "", ""] == found["most_children", "", ""] == 0
    assert found["most_spent", "", "cents"] == 60
    assert found["most_seconds", "", ""] == 300
    assert found["renewed", "", ""] == []
    assert found["only_signed", "", ""] is True
    assert report["held_out_share"] == 0.25
    assert report["held_out"]["decided"] == 48
    assert report["training"]["decided"] == report["learned"] == 112
    assert report["held_out"]["changed"] == report["training"]["changed"] == 0
    assert report["thresholds"]["decisions"] == 10


def test_smaller_numbers_are_denied_only_if_that_is_wanted(policy, tmp_path, capsys):
    """A number that was never negative stays so. One that was has the same ends with and without the option."""
    refunds = [
        record(
            tool="refund", day=day, task=f"r{day}-{number}", agent=PAYER, purpose="invoices", arguments={"cents": -40 + day % 3}
        )
        for day in range(20)
        for number in range(2)
    ]  # fmt: skip
    log = write(tmp_path / "log.jsonl", [*routine(), *refunds])
    found = [
        kinds(told(capsys, log, "--policy", policy, *options)[1]) for options in ((), ("--close-lower",))
    ]
    assert [one["at_least", "pay", "cents"] for one in found] == [0, 15]
    assert [one["at_least", "refund", "cents"] for one in found] == [-80, -80]


def test_every_call_that_would_be_denied_later_is_listed_and_the_proposal_is_written(
    policy, tmp_path, capsys
):
    """Exit code 1, so that no script takes the proposal as it is."""
    late = [
        record(
            tool="erase", day=19, task=f"late{number}", agent=PAYER, purpose="invoices", after=30.0 + number
        )
        for number in range(7)
    ]
    log = write(tmp_path / "log.jsonl", [*routine(), *late])
    code, report, _ = told(capsys, log, "--policy", policy, "--out", tmp_path / "out")
    assert code == 1
    [group] = report["held_out"]["groups"]
    assert (group["change"], group["rules"]) == ("newly_denied", ["least_privilege.tool_unused"])
    assert {one["decision_id"] for one in group["examples"]} == {one["decision_id"] for one in late}
    assert len(report["written"]) == 3
    assert main(["suggest", str(log), "--policy", str(policy)]) == 1
    out = capsys.readouterr().out
    assert all(one["decision_id"] in out for one in late)
    assert "nothing was written" in out


def test_a_proposal_that_allows_anything_new_is_refused(tmp_path, capsys):
    """A read that is denied now doesn't label the task, so a mail that was denied would be allowed."""
    home = tmp_path / "policy"
    home.mkdir()
    (home / "open.rego").write_text(STATEFUL)
    late = record(
        tool="read", day=19, task="late", agent=PAYER, purpose="invoices", arguments={"path": "/secret/1"}
    )
    late["result"]["labels"] = ["secret"]
    mail = record(tool="mail", day=19, task="late", after=9.0, agent=PAYER, purpose="invoices", effect="deny")
    mail["result"]["reasons"] = [{"module": "", "code": "no_grant"}]
    mail["input"]["history"]["labels"] = ["secret"]
    mails = [one for one in routine(tool="mail") if one["input"]["tool"]["name"] == "mail"]
    for one in mails:
        one["input"]["tool"]["arguments"] = {}
    log = write(tmp_path / "log.jsonl", [*routine(), *mails, late, mail])
    out = tmp_path / "out"
    code, report, _ = told(capsys, log, "--policy", home, "--out", out, "--patch", tmp_path / "patch")
    assert (code, report["refused"], report["written"]) == (1, "widens", [])
    assert report["held_out"]["changes"]["newly_allowed"] == 1
    assert not out.exists()
    assert not (tmp_path / "patch").exists()
    assert main(["suggest", str(log), "--policy", str(home)]) == 1
    assert "the proposal is refused, and nothing of it was written" in capsys.readouterr().err
    code, report, _ = told(capsys, log, "--policy", home, "--without", "begins_with", "--out", out)
    assert (code, report["refused"], len(report["written"])) == (0, "", 3)


def test_what_is_written_is_sound_formatted_and_holds(policy, tmp_path, capsys):
    """The policy with it passes its own cases, `opa fmt` changes nothing, and one case of each sort is there."""
    log = write(tmp_path / "log.jsonl", routine())
    code, report, _ = told(capsys, log, "--policy", policy, "--out", policy, "--name", "narrow")
    assert code == 0
    assert [name.rpartition("/")[2] for name in report["written"]] == [
        "narrow.rego",
        "data.yaml",
        "narrow_cases.yaml",
    ]
    assert main(["policy", "check", str(policy)]) == 0
    assert main(["policy", "test", str(policy)]) == 0
    assert " 0 failed" in capsys.readouterr().out
    module = policy / "narrow" / "narrow.rego"
    command = [opa_binary(), "fmt", "--fail", "--diff", str(module)]
    assert subprocess.run(command, capture_output=True, timeout=60, check=True).stdout == b""
    cases = (policy / "narrow" / "narrow_cases.yaml").read_text()
    for code_of_rule in (
        "tool_unused", "argument_unused", "value_unused", "value_out_of_range", "value_elsewhere", "type_unlike_used",
        "intent_not_signed", "depth_unused", "budget_unused",
    ):  # fmt: skip
        assert f'"{code_of_rule}"' in cases


def test_the_patch_is_what_git_applies(policy, tmp_path, capsys):
    """It makes the same files as --out."""
    log = write(tmp_path / "log.jsonl", routine())
    patch, out = tmp_path / "narrow.patch", tmp_path / "out"
    told(capsys, log, "--policy", policy, "--patch", patch, "--out", out)
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True, timeout=60)
    command = ["git", "apply", "--directory", "policy", str(patch)]
    subprocess.run(command, check=True, cwd=tmp_path, timeout=60)
    made = {file.name: file.read_text() for file in (policy / "least_privilege").iterdir()}
    assert made == {file.name: file.read_text() for file in (out / "least_privilege").iterdir()}
    assert len(made) == 3


def test_too_little_evidence_proposes_nothing_and_says_of_what(policy, tmp_path, capsys):
    """Exit code 0; the purpose is named with what there is."""
    log = write(tmp_path / "log.jsonl", routine(days=3))
    code, report, _ = told(capsys, log, "--policy", policy, "--out", tmp_path / "out")
    assert (code, report["restrictions"], report["held_out"], report["written"]) == (0, [], None, [])
    [lack] = report["too_little_evidence"]
    assert (lack["agent"], lack["purpose"], lack["days"]) == (PAYER, "invoices", 2)
    assert main(["suggest", str(log), "--policy", str(policy)]) == 0
    assert "nothing is proposed" in capsys.readouterr().out


def test_a_set_that_still_grows_is_no_set(policy, tmp_path, capsys):
    """A new supplier each day, a tool that came up only now, and amounts that rise: none of them is bounded."""
    growing = []
    for number, one in enumerate(routine()):
        if one["input"]["tool"]["name"] == "pay":
            one["input"]["tool"]["arguments"] |= {"supplier": f"s{number // 12}", "cents": number}
        growing.append(one)
    growing.append(record(tool="erase", day=13, task="new", agent=PAYER, purpose="invoices"))
    _, report, _ = told(capsys, write(tmp_path / "log.jsonl", growing), "--policy", policy)
    found = kinds(report)
    assert ("one_of", "pay", "supplier") not in found
    assert ("at_most", "pay", "cents") not in found
    assert ("only_listed_tools", "", "") not in found
    assert ("begins_with", "read", "path") in found


MASKS = {
    "the value of an argument": ("/input/tool/arguments/supplier", "narrowed without it"),
    "a part of an argument": ("/input/tool/arguments/supplier/name", "narrowed without it"),
    "all arguments": ("/input/tool/arguments", "narrowed without any"),
    "budgets": ("/input/budgets", "narrowed without state"),
    "the person": ("/input/subject/id", "narrowed"),
    "the purpose": ("/input/task/purpose", "refused"),
    "the tool": ("/input/tool", "refused"),
    "everything": ("/input", "refused"),
}


@pytest.mark.parametrize("hidden", MASKS)
@pytest.mark.parametrize("kind", ["erased", "masked"])
def test_nothing_is_proposed_about_what_a_mask_hid(policy, tmp_path, capsys, hidden, kind):
    """It is counted; if even agent, purpose or tool are hidden, nothing is proposed unless that is wanted."""
    path, result = MASKS[hidden]
    log = list(routine())
    for one in log[1::2]:
        one[kind] = [path]
    file = write(tmp_path / "log.jsonl", log)
    code, report, _ = told(capsys, file, "--policy", policy)
    if result == "refused":
        assert (code, report["refused"], report["not_learned"]) == (1, "unreadable", {"unreadable": 56})
        _, report, _ = told(capsys, file, "--policy", policy, "--ignore-unreadable")
        assert kinds(report)["only_listed_tools", "", ""] == ["read"]
        return
    found = kinds(report)
    assert report["not_learned"] == {"partly_masked": 56}
    assert found["only_listed_tools", "", ""] == ["pay", "read"]
    assert (("one_of", "pay", "supplier") in found) is (result in {"narrowed", "narrowed without state"})
    assert (("at_most", "pay", "cents") in found) is (result != "narrowed without any")
    assert (("most_depth", "", "") in found) is (result != "narrowed without state")


def test_odd_records_are_told_counted_and_never_guessed(policy, tmp_path, capsys):
    """Half a line and a denied call don't matter; an allowed call of another contract refuses the proposal."""
    lines = [json.dumps(one) for one in routine()]
    about = {"agent": PAYER, "purpose": "invoices", "day": 3}
    denied = json.dumps(record(tool="pay", effect="deny", arguments={"cents": 99}, id="denied", **about))
    file = tmp_path / "log.jsonl"
    file.write_text("\n".join([*lines[:60], "{not json", denied, *lines[60:], '{"half": ']))
    code, report, err = told(capsys, file, "--policy", policy)
    assert (code, report["odd_lines"], report["not_learned"]) == (0, 2, {"not_allowed": 1})
    assert err.count("log.jsonl:61") == 1
    strange = record(agent=PAYER, purpose="invoices", day=3, id="strange")
    strange["input"]["delegation"] = {"depth": "three"}
    file.write_text("\n".join([*lines, json.dumps(strange)]))
    code, report, _ = told(capsys, file, "--policy", policy)
    assert (code, report["refused"], report["not_learned"]) == (1, "unreadable", {"unreadable": 1})


def test_half_of_a_surrogate_pair_cant_be_read(policy, tmp_path, capsys):
    """No YAML could hold it, and no sidecar accepts it."""
    log = [json.dumps(one) for one in routine()]
    log[1] = log[1].replace('"acme"', '"\\ud800"')
    file = tmp_path / "log.jsonl"
    file.write_text("\n".join(log))
    code, report, _ = told(capsys, file, "--policy", policy)
    assert (code, report["refused"], report["not_learned"]) == (1, "unreadable", {"unreadable": 1})
    code, report, _ = told(capsys, file, "--policy", policy, "--ignore-unreadable")
    assert (code, report["training"]["not_replayable"]) == (0, {"malformed_record": 1})


def test_files_may_be_compressed_shuffled_and_replayed_by_several_processes(policy, tmp_path, capsys):
    """The same proposal, and the same report."""
    log = list(routine())
    _, plain, _ = told(capsys, write(tmp_path / "log.jsonl", log), "--policy", policy)
    parts = [tmp_path / "one.gz", tmp_path / "two.gz"]
    for part, half in zip(parts, (log[::2], log[1::2]), strict=True):
        part.write_bytes(gzip.compress(write(tmp_path / "half", half).read_bytes()))
    random.Random(1).shuffle(parts)
    _, packed, _ = told(capsys, *parts, "--policy", policy, jobs=2)
    assert packed == plain


def test_purposes_are_closed_only_if_wanted(policy, tmp_path, capsys):
    """A new signed purpose is the author's matter, unless --close-purposes is given."""
    new = [
        record(tool="pay", day=19, task=f"n{n}", agent=PAYER, purpose="yearly", id=f"n{n}") for n in range(3)
    ]
    log = write(tmp_path / "log.jsonl", [*routine(), *new])
    code, report, _ = told(capsys, log, "--policy", policy)
    assert (code, report["held_out"]["changed"]) == (0, 0)
    code, report, _ = told(capsys, log, "--policy", policy, "--close-purposes")
    assert code == 1
    assert report["held_out"]["changes"]["newly_denied"] == 3


def test_what_the_later_part_used_is_accepted_if_that_is_wanted(policy, tmp_path, capsys):
    """The calls are still listed, what is written denies none of them, and the rest stays as narrow."""
    late = [
        record(tool="erase", day=19, task=f"l{n}", agent=PAYER, purpose="invoices", id=f"l{n}")
        for n in range(3)
    ]
    log = write(tmp_path / "log.jsonl", [*routine(), *late])
    code, report, _ = told(capsys, log, "--policy", policy, "--accept-later", "--out", policy)
    assert (code, report["held_out"]["changed"]) == (0, 0)
    assert report["accepted"]["changes"]["newly_denied"] == 3
    assert kinds(report)["only_listed_tools", "", ""] == ["erase", "pay", "read"]
    assert kinds(report)["one_of", "pay", "supplier"] == ["acme", "globex"]
    assert main(["policy", "test", str(policy)]) == 0
    assert main(["replay", str(log), "--policy", str(policy), "--fail-on", "newly_denied"]) == 0
    capsys.readouterr()
    main(["suggest", str(log), "--policy", str(policy), "--accept-later", "--name", "again"])
    out = capsys.readouterr().out
    assert all(f"l{number}  erase" in out for number in range(3))


def test_what_only_the_whole_log_is_evidence_for_is_proposed_once_the_later_part_is_accepted(
    policy, tmp_path, capsys
):
    """A tool that came into use shortly before the cut leaves the set of tools open; at the end of the log it is settled."""
    new = [
        record(tool="erase", day=13, task=f"n{n}", agent=PAYER, purpose="invoices", id=f"n{n}")
        for n in range(3)
    ]
    log = write(tmp_path / "log.jsonl", [*routine(), *new])
    code, report, _ = told(capsys, log, "--policy", policy)
    assert (code, ("only_listed_tools", "", "") in kinds(report)) == (0, False)
    before = kinds(report)
    code, report, _ = told(capsys, log, "--policy", policy, "--accept-later")
    after = kinds(report)
    assert (code, after["only_listed_tools", "", ""]) == (0, ["erase", "pay", "read"])
    assert before.keys() < after.keys()
    assert main(["suggest", str(log), "--policy", str(policy), "--accept-later"]) == 0
    assert "stay allowed because" not in capsys.readouterr().out


def test_tools_of_an_agent_are_closed_for_every_purpose_if_that_is_wanted(policy, tmp_path, capsys):
    """A new purpose may use the tools that the agent knows, and no other one."""
    new = [record(tool=name, day=19, agent=PAYER, purpose="yearly", id=name) for name in ("pay", "erase")]
    log = write(tmp_path / "log.jsonl", [*routine(), *new])
    code, report, _ = told(capsys, log, "--policy", policy, "--close-tools")
    assert code == 1
    [group] = report["held_out"]["groups"]
    assert (group["tool"], group["rules"]) == ("erase", ["least_privilege.tool_unknown_here"])


def test_asserted_purposes_count_as_one(policy, tmp_path, capsys):
    """An agent that may state any purpose can't leave its restrictions by stating another one."""
    log = list(routine(source="asserted"))
    for number, one in enumerate(log):
        one["input"]["task"]["purpose"] = f"purpose {number % 7}"
    late = record(tool="erase", day=19, agent=PAYER, purpose="whatever", source="asserted", id="late")
    file = write(tmp_path / "log.jsonl", [*log, late])
    code, report, _ = told(capsys, file, "--policy", policy)
    assert code == 1
    assert ("only_signed", "", "") not in kinds(report)
    assert report["held_out"]["groups"][0]["examples"][0]["decision_id"] == "late"
    assert main(["suggest", str(file), "--policy", str(policy)]) == 1
    assert "(asserted purposes)" in capsys.readouterr().out


def test_texts_of_a_log_reach_no_terminal_raw(policy, tmp_path, capsys):
    """Neither those of restrictions nor those of calls that would be denied."""
    evil = "\x1b]0;x\x07\u202e"
    log = list(routine(agent=f"spiffe://x/{evil}", purpose=evil))
    for one in log[1::2]:
        one["input"]["tool"]["name"] = f"pay{evil}"
        one["input"]["tool"]["arguments"] = {f"a{evil}": evil}
    late = record(tool=f"late{evil}", day=19, agent=f"spiffe://x/{evil}", purpose=evil, id=f"late{evil}")
    file = write(tmp_path / "log.jsonl", [*log, late])
    page = tmp_path / "page.html"
    assert (
        main(["suggest", str(file), "--policy", str(policy), "--out", str(policy), "--html", str(page)]) == 1
    )
    out, err = capsys.readouterr()
    texts = [out, err, *(one.read_text() for one in (policy / "least_privilege").iterdir())]
    assert all("\x1b" not in text and "\u202e" not in text and "\x07" not in text for text in texts)
    assert "\x1b" not in page.read_text()
    assert main(["policy", "test", str(policy)]) == 0


UNUSABLE = {
    ("--name", "No Name"): (2, "is no module name"),
    ("--name", "open"): (4, "can't be used"),
    ("--without", "everything"): (2, "is not one of"),
    ("--held-out", "0.99"): (2, "held-out"),
}


@pytest.mark.parametrize("arguments", UNUSABLE)
def test_what_cant_be_used_is_said(policy, tmp_path, capsys, arguments):
    """Before anything is written."""
    code, message = UNUSABLE[arguments]
    log = write(tmp_path / "log.jsonl", routine())
    out = tmp_path / "out"
    assert main(["suggest", str(log), "--policy", str(policy), "--out", str(out), *arguments]) == code
    assert message in capsys.readouterr().err
    assert not out.exists()


def test_files_that_are_there_stay_as_they_are(policy, tmp_path, capsys):
    """A second suggestion overwrites nothing, and a policy that has one says so."""
    log = write(tmp_path / "log.jsonl", routine())
    out = tmp_path / "out"
    assert main(["suggest", str(log), "--policy", str(policy), "--out", str(out)]) == 0
    before = {file: file.read_bytes() for file in (out / "least_privilege").iterdir()}
    assert main(["suggest", str(log), "--policy", str(policy), "--out", str(out)]) == 2
    assert "can't be written" in capsys.readouterr().err
    assert before == {file: file.read_bytes() for file in (out / "least_privilege").iterdir()}
    assert main(["suggest", str(log), "--policy", str(policy), "--out", str(policy)]) == 0
    assert main(["suggest", str(log), "--policy", str(policy)]) == 4
    assert "Choose another --name" in capsys.readouterr().err


def test_memory_is_bounded(policy, tmp_path):
    """A hundred times as many values take no more memory than the bound of what is remembered."""
    file = tmp_path / "log.jsonl"
    line = json.dumps(
        record(agent=PAYER, purpose="invoices", tool="pay", arguments={"text": "VALUE"}, id="ID")
    )
    with file.open("w") as log:
        for number in range(20_000):
            log.write(line.replace("VALUE", f"value {number}").replace('"ID"', f'"{number}"') + "\n")
    command = ["suggest", str(file), "--policy", str(policy), "--jobs", "1", "--json"]
    done = subprocess.run(
        [sys.executable, "-c", _MEASURED, *command], capture_output=True, text=True, check=True, timeout=300
    )
    assert int(done.stdout.splitlines()[-1]) < 300 * 2**20


# The most that this program had itself: getrusage would count what its parent had, too.
_MEASURED = """
import re, sys
from pathlib import Path
from tabard_sidecar.cli import main
main(sys.argv[1:])
print()
print(int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) * 1024)
"""
