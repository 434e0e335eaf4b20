import threading
import time
from pathlib import Path

import pytest
from tabard_sidecar.credentials.vault.conf import AuthConfig
from tabard_sidecar.credentials.vault.faults import VaultFault
from tabard_sidecar.credentials.vault.login import Login
from tabard_sidecar.credentials.vault.transport import VaultTransport
from tabard_sidecar.util.bounded_http import until

from tests.support.fake_vault import LOGIN, RENEW, SECRET, Answer, auth
from tests.support.tokens import FakeClock


@pytest.fixture
def clock():
    return FakeClock(1000.0)


def login_to(vault, clock, **auth_keys):
    """An identity at the vault."""
    transport = VaultTransport(vault.address, ca_file=None, namespace="", connections=4)
    return Login(AuthConfig.model_validate(auth_keys), transport, monotonic=clock)


@pytest.fixture
def login(vault, clock, secret_id):
    """An identity by AppRole."""
    return login_to(vault, clock, method="approle", role_id="role-1", secret_id_file=secret_id)


def token(login, seconds=5.0):
    """Ask for the token as a thread of the vault does."""
    with until(time.monotonic() + seconds):
        return login.token()


def fault_of(login):
    """Return why there is no token."""
    with pytest.raises(VaultFault) as caught:
        token(login)
    return caught.value


def test_it_logs_in_once_and_keeps_the_token(vault, login):
    assert [token(login) for _ in range(3)] == [SECRET] * 3
    [asked] = vault.asked
    assert asked.path == LOGIN
    assert asked.body == {"role_id": "role-1", "secret_id": "0123456789abcdef0123456789abcdef-secret-id"}
    assert "X-Vault-Token" not in asked.headers


@pytest.mark.parametrize(("method", "mount"), [("jwt", None), ("jwt", "clusters/one"), ("kubernetes", None)])
def test_a_token_file_is_read_for_every_login(vault, clock, tmp_path, method, mount):
    path = f"/v1/auth/{mount or method}/login"
    vault.answers[path] = Answer(body=auth(SECRET, lease_duration=600))
    file = tmp_path / "token"
    file.write_text("jwt-1\n")
    login = login_to(vault, clock, method=method, mount=mount, role="tabard", token_file=str(file))
    assert token(login) == SECRET
    file.write_text("jwt-2")
    clock.now += 599
    token(login)
    assert [asked.body for asked in vault.asked if asked.path == path] == [
        {"role": "tabard", "jwt": "jwt-1"},
        {"role": "tabard", "jwt": "jwt-2"},
    ]


def test_it_renews_in_time_and_logs_in_again_near_the_longest_life(vault, login, clock):
    token(login)
    clock.now += 399
    token(login)
    assert vault.paths() == [LOGIN]
    clock.now += 2
    token(login)
    assert vault.paths() == [LOGIN, RENEW]
    vault.answers[RENEW] = Answer(body=auth(SECRET, lease_duration=20))
    clock.now += 401
    assert token(login) == SECRET
    assert vault.paths() == [LOGIN, RENEW, RENEW, LOGIN]


def test_a_token_that_ended_is_replaced(vault, login, clock):
    token(login)
    clock.now += 601
    token(login)
    assert vault.paths() == [LOGIN, LOGIN]


def test_a_failing_renewal_leaves_the_token_in_use_while_it_holds(vault, login, clock):
    token(login)
    vault.answers[RENEW] = vault.answers[LOGIN] = Answer(503, {"errors": ["Vault is sealed"]})
    clock.now += 401
    assert token(login) == SECRET
    assert token(login) == SECRET
    assert vault.paths() == [LOGIN, RENEW, LOGIN]  # the second attempt waits a second
    clock.now += 200
    assert fault_of(login).code == "vault_unavailable"


def test_failed_logins_are_paced(vault, login, clock):
    vault.answers[LOGIN] = Answer(400, {"errors": ["invalid secret id"]})
    faults = [fault_of(login) for _ in range(20)]
    assert {fault.code for fault in faults} == {"vault_refused"}
    assert "invalid secret id" in faults[-1].message
    assert vault.paths() == [LOGIN]
    clock.now += 1.1
    fault_of(login)
    assert vault.paths() == [LOGIN, LOGIN]


def test_a_refused_token_is_forgotten_unless_it_is_new(vault, login, clock):
    secret = token(login)
    assert not login.reject(secret)
    clock.now += 2
    assert login.reject(secret)
    assert login.reject(secret)
    token(login)
    assert vault.paths() == [LOGIN, LOGIN]


def test_many_threads_log_in_once(vault, login):
    vault.answers[LOGIN] = Answer(steps=[0.2, *Answer(body=auth(SECRET, lease_duration=600)).sent()])
    found = []
    threads = [threading.Thread(target=lambda: found.append(token(login))) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [SECRET] * 20
    assert vault.paths() == [LOGIN]


@pytest.mark.parametrize(
    "changes",
    [
        {"client_token": ""},
        {"client_token": "a b"},
        {"client_token": "a\r\nX-Evil: 1"},
        {"client_token": "x" * 5000},
        {"client_token": 5},
        {"accessor": ""},
        {"accessor": "a/b"},
        {"lease_duration": 0},
        {"lease_duration": 10 * 366 * 86_400},
        {"lease_duration": "600"},
        {"lease_duration": True},
        {"policies": ["root"]},
        {"policies": None},
    ],
)
def test_an_unusable_token_of_its_own_is_refused(vault, login, changes):
    vault.answers[LOGIN] = Answer(body=auth(SECRET, **({"lease_duration": 600} | changes)))
    assert fault_of(login).code == "vault_reply_invalid"


@pytest.mark.parametrize("body", [{}, {"auth": None}, {"auth": []}])
def test_a_reply_without_a_token_is_refused(vault, login, body):
    vault.answers[LOGIN] = Answer(body=body)
    assert "holds no auth" in fault_of(login).message


def test_files_that_can_not_be_used(vault, clock, tmp_path):
    missing = login_to(vault, clock, method="jwt", role="r", token_file=str(tmp_path / "none"))
    assert "No such file" in fault_of(missing).message
    shared = tmp_path / "shared"
    shared.write_text("0123456789abcdef0123456789abcdef")
    shared.chmod(0o644)
    readable = login_to(vault, clock, method="approle", role_id="r", secret_id_file=str(shared))
    assert "others can read it" in fault_of(readable).message
    odd = tmp_path / "odd"
    odd.write_bytes(b"\xff\xfe")
    assert (
        "holds no token"
        in fault_of(login_to(vault, clock, method="jwt", role="r", token_file=str(odd))).message
    )
    assert vault.asked == []
    assert Path(odd).exists()
