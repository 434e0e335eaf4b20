"""The programs of docs/last-mile.md: a pool of connections per person, with psycopg and with SQLAlchemy."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
import sqlalchemy
import tabard
from tabard.testing import FakeSidecar

from tests.support import markdown
from tests.support.vault_server import code_of
from tests.support.waiting import eventually_blocking

ORDERS = {"alice": ["a lamp", "a chair"], "bob": ["a desk"]}
PROGRAMS = ["psycopg", "sqlalchemy"]


def listing(module, login, *, seconds=600.0, calls=1):
    """What the guarded function returns, called with a credential that holds a login."""
    with FakeSidecar() as fake:
        fake.allow("orders.list", kind="vault", fields=login["data"], ttl_seconds=seconds)
        with tabard.connect(fake.address) as client, client.start_task("token"):
            return [module.list_orders() for _ in range(calls)]


@pytest.mark.parametrize("program", PROGRAMS)
def test_each_person_gets_their_own_rows_from_pools_that_are_used_again(page, lease, program):
    module, pools = page(program)
    logins = {person: lease(person) for person in ORDERS}

    def ask(person):
        return person, listing(module, logins[person], calls=5)

    with ThreadPoolExecutor(8) as threads:
        for person, found in threads.map(ask, list(ORDERS) * 10):
            assert found == [ORDERS[person]] * 5
    assert len(pools._pools) == 2


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_login_that_was_taken_back_ends_and_the_next_one_works(page, lease, postgres, program):
    module, _ = page(program)
    first = lease("alice")
    assert listing(module, first) == [ORDERS["alice"]]
    first["client"].auth.token.revoke_self()
    eventually_blocking(lambda: postgres.refuses(first["data"]))
    with pytest.raises((psycopg.OperationalError, sqlalchemy.exc.OperationalError)):
        listing(module, first)
    assert listing(module, lease("alice")) == [ORDERS["alice"]]


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_pool_is_closed_when_its_logins_time_is_over(page, lease, postgres, program):
    module, pools = page(program)
    short = lease("alice")
    listing(module, short, seconds=0.5)
    query = f"SELECT count(*) FROM pg_stat_activity WHERE usename = '{short['data']['username']}'"
    assert postgres.psql(query).strip() == "1"
    time.sleep(0.6)
    listing(module, lease("bob"))
    assert len(pools._pools) == 1
    eventually_blocking(lambda: postgres.psql(query).strip() == "0")


def test_the_programs_pass_a_strict_type_check(page, tmp_path):
    ((_, weather),) = code_of("docs/last-mile.md", "key")
    (tmp_path / "weather.py").write_text(weather)
    files = ["pools.py", "with_psycopg.py", "with_sqlalchemy.py", "weather.py"]
    checked = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--no-error-summary", *files]
    done = subprocess.run(
        checked,
        cwd=tmp_path,
        env=os.environ | {"MYPYPATH": str(markdown.ROOT / "sdk")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_the_handles_of_the_page():
    (program,) = [code for name, _, code in markdown.blocks("docs/last-mile.md") if name == "handles"]
    markdown.run(program, {})


def test_every_block_of_both_pages_is_run_or_shows_an_output():
    """A block without a name isn't run: lists of variables, hints, a grant and the picture of a login."""
    unnamed = [
        (page, language)
        for page in ("docs/last-mile.md", "docs/vault.md")
        for name, language, _ in markdown.blocks(page)
        if not name
    ]
    assert set(unnamed) == {("docs/last-mile.md", "text"), ("docs/vault.md", "sh"), ("docs/vault.md", "rego")}
