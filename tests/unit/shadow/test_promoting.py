"""The candidate takes the place of the policy that decides: checked, whole, at once, and never where others write."""

from __future__ import annotations

import asyncio
import json
import sys

import grpc
import pytest
import tabard as sdk
from tabard.errors import from_rpc
from tabard_opa import Engine
from tabard_sidecar.policy.conf import PolicyConfig, ShadowConfig
from tabard_sidecar.policy.loading.compiling import CompileOptions
from tabard_sidecar.policy.loading.sources import load_source
from tabard_sidecar.shadow import promoting
from tabard_sidecar.shadow.promoting import PromotionError, promote

from tests.support.waiting import eventually
from tests.unit.shadow.conftest import LIVE, STRICT

OTHER = 'package policy.other\n\ngrant contains {"code": "write"} if input.tool.name == "write"\n'


async def refused(zone, revision="", base=""):
    """Promote, which must fail; return code and message."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await zone.promote(revision, base)
    error = from_rpc(caught.value, "")
    return error.code, error.message


async def test_the_candidate_decides_from_then_on(trying, folder):
    """What was there is kept, and the change is recorded before and after."""
    (folder / "policy").mkdir()
    (folder / "policy" / "README.md").write_text("ours")
    zone = await trying()
    task = await zone.zone.start_task()
    await task.authorize("pay", {"n": 40})
    candidate, live = zone.shadow.status.revision, zone.zone.parts("orchestrator").policy.revision
    answer = await zone.promote()
    assert (answer.path, answer.revision, list(answer.problems)) == (str(folder / "policy"), candidate, [])
    with pytest.raises(sdk.Denied):
        await task.authorize("pay", {"n": 40})
    assert (folder / "policy" / "desk.rego").read_text() == STRICT
    previous = folder / answer.previous_path
    assert (previous / "desk.rego").read_text() == LIVE
    assert (previous / "README.md").read_text() == "ours"
    assert not [one for one in folder.iterdir() if one.name.startswith(".policy")]
    records = [one for one in zone.records() if one["operation"] == "promote_policy"]
    assert [one["event"] for one in records] == ["intent", "outcome"]
    assert records[0]["input"] == {"candidate": candidate, "policy": live}
    assert records[1]["result"]["change"] == "made"
    assert records[1]["by"]["operator"]["pid"]


async def test_modules_are_put_among_the_others(trying, folder):
    """Files of the module are replaced, whatever they are called; nothing else changes."""
    zone = await trying(
        {"new.rego": STRICT, "unused.rego": OTHER},
        live={"desk.rego": LIVE, "other.rego": OTHER, "data.json": "{}"},
        shadow={"modules": {"desk": "shadow"}},
    )
    await zone.promote()
    assert sorted(one.name for one in (folder / "policy").iterdir()) == [
        "data.json",
        "new.rego",
        "other.rego",
    ]
    assert (folder / "policy" / "new.rego").read_text() == STRICT


async def test_only_what_was_tried_is_put_into_place(trying, folder):
    """Another revision than the one that is named is refused; so is one that changed meanwhile."""
    zone = await trying()
    code, message = await refused(zone, "0" * 64)
    assert code == "shadow_not_promotable"
    assert "by now" in message
    tried = zone.shadow.status.revision
    (folder / "candidate" / "desk.rego").write_text(LIVE + "\n# another\n")
    assert (await refused(zone, tried))[0] == "shadow_not_promotable"
    assert (folder / "policy" / "desk.rego").read_text() == LIVE
    changes = [one for one in zone.records() if one["operation"] == "promote_policy"]
    assert {one["result"].get("change") for one in changes if one["event"] == "outcome"} == {"refused"}


def test_the_last_check_refuses_what_cannot_be_served(folder):
    """Nothing is left behind."""
    for name, text in (("policy", LIVE), ("candidate", LIVE.replace("input.tool.name", "input.tool.nmae"))):
        (folder / name).mkdir()
        (folder / name / "desk.rego").write_text(text)
    config = PolicyConfig(path=folder / "policy", shadow=ShadowConfig(path=folder / "candidate"))
    revision, base = load_source(folder / "candidate").revision, load_source(folder / "policy").revision
    with Engine() as engine, pytest.raises(PromotionError, match="nmae"):
        promote(engine, config, CompileOptions(), revision, base)
    assert sorted(one.name for one in folder.iterdir()) == ["candidate", "policy"]
    assert (folder / "policy" / "desk.rego").read_text() == LIVE


def _folders(folder):
    """Make a policy and a candidate; return the configuration, the candidate's revision and the policy's."""
    for name, text in (("policy", LIVE), ("candidate", STRICT)):
        (folder / name).mkdir()
        (folder / name / "desk.rego").write_text(text)
    config = PolicyConfig(path=folder / "policy", shadow=ShadowConfig(path=folder / "candidate"))
    return config, load_source(folder / "candidate").revision, load_source(folder / "policy").revision


def test_a_change_of_the_policy_meanwhile_is_not_lost(folder, monkeypatch):
    """Someone denies something urgently while the candidate is checked: the candidate doesn't undo that."""
    config, revision, base = _folders(folder)
    checking, urgent = promoting._check, LIVE + "\n# urgent\n"

    def check(*arguments):
        checking(*arguments)
        (folder / "policy" / "desk.rego").write_text(urgent)

    monkeypatch.setattr(promoting, "_check", check)
    with Engine() as engine, pytest.raises(PromotionError, match="changed meanwhile"):
        promote(engine, config, CompileOptions(), revision, base)
    assert sorted(one.name for one in folder.iterdir()) == ["candidate", "policy"]
    assert (folder / "policy" / "desk.rego").read_text() == urgent


async def test_a_change_of_the_policy_since_the_candidate_was_loaded_is_not_undone(trying, tabard, folder):
    """The candidate is put into place once it is loaded anew, or once an operator names the files as they are."""
    zone = await trying()
    at = ("--operator", zone.zone.operator())
    tried, before = zone.shadow.status.revision, zone.shadow.status.base
    urgent = LIVE + '\ndeny contains {"code": "stop", "message": "urgent"} if input.tool.name == "pay"\n'
    (folder / "policy" / "desk.rego").write_text(urgent)
    live = zone.zone.parts("orchestrator").policy
    await eventually(lambda: live.revision != before)
    code, _, problem = await tabard("shadow", "promote", "--yes", *at)
    assert code == 1
    assert f"from revision {before} to {live.revision}" in problem
    assert "--base" in problem
    assert (folder / "policy" / "desk.rego").read_text() == urgent
    (folder / "candidate" / "desk.rego").write_text(STRICT + "\n# with the change\n")
    await zone.running(tried)
    assert zone.shadow.status.base == live.revision
    (folder / "policy" / "desk.rego").write_text(LIVE)
    now = load_source(folder / "policy").revision
    code, shown, _ = await tabard("shadow", "promote", "--yes", "--base", now, *at)
    assert code == 0, shown
    assert (folder / "policy" / "desk.rego").read_text() == STRICT + "\n# with the change\n"


def test_a_policy_that_was_not_known_or_cannot_be_read_is_not_replaced(folder):
    """Of the first, an operator may name what is there."""
    config, revision, base = _folders(folder)
    with Engine() as engine:
        with pytest.raises(PromotionError, match=f"wasn't known .* {base} "):
            promote(engine, config, CompileOptions(), revision, "")
        (folder / "policy" / "data.json").write_text("{")
        with pytest.raises(PromotionError, match="can't be read"):
            promote(engine, config, CompileOptions(), revision, base)
    assert sorted(one.name for one in folder.iterdir()) == ["candidate", "policy"]


@pytest.mark.parametrize("name", ["NOTES.md", "data.json"])
def test_no_copy_is_made_of_what_lies_elsewhere(folder, name):
    """A link to a key, for example, whose copy others could read. Links within the folder are followed."""
    config, _, base = _folders(folder)
    secret, candidate = folder / "secret", folder / "candidate"
    secret.write_text("{}")
    secret.chmod(0o600)
    (candidate / name).symlink_to(secret)
    (candidate / "same.md").symlink_to("desk.rego")
    with Engine() as engine:
        with pytest.raises(PromotionError, match=f"{name} is a link that leads out"):
            promote(engine, config, CompileOptions(), load_source(candidate).revision, base)
        (candidate / name).unlink()
        promote(engine, config, CompileOptions(), load_source(candidate).revision, base)
    assert (folder / "policy" / "same.md").read_text() == STRICT


async def test_what_something_else_keeps_is_left_alone(trying, folder):
    """A volume of Kubernetes and a repository have hidden names; the error says what to do."""
    zone = await trying()
    (folder / "policy" / "..data").mkdir()
    code, message = await refused(zone)
    assert code == "shadow_not_promotable"
    assert "'..data'" in message
    assert "deployment" in message
    assert (folder / "policy" / "desk.rego").read_text() == LIVE


async def test_the_commands(trying, tabard, folder):
    """Status, differences and promotion, for people and scripts."""
    zone = await trying()
    at = ("--operator", zone.zone.operator())
    code, shown, _ = await tabard("shadow", "diff", *at)
    assert code == 0
    assert "nothing changes" in shown
    task = await zone.zone.start_task()
    await task.authorize("pay", {"n": 40})
    await zone.decided(2)
    code, shown, _ = await tabard("shadow", "status", *at)
    assert code == 0
    assert "running" in shown
    assert "1 newly_denied" in shown
    code, shown, _ = await tabard("shadow", "status", "--json", *at)
    told = json.loads(shown)
    assert (told["decided"], told["changes"], told["state"]) == (2, {"newly_denied": 1}, "running")
    code, shown, _ = await tabard("shadow", "diff", *at)
    assert code == 1
    assert "allow (desk.pay) -> deny (no_grant)" in shown
    code, shown, _ = await tabard("shadow", "diff", "--json", *at)
    assert json.loads(shown)["groups"][0]["examples"][0]["now"]["reasons"] == ["no_grant"]
    await eventually(zone.differences)
    log = str(zone.zone.sidecars["orchestrator"].folder / "decisions.log")
    config = ("--config", str(zone.zone.sidecars["orchestrator"].folder / "tabard.yaml"))
    code, shown, _ = await tabard("log", "search", log, "--effect", "shadow", "--json", *config)
    assert code == 0
    found = json.loads(shown)
    assert (found["effect"], found["tool"], found["shadow"]["changes"]) == ("shadow", "pay", ["newly_denied"])
    assert (await tabard("audit", "verify", log))[0] == 0
    code, shown, _ = await tabard("replay", log, "--policy", str(folder / "policy"), "--json", *config)
    assert code == 0
    assert json.loads(shown)["skipped"]["shadow_differences"] == 1
    code, shown, _ = await tabard("shadow", "promote", "--yes", "--json", *at)
    assert code == 0
    assert json.loads(shown)["revision"] == zone.shadow.status.revision


async def test_a_sidecar_without_a_candidate_says_so(start_zone, tabard):
    """And has imported nothing for it."""
    zone = await start_zone(policy={"desk.rego": LIVE}, workloads=("orchestrator",))
    code, _, problem = await tabard("shadow", "status", "--operator", zone.operator())
    assert code == 1
    assert "policy.shadow isn't set" in problem
    code = "import sys, tabard_sidecar.server.lifecycle; print([n for n in sys.modules if n.startswith('tabard_sidecar.shadow')])"
    done = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
    assert (await done.communicate())[0] == b"[]\n"
