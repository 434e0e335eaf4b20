"""Signs the operator's browser in: a link that works once, and a session that ends by itself."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Callable

from tabard_sidecar.util.lean import dataclass

CODE_SECONDS = 600.0
"""How long a link works."""
_SECRET_BYTES = 24
_MOST_SESSIONS = 16


@dataclass(frozen=True, slots=True)
class Session:
    """One browser that has signed in.

    Attributes:
        token: value of its cookie.
        form_token: what each of its forms holds, so that no other page can send one.
        ends: when it ends, by the clock of :class:`Sessions`.
    """

    token: str
    form_token: str
    ends: float

    def sent(self, form_token: str) -> bool:
        """Tell whether a form is one of this session's."""
        return hmac.compare_digest(_digest(form_token), _digest(self.form_token))


class Sessions:
    """Knows which browsers have signed in.

    Args:
        seconds: how long a session lasts.
        clock: seconds that only grow.
    """

    def __init__(self, seconds: float, clock: Callable[[], float]) -> None:
        self._seconds = seconds
        self._clock = clock
        self._code: tuple[bytes, float] | None = None
        self._sessions: OrderedDict[bytes, Session] = OrderedDict()

    def new_code(self) -> str:
        """Return a code that signs one browser in, within :data:`CODE_SECONDS`. The one before it works no more."""
        code = secrets.token_urlsafe(_SECRET_BYTES)
        self._code = _digest(code), self._clock() + CODE_SECONDS
        return code

    def sign_in(self, code: str) -> Session | None:
        """Return a new session; ``None`` if the code isn't the newest one, was used, or is too old."""
        if self._code is None or not hmac.compare_digest(_digest(code), self._code[0]):
            return None
        _, ends = self._code
        self._code = None
        if self._clock() >= ends:
            return None
        session = Session(
            secrets.token_urlsafe(_SECRET_BYTES),
            secrets.token_urlsafe(_SECRET_BYTES),
            self._clock() + self._seconds,
        )
        self._sessions[_digest(session.token)] = session
        while len(self._sessions) > _MOST_SESSIONS:
            self._sessions.popitem(last=False)
        return session

    def find(self, token: str) -> Session | None:
        """Return the session with a cookie's value; ``None`` if there is none, or it has ended."""
        session = self._sessions.get(_digest(token))
        if session is not None and self._clock() >= session.ends:
            self.end(session)
            return None
        return session

    def end(self, session: Session) -> None:
        """End a session."""
        self._sessions.pop(_digest(session.token), None)


def _digest(text: str) -> bytes:
    """Return what stands for a secret, so that no comparison takes longer for one that is nearly right."""
    return hashlib.sha256(text.encode("utf-8", "replace")).digest()
