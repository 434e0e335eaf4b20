"""kubectl that misbehaves, and servers behind it; the real one is in tests/integration/k8s/test_doctor.py."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from tabard_sidecar.cluster import kubectl
from tabard_sidecar.cluster.api import listed
from tabard_sidecar.cluster.kubectl import through_kubectl
from tabard_sidecar.kubernetes.api import ApiError

_PROXY = """#!{python}
import http.server, json, os, socketserver, sys
open({answer!r} + ".pid", "w").write(str(os.getpid()))
path = sys.argv[-1].partition("=")[2]
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        code, body = json.load(open({answer!r}))
        if code == 302:
            self.send_response(302); self.send_header("Location", "http://127.0.0.1:1/"); self.end_headers(); return
        self.send_response(code); self.end_headers(); self.wfile.write(body.encode())
    do_POST = do_GET
    def address_string(self): return ""
    def log_message(self, *_): pass
class Server(socketserver.UnixStreamServer): pass
server = Server(path, Handler)
print("Starting to serve", flush=True)
server.serve_forever()
"""


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program named kubectl whose server answers what a file says: status and body."""
    answer = tmp_path / "answer.json"
    program = tmp_path / "bin" / "kubectl"
    program.parent.mkdir()
    program.write_text(_PROXY.format(python=sys.executable, answer=str(answer)))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    return answer


def answer(fake: Path, status: int, body: str) -> None:
    fake.write_text(json.dumps([status, body]))


def proxy(fake: Path) -> int:
    return int(fake.with_suffix(".json.pid").read_text())


async def failure(fake: Path, status: int, body: str) -> ApiError:
    answer(fake, status, body)
    async with through_kubectl(None, "") as api:
        with pytest.raises(ApiError) as caught:
            await api.get("/x")
    return caught.value


async def test_an_answer_and_the_proxy_ends_with_the_block(fake: Path):
    answer(fake, 200, '{"a": 1}')
    async with through_kubectl(None, "") as api:
        assert await api.get("/x") == {"a": 1}
        assert await api.try_create("/x", {}) == {"a": 1}
    with pytest.raises(ProcessLookupError):
        os.kill(proxy(fake), 0)


@pytest.mark.parametrize(
    ("status", "body", "text"),
    [
        (403, '{"message": "no"}', "answers: no"),
        (502, "bad gateway\x1b[31m", "bad gateway?[31m"),
        (302, "", "nothing"),
        (200, "[]", "no JSON object"),
        (200, "{", "no JSON object"),
        (200, '{"a": 1, "a": 2}', "no JSON object"),
    ],
)
async def test_answers_that_are_none(fake: Path, status: int, body: str, text: str):
    error = await failure(fake, status, body)
    assert text in str(error)
    assert error.status == status


async def test_an_answer_without_end(fake: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(kubectl, "_MAX_BYTES", 100)
    assert "longer than 100 bytes" in str(await failure(fake, 200, json.dumps({"a": "x" * 200})))


async def test_a_list_that_is_none(fake: Path):
    answer(fake, 200, '{"items": 7, "metadata": {}}')
    async with through_kubectl(None, "") as api:
        with pytest.raises(ApiError, match="no list"):
            [one async for one in listed(api, "/x")]


@pytest.mark.parametrize("program", ["#!/bin/sh\necho 'no such context' >&2; exit 1\n", ""])
async def test_a_kubectl_that_cannot_be_run(fake: Path, program: str):
    path = fake.parent / "bin" / "kubectl"
    path.write_text(program)
    if not program:
        path.chmod(0o644)
        os.environ["PATH"] = str(path.parent)
    with pytest.raises(ApiError, match="no such context" if program else "can't be started"):
        async with through_kubectl(None, ""):
            pass
