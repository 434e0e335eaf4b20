"""``tabard catalogue from-mcp`` against real servers: one over standard input and output, one over HTTP."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import textwrap
import urllib.error
import urllib.request

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
            eventually_blocking(lambda: _answers(url), 60)
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
