"""A TCP proxy that tests make misbehave, in a thread of its own."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator


class Proxy:
    """Forwards loopback connections to ``target``, a port, until it is told not to."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._flowing = asyncio.Event()
        self._held: set[asyncio.StreamWriter] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._clients: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def hold(self) -> None:
        """Forward nothing any more, on old and new connections, without closing any: the network is gone."""
        self._call(self._flowing.clear)

    def let_flow(self) -> None:
        """Forward again, except on connections that are dead."""
        self._call(self._flowing.set)

    def deaden(self) -> None:
        """Forward nothing any more on the connections of now, without closing them: the other end is gone."""
        self._call(lambda: self._held.update(self._writers))

    def mute(self) -> None:
        """Forward no answer any more on the connections of now: what is asked still arrives."""
        self._call(lambda: self._held.update(self._clients))

    def cut(self) -> None:
        """Close every connection."""
        self._call(lambda: [writer.close() for writer in self._writers])

    @property
    def connections(self) -> int:
        """How many connections clients hold."""
        return len(self._clients)

    def _call(self, work: object) -> None:
        done = threading.Event()

        def run() -> None:
            work()  # type: ignore[operator]
            done.set()

        self._loop.call_soon_threadsafe(run)
        assert done.wait(60)

    async def _serve(self, started: threading.Event, stopping: asyncio.Event) -> None:
        self._flowing.set()
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        started.set()
        await stopping.wait()
        server.close()
        for writer in list(self._writers):
            writer.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            their_reader, their_writer = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.close()
            return
        for source, sink in ((reader, their_writer), (their_reader, writer)):
            task = asyncio.create_task(self._forward(source, sink, {writer, their_writer}))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        self._writers |= {writer, their_writer}
        self._clients.add(writer)

    async def _forward(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, both: set[asyncio.StreamWriter]
    ) -> None:
        try:
            while data := await source.read(65_536):
                await self._flowing.wait()
                if sink in self._held:
                    continue
                sink.write(data)
                await sink.drain()
        except OSError:
            pass
        finally:
            self._writers -= both
            self._clients -= both
            for writer in both:
                writer.close()


@contextlib.contextmanager
def proxied(target: int) -> Iterator[Proxy]:
    """Run a proxy for the length of a block."""
    proxy = Proxy(target)
    started = threading.Event()
    stopping = asyncio.Event()
    thread = threading.Thread(
        target=lambda: proxy._loop.run_until_complete(proxy._serve(started, stopping)), daemon=True
    )
    thread.start()
    assert started.wait(60)
    try:
        yield proxy
    finally:
        proxy._loop.call_soon_threadsafe(stopping.set)
        thread.join(10)
        proxy._loop.close()
