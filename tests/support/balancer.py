"""Passes connections on to one of several ports of 127.0.0.1, in turn, as a Service does: those where no one listens are left out."""

from __future__ import annotations

import itertools
import socket
import threading
from contextlib import suppress


class Balancer:
    """Listens on ``port`` from its construction until :meth:`close`."""

    def __init__(self, ports: list[int]) -> None:
        self.ports = ports
        self._turns = itertools.count()
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Take no more connections."""
        self._server.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._server.accept()
                target = self._target()
                if target is None:
                    client.close()
                    continue
                for source, sink in ((client, target), (target, client)):
                    threading.Thread(target=_pass_on, args=(source, sink), daemon=True).start()

    def _target(self) -> socket.socket | None:
        ports = list(self.ports)
        turn = next(self._turns)
        for index in range(len(ports)):
            with suppress(OSError):
                return socket.create_connection(("127.0.0.1", ports[(turn + index) % len(ports)]), timeout=5)
        return None


def _pass_on(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        source.settimeout(None)
        while data := source.recv(65536):
            sink.sendall(data)
    for one in (source, sink):
        with suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
        with suppress(OSError):
            one.close()
