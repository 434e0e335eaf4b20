"""Real HTTP servers on loopback for the tests of backends."""

import http.client
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import ThreadingUnixStreamServer
from wsgiref.simple_server import WSGIRequestHandler, make_server

import uvicorn

from tests.support.waiting import eventually_blocking


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_):
        pass


@contextmanager
def serve_wsgi(app):
    """Serve a WSGI application; yields the port."""
    with make_server("127.0.0.1", 0, app, handler_class=_Quiet) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def serve_asgi(app):
    """Serve an ASGI application; yields the port."""
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error", ws="none", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        eventually_blocking(lambda: server.started)
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()


class Documents(ThreadingHTTPServer):
    """Serves whatever ``answer(request)`` returns: status and JSON document. Counts requests."""

    daemon_threads = True

    def __init__(self, answer):
        super().__init__(("127.0.0.1", 0), _DocumentHandler)
        self.answer = answer
        self.requests = 0
        self.paths = []
        self.url = f"http://127.0.0.1:{self.server_port}/document"

    def __enter__(self):
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self._thread.join()
        self.server_close()


@contextmanager
def serve_unix(path, answer):
    """Serve as :class:`Documents` does, on a unix socket; yields the server, whose ``paths`` were asked for."""
    with ThreadingUnixStreamServer(str(path), _DocumentHandler) as server:
        server.daemon_threads = True
        server.answer, server.requests, server.paths = answer, 0, []
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


class _DocumentHandler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.requests += 1
        self.server.paths.append(self.path)
        self.body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        status, document, *headers = self.server.answer(self)
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET  # noqa: N815  # the base class names methods so

    def log_message(self, *_):
        pass


def request(port, method="POST", path="/", body=b"", headers=None):
    """Send one request; returns status, headers and body. ``headers`` is a dict or a list of pairs."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.putrequest(method, path)
        pairs = list(headers.items()) if isinstance(headers, dict) else list(headers or ())
        names = {name.lower() for name, _ in pairs}
        if body and not names & {"content-length", "transfer-encoding"}:
            pairs.append(("Content-Length", str(len(body))))
        for name, value in pairs:
            connection.putheader(name, value)
        connection.endheaders(body or None)
        response = connection.getresponse()
        return response.status, response.headers, response.read()
    finally:
        connection.close()
