import threading
import time

import pytest
from tabard_sidecar.credentials.vault import faults
from tabard_sidecar.credentials.vault.faults import VaultFault
from tabard_sidecar.util.bounded_http import BoundedSession, until

from tests.support.fake_vault import Answer, fake_vault

PATH = "/v1/some/path"


@pytest.fixture
def server():
    with fake_vault() as fake:
        fake.answers[PATH] = Answer(body={"a": 1})
        yield fake


def session_to(server, *, connections=4):
    """A session with a server."""
    return BoundedSession(server.address, ca_file=None, connections=connections, faults=faults)


def ask(session, *, seconds=5.0, body=None):
    """Ask for a path."""
    with until(time.monotonic() + seconds):
        return session.request("POST", PATH, body=body)


def test_a_connection_that_the_server_closed_is_not_used_again(server):
    """A request that is lost with one may have been served, so it couldn't be sent a second time."""
    session = session_to(server)
    server.answers[PATH] = Answer(steps=[b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"], hangs_up=True)
    for number in range(1, 4):
        assert ask(session).content == b"{}"
        assert server.connections == number
        time.sleep(0.05)


def test_words_after_a_reply_are_not_the_next_reply(server):
    session = session_to(server)
    reply = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b"
    server.answers[PATH] = Answer(steps=[reply % (2, b"{}"), 0.1, reply % (8, b'{"a": 2}')])
    assert ask(session).content == b"{}"
    time.sleep(0.3)
    server.answers[PATH] = Answer(body={"a": 1})
    assert ask(session).content == b'{"a": 1}'
    assert server.connections == 2


def test_there_are_never_more_connections_than_configured(server):
    server.answers[PATH] = Answer(steps=[0.3, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"])
    session = session_to(server, connections=2)
    found = []
    threads = [threading.Thread(target=lambda: found.append(ask(session).status)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [200] * 6
    assert server.connections == 2


def test_who_finds_no_connection_in_time_has_asked_nothing(server):
    server.answers[PATH] = Answer(steps=[1.0, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"])
    session = session_to(server, connections=1)
    first = threading.Thread(target=ask, args=(session,))
    first.start()
    time.sleep(0.1)
    with pytest.raises(VaultFault) as caught:
        ask(session, seconds=0.2)
    first.join()
    assert (caught.value.message, caught.value.nothing_done) == ("it didn't answer in time", True)
    assert len(server.asked) == 1


def test_a_request_is_sent_in_one_piece_with_its_length(server):
    session = session_to(server)
    assert ask(session, body=b'{"b": 2}').status == 200
    assert server.asked[0].headers["Content-Length"] == "8"
    assert server.asked[0].body == {"b": 2}


def test_what_is_closed_leaves_no_connection_open(server):
    session = session_to(server)
    ask(session)
    session.close()
    ask(session)
    assert server.connections == 2
    session.close()
