"""The sidecar's own token at a vault: logged in when it is first needed, renewed in time, and replaced when it ended."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from hvac.api.auth_methods import JWT, AppRole, Kubernetes
from hvac.api.auth_methods import Token as TokenApi
from tabard.trust import read_trusted

from tabard_sidecar.credentials.vault import faults
from tabard_sidecar.credentials.vault.faults import VaultFault, unavailable
from tabard_sidecar.credentials.vault.replies import login_token
from tabard_sidecar.util.bounded_http import check_time
from tabard_sidecar.util.files import explain
from tabard_sidecar.util.secret_files import SecretFileError, read_secret

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from tabard_sidecar.credentials.vault.conf import AuthConfig
    from tabard_sidecar.credentials.vault.replies import Token
    from tabard_sidecar.credentials.vault.transport import VaultTransport

_MAX_JWT_BYTES = 16 * 1024
_RENEWED_PART = 1 / 3  # of its life that a token has left when it is renewed
_LAST_SECONDS = 5.0  # no request begins with a token that ends sooner
_PAUSE_SECONDS = 1.0  # between two logins, if the first failed


class Login:
    """One identity at a vault, shared by the vault's threads.

    Args:
        config: how it logs in.
        transport: the way to the vault.
        monotonic: time in seconds of a clock that only goes forward.
    """

    def __init__(
        self,
        config: AuthConfig,
        transport: VaultTransport,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._config = config
        self._transport = transport
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._token: Token | None = None
        self._since = 0.0
        self._ends = 0.0
        self._full_seconds = 0.0
        self._failed: tuple[float, VaultFault] | None = None

    @property
    def current(self) -> Token | None:
        """The token as it was last got; ``None`` before, or if the vault refused it."""
        return self._token

    def token(self) -> str:
        """Return a token that holds for some seconds at least; logs in or renews if that is needed.

        Raises:
            VaultFault: the vault can't be reached, refuses the login, or its reply isn't acceptable.
        """
        token, left = self._token, self._ends - self._monotonic()
        if token is not None and left > token.seconds * _RENEWED_PART:
            return token.secret
        usable = token is not None and left > _LAST_SECONDS
        # One thread renews; the others use the token that still holds, or wait for the first one.
        if not self._lock.acquire(timeout=0 if usable else check_time(faults)):
            if usable and token is not None:
                return token.secret
            raise unavailable("another request waits for the login, too", nothing_done=True)
        try:
            return self._refreshed(usable=usable)
        finally:
            self._lock.release()

    def reject(self, secret: str) -> bool:
        """Forget a token that the vault refuses; tell whether another one is worth a try.

        A token that is refused soon after its login lacks a right, which another login wouldn't give.
        """
        with self._lock:
            if self._token is not None and self._token.secret == secret:
                if self._monotonic() - self._since < _PAUSE_SECONDS:
                    return False
                self._token = None
            return True

    def _refreshed(self, *, usable: bool) -> str:
        token, now = self._token, self._monotonic()
        if token is not None and self._ends - now > token.seconds * _RENEWED_PART:
            return token.secret  # another thread was faster
        if self._failed is not None and now < self._failed[0]:
            if usable and token is not None:
                return token.secret
            raise self._failed[1].again()
        try:
            fresh = self._renewed(token) if usable and token is not None else None
            if fresh is None:
                fresh = login_token(self._answer())
                self._full_seconds = fresh.seconds
        except VaultFault as fault:
            self._failed = (now + _PAUSE_SECONDS, fault.again())
            if usable and token is not None:
                return token.secret
            raise
        self._failed, self._token = None, fresh
        self._since, self._ends = now, now + fresh.seconds
        return fresh.secret

    def _renewed(self, token: Token) -> Token | None:
        """Return the token with a new life; ``None`` if the vault gives it less than a new one would have."""
        if not token.renewable:
            return None
        try:
            fresh = login_token(TokenApi(self._transport.adapter(token.secret)).renew_self())
        except VaultFault:
            return None
        return fresh if fresh.seconds > self._full_seconds / 2 else None

    def _answer(self) -> Mapping[str, Any]:
        config, adapter = self._config, self._transport.adapter()
        answer: Mapping[str, Any]
        if config.method == "approle":
            answer = AppRole(adapter).login(
                config.role_id, self._secret_id(), use_token=False, mount_point=config.path
            )
        elif config.method == "kubernetes":
            answer = Kubernetes(adapter).login(
                config.role, self._jwt(), use_token=False, mount_point=config.path
            )
        else:
            answer = JWT(adapter).jwt_login(config.role, self._jwt(), use_token=False, path=config.path)
        return answer

    def _jwt(self) -> str:
        path = self._config.token_file
        try:
            content, _ = read_trusted(path or "", _MAX_JWT_BYTES)
            return content.decode("ascii").strip()
        except OSError as error:
            raise VaultFault("vault_refused", explain(error, path), nothing_done=True) from None
        except UnicodeDecodeError:
            raise VaultFault("vault_refused", f"{path}: holds no token", nothing_done=True) from None

    def _secret_id(self) -> str:
        path = self._config.secret_id_file
        if path is None:
            raise TypeError("the configuration requires secret_id_file")
        try:
            return read_secret(path)[0].decode("ascii")
        except (SecretFileError, UnicodeDecodeError) as error:
            message = str(error) if isinstance(error, SecretFileError) else f"{path}: holds no secret id"
            raise VaultFault("vault_refused", message, nothing_done=True) from None
