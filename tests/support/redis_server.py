"""Real Redis servers that tests pause, kill, fill and replicate."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import redis

from tests.components.ports import free_port
from tests.support.components import component
from tests.support.waiting import eventually_blocking

DURABLE = ("--appendonly", "yes", "--appendfsync", "always", "--maxmemory-policy", "noeviction")
_START_SECONDS = 60.0
_STOP_SECONDS = 30.0


class RedisServer:
    """One server process with a folder of its own. ``arguments`` follow the durable ones and so override them."""

    def __init__(self, folder: Path, *arguments: str, port: int | None = None) -> None:
        self.folder = folder
        self.port = port or free_port()
        self._arguments = arguments
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Address of its first database."""
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start it with what it kept, and wait until it answers."""
        self.folder.mkdir(parents=True, exist_ok=True)
        command = [
            component("redis.sh", "install"),
            *("--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(self.folder), "--save", ""),
            *("--repl-diskless-sync-delay", "0"),
            *DURABLE,
            *self._arguments,
        ]
        with (self.folder / "redis.log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        self.wait_until_up()

    def wait_until_up(self) -> None:
        """Wait until it has read its files.

        Raises:
            RuntimeError: it doesn't come up.
        """
        try:
            eventually_blocking(
                lambda: self.cli("ping").strip() in {"PONG", "NOAUTH Authentication required."}
            )
        except TimeoutError:
            raise RuntimeError((self.folder / "redis.log").read_text()) from None

    def cli(self, *command: str) -> str:
        """Send one command with redis-cli and return what it prints."""
        arguments = ["redis-cli", "-p", str(self.port), *command]
        return subprocess.run(arguments, capture_output=True, text=True, check=False, timeout=20).stdout

    def info(self, name: str) -> int:
        """Return one number that it tells of itself."""
        (line,) = [line for line in self.cli("info").splitlines() if line.startswith(f"{name}:")]
        return int(line.partition(":")[2])

    def names(self) -> list[str]:
        """Return the names of all keys."""
        return self.cli("--scan").split()

    def snapshot(self) -> dict[bytes, tuple[bytes, int]]:
        """Return a copy of every key with its end."""
        with redis.Redis(port=self.port) as client:
            return {key: (client.dump(key), max(0, client.pexpiretime(key))) for key in client.scan_iter()}

    def go_back_to(self, snapshot: dict[bytes, tuple[bytes, int]]) -> None:
        """Hold what a copy holds and nothing else."""
        with redis.Redis(port=self.port) as client:
            client.flushall()
            for key, (value, end) in snapshot.items():
                client.restore(key, end, value, absttl=True)

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        assert self._process is not None
        os.kill(self._process.pid, number)

    def pause(self) -> None:
        """Stop it without ending it."""
        self.signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        self.signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it at once, as a crash does."""
        self.signal(signal.SIGKILL)
        self.wait()

    def stop(self) -> None:
        """End it in good order if it runs; a replica that still writes its first log has to be told more than once."""
        until = time.monotonic() + _STOP_SECONDS
        while self._process is not None and self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                self.resume()
                self.signal(signal.SIGTERM if time.monotonic() < until else signal.SIGKILL)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(0.5)

    def wait(self) -> None:
        """Wait until it has ended."""
        assert self._process is not None
        self._process.wait(_STOP_SECONDS)


@contextlib.contextmanager
def redis_server(folder: Path, *arguments: str) -> Iterator[RedisServer]:
    """Run a server for the length of a block."""
    server = RedisServer(folder, *arguments)
    server.start()
    try:
        yield server
    finally:
        server.stop()
