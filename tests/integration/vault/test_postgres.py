"""The database sees the person: logins of a real PostgreSQL that a real Vault makes by the set-up of docs/last-mile.md."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time

import psycopg
import pytest
from hvac.exceptions import InternalServerError
from hypothesis import given, settings
from hypothesis import strategies as st
from tabard import handles

from tests.integration.vault.conftest import IDP, SIDECAR
from tests.support.vault_server import code_of, make_token, postgres_server
from tests.support.waiting import eventually_blocking

REFUSED = (
    psycopg.errors.InsufficientPrivilege,
    psycopg.errors.UndefinedObject,
    psycopg.errors.FeatureNotSupported,
)
ALICE = handles.subject_handle(IDP, "alice")


def items(connection):
    return [item for (item,) in connection.execute("SELECT item FROM orders ORDER BY id")]


def revoke(client, lease):
    client.adapter.post("/v1/auth/token/revoke-accessor", json={"accessor": lease["token"]["accessor"]})


@pytest.fixture
def connect(postgres):
    """Connects with a lease's login; connections are closed with the test."""
    with contextlib.ExitStack() as stack:

        def connected(lease):
            return stack.enter_context(contextlib.closing(postgres.connect(lease["data"])))

        yield connected


@pytest.fixture(scope="module")
def admin(postgres):
    """The superuser's connection."""
    with postgres.admin() as connection:
        yield connection


class TestWhoItIs:
    def test_the_logins_name_tells_person_task_and_agent(self, lease):
        name = lease("alice", task="task-7")["data"]["username"]
        prefix, person, task, agent, chance = name.split("-")
        assert (prefix, person, task) == ("token", ALICE, handles.task_handle("task-7"))
        assert agent == handles.agent_handle(SIDECAR)
        assert len(chance) == 8
        assert len(name.encode()) <= 63

    def test_two_agents_of_one_task_are_two_names(self, lease):
        other = lease(agent="spiffe://example.org/ns/support/sa/helper")["data"]["username"]
        assert lease()["data"]["username"].split("-")[:3] == other.split("-")[:3]
        assert other.split("-")[3] == handles.agent_handle("spiffe://example.org/ns/support/sa/helper")

    def test_the_servers_log_names_who_connected_and_on_whose_behalf_a_line_stands(
        self, postgres, lease, connect
    ):
        made = lease("bob", task="task-8")
        name = made["data"]["username"]
        with pytest.raises(psycopg.errors.DivisionByZero):
            connect(made).execute("SELECT 1 / 0")
        eventually_blocking(lambda: f"connection authorized: user={name} database=orders" in postgres.log())
        assert f"{name}@orders ERROR:  division by zero" in postgres.log()
        assert name.startswith(f"token-{handles.subject_handle(IDP, 'bob')}-{handles.task_handle('task-8')}-")

    def test_the_pages_queries_resolve_sessions_and_logins(self, postgres, lease, connect):
        made = lease("alice", task="task-9")
        session = connect(made)
        (_, who), (_, of_alice) = (
            *code_of("docs/last-mile.md", "who"),
            *code_of("docs/last-mile.md", "of-a-person"),
        )
        with postgres.admin() as admin:
            sessions = {row[0]: row[2:5] for row in admin.execute(who)}
            logins = {row[0]: row for row in admin.execute(of_alice)}
        three = (ALICE, handles.task_handle("task-9"), handles.agent_handle(SIDECAR))
        assert sessions[session.info.backend_pid] == three
        row = logins[made["data"]["username"]]
        assert row[1:3] == three[1:]
        assert row[5] is None

    def test_a_row_tells_who_a_closed_login_was(self, postgres, lease, reaper):
        made = lease("alice")
        revoke(reaper, made)
        eventually_blocking(lambda: postgres.refuses(made["data"]))
        with postgres.admin() as admin:
            query = "SELECT subject_handle, closed_at IS NOT NULL FROM tabard.logins WHERE login = %s"
            assert admin.execute(query, [made["data"]["username"]]).fetchall() == [(ALICE, True)]

    @given(
        st.text(st.characters(exclude_characters="\n\0", exclude_categories=["Cs"]), min_size=1),
        st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1),
    )
    @settings(max_examples=200)
    def test_sql_and_python_compute_the_same_handles(self, admin, issuer, subject):
        query = "SELECT tabard.subject_handle(%s, %s), tabard.handle(%s, 8)"
        assert admin.execute(query, [issuer, subject, subject]).fetchone() == (
            handles.subject_handle(issuer, subject),
            handles.task_handle(subject),
        )


class TestRowsOfThePerson:
    def test_each_person_sees_their_own(self, lease, connect):
        assert items(connect(lease("alice"))) == ["a lamp", "a chair"]
        assert items(connect(lease("bob"))) == ["a desk"]
        assert items(connect(lease("carol"))) == []

    @pytest.mark.parametrize(
        "attempt",
        [
            "SET ROLE orders_read",
            "SET ROLE orders_read; SET app.person = 'bob'; SET tabard.subject = 'bob'",
            "SET search_path = pg_temp, public",
            "CREATE FUNCTION pg_temp.current_subject() RETURNS text LANGUAGE sql AS $$ SELECT 'bob' $$; SET search_path = pg_temp, public",
            "SET application_name = 'bob'; SET session_replication_role = origin",
            "SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off",
        ],
    )
    def test_no_setting_of_the_session_shows_more(self, lease, connect, attempt):
        session = connect(lease("alice"))
        with contextlib.suppress(psycopg.errors.InsufficientPrivilege):
            session.execute(attempt)
        assert set(items(session)) == {"a lamp", "a chair"}

    @pytest.mark.parametrize(
        "attempt",
        [
            "SET SESSION AUTHORIZATION postgres",
            "SET SESSION AUTHORIZATION orders_write",
            "SET ROLE orders_write",
            "SET ROLE tabard",
            "SET ROLE vault",
            "SELECT * FROM tabard.logins",
            "UPDATE tabard.logins SET subject_handle = 'x'",
            "SELECT tabard.open_login('token-aaaaaaaaaaaaaaaa-aaaaaaaa-aaaaaaaa-aaaaaaaa', 'x', 'infinity', 'orders_read')",
            "SELECT tabard.extend_login(session_user, 'infinity')",
            "SELECT tabard.close_login(session_user)",
            "ALTER ROLE SESSION_USER VALID UNTIL 'infinity'",
            "CREATE TABLE public.mine (x int)",
            "CREATE TABLE tabard.mine (x int)",
            "CREATE TEMP TABLE mine (x int)",
            "INSERT INTO orders (issuer, subject, item) VALUES ('i', 's', 'x')",
            "ALTER TABLE orders DISABLE ROW LEVEL SECURITY",
            "SET row_security = off; SELECT * FROM orders",
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'postgres'",
            "CREATE ROLE other",
            "GRANT orders_read TO other_login",
            "COPY (SELECT 1) TO '/tmp/x'",
            "SELECT lo_create(0)",
            "SELECT lo_creat(0)",
            "SELECT lo_from_bytea(0, 'for another')",
            "SELECT lo_import('/etc/hostname')",
            "SELECT pg_advisory_lock(1)",
            "SELECT pg_try_advisory_xact_lock_shared(1, 2)",
            "SELECT pg_export_snapshot()",
            "SELECT pg_logical_emit_message(false, 'x', repeat('y', 20000000))",
            "BEGIN; LOCK TABLE tabard.logins IN ACCESS SHARE MODE",
            "BEGIN; LOCK TABLE pg_authid IN ACCESS SHARE MODE",
            "SELECT FROM tabard.logins FOR UPDATE",
            "UPDATE tabard.settings SET logins_per_person = 1000000",
            "SELECT tabard.end_sessions('vault', 0)",
            "SELECT tabard.shut_login(session_user)",
            "SELECT tabard.drop_login(session_user)",
            "DO $$ BEGIN EXECUTE format('COMMENT ON ROLE %I IS %L', session_user, 'mine'); END $$",
            "DO $$ BEGIN EXECUTE format('ALTER ROLE %I RENAME TO mine', session_user); END $$",
            "DO $$ BEGIN EXECUTE format('GRANT %I TO vault', session_user); END $$",
            "DO $$ BEGIN EXECUTE format('REVOKE %I FROM tabard', session_user); END $$",
            "DO $$ BEGIN EXECUTE format('REVOKE orders_read FROM %I', session_user); END $$",
            "ALTER ROLE CURRENT_USER CONNECTION LIMIT 100",
            "DROP ROLE CURRENT_USER",
        ],
    )
    def test_what_a_login_may_not_do(self, lease, connect, attempt):
        session = connect(lease("alice"))
        with pytest.raises(REFUSED):
            session.execute(attempt)

    def test_who_may_write_writes_rows_of_the_person_only(self, postgres, lease, connect):
        session = connect(lease("dora", role="orders-write"))
        insert = "INSERT INTO orders (issuer, subject, item) VALUES (%s, %s, 'a rug')"
        session.execute(insert, [IDP, "dora"])
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"):
            session.execute(insert, [IDP, "alice"])
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"):
            session.execute("UPDATE orders SET subject = 'alice'")
        assert session.execute("UPDATE orders SET item = 'a red rug'").rowcount == 1
        (mine,) = session.execute("SELECT id FROM orders").fetchone()
        not_mine = int(postgres.psql("SELECT min(id) FROM orders WHERE subject = 'alice'"))
        delete = "SELECT delete_order(%s), delete_order(%s), delete_order(%s)"
        assert session.execute(delete, [mine, mine, not_mine]).fetchone() == (True, False, False)

    @pytest.mark.parametrize(
        "attempt",
        [
            "LOCK TABLE orders IN ACCESS EXCLUSIVE MODE",
            "LOCK TABLE orders IN EXCLUSIVE MODE",
            "TRUNCATE orders",
            "DELETE FROM orders",
            f"INSERT INTO orders (id, issuer, subject, item) OVERRIDING SYSTEM VALUE VALUES (1000, '{IDP}', 'dora', 'x')",
            f"INSERT INTO orders (issuer, subject, item, owner) VALUES ('{IDP}', 'dora', 'x', '{ALICE}')",
            "UPDATE orders SET id = DEFAULT",
            "SELECT setval('orders_id_seq', 1)",
        ],
    )
    def test_who_may_write_neither_locks_the_table_nor_chooses_an_id(self, lease, connect, attempt):
        session = connect(lease("dora", role="orders-write"))
        with pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.GeneratedAlways)):
            session.execute(f"BEGIN; {attempt}")

    def test_a_reader_deletes_nothing(self, lease, connect):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connect(lease("alice")).execute("SELECT delete_order(1)")

    def test_other_databases_are_closed(self, postgres, lease):
        made = lease()["data"]
        for database in ("postgres", "template1"):
            with pytest.raises(psycopg.OperationalError, match="permission denied"):
                psycopg.connect(
                    postgres.url.replace("/orders", f"/{database}"),
                    user=made["username"],
                    password=made["password"],
                )

    def test_an_open_session_sees_nothing_after_its_time(self, postgres, lease, connect):
        """Also where Vault is down and takes nothing back."""
        made = lease("alice")
        session = connect(made)
        assert items(session) == ["a lamp", "a chair"]
        postgres.psql(
            f"UPDATE tabard.logins SET expires_at = now() WHERE login = '{made['data']['username']}'"
        )
        assert items(session) == []

    def test_a_block_that_began_in_time_sees_nothing_after_it(self, postgres, lease, connect):
        """One message to the server, for which statement_timestamp() stands still."""
        made = lease("alice")
        session, seen = connect(made), []
        session.add_notice_handler(lambda notice: seen.append(notice.message_primary))
        postgres.psql(
            f"UPDATE tabard.logins SET expires_at = clock_timestamp() + interval '1 s' "
            f"WHERE login = '{made['data']['username']}'"
        )
        session.execute(
            "DO $$ BEGIN FOR i IN 1..3 LOOP "
            "RAISE NOTICE '%', (SELECT count(*) FROM orders); PERFORM pg_sleep(0.8); "
            "END LOOP; END $$"
        )
        assert seen == ["2", "2", "0"]
        assert session.execute("SELECT count(*) FROM orders").fetchone() == (0,)


class TestTheEnd:
    def test_login_and_open_session_end_with_the_token(self, postgres, lease, reaper, connect):
        made, sibling = lease(task="ended"), lease(task="other")
        session, other = connect(made), connect(sibling)
        began = time.perf_counter()
        revoke(reaper, made)
        eventually_blocking(lambda: postgres.refuses(made["data"]))
        assert time.perf_counter() - began < 20
        with pytest.raises(psycopg.errors.AdminShutdown):
            session.execute("SELECT 1")
        assert items(other) == ["a lamp", "a chair"]

    def test_a_session_in_the_middle_of_a_query_ends(self, lease, reaper, connect):
        made = lease()
        session = connect(made)
        threading.Timer(0.2, revoke, [reaper, made]).start()
        with pytest.raises(psycopg.errors.AdminShutdown):
            session.execute("SELECT pg_sleep(60)")

    def test_the_token_revokes_itself(self, postgres, lease):
        made = lease()
        made["client"].auth.token.revoke_self()
        eventually_blocking(lambda: postgres.refuses(made["data"]))

    def test_a_token_that_nobody_extends_takes_its_login_along(self, vault, postgres):
        """The lease would last for 15 minutes. By the root's token, since the sidecar can't ask for less than 30 s."""
        name = handles.login_handle(issuer=IDP, subject="alice", task_id="t", agent_id=SIDECAR)
        made = make_token(vault.client(), name, ttl="2s")
        answer = vault.client(made["client_token"]).read("database/creds/orders-read")
        assert answer["lease_duration"] == 900
        assert not postgres.refuses(answer["data"])
        eventually_blocking(lambda: postgres.refuses(answer["data"]))

    def test_a_renewed_lease_extends_the_row(self, vault, postgres, lease):
        made = lease()
        query = f"SELECT extract(epoch FROM expires_at - now()) FROM tabard.logins WHERE login = '{made['data']['username']}'"
        before = float(postgres.psql(query))
        vault.client().sys.renew_lease(made["lease_id"], increment=1800)
        assert float(postgres.psql(query)) > before + 600

    @pytest.mark.parametrize(
        "trace",
        [
            "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC",
            "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO vault",
            "ALTER ROLE SESSION_USER SET work_mem = '1MB'",
            "ALTER ROLE SESSION_USER PASSWORD 'mine'",
            "PREPARE TRANSACTION 'x'",
            "DECLARE held CURSOR WITH HOLD FOR SELECT * FROM orders",
            "LISTEN something",
            "REASSIGN OWNED BY CURRENT_USER TO orders_read",
        ],
    )
    def test_a_login_that_left_something_is_dropped_all_the_same(
        self, postgres, lease, reaper, connect, trace
    ):
        made = lease()
        session = connect(made)
        with contextlib.suppress(
            psycopg.errors.ObjectNotInPrerequisiteState, psycopg.errors.NoActiveSqlTransaction
        ):
            session.execute(trace)
        revoke(reaper, made)
        eventually_blocking(lambda: not roles(postgres, made))

    def test_what_is_left_in_another_database_keeps_no_login_alive(self, postgres, lease, reaper):
        """An administrator gave it something there; it can't be dropped, and is worth nothing."""
        made = lease()
        name = made["data"]["username"]
        postgres.psql(f'CREATE SCHEMA "{name}" AUTHORIZATION "{name}"', database="postgres")
        revoke(reaper, made)
        with pytest.raises(psycopg.OperationalError):
            eventually_blocking(lambda: postgres.connect(made["data"]).close())
        members = f"SELECT count(*) FROM pg_auth_members WHERE member = to_regrole('\"{name}\"')"
        eventually_blocking(lambda: postgres.psql(members).strip() == "0")
        assert postgres.psql(f"SELECT rolcanlogin FROM pg_roles WHERE rolname = '{name}'").strip() == "f"
        postgres.psql(f'DROP OWNED BY "{name}"; DROP ROLE "{name}"', database="postgres")

    @pytest.mark.parametrize(
        "held",
        [
            "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO {others}",
            "ALTER DEFAULT PRIVILEGES GRANT EXECUTE ON FUNCTIONS TO {others}",
        ],
    )
    def test_a_login_that_holds_others_roles_keeps_none_of_their_rights(
        self, postgres, lease, reaper, connect, held
    ):
        """The role can't be dropped while a transaction holds it; the next login that ends drops it."""
        bob, ended = lease("bob"), [lease("alice", task=f"held-{n}") for n in range(9)]
        open_before = [connect(made) for made in ended[:3]]
        holding = connect(bob)
        others = ", ".join(f'"{made["data"]["username"]}"' for made in ended)
        holding.execute(f"BEGIN; {held.format(others=others)}")
        began = time.perf_counter()
        for made in ended:
            revoke(reaper, made)
        for made in ended:
            eventually_blocking(lambda made=made: postgres.refuses(made["data"]))
        assert time.perf_counter() - began < 45
        for session in open_before:
            with pytest.raises(psycopg.errors.AdminShutdown):
                session.execute("SELECT 1")
        assert lease("carol")["data"]
        assert roles(postgres, ended[0])
        ((_, undropped),) = code_of("docs/last-mile.md", "undropped")
        assert ended[0]["data"]["username"] in postgres.psql(undropped)
        holding.execute("ROLLBACK")
        for _ in range(20):
            last = lease("dora")
            revoke(reaper, last)
            eventually_blocking(lambda last=last: not roles(postgres, last))
            if not any(roles(postgres, made) for made in ended):
                break
        assert not any(roles(postgres, made) for made in ended)

    @pytest.mark.parametrize(
        "held",
        [
            "ALTER ROLE CURRENT_USER SET work_mem = '5MB'",
            "ALTER ROLE CURRENT_USER PASSWORD {password}",
            "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO CURRENT_USER, vault",
        ],
    )
    def test_a_login_that_connects_again_and_again_and_holds_its_own_role_ends(
        self, postgres, lease, reaper, held
    ):
        made, stop, seen = lease("alice", task="again"), threading.Event(), []
        statement = held.format(password=f"'{made['data']['password']}'")

        def hammer():
            while not stop.is_set():
                with contextlib.suppress(psycopg.Error), postgres.connect(made["data"]) as session:
                    session.execute(f"BEGIN; {statement}")
                    while not stop.is_set():
                        seen.append((time.perf_counter(), len(items(session))))
                        time.sleep(0.005)

        threads = [threading.Thread(target=hammer) for _ in range(12)]
        for thread in threads:
            thread.start()
        time.sleep(0.5)
        began = time.perf_counter()
        revoke(reaper, made)
        try:
            eventually_blocking(lambda: not roles(postgres, made))
            gone = time.perf_counter()
            assert gone - began < 20
            time.sleep(0.5)
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        assert any(number for _, number in seen)
        assert all(at < gone for at, number in seen if number)

    def test_what_the_cleanup_cant_do_gives_back_no_right(self, postgres, lease, reaper, connect):
        """More objects than the server has locks, made by an older set-up: DROP OWNED BY fails."""
        made = lease("alice")
        session, name = connect(made), made["data"]["username"]
        postgres.psql(
            "DO $$ BEGIN FOR n IN 1..30 LOOP "
            "PERFORM lo_create(1000000 + 1000 * n + i) FROM generate_series(1, 1000) AS i; END LOOP; "
            f"UPDATE pg_largeobject_metadata SET lomowner = '\"{name}\"'::regrole WHERE oid > 1000000; "
            "INSERT INTO pg_shdepend SELECT d.oid, 'pg_largeobject'::regclass, m.oid, 0, "
            f"'pg_authid'::regclass, '\"{name}\"'::regrole, 'o' FROM pg_largeobject_metadata m, pg_database d "
            "WHERE d.datname = 'orders' AND m.oid > 1000000; END $$"
        )
        revoke(reaper, made)
        eventually_blocking(lambda: postgres.refuses(made["data"]))
        with pytest.raises(psycopg.errors.AdminShutdown):
            session.execute("SELECT 1")
        eventually_blocking(lambda: "has ended and is still there: out of shared memory" in postgres.log())
        assert roles(postgres, made)
        postgres.psql(
            "DELETE FROM pg_shdepend WHERE objid > 1000000 AND classid = 'pg_largeobject'::regclass;"
            "DELETE FROM pg_largeobject_metadata WHERE oid > 1000000"
        )

    def test_a_closed_login_sees_nothing_and_joins_nothing_though_its_role_stands(
        self, postgres, lease, connect
    ):
        """After the first step alone. A snapshot from before doesn't help, since rights aren't read from it."""
        made = lease("alice")
        name = made["data"]["username"]
        old, holding = connect(made), connect(lease("bob"))
        for session in (old, holding):
            session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        assert items(old) == ["a lamp", "a chair"]
        items(holding)
        postgres.psql(f"SELECT tabard.close_login('{name}')")
        with pytest.raises(psycopg.errors.AdminShutdown):
            items(old)
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            connect(made)
        postgres.psql(f'GRANT orders_read TO "{name}"')
        assert items(connect(made)) == []
        assert items(holding) == ["a desk"]

    def test_the_steps_end_only_what_is_closed(self, postgres, lease):
        name = lease()["data"]["username"]
        with postgres.admin() as admin, pytest.raises(psycopg.errors.RaiseException, match="is not closed"):
            admin.execute("SELECT tabard.shut_login(%s)", [name])
        postgres.psql(f"SELECT tabard.drop_login('{name}')")
        assert postgres.psql(f"SELECT rolcanlogin FROM pg_roles WHERE rolname = '{name}'").strip() == "t"

    def test_sessions_that_begin_while_the_login_ends_get_nothing(self, postgres, lease, reaper):
        """Their role isn't visible as dropped before the transaction has ended."""
        for _ in range(5):
            made, begun, stop = lease("alice"), [], threading.Event()

            def hammer(made=made, begun=begun, stop=stop):
                while not stop.is_set():
                    with contextlib.suppress(psycopg.Error):
                        begun.append(postgres.connect(made["data"]))

            threads = [threading.Thread(target=hammer) for _ in range(3)]
            for thread in threads:
                thread.start()
            time.sleep(0.1)
            revoke(reaper, made)
            eventually_blocking(lambda made=made: not roles(postgres, made))
            stop.set()
            for thread in threads:
                thread.join()
            for session in begun:
                with contextlib.closing(session), pytest.raises(psycopg.Error):
                    session.execute("SELECT item FROM orders").fetchall()


class TestHowMuch:
    def test_a_login_has_few_connections(self, lease, connect):
        made = lease()
        sessions = [connect(made) for _ in range(5)]
        with pytest.raises(psycopg.OperationalError, match="too many connections for role"):
            connect(made)
        assert [items(session) for session in sessions] == [["a lamp", "a chair"]] * 5

    def test_a_person_has_as_many_logins_as_the_settings_allow(self, postgres, lease, reaper):
        postgres.psql("UPDATE tabard.settings SET logins_per_person = 2")
        try:
            first, _ = lease("erin", task="1"), lease("erin", task="2")
            with pytest.raises(InternalServerError, match="the person has 2 open logins"):
                lease("erin", task="3")
            assert lease("frank")["data"]
            revoke(reaper, first)
            eventually_blocking(lambda: not roles(postgres, first))
            assert lease("erin", task="3")["data"]
        finally:
            postgres.psql("UPDATE tabard.settings SET logins_per_person = 1000")

    def test_logins_at_once_are_no_more_than_the_settings_allow(self, postgres):
        postgres.psql("UPDATE tabard.settings SET logins_per_person = 3")
        try:
            together, made = threading.Barrier(8), []

            def make(number):
                with psycopg.connect(postgres.admin_url, autocommit=True) as connection:
                    together.wait()
                    with contextlib.suppress(psycopg.errors.RaiseException):
                        connection.execute(
                            "SELECT tabard.open_login(%s, 'x', now() + interval '1 min', 'orders_read')",
                            [f"token-graceagraceagrac-aaaaaaaa-aaaaaaaa-race000{number}"],
                        )
                        made.append(number)

            threads = [threading.Thread(target=make, args=(number,)) for number in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert len(made) == 3
        finally:
            postgres.psql("UPDATE tabard.settings SET logins_per_person = 1000")
            postgres.psql(
                "DO $$ DECLARE l name; BEGIN FOR l IN SELECT login FROM tabard.logins "
                "WHERE subject_handle = 'graceagraceagrac' AND closed_at IS NULL LOOP "
                "PERFORM tabard.close_login(l), tabard.shut_login(l), tabard.drop_login(l); END LOOP; END $$"
            )

    def test_what_is_forgotten_open_ends(self, lease, connect):
        session = connect(lease())
        names = ("idle_in_transaction_session_timeout", "lock_timeout", "statement_timeout")
        found = [session.execute(f"SHOW {name}").fetchone()[0] for name in names]
        assert found == ["1min", "10s", "5min"]


class TestWhoMayMakeLogins:
    def test_a_token_that_tabard_didnt_make_gets_none(self, vault, postgres):
        """Its display name has another form, so the database refuses; nothing is left behind."""
        with pytest.raises(InternalServerError, match="no name of a login that Tabard asked for"):
            vault.client().read("database/creds/orders-read")
        assert "root" not in postgres.psql("SELECT login FROM tabard.logins")

    def test_vaults_own_role_can_do_nothing_else(self, postgres):
        facts = postgres.psql(
            "SELECT rolcreaterole, rolcreatedb, rolsuper, rolbypassrls FROM pg_roles WHERE rolname = 'vault';"
            "SELECT count(*) FROM pg_auth_members WHERE member = 'vault'::regrole;"
            "SELECT has_table_privilege('vault', 'tabard.logins', 'select,insert,update,delete');"
            "SELECT has_table_privilege('vault', 'orders', 'select,insert,update,delete')"
        )
        assert facts.split() == ["f|f|f|f", "0", "f", "f"]

    @pytest.mark.parametrize(
        "role", ["postgres", "pg_execute_server_program", "pg_signal_backend", "tabard", "none", "orders"]
    )
    def test_a_login_joins_only_what_was_given_to_tabard(self, postgres, role):
        name = "token-aaaaaaaaaaaaaaaa-aaaaaaaa-aaaaaaaa-aaaaaaaa"
        with postgres.admin() as admin, pytest.raises(psycopg.errors.RaiseException, match="admin option"):
            admin.execute("SELECT tabard.open_login(%s, 'x', 'infinity', %s)", [name, role])

    @pytest.mark.parametrize("role", ["postgres", "vault", "orders_read"])
    def test_only_logins_of_tabard_can_be_closed(self, postgres, role):
        with (
            postgres.admin() as admin,
            pytest.raises(psycopg.errors.RaiseException, match="none of Tabard's logins"),
        ):
            admin.execute("SELECT tabard.close_login(%s)", [role])

    def test_closing_twice_is_no_error(self, postgres, lease, reaper):
        """Vault tries again what it isn't sure of."""
        made = lease()
        revoke(reaper, made)
        eventually_blocking(lambda: not roles(postgres, made))
        with postgres.admin() as admin:
            admin.execute("SELECT tabard.close_login(%s)", [made["data"]["username"]])


def roles(postgres, lease):
    return postgres.psql(f"SELECT 1 FROM pg_roles WHERE rolname = '{lease['data']['username']}'").strip()


class TestAFullLockTable:
    @pytest.fixture
    def small(self):
        """A server with few locks."""
        with postgres_server() as server:
            server.psql("ALTER SYSTEM SET max_locks_per_transaction = 10")
            server.psql("ALTER SYSTEM SET max_connections = 30")
            # The server commits without waiting for the disk, and stops at once.
            server.psql("CHECKPOINT")
            server.stop()
            server.start()
            yield server

    def test_a_guard_ends_the_login_that_fills_it(self, small):
        """Logins end again, although this one takes every lock that becomes free."""
        ((_, function),) = code_of("docs/last-mile.md", "guard")
        ((_, session),) = code_of("docs/last-mile.md", "guard-session")
        small.psql(function)
        name = handles.login_handle(issuer=IDP, subject="alice", task_id="t", agent_id=SIDECAR)
        hoarder, other = ({"username": f"token-{name}-{end * 8}", "password": "p"} for end in "ab")
        environment = {**os.environ, "SUPERUSER_URL": small.admin_url}
        guard = subprocess.Popen(["sh", "-ec", session], env=environment, process_group=0)
        reserve = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
        full, ended = threading.Event(), threading.Event()
        thread = threading.Thread(target=_hoard, args=(small, hoarder, full, ended), daemon=True)
        # Vault keeps its connections.
        vault = small.connect({"username": "vault", "password": "until-vault-changes-it"})
        try:
            for login in (hoarder, other):
                vault.execute(
                    "SELECT tabard.open_login(%s, 'p', now() + interval '1 hour', 'orders_write')",
                    [login["username"]],
                )
            eventually_blocking(lambda: small.psql(reserve).strip() == "100")
            # As if the login was faster than it.
            os.killpg(guard.pid, signal.SIGSTOP)
            thread.start()
            assert full.wait(120)
            with pytest.raises(psycopg.errors.OutOfMemory):
                vault.execute("SELECT tabard.close_login(%s)", [other["username"]])
            os.killpg(guard.pid, signal.SIGCONT)
            assert ended.wait(30)
            vault.execute("SELECT tabard.close_login(%s)", [other["username"]])
            assert small.refuses(other)
            assert f'a session of the login "{hoarder["username"]}" held' in small.log()
            eventually_blocking(lambda: small.psql(reserve).strip() == "100")
        finally:
            os.killpg(guard.pid, signal.SIGKILL)
            guard.wait()
            vault.close()


def _hoard(postgres, login, full, ended):
    """Take locks until none is left, and then each that becomes free, until the session is ended."""
    step = f"SAVEPOINT s; INSERT INTO orders (issuer, subject, item) VALUES ('{IDP}', 'alice', 'x');"
    with postgres.connect(login) as session, contextlib.suppress(psycopg.OperationalError):
        session.execute("BEGIN; SAVEPOINT s")
        many = 250
        while True:
            try:
                session.execute(step * many)
            except psycopg.errors.OutOfMemory:
                session.execute("ROLLBACK TO SAVEPOINT s")
                many = 1
                full.set()
    ended.set()
