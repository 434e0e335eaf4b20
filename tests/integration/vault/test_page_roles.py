"""docs/vault.md and docs/last-mile.md together: their roles and programs through a real sidecar."""

from __future__ import annotations

import asyncio
import http.server
import os
import subprocess
import sys
import threading

import pytest
import tabard
import yaml
from cryptography import x509

from tests.support.vault_server import code_of

PERSON_IN_THE_DIRECTORY = """dn: cn=Ada Lovelace,ou=people,dc=example,dc=org
objectClass: person
cn: Ada Lovelace
sn: Lovelace
"""
TOOLS = {
    "orders.list": ("orders-read", "postgres://orders"),
    "weather.today": ("weather", "https://weather.example"),
    "people.find": ("people", "ldap://directory"),
    "reports.read": ("reports", "https://reports.example"),
    "service.deploy": ("deploy", "ssh://deploy"),
    "payments.sign": ("payments", "https://payments.example"),
}
GRANTS = "\n".join(
    f'grant contains {{"code": "granted", "credential": credentials.vault("{role}", "{audience}", 60)}} if '
    f'input.tool.name == "{tool}"\n'
    for tool, (role, audience) in TOOLS.items()
)
AUDIENCES = ", ".join(f'"{audience}"' for _, audience in TOOLS.values())
POLICY = f"""package policy.pages

import data.tabard.lib.credentials

start contains {{"code": "a_task", "limits": {{"tools": ["*"], "audiences": [{AUDIENCES}]}}}} if {{
	input.operation == "start_task"
}}

{GRANTS}"""


@pytest.fixture
async def zone(start_zone, engines, token_issuer):
    """A zone whose sidecar has the page's configuration, with the addresses of this machine."""
    ((_, text),) = code_of("docs/vault.md", "configuration")
    main = yaml.safe_load(text)["vault"]["main"] | {"address": engines.address}
    for identity, audience in (("auth", "tabard-vault"), ("reaper", "tabard-reaper-vault")):
        file = engines.folder / f"{identity}-token"
        file.write_text(token_issuer.token(audience))
        main[identity] |= {"token_file": str(file)}
    return await start_zone(
        workloads=("orchestrator",), policy={"pages.rego": POLICY}, overrides={"vault.main": main}
    )


async def test_every_role_of_the_page_gives_what_it_is_for(zone):
    task = await zone.start_task()
    given = {tool: (await task.authorize(tool, {})).credential for tool in TOOLS}
    assert {tool: set(credential.fields) for tool, credential in given.items()} == {
        "orders.list": {"username", "password"},
        "weather.today": {"api_key"},
        "people.find": {"username", "password", "dn"},
        "reports.read": {"private_key", "certificate", "issuing_ca", "serial_number"},
        "service.deploy": {"private_key", "signed_key"},
        "payments.sign": {"payload", "signature"},
    }
    certificate = x509.load_pem_x509_certificate(given["reports.read"].fields["certificate"].encode())
    handle = given["orders.list"].fields["username"].removeprefix("token-").rpartition("-")[0]
    assert certificate.subject.rfc4514_string() == f"CN={handle}.agents.example.org"
    await task.end()


def run(program, block, environment, tmp_path):
    """Run a program of the page in a process of its own, as an agent would; return what it printed."""
    ((_, code),) = code_of("docs/last-mile.md", block)
    (tmp_path / code.splitlines()[0].removeprefix("# ")).write_text(code)
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=os.environ | environment,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def call(zone, grant, import_, expression):
    """A program that makes one call of a task."""
    address = zone.sidecars["orchestrator"].address
    return (
        f"import tabard\n{import_}\n"
        f"with tabard.connect({address!r}, timeout_seconds=30) as client, client.task({grant!r}):\n"
        f"    print({expression})\n"
    )


@pytest.fixture(scope="module")
def people(directory):
    """The directory with a person in it."""
    directory.add(PERSON_IN_THE_DIRECTORY)
    return directory


async def test_the_program_for_the_directory(zone, people, tmp_path):
    task = await zone.start_task()
    program = call(zone, task.grant, "from find_person import find_person", "find_person('Lovelace')")
    found = await asyncio.to_thread(run, program, "ldap", {"DIRECTORY_URL": people.url}, tmp_path)
    assert found == "['Ada Lovelace']"
    program = call(zone, task.grant, "from find_person import find_person", "find_person('*)(cn=*')")
    assert await asyncio.to_thread(run, program, "ldap", {"DIRECTORY_URL": people.url}, tmp_path) == "[]"


@pytest.fixture
def weather():
    """A stand-in for an API that knows keys only; its address."""

    class Api(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = self.headers["X-Api-Key"] == "key-of-the-weather-service"
            self.send_response(200 if known else 401)
            self.end_headers()
            self.wfile.write(b"sunny" if known else b"who are you?")

        def log_message(self, *_arguments: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


async def test_the_program_for_an_api_with_a_key(zone, weather, tmp_path):
    task = await zone.start_task()
    program = call(zone, task.grant, "from weather import weather_today", "weather_today('Bern')")
    found = await asyncio.to_thread(run, program, "key", {"WEATHER_URL": weather}, tmp_path)
    assert found == "sunny"
    log = (zone.folder / "orchestrator" / "decisions.log").read_text()
    assert "key-of-the-weather-service" not in log


async def test_a_task_that_has_ended_gets_no_key(zone):
    task = await zone.start_task()
    await task.authorize("weather.today", {})
    await task.end()
    with pytest.raises(tabard.Denied):
        await task.authorize("weather.today", {})
