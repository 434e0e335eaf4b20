"""The directory sees the person: entries of a real OpenLDAP that a real Vault makes by the set-up of docs/last-mile.md."""

from __future__ import annotations

import re
import subprocess

import pytest
from hvac.exceptions import Forbidden
from tabard import handles

from tests.integration.vault.conftest import IDP, SIDECAR
from tests.support.vault_server import DIRECTORY_ADMIN, DIRECTORY_PASSWORD, make_token
from tests.support.waiting import eventually_blocking

BASE = "dc=example,dc=org"
INVALID_CREDENTIALS = 49
INSUFFICIENT_ACCESS = 50
NAME = handles.login_handle(issuer=IDP, subject="alice", task_id="task-1", agent_id=SIDECAR)


@pytest.fixture
def credential(engines, sidecar):
    """A client with a credential's token."""
    return engines.client(make_token(sidecar, NAME)["client_token"])


@pytest.fixture
def login(credential):
    """An entry that Vault made, with its lease."""
    made = credential.read("ldap/creds/directory-read")
    (name,) = made["data"]["distinguished_names"][:1]
    return made | {"name": name, "password": made["data"]["password"]}


def search(directory, name, password, *options, wanted="(ou=people)"):
    return subprocess.run(
        [
            "ldapsearch",
            "-x",
            "-LLL",
            "-H",
            directory.url,
            "-D",
            name,
            "-w",
            password,
            "-b",
            BASE,
            *options,
            wanted,
        ],
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_login_reads_the_directory_under_a_name_that_tells_person_task_and_agent(directory, login):
    assert login["lease_id"].startswith("ldap/creds/directory-read/")
    assert re.fullmatch(rf"cn=token-{NAME}-[a-z0-9]{{8}},ou=agents,{BASE}", login["name"])
    found = search(directory, login["name"], login["password"])
    assert "dn: ou=people,dc=example,dc=org" in found.stdout
    eventually_blocking(lambda: f'BIND dn="{login["name"]}" method=128' in directory.log())


def test_it_reads_no_passwords_and_writes_nothing(directory, login):
    shown = search(directory, login["name"], login["password"], wanted="(objectClass=person)")
    assert login["name"].split(",", maxsplit=1)[0].removeprefix("cn=") in shown.stdout
    assert "userPassword" not in shown.stdout
    entry = f"dn: cn=directory-read,ou=groups,{BASE}\nchangetype: modify\nadd: description\ndescription: x\n"
    done = subprocess.run(
        ["ldapmodify", "-x", "-H", directory.url, "-D", login["name"], "-w", login["password"]],
        input=entry,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == INSUFFICIENT_ACCESS


def test_vault_itself_writes_nothing_but_logins_and_their_group(directory):
    """Its name and password are in the vault, and who gets them can't write people."""
    entry = f"dn: ou=people,{BASE}\nchangetype: modify\nadd: description\ndescription: x\n"
    done = subprocess.run(
        ["ldapmodify", "-x", "-H", directory.url, "-D", f"cn=vault,{BASE}", "-w", "until-vault-changes-it"],
        input=entry,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == INSUFFICIENT_ACCESS


def test_the_entry_goes_with_the_token(directory, credential, login):
    credential.auth.token.revoke_self()
    eventually_blocking(
        lambda: search(directory, login["name"], login["password"]).returncode == INVALID_CREDENTIALS
    )
    left = search(directory, DIRECTORY_ADMIN, DIRECTORY_PASSWORD, wanted="(cn=directory-read)").stdout
    assert login["name"] not in left


def test_an_open_connection_sees_nothing_after_the_end(directory, credential, login):
    """It outlives its entry; the rights were its group's."""
    command = ["ldapsearch", "-x", "-LLL", "-H", directory.url, "-D", login["name"], "-w", login["password"]]
    with subprocess.Popen(
        [*command, "-b", BASE, "-c", "-f", "-", "(ou=%s)", "dn"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        bufsize=1,
    ) as connection:
        assert connection.stdin
        assert connection.stdout

        def ask():
            connection.stdin.write("people\n")
            connection.stdin.flush()

        ask()
        # Blocks come with an empty line after each; the next answer shows that this one is whole.
        first = connection.stdout.readline()
        assert first == "dn: ou=people,dc=example,dc=org\n"
        credential.auth.token.revoke_self()
        eventually_blocking(
            lambda: search(directory, login["name"], login["password"]).returncode == INVALID_CREDENTIALS
        )
        ask()
        connection.stdin.close()
        rest = connection.stdout.read()
    assert "dn:" not in rest
    assert "No such object" in rest or "Insufficient access" in rest, rest


@pytest.mark.parametrize("path", ["ldap/config", "ldap/role/other", "ldap/creds/other", "ldap/static-cred/x"])
def test_a_credentials_token_reads_nothing_else_of_it(credential, path):
    with pytest.raises(Forbidden):
        credential.read(path)
