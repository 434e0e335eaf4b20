"""`tabard replay` on logs that real sidecars wrote."""

from __future__ import annotations

import gzip
import json
import os
import re
import subprocess
import sys
import threading

import pytest
from tabard_sidecar.cli import main


def told(capsys, *arguments):
    """The exit code and the report as JSON."""
    code = main(["replay", *map(str, arguments), "--json"])
    return code, json.loads(capsys.readouterr().out)


def without_places(report):
    """A report without what differs between two readings of one log."""
    return {name: value for name, value in report.items() if name != "odd_lines"}


def test_the_policy_that_decided_changes_nothing(desk, capsys):
    """Exit code 0, every decision decided again, none of them otherwise."""
    code, report = told(capsys, *desk.logs, "--policy", desk.old)
    assert code == 0
    assert report["changed"] == 0
    assert report["not_replayable"] == {}
    assert report["decided"] > 150
    assert all(one["before"] == one["now"] for one in report["effects"])


def test_another_policy_changes_decisions_and_each_group_has_examples(desk, capsys):
    """Exit code 1; sums of groups, effects and changes agree; an example is a decision of the log."""
    code, report = told(capsys, *desk.logs, "--policy", desk.new, "--examples", "2")
    assert code == 1
    crossed = sum(one["count"] for one in report["effects"] if one["before"] != one["now"])
    named = sum(report["changes"][name] for name in ("newly_allowed", "newly_denied", "newly_asked"))
    assert crossed == named > 0
    text = "".join(log.read_text() for log in desk.logs)
    for group in report["groups"]:
        assert 0 <= group["by_state"] <= group["count"]
        assert 1 <= len(group["examples"]) <= min(2, group["count"])
        assert all(example["decision_id"] in text for example in group["examples"])


def test_state_makes_the_difference_that_it_is_said_to_make(desk, capsys):
    """What only changes by the task's state doesn't change if each decision is judged alone."""
    _, whole = told(capsys, *desk.logs, "--policy", desk.new)
    _, alone = told(capsys, *desk.logs, "--policy", desk.new, "--stateless")
    assert sum(group["by_state"] for group in whole["groups"]) > 0
    assert sum(group["by_state"] for group in alone["groups"]) == 0
    assert whole["changes"] != alone["changes"]


def test_against_the_old_policy_is_the_same_as_against_the_log(desk, capsys):
    """The policy that decided says of each decision what the log says; only it tells the limits of tasks."""
    _, logged = told(capsys, *desk.logs, "--policy", desk.new)
    _, policy = told(capsys, *desk.logs, "--policy", desk.new, "--against", desk.old)
    limits = policy["changes"].pop("changed_limits")
    assert limits in {6, 12}  # of starts, and of hand-overs
    assert logged["changes"].pop("changed_limits") == 0
    assert logged["changes"] == policy["changes"]


@pytest.mark.parametrize("jobs", [2, 3])
def test_several_processes_find_what_one_finds(desk, capsys, jobs):
    """Also the examples are the same."""
    one = told(capsys, *desk.logs, "--policy", desk.new, "--jobs", 1)
    assert told(capsys, *desk.logs, "--policy", desk.new, "--jobs", jobs) == one


def test_files_may_be_compressed_cut_and_named_in_any_order(desk, capsys, tmp_path):
    """Each log in two pieces, packed, named backwards: the same report. Each piece is whole by itself, as closed files are."""
    _, plain = told(capsys, *desk.logs, "--policy", desk.new)
    packed = []
    for log in desk.logs:
        target = tmp_path / f"{log.parent.name}.jsonl.gz"
        target.write_bytes(gzip.compress(log.read_bytes()))
        packed.insert(0, target)
    _, report = told(capsys, *packed, "--policy", desk.new)
    assert report == plain


def test_half_a_last_line_and_other_odd_lines_are_told_and_counted(desk, capsys, tmp_path):
    """The rest is replayed."""
    broken = tmp_path / "broken.jsonl"
    lines = desk.logs[0].read_bytes().splitlines(keepends=True)
    broken.write_bytes(
        b"".join([*lines[:20], b"{not json\n", b'["a list"]\n', *lines[20:-1], lines[-1][:50]])
    )
    code = main(["replay", str(broken), "--policy", desk.old, "--json"])
    out, err = capsys.readouterr()
    report = json.loads(out)
    assert report["odd_lines"] == 3
    assert re.search(r"broken\.jsonl:21: the line isn't JSON", err)
    assert code == 0
    assert report["decided"] > 100


def changed_log(desk, tmp_path, change):
    """The first log with one record changed, which has no later ones that refer to it."""
    target = tmp_path / "changed.jsonl"
    records = [json.loads(line) for line in desk.logs[0].read_text().splitlines()]
    place = max(
        number
        for number, record in enumerate(records)
        if record["operation"] == "authorize" and "history" in record.get("input", {})
    )
    change(records[place])
    target.write_text("".join(json.dumps(record) + "\n" for record in records))
    return target


FAULTS = {
    "erased": (lambda record: record.update(erased=["/input/tool/arguments/n"]), "masked_input"),
    "masked": (lambda record: record.update(masked=["/input/tool/arguments/n"]), "masked_input"),
    "another path": (lambda record: record.update(path="another/decision"), "unknown_contract"),
    "no calls": (lambda record: record["input"].update(history={"calls": 3}), "unknown_contract"),
    "half of a surrogate pair": (
        lambda record: record["input"]["task"].update(statement="\ud800"),
        "malformed_record",
    ),
    "half of one in a name": (
        lambda record: record["input"]["tool"]["arguments"].update({"\ud800": 1}),
        "malformed_record",
    ),
    "a number beyond all": (
        lambda record: record["input"]["tool"]["arguments"].update(n=10**400),
        "malformed_record",
    ),
    "no operation": (lambda record: record["input"].update(operation={}), "unknown_contract"),
    "no time": (lambda record: record["input"]["context"].update(time="now"), "malformed_record"),
    "more members": (lambda record: record["input"].update(version=2), "unknown_contract"),
    "odd charges": (
        lambda record: record["result"].update(charges="much", decision="allow"),
        "malformed_record",
    ),
    "left out": (
        lambda record: record.update(left_out=[{"members": ["subject"], "sequence": 1, "hash": "0" * 64}]),
        "incomplete_input",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_cant_be_decided_again_says_why(desk, capsys, tmp_path, fault):
    """It is counted by its reason, and the others are decided."""
    change, why = FAULTS[fault]
    log = changed_log(desk, tmp_path, change)
    code, report = told(capsys, log, "--policy", desk.old)
    assert report["not_replayable"].get(why, 0) >= 1, report["not_replayable"]
    assert set(report["not_replayable"]) == {why}
    assert code == 0


def test_only_kinds_that_are_named_fail(desk, capsys):
    """--fail-on chooses for scripts."""
    _, report = told(capsys, *desk.logs, "--policy", desk.new)
    present = [name for name, count in report["changes"].items() if count]
    absent = [name for name, count in report["changes"].items() if not count]
    assert told(capsys, *desk.logs, "--policy", desk.new, "--fail-on", present[0])[0] == 1
    assert told(capsys, *desk.logs, "--policy", desk.new, "--fail-on", absent[0])[0] == 0
    assert told(capsys, *desk.logs, "--policy", desk.new, "--fail-on", "not_replayable")[0] == 0
    assert told(capsys, *desk.logs, "--policy", desk.new, "--fail-on", "nothing")[0] == 0


def test_times_narrow_what_is_decided(desk, capsys):
    """Nothing is from tomorrow."""
    _, all_of_it = told(capsys, *desk.logs, "--policy", desk.old)
    code, report = told(capsys, *desk.logs, "--policy", desk.old, "--since", "2999-01-01")
    assert (code, report["decided"]) == (0, 0)
    assert report["skipped"]["other_times"] >= all_of_it["decided"]


def test_people_read_what_changes_and_that_agents_would_have_gone_on_otherwise(desk, capsys):
    """Headings, groups, examples, and the limit of every replay."""
    main(["replay", *map(str, desk.logs), "--policy", desk.new])
    out = capsys.readouterr().out
    assert "decisions decided again, with the state that each task would have" in out
    assert re.search(r"^\d+ newly_\w+: ", out, re.MULTILINE)
    assert "A changed decision would have changed what the agent did next" in out


def test_the_page_needs_nothing_else_and_quotes_what_strangers_said(desk, capsys, tmp_path):
    """No script, no address, and a tool's name is text."""

    def hostile(record):
        record["input"]["tool"]["name"] = "<script>alert(1)</script>"

    page = tmp_path / "report.html"
    log = changed_log(desk, tmp_path, hostile)
    main(["replay", str(log), "--policy", desk.new, "--html", str(page)])
    html = page.read_text()
    assert "<script" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert "http" not in html.replace('http-equiv="Content-Security-Policy"', "")
    assert html.count("<svg") == 2


def test_a_broken_policy_is_told_as_everywhere(desk, capsys, tmp_path):
    """Exit code 4, with the place; with several processes as well."""
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "p.rego").write_text("package policy.p\n\ngrant contains {\n")
    for jobs in ("1", "2"):
        assert main(["replay", str(desk.logs[0]), "--policy", str(broken), "--jobs", jobs]) == 4
        assert "p.rego:" in capsys.readouterr().err


def test_a_missing_or_damaged_file_is_named(desk, capsys, tmp_path):
    """2 for a file that isn't there; 6 for one that isn't whole."""
    assert main(["replay", str(tmp_path / "none"), "--policy", desk.old]) == 2
    damaged = tmp_path / "damaged.gz"
    damaged.write_bytes(gzip.compress(desk.logs[0].read_bytes())[:-20])
    assert main(["replay", str(damaged), "--policy", desk.old]) == 6
    assert "damaged.gz" in capsys.readouterr().err


def test_a_process_that_dies_ends_the_replay(desk, tmp_path):
    """A killed process is told, and nothing hangs."""
    script = (
        "import os, sys\n"
        "from tabard_sidecar.replay import judging\n"
        "judging.Judge.judge = lambda self, items: os._exit(9)\n"
        "from tabard_sidecar.cli import main\n"
        "if __name__ == '__main__': sys.exit(main(sys.argv[1:]))\n"
    )
    program = tmp_path / "program.py"
    program.write_text(script)
    done = subprocess.run(
        [sys.executable, program, "replay", *map(str, desk.logs), "--policy", desk.old, "--jobs", "2"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 6
    assert "of the replay ended with code 9" in done.stderr


def test_a_log_may_come_through_a_pipe_that_is_read_once(desk, capsys, tmp_path):
    """Compressed, and beside a file: the same report as of the files."""
    _, plain = told(capsys, *desk.logs, "--policy", desk.new)
    pipe = tmp_path / "piped"
    os.mkfifo(pipe)
    content = gzip.compress(desk.logs[0].read_bytes())
    writer = threading.Thread(target=pipe.write_bytes, args=(content,), daemon=True)
    writer.start()
    _, piped = told(capsys, pipe, *desk.logs[1:], "--policy", desk.new)
    writer.join(30)
    assert piped == plain


def test_a_record_with_members_missing_is_counted_and_the_others_are_decided(desk, capsys, tmp_path):
    """One after the other of those that a decision needs."""
    for name in ("subject", "agent", "delegation", "task", "approvals"):
        log = changed_log(desk, tmp_path, lambda record, name=name: record["input"].pop(name))
        code, report = told(capsys, log, "--policy", desk.old)
        assert report["not_replayable"] == {"malformed_record": 1}, name
        assert (code, report["decided"] > 100) == (0, True)
    log = changed_log(desk, tmp_path, lambda record: record["input"].pop("history"))
    _, report = told(capsys, log, "--policy", desk.old)
    assert report["skipped"]["refused_before_policy"] >= 1
