import time

import pytest
from tabard import handles
from tabard_sidecar.credentials.vault.faults import VaultFault
from tabard_sidecar.credentials.vault.replies import Token, UnusableToken, leased, text_fields, wrapped
from tabard_sidecar.credentials.vault.tokens import Tokens, handle, meta
from tabard_sidecar.credentials.vault.transport import VaultTransport
from tabard_sidecar.util.bounded_http import until

from tests.support.credentials import PREFIX, request_of
from tests.support.fake_vault import CHILD, CREATE, RENEW, REVOKE, SECRET, Answer, auth

TOKEN = Token(CHILD, "accessor-1", 30.0, renewable=True, policies=("tabard-child",))


@pytest.fixture
def tokens(vault):
    """The tokens of a vault, with time to ask."""
    transport = VaultTransport(vault.address, ca_file=None, namespace="", connections=4)
    with until(time.monotonic() + 5):
        yield Tokens(transport, "tabard")


def test_a_token_says_for_whom_it_is_by_handles(vault, tokens):
    request = request_of("vault")
    assert tokens.create(SECRET, handle(request), meta(request)) == TOKEN
    [asked] = vault.asked
    assert (asked.method, asked.path, asked.headers["X-Vault-Token"]) == ("POST", CREATE, SECRET)
    # A policy with allowed_parameters can list these four.
    assert asked.body.keys() == {"ttl", "renewable", "display_name", "meta"}
    assert (asked.body["ttl"], asked.body["renewable"]) == ("30s", True)
    assert asked.body["display_name"] == handles.login_handle(
        issuer="https://login.example.org", subject="alice", task_id="task-1", agent_id=PREFIX + "orders"
    )
    assert asked.body["meta"] == {
        "tabard_zone": "support",
        "tabard_task": "task-1",
        "tabard_link": "2" * 64,
        "tabard_decision": "decision-1",
        "tabard_credential": "cred-1",
    }
    assert CHILD not in repr(TOKEN)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"orphan": False}, "orphan=true"),
        ({"renewable": False}, "renewable=true"),
        ({"lease_duration": 31}, "31 s instead of 30 s"),
        ({"policies": ["default", "root"]}, "root"),
        ({"token_type": "batch"}, "token_type=service"),
        ({"num_uses": 1}, "for some uses"),
    ],
)
def test_a_token_that_would_outlive_its_journal_or_do_too_much_is_named(vault, tokens, changes, text):
    vault.answers[CREATE] = Answer(body=auth(**changes))
    with pytest.raises(UnusableToken, match=text) as caught:
        tokens.create(SECRET, "agent", {})
    assert caught.value.token.secret == CHILD
    assert caught.value.code == "vault_reply_invalid"


def test_it_extends_by_what_is_left(vault, tokens):
    assert tokens.extend(TOKEN, 299) == 299
    assert vault.asked[0].body == {"increment": "299s"}
    assert vault.asked[0].headers["X-Vault-Token"] == CHILD
    vault.answers[RENEW] = Answer(body=auth(lease_duration=0))
    with pytest.raises(VaultFault, match="lasts 0 seconds"):
        tokens.extend(TOKEN, 299)


def test_revoking(vault, tokens):
    tokens.revoke(TOKEN)
    assert (vault.asked[0].path, vault.asked[0].headers["X-Vault-Token"]) == (REVOKE, CHILD)
    vault.answers["/v1/auth/token/revoke-accessor"] = Answer(body={"warnings": ["No token found"]})
    tokens.revoke_accessor(SECRET, "accessor-1")
    assert vault.asked[1].body == {"accessor": "accessor-1"}
    vault.answers["/v1/auth/token/revoke-accessor"] = Answer(400, {"errors": ["token not found"]})
    tokens.revoke_accessor(SECRET, "accessor-1")
    for status, text in ((400, "missing accessor"), (403, "permission denied"), (500, "x")):
        vault.answers["/v1/auth/token/revoke-accessor"] = Answer(status, {"errors": [text]})
        with pytest.raises(VaultFault):
            tokens.revoke_accessor(SECRET, "accessor-1")


PATH = "database/creds/orders-read"


@pytest.mark.parametrize(
    "changes",
    [
        {"lease_id": ""},
        {"lease_id": None},
        {"lease_id": "database/creds/orders-write/abc"},
        {"lease_id": "database/creds/orders-read-all/abc"},
        {"lease_id": "x" * 2000},
        {"lease_id": PATH + "/a\nb"},
        {"lease_duration": 0},
        {"lease_duration": -5},
        {"lease_duration": 0.5},
        {"lease_duration": 10 * 366 * 86_400},
        {"lease_duration": 10**400},
        {"lease_duration": "900"},
        {"lease_duration": None},
        {"lease_duration": True},
    ],
)
def test_a_lease_of_another_role_of_nothing_or_of_years_is_refused(changes):
    reply = {"lease_id": PATH + "/abc", "lease_duration": 900}
    assert leased(reply, PATH) == (PATH + "/abc", 900.0)
    with pytest.raises(VaultFault) as caught:
        leased(reply | changes, PATH)
    assert caught.value.code == "vault_reply_invalid"


@pytest.mark.parametrize(
    "values", [{}, {"key": ""}, {"key": 5}, {"key": None}, {"key": "a\0b"}, {"key": "x" * 70_000}]
)
def test_a_field_is_text_of_bounded_size(values):
    assert text_fields({"key": "k", "other": object()}, ["key"]) == {"key": "k"}
    with pytest.raises(VaultFault) as caught:
        text_fields(values, ["key"])
    assert caught.value.code == "vault_reply_invalid"
    assert "x" * 100 not in caught.value.message


@pytest.mark.parametrize(
    "changes", [{"token": ""}, {"token": "a b"}, {"ttl": 0}, {"creation_path": "other/creds/x"}]
)
def test_a_wrapping_token_wraps_what_was_asked_for(changes):
    info = {"token": "hvs.wrap", "ttl": 60, "creation_path": PATH}
    assert wrapped({"wrap_info": info}, PATH) == "hvs.wrap"
    with pytest.raises(VaultFault):
        wrapped({"wrap_info": info | changes}, PATH)
