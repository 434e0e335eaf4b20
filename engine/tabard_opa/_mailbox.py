"""Delivers finished evaluations to an asyncio loop."""

from __future__ import annotations

import asyncio
import contextlib
import os
import weakref
from dataclasses import dataclass
from typing import Final

from tabard_opa._library import Library, Outcome

_ROOM: Final = 32


@dataclass(frozen=True, slots=True)
class Answer:
    """A copied outcome."""

    status: int
    data: bytes
    parse_ns: int
    eval_ns: int
    way: int = 0


class Mailbox:
    """One loop's mailbox: Go signals an eventfd, the loop reads it and resolves the futures of the finished tickets.

    It holds no reference to the loop, so it is collected with the loop.
    """

    def __init__(self, library: Library) -> None:
        self._library = library
        self._descriptor = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self.handle: int = library.held.tabard_mailbox_open(self._descriptor)
        self._waiting: dict[int, asyncio.Future[Answer]] = {}
        self._outcomes = (Outcome * _ROOM)()
        self._finalizer = weakref.finalize(self, _close, library, self.handle, self._descriptor, os.getpid())
        asyncio.get_running_loop().add_reader(self._descriptor, _collect, weakref.ref(self))

    async def wait(self, ticket: int) -> Answer:
        """Wait for a ticket's answer. If the caller is cancelled, the evaluation is, too."""
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting[ticket] = future
        try:
            return await future
        finally:
            if self._waiting.pop(ticket, None) is not None:
                self._library.held.tabard_abandon(ticket)

    def collect(self) -> None:
        """Resolve the futures of the evaluations that have finished."""
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self._descriptor)
        count = self._library.held.tabard_mailbox_take(self.handle, self._outcomes, _ROOM)
        for outcome in self._outcomes[:count]:
            data = self._library.take(outcome)
            answer = Answer(outcome.status, data, outcome.parse_ns, outcome.eval_ns, outcome.way)
            future = self._waiting.pop(outcome.handle, None)
            if future is not None and not future.done():
                future.set_result(answer)

    def close(self, loop: asyncio.AbstractEventLoop) -> None:
        """Stop listening and cancel the pending futures."""
        if not loop.is_closed():
            loop.remove_reader(self._descriptor)
        for future in self._waiting.values():
            future.cancel()
        self._finalizer()


class Mailboxes:
    """The mailboxes of an engine: one for each event loop, made when first needed."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._of_loop: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Mailbox] = (
            weakref.WeakKeyDictionary()
        )

    def current(self) -> Mailbox:
        """Return the running loop's mailbox."""
        loop = asyncio.get_running_loop()
        mailbox = self._of_loop.get(loop)
        if mailbox is None:
            mailbox = self._of_loop[loop] = Mailbox(self._library)
        return mailbox

    def close(self) -> None:
        """Close all mailboxes; evaluations that are awaited are cancelled."""
        for loop, mailbox in list(self._of_loop.items()):
            mailbox.close(loop)
        self._of_loop.clear()


def _collect(mailbox: weakref.ref[Mailbox]) -> None:
    alive = mailbox()
    if alive is not None:
        alive.collect()


def _close(library: Library, handle: int, descriptor: int, pid: int) -> None:
    if os.getpid() == pid:
        library.held.tabard_mailbox_close(handle)
    os.close(descriptor)
