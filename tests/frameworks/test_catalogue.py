"""``tabard catalogue from-mcp`` against real servers: one over standard input and output, one over HTTP."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from tabard_sidecar.cli import main
from tabard_sidecar.policy.catalogue import load_catalogue

from tests.support.waiting import eventually_blocking

SERVER = """
import sys
from typing import Annotated

import pydantic
import uvicorn
from mcp.server.mcpserver import MCPServer
from mcp_types import ToolAnnotations

server = MCPServer("shop")

@server.tool(title="Read", annotations=ToolAnnotations(readOnlyHint=True))
def read(id: int, note: str = "") -> str:
    \"\"\"Read an order.\"\"\"
    return str(id)

@server.tool()
def odd(x: Annotated[str, pydantic.Field(json_schema_extra={"pattern": "^(?=a)"})]) -> str:
    return x

class Checked:
    \"\"\"Lets those in who have the token.\"\"\"

    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        if scope["type"] == "http" and dict(scope["headers"]).get(b"authorization") != b"Bearer secret-token":
            await send({"type": "http.response.start", "status": 401, "headers": []})
            await send({"type": "http.response.body", "body": b""})
            return
        await self.app(scope, receive, send)

if __name__ == "__main__":
    if len(sys.argv) > 1:
        app = Checked(server.streamable_http_app())
        uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
    else:
        server.run()
"""


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "server.py"
    path.write_text(textwrap.dedent(SERVER))
    return path


def check(path):
    read = load_catalogue(path).lookup("read", "shop")
    assert read.read_only
    assert read.validate({"id": 1, "note": "x"}) is None
    assert read.validate({"id": "one"}) is not None


def test_a_server_on_standard_input_and_output(script, tmp_path, capfd):
    output = tmp_path / "catalogue.yaml"
    arguments = ["--server", "shop", "--output", str(output), "--json", sys.executable, str(script)]
    assert main(["catalogue", "from-mcp", *arguments]) == 1
    out, err = capfd.readouterr()
    assert json.loads(out)["tools"] == 1
    assert "left out: tool 'odd'" in err
    check(output)


def test_a_server_behind_a_url_and_a_token(script, tmp_path, capfd):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}/mcp"
    output = tmp_path / "catalogue.json"
    (tmp_path / "token").write_text("secret-token\n")
    with subprocess.Popen([sys.executable, script, str(port)]) as process:
        try:
            eventually_blocking(lambda: _answers(url))
            options = ["--server", "shop", "--output", str(output)]
            assert main(["catalogue", "from-mcp", *options, url]) == 6
            assert main(["catalogue", "from-mcp", *options, "--token", f"@{tmp_path}/token", url]) == 1
        finally:
            process.terminate()
    assert "secret-token" not in "".join(capfd.readouterr())
    check(output)


def _answers(url):
    try:
        urllib.request.urlopen(url, timeout=5)  # noqa: S310  # our own server
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


@pytest.mark.parametrize(
    "command", [["/nowhere/at/all"], [sys.executable, "-c", "raise SystemExit(1)"]], ids=["none", "ends"]
)
def test_a_server_that_does_not_answer_says_so(command, capfd):
    assert main(["catalogue", "from-mcp", "--timeout-seconds", "20", *command]) == 6
    assert "the server's tools can't be listed" in capfd.readouterr().err


def test_a_server_that_is_silent_ends_in_time(capfd):
    command = [sys.executable, "-c", "import time; time.sleep(60)"]
    assert main(["catalogue", "from-mcp", "--timeout-seconds", "2", *command]) == 6
    assert "no answer within 2 s" in capfd.readouterr().err


def test_a_token_is_not_sent_in_the_clear(capfd):
    assert main(["catalogue", "from-mcp", "--token", "t", "http://mcp.example/mcp"]) == 2
    assert "plain HTTP" in capfd.readouterr().err


ENDLESS = {
    "a line": ("while True: os.write(1, b'x' * 65536)", "8388608 bytes"),
    "lines": ("while True: os.write(1, b'{}\\n' * 1000)", "20000 lines"),
    "brackets": (
        "os.write(1, b'{\"id\": 1, \"result\": ')\nwhile True: os.write(1, b'[' * 65536)",
        "8388608 bytes",
    ),
}


@pytest.mark.parametrize(("sent", "most"), ENDLESS.values(), ids=ENDLESS)
def test_a_server_that_sends_without_end_is_ended(sent, most, tmp_path, capfd):
    """In bytes, not only in time; and no process of it stays."""
    noted = f"import os\nopen({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))\n"
    (tmp_path / "s.py").write_text(noted + sent)
    limit = 400 * 2**20
    command = ["catalogue", "from-mcp", "--timeout-seconds", "50", sys.executable, str(tmp_path / "s.py")]
    code, peak, seconds = _measured(command)
    assert code == 6
    assert f"the server sent more than {most}" in capfd.readouterr().err
    assert peak < limit
    assert seconds < 40
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


FORKING = """
import os, subprocess, sys, time
child = [sys.executable, "-c", "import time; time.sleep(600)"]
found = [subprocess.Popen(child, start_new_session=True).pid for _ in range(3)]
open(sys.argv[1] + ".new", "w").write(" ".join(map(str, [os.getpid(), *found])))
os.rename(sys.argv[1] + ".new", sys.argv[1])
time.sleep(600)
"""


@pytest.mark.parametrize(
    "number", [signal.SIGINT, signal.SIGKILL, None], ids=["ctrl-c", "killed", "time-out"]
)
def test_no_process_of_a_server_stays(number, tmp_path):
    """Whether the command is interrupted, is killed, or ends by itself."""
    (tmp_path / "s.py").write_text(FORKING)
    pids = tmp_path / "pids"
    command = [sys.executable, "-m", "tabard_sidecar.cli", "catalogue", "from-mcp", "--timeout-seconds", "5"]
    child = subprocess.Popen(
        [*command, sys.executable, str(tmp_path / "s.py"), str(pids)], stderr=subprocess.PIPE, text=True
    )
    eventually_blocking(pids.exists)
    if number is not None:
        child.send_signal(number)
    _, error = child.communicate(timeout=60)
    assert child.returncode == {signal.SIGINT: 130, signal.SIGKILL: -9, None: 6}[number]
    assert "Traceback" not in error
    processes = list(map(int, pids.read_text().split()))
    assert len(processes) == 4
    eventually_blocking(lambda: not any(Path(f"/proc/{process}").exists() for process in processes))


def _measured(command):
    """Run the command; return its exit code, its most memory in bytes and its time in seconds."""
    began = time.monotonic()
    child = subprocess.Popen([sys.executable, "-m", "tabard_sidecar.cli", *command])
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    return child.returncode, used.ru_maxrss * 1024, time.monotonic() - began


class Endless(BaseHTTPRequestHandler):
    """Answers every request without end, as the test says."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        for name, value in self.server.headers:
            self.send_header(name, value)
        self.send_header("Connection", "close")
        self.end_headers()
        with contextlib.suppress(OSError):
            while True:
                self.wfile.write(self.server.piece)

    do_GET = do_POST  # noqa: N815  # the library's name

    def log_message(self, *_args: object) -> None: ...


@pytest.mark.parametrize(
    ("headers", "piece", "says"),
    [
        ([("Content-Type", "application/json")], b"[" * 65536, "sent more than 8388608 bytes"),
        ([("Content-Type", "text/event-stream")], b"data: x" * 9000, "exceeded the 1048576 byte l"),
        ([("Content-Type", "text/event-stream")], b": x\n\n" * 9000, "sent more than 8388608 bytes"),
        (
            [("Content-Type", "application/json"), ("Content-Encoding", "gzip")],
            gzip.compress(b" " * 2**24),
            "compresses its answers",
        ),
    ],
    ids=["json", "an event", "comments", "compressed"],
)
def test_a_server_behind_a_url_that_sends_without_end_is_left(headers, piece, says, capfd):
    with ThreadingHTTPServer(("127.0.0.1", 0), Endless) as server:
        server.daemon_threads, server.block_on_close = True, False
        server.headers, server.piece = headers, piece
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/mcp"
        code, peak, seconds = _measured(["catalogue", "from-mcp", "--timeout-seconds", "30", url])
        server.shutdown()
    assert code == 6
    assert says in capfd.readouterr().err
    assert peak < 400 * 2**20
    assert seconds < 35
