"""docs/operators.md and the drill of docs/operations.md: people of a real Keycloak operate a zone by its groups."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
import requests
import tabard
import yaml

from testbed.world import ZONE
from tests.support.asking import impatience
from tests.support.control import Cluster
from tests.support.control_operators import Desk, desk
from tests.support.keycloak_browser import approve
from tests.support.keycloak_server import Keycloak, keycloak
from tests.support.markdown import ROOT, code_of
from tests.support.pages import Ran, run_blocks

PAGE, DRILL = "docs/operators.md", "docs/operations.md"
PAY = ("pay", {"to": "ACME", "cents": 5})
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
STRANGER = {
    "clientId": "other",
    "publicClient": True,
    "standardFlowEnabled": False,
    "fullScopeAllowed": False,
    "attributes": {"oauth2.device.authorization.grant.enabled": "true"},
    "defaultClientScopes": ["basic"],
}


def block(page: str, name: str) -> str:
    ((_, text),) = code_of(page, name)
    return text


@pytest.fixture(scope="module")
def idp() -> Iterator[Keycloak]:
    """Alice is on call, Bob only looks. Another client of the realm asks for the same audience and groups."""
    realm = json.loads(block(PAGE, "operators-realm"))
    (own,) = realm["clients"]
    other = STRANGER | {"protocolMappers": own["protocolMappers"]}
    groups = {"alice": "support-on-call", "bob": "support-viewers"}
    with keycloak({"groups": realm["groups"], "clients": [own, other]}, groups) as server:
        yield server


@pytest.fixture
def cluster(folder, monkeypatch) -> Iterator[Cluster]:
    impatience(monkeypatch)
    made = Cluster(folder)
    yield made
    made.api.close()


@pytest.fixture
async def at(cluster, start_server, idp: Keycloak):
    """The desk of an operator; the control service has the page's configuration."""
    config = yaml.safe_load(block(PAGE, "operators-config"))
    (terms,) = config["operators"]["issuers"]
    own = terms | {"issuer": idp.issuer, "keys_file": None, "algorithms": ["RS256"]}
    bindings = config["zones"]["support"]["operators"]
    async with desk(cluster, start_server(), bindings=bindings, issuer=own) as made:
        yield made


def token(idp: Keycloak, person: str, client: str = "tabard-cli") -> str:
    """Return an access token of a person who signed in by a device's code."""
    base = f"{idp.issuer}/protocol/openid-connect"
    device = requests.post(f"{base}/auth/device", data={"client_id": client}, timeout=30).json()
    approve(device["verification_uri_complete"], person)
    asked = {"client_id": client, "grant_type": DEVICE, "device_code": device["device_code"]}
    return str(requests.post(f"{base}/token", data=asked, timeout=30).json()["access_token"])


async def commands(at: Desk, idp: Keycloak, home: Any, *blocks: tuple[str, str], prepare: str = "") -> Ran:
    """Run a page's blocks as a person does who reaches this service and this Keycloak."""
    home.mkdir()
    shutil.copy(at.cluster.authority.certificate, home / "ca.crt")
    port = at.service.operators.rpartition(":")[2]
    places = {
        "https://tabard-control.tabard-system.svc:8445": f"https://127.0.0.1:{port}",
        "https://login.example.org/realms/staff": idp.issuer,
    }

    def here(text: str) -> str:
        for page, place in places.items():
            text = text.replace(page, place)
        return text

    given = [(kind, here(text)) for kind, text in blocks]
    first = f"set -e\nexport NO_COLOR=1\ncp {home}/ca.crt .\n{prepare}\n"
    return await asyncio.to_thread(run_blocks, [("sh", here(first)), *given], home)


def shown(page: str, name: str) -> list[tuple[str, str]]:
    """Return a command of a page, and what it has to print if the page shows it."""
    text = (ROOT / page).read_text()
    after = text[text.index(f"<!-- test: {name} -->") :].partition("\n```\n")[2].lstrip()
    output = after.removeprefix("```text\n").partition("```")[0] if after.startswith("```text") else ""
    return [("sh", block(page, name)), *([("text", output)] if output else [])]


async def test_the_page_and_the_drill(at: Desk, idp: Keycloak, tmp_path):
    """The workload is denied on every sidecar from the acknowledgement on, and works again afterwards."""
    task = await at.zone.start_task()
    assert (await task.authorize(*PAY)).credential.audience == "bank"
    browser = (
        f"PYTHONPATH={ROOT} python3 -m tests.support.keycloak_browser "
        '"$(python3 -c \'import json; print(json.load(open("device.json"))["verification_uri_complete"])\')" alice\n'
    )
    ran = await commands(
        at,
        idp,
        tmp_path / "first",
        *shown(PAGE, "operators-sign-in"),
        ("sh", browser),
        *shown(PAGE, "operators-token"),
        *shown(PAGE, "operators-zones"),
        *shown(DRILL, "drill"),
    )
    ran.check()
    assert (ran.folder / "token").stat().st_mode & 0o077 == 0
    assert "you have a role in: support" in ran.stderr
    with pytest.raises(tabard.Denied) as caught:
        await task.authorize(*PAY)
    assert caught.value.code == "agent_revoked"
    (record,) = [one for one in at.records() if one.get("operation") == "revoke"]
    assert record["by"]["operator"]["issuer"] == idp.issuer
    users = idp.admin("GET", "users", params={"username": "alice"})
    assert record["by"]["operator"]["id"] == users[0]["id"]
    ended = await commands(
        at,
        idp,
        tmp_path / "second",
        *shown(DRILL, "drill-end"),
        prepare=f"cp {ran.folder}/token .\n" + block(PAGE, "operators-zones").rpartition("tabard tasks")[0],
    )
    ended.check()
    assert (await task.authorize(*PAY)).credential.audience == "bank"


async def test_groups_are_roles_and_other_clients_are_strangers(at: Desk, idp: Keycloak):
    revoke = ("revoke", "agent", "spiffe://shop.example/ns/support/sa/orchestrator", "--zone", ZONE)
    looks = token(idp, "bob")
    code, _, err = await at.command("tasks", "--zone", ZONE, token=looks)
    assert code == 0, err
    code, _, err = await at.command(*revoke, token=looks)
    assert (code, "operator_not_entitled" in err) == (1, True), err
    code, _, err = await at.command(*revoke, token=token(idp, "alice", "other"))
    assert (code, "operator_unauthenticated" in err) == (1, True), err
    # What the same person's agents start tasks with.
    code, _, err = await at.command(*revoke, token=idp.sign_in("alice")["access_token"])
    assert (code, "operator_unauthenticated" in err) == (1, True), err


async def test_a_person_who_leaves_the_group_has_no_role_with_the_next_token(at: Desk, idp: Keycloak):
    alice = idp.admin("GET", "users", params={"username": "alice"})[0]["id"]
    groups = {one["name"]: one["id"] for one in idp.admin("GET", "groups")}
    path = f"users/{alice}/groups/{groups['support-on-call']}"
    idp.admin("DELETE", path)
    try:
        code, _, err = await at.command("tasks", "--zone", ZONE, token=token(idp, "alice"))
        assert (code, "operator_not_entitled" in err) == (1, True), err
    finally:
        idp.admin("PUT", path)
    code, _, err = await at.command("tasks", "--zone", ZONE, token=token(idp, "alice"))
    assert code == 0, err
