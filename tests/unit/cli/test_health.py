import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from tabard_sidecar.cli import main
from tabard_sidecar.cli.health import find_address, scan

READY = b'{"status": "serving", "ready": true, "reasons": []}'
BROKEN = b'{"status": "degraded", "ready": false, "reasons": ["policy: broken"]}'


@pytest.fixture
def sidecar():
    """A server that answers as a sidecar whose readiness the test sets."""

    class Handler(BaseHTTPRequestHandler):
        ready = True

        def do_GET(self):
            healthy = self.ready or self.path == "/healthz"
            body = READY if self.ready else BROKEN
            self.send_response(200 if healthy else 503)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield Handler, f"127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_ready(sidecar, capsys):
    """A ready sidecar is exit code 0 and one word."""
    assert main(["health", "--address", sidecar[1]]) == 0
    assert capsys.readouterr().out == "serving\n"


def test_not_ready_tells_why(sidecar, capsys):
    """A sidecar that isn't ready is exit code 1; --live only asks whether it lives."""
    handler, address = sidecar
    handler.ready = False
    assert main(["health", f"--address={address}"]) == 1
    assert capsys.readouterr().out == "degraded (not ready)\n  policy: broken\n"
    assert main(["health", "--live", "--json", "--address", address]) == 0
    assert capsys.readouterr().out == BROKEN.decode() + "\n"


def test_a_sidecar_that_does_not_answer(capsys, tmp_path):
    """An address without a sidecar is exit code 6 with the next step."""
    assert main(["health", "--address", f"unix:{tmp_path}/none"]) == 6
    assert "tabard serve" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [["--nonsense"], ["--address"], ["--timeout", "soon"], ["--config", "/none"]]
)
def test_usage(arguments, capsys):
    """Mistakes are exit code 2 and show the usage."""
    assert main(["health", *arguments]) == 2
    assert "Usage: tabard health" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http:\n  listen: 127.0.0.1:5\n", "127.0.0.1:5"),
        ("zone: a\n\nhttp:  # x\n\n  # y\n  listen: 'unix:/x'  # z\nlisten:\n  agent: unix:/y\n", "unix:/x"),
        ('http:\n    listen: "[::1]:5"', "[::1]:5"),
        ("http: {listen: 127.0.0.1:6}\n", "127.0.0.1:6"),
        ('{"http": {"listen": "127.0.0.1:7"}}', "127.0.0.1:7"),
        ('"http":\n  "listen": 127.0.0.1:8\n', "127.0.0.1:8"),
        ("listen:\n  agent: unix:/y\n", None),
        ("http:\n", None),
        ("nothttp:\n  listen: x\n", None),
        ("", None),
    ],
)
def test_address_is_found_in_the_configuration(text, expected):
    """The usual form is read at once, every other form correctly."""
    assert scan(text) == expected


def test_lookup_order(tmp_path, monkeypatch):
    """The environment wins, then the named file, then the usual places, then the default."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other.yaml").write_text("http:\n  listen: 127.0.0.1:1\n")
    assert find_address({}, None) == "127.0.0.1:9181"
    (tmp_path / "tabard.yaml").write_text("http:\n  listen: 127.0.0.1:2\n")
    assert find_address({}, None) == "127.0.0.1:2"
    assert find_address({"TABARD_CONFIG": "other.yaml"}, None) == "127.0.0.1:1"
    assert find_address({"TABARD_HTTP__LISTEN": "127.0.0.1:3"}, "other.yaml") == "127.0.0.1:3"


def test_only_the_standard_library_is_imported():
    """The probe runs every few seconds; it must not load what the server needs."""
    code = (
        "import sys; before = set(sys.modules); from tabard_sidecar.cli import main;"
        "main(['health', '--address', 'unix:/nonexistent']);"
        "new = {name.split('.')[0] for name in set(sys.modules) - before};"
        "print(sorted(new - sys.stdlib_module_names))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "['tabard_sidecar']"
