import json
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from tabard_sidecar.cli import main

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


def test_which_sidecar_answered(tmp_path, capsys, monkeypatch):
    """Zone, configuration and process are told; another zone than the configuration's is no answer."""
    monkeypatch.chdir(tmp_path)
    document = {"status": "serving", "ready": True, "zone": "shop", "config": "/srv/tabard.yaml", "pid": 4}
    with answering(tmp_path / "o.health", json.dumps(document | {"reasons": []}).encode()):
        write = (tmp_path / "tabard.yaml").write_text
        write("zone: shop\nlisten:\n  operator: unix:o.sock\n")
        assert main(["health"]) == 0
        assert capsys.readouterr().out == "serving\n  zone shop (/srv/tabard.yaml, pid 4)\n"
        write("zone: other\nlisten:\n  operator: unix:o.sock\n")
        assert main(["health"]) == 6
        error = capsys.readouterr().err
        assert "serves zone shop (/srv/tabard.yaml, pid 4), not zone other of " in error
        assert "--config" in error
        assert main(["health", "--address", f"unix:{tmp_path}/o.health"]) == 0


@contextmanager
def answering(path, body):
    """Answer every request on a socket with a document."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        listener.listen()

        def serve():
            with suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    with connection:
                        connection.recv(4096)
                        connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n" + body)

        threading.Thread(target=serve, daemon=True).start()
        yield
        listener.shutdown(socket.SHUT_RDWR)


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
