"""Health is answered by a thread of its own, and tells when the event loop is held up."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from tabard_sidecar.health import Health
from tabard_sidecar.http import health_server
from tabard_sidecar.http.app import create_health_server
from tabard_sidecar.util.sockets import BindError


def ask(path: str, page: str) -> tuple[int, dict[str, object]]:
    """Ask as a probe does; return status and document."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(10)
        connection.connect(path)
        connection.sendall(f"GET {page} HTTP/1.0\r\n\r\n".encode())
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)


@pytest.fixture
async def served(folder):
    health = Health()
    health.component("policy").ok()
    health.started()
    server = create_health_server(f"unix:{folder}/h", health)
    await server.start()
    with ThreadPoolExecutor(1) as others:
        yield lambda page: others.submit(ask, f"{folder}/h", page)
    await server.stop()


async def test_an_answer_does_not_wait_for_the_loop(served):
    asked = served("/readyz")
    time.sleep(1.0)  # noqa: ASYNC251 - holds the loop up
    assert asked.done()
    status, document = asked.result()
    assert (status, document["status"], document["ready"]) == (200, "serving", True)


@pytest.mark.parametrize("page", ["/readyz", "/healthz"])
async def test_a_loop_that_is_held_up_is_neither_ready_nor_live(served, monkeypatch, page):
    """And it is both again as soon as it goes on."""
    monkeypatch.setattr(health_server, "STUCK_SECONDS", 0.5)
    time.sleep(2.1)  # noqa: ASYNC251 - holds the loop up
    asked = served(page)
    time.sleep(0.5)  # noqa: ASYNC251 - the same
    status, document = asked.result()
    assert (status, document["status"], document["ready"]) == (503, "stuck", False)
    assert "held up" in document["reasons"][0]
    await asyncio.sleep(0.5)
    assert (await asyncio.wrap_future(served(page)))[0] == 200


async def test_an_address_that_is_taken(served, folder):
    with pytest.raises(BindError):
        await create_health_server(f"unix:{folder}/h", Health()).start()
