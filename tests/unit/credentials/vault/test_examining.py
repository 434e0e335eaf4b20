"""The role of a login must bind an audience; tests/integration/vault/test_doctor.py asks a real Vault."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from tabard_sidecar.credentials.vault.examining import examine
from tabard_sidecar.credentials.vault.faults import VaultFault

TOKEN_ROLE = {
    "orphan": True,
    "renewable": True,
    "allowed_policies": ["tabard-credentials"],
    "token_type": "service",
    "token_explicit_max_ttl": 3600,
}


class FakeServer:
    """A fake of a vault's client: what stands at each path."""

    def __init__(self, method, role):
        auth = SimpleNamespace(method=method, path=method, role="tabard")
        self.name = "main"
        self.config = SimpleNamespace(
            auth=auth, reaper=None, token_role="tabard", address="https://vault.example"
        )
        self._found = {f"auth/{method}/role/tabard": role, "auth/token/roles/tabard": TOKEN_ROLE}

    async def log_in(self):
        pass

    async def read(self, path):
        found = self._found[path]
        if isinstance(found, Exception):
            raise found
        return {"data": found}


async def role_of(method, role):
    """Return what is found about the role of a login."""
    found = {one.what: one async for one in examine(FakeServer(method, role))}
    return found["vault.main.auth.role"]


@pytest.mark.parametrize(
    ("method", "role"),
    [
        ("kubernetes", {"audience": ""}),
        ("kubernetes", {}),
        ("jwt", {"bound_audiences": []}),
        ("jwt", {"bound_audiences": None}),
        ("kubernetes", {"audience": "https://kubernetes.default.svc"}),
        ("jwt", {"bound_audiences": ["tabard", "https://kubernetes.default.svc.cluster.local"]}),
    ],
)
async def test_a_role_that_the_agents_own_token_satisfies_is_a_problem(method, role):
    """It shares the sidecar's service account; only the audience keeps it out."""
    found = await role_of(method, role)
    assert found.severity == "problem"
    assert "audience" in found.message + found.next_step


@pytest.mark.parametrize(
    ("method", "role"), [("kubernetes", {"audience": "tabard"}), ("jwt", {"bound_audiences": ["tabard"]})]
)
async def test_a_role_with_an_audience_of_its_own_is_right(method, role):
    assert (await role_of(method, role)).severity == "ok"


@pytest.mark.parametrize(("status", "severity"), [(403, "warning"), (404, "problem"), (503, "problem")])
async def test_what_cannot_be_read_is_no_good_result(status, severity):
    fault = VaultFault("vault_refused", "no", status=status)
    assert (await role_of("jwt", fault)).severity == severity


@pytest.mark.parametrize(
    ("changes", "step"),
    [
        ({"allowed_policies": ["tabard-credentials", "default"]}, "allowed_policies=tabard-credentials"),
        ({"allowed_policies_glob": ["tabard-*"]}, "allowed_policies_glob="),
        ({"token_num_uses": 3}, "token_num_uses=0"),
    ],
)
async def test_a_token_role_that_gives_more_or_less_than_it_needs_is_a_problem(monkeypatch, changes, step):
    monkeypatch.setitem(globals(), "TOKEN_ROLE", TOKEN_ROLE | changes)
    found = [one async for one in examine(FakeServer("jwt", {"bound_audiences": ["tabard-vault"]}))]
    [told] = [one for one in found if one.what == "vault.main.token_role"]
    assert (told.severity.value, step in told.next_step) == ("problem", True)


ODD = [5, True, 1.5, {"a": 1}, [1], [[1]], [{}], ["x" * 200_000], "\x1b[2J", ["\x1b[31mall is well"]]


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: repr(odd)[:20])
async def test_odd_replies_are_reported_in_few_visible_words(odd):
    servers = [
        FakeServer(method, {field: odd})
        for method, field in (("jwt", "bound_audiences"), ("kubernetes", "audience"))
    ]
    for field in (*TOKEN_ROLE, "period"):
        servers.append(FakeServer("jwt", {"bound_audiences": ["tabard-vault"]}))
        servers[-1]._found["auth/token/roles/tabard"] = TOKEN_ROLE | {field: odd}
    for server in servers:
        found = [one async for one in examine(server)]
        assert len(found) >= 3
        assert all(len(one.message) < 1000 and "\x1b" not in one.message for one in found)
