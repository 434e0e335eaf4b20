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
        ("listen:\n  health: unix:/h\n", "unix:/h"),
        ("zone: a\n\nlisten:  # x\n\n  # y\n  health: 'unix:/x'  # z\nhttp:\n  listen: unix:/y\n", "unix:/x"),
        ('listen:\n    agent: unix:/a\n    health: "unix:/b"', "unix:/b"),
        ("listen: {health: 'unix:/c'}\n", "unix:/c"),
        ('{"listen": {"health": "unix:/d"}}', "unix:/d"),
        ('"listen":\n  "health": unix:/e\n', "unix:/e"),
        ("listen:\n  agent: unix:/y\n", None),
        ("listen:\n", None),
        ("notlisten:\n  health: x\n", None),
        ("", None),
    ],
)
def test_address_is_found_in_the_configuration(text, expected):
    """The usual form is read at once, every other form correctly."""
    assert scan(text, "health") == expected


def test_lookup_order(tmp_path, monkeypatch):
    """The environment wins, then the configuration, then the place beside the operator's socket."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other.yaml").write_text("listen:\n  health: unix:/1\n")
    assert find_address({"XDG_RUNTIME_DIR": "/r"}, None) == "unix:/r/tabard/operator/tabard.health"
    assert find_address({"TABARD_OPERATOR_ADDRESS": "unix:/o/s.sock"}, None) == "unix:/o/s.health"
    (tmp_path / "tabard.yaml").write_text("listen:\n  operator: unix:/2/tabard.sock\n")
    assert find_address({}, None) == "unix:/2/tabard.health"
    assert find_address({"TABARD_LISTEN__OPERATOR": "unix:/3/s"}, None) == "unix:/3/s.health"
    assert find_address({"TABARD_CONFIG": "other.yaml"}, None) == "unix:/1"
    assert find_address({"TABARD_LISTEN__HEALTH": "unix:/4"}, "other.yaml") == "unix:/4"


def test_only_the_standard_library_is_imported():
    """The probe runs every few seconds; it must not load what the server needs."""
    code = (
        "import sys; before = set(sys.modules); from tabard_sidecar.cli import main;"
        "main(['health', '--address', 'unix:/nonexistent']);"
        "new = {name.split('.')[0] for name in set(sys.modules) - before};"
        "print(sorted(new - sys.stdlib_module_names))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "['tabard', 'tabard_sidecar']"
