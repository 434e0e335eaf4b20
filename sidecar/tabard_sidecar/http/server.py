"""Binding an HTTP application to an address."""

from __future__ import annotations

import errno
import os
import socket
import ssl
import stat
from pathlib import Path

from aiohttp import web

from tabard_sidecar.config.addresses import host_and_port, socket_path

_SOCKET_MODE = 0o660
_SHUTDOWN_SECONDS = 2.0


class BindError(Exception):
    """An address can't be listened on; the message names it and says what to do."""


class HttpServer:
    """An application that listens on one address.

    Args:
        application: what answers.
        address: ``host:port`` or ``unix:/path``.
        tls: certificate and key, if the connection is encrypted.
    """

    def __init__(
        self, application: web.Application, address: str, *, tls: ssl.SSLContext | None = None
    ) -> None:
        self._application = application
        self._wanted = address
        self._tls = tls
        self._runner: web.AppRunner | None = None
        self._path: Path | None = None
        self.address = address

    async def start(self) -> None:
        """Listen; ``address`` then says where, also if port 0 was asked for.

        Raises:
            BindError: the address is taken or isn't this machine's.
        """
        listener = self._listener()
        self._runner = web.AppRunner(
            self._application,
            access_log=None,
            handle_signals=False,
            shutdown_timeout=_SHUTDOWN_SECONDS,
            keepalive_timeout=15,
            max_line_size=4096,
            max_field_size=8190,
        )
        await self._runner.setup()
        await web.SockSite(self._runner, listener, ssl_context=self._tls).start()
        if self._path is None:
            host, port = listener.getsockname()[:2]
            self.address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    async def stop(self) -> None:
        """Finish what is being answered and stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    def _listener(self) -> socket.socket:
        path = socket_path(self._wanted)
        try:
            if path is not None:
                listener = _listen_unix(path)
                self._path = path
                return listener
            host, port = host_and_port(self._wanted)
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            return socket.create_server((host, port), family=family, backlog=64)
        except OSError as error:
            raise BindError(f"{self._wanted}: {error.strerror or error}") from error


def _listen_unix(path: Path) -> socket.socket:
    """Listen on a unix socket, replacing one that a dead process left behind."""
    if path.exists() and not stat.S_ISSOCK(path.lstat().st_mode):
        raise OSError(errno.EEXIST, "there is a file that isn't a socket; remove it")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            try:
                probe.connect(str(path))
            except (FileNotFoundError, ConnectionRefusedError):
                path.unlink(missing_ok=True)
            else:
                raise OSError(
                    errno.EADDRINUSE, "another process answers there; stop it or choose another path"
                )
        old = os.umask(0o117)
        try:
            listener.bind(str(path))
        finally:
            os.umask(old)
        path.chmod(_SOCKET_MODE)
        listener.listen(64)
    except OSError:
        listener.close()
        raise
    return listener
