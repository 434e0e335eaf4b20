"""One configured vault: its identities, its threads, and what is asked of it."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from tabard_sidecar.credentials.asked_server import AskedServer
from tabard_sidecar.credentials.vault import faults
from tabard_sidecar.credentials.vault.engines import Asking, obtain
from tabard_sidecar.credentials.vault.faults import FORBIDDEN, VaultFault, during, refused
from tabard_sidecar.credentials.vault.identity import Identity
from tabard_sidecar.credentials.vault.login import Login
from tabard_sidecar.credentials.vault.replies import UnusableToken
from tabard_sidecar.credentials.vault.tokens import Tokens, handle, meta
from tabard_sidecar.credentials.vault.transport import VaultTransport

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from tabard_sidecar.credentials.vault.conf import VaultConfig, VaultRoleConfig
    from tabard_sidecar.credentials.vault.replies import Obtained, Token
    from tabard_sidecar.model import CredentialRequest
    from tabard_sidecar.util.lanes import Turn


class VaultServer(AskedServer):
    """A vault. Each method is bounded in time and raises :class:`~.faults.VaultFault`.

    Args:
        name: its configured name.
        config: its section.

    Raises:
        ValueError: its CA file can't be used.
    """

    def __init__(self, name: str, config: VaultConfig) -> None:
        super().__init__(
            f"vault-{name}",
            connections=config.max_connections,
            timeout_seconds=config.timeout_seconds,
            faults=faults,
        )
        self.name = name
        self.config = config
        self._transport = VaultTransport(
            config.address,
            ca_file=config.ca_file,
            namespace=config.namespace,
            connections=config.max_connections,
        )
        self._login = Login(config.auth, self._transport)
        self._reaper = Login(config.reaper, self._transport) if config.reaper is not None else None
        self._tokens = Tokens(self._transport, config.token_role)
        self._identity = Identity(config.address, config.namespace, self._transport)

    async def log_in(self) -> Token | None:
        """Log in with the identity that obtains credentials, unless it is logged in; return its token."""
        await self._issuing.run(lambda: self._own(self._login, self.config.auth.path), self.deadline())
        return self._login.current

    async def log_in_reaper(self) -> Token | None:
        """Log in with the identity that ends credentials, and return its token; ``None`` if none is configured."""
        reaper, config = self._reaper, self.config.reaper
        if reaper is None or config is None:
            return None
        await self._ending.run(lambda: self._own(reaper, config.path), self.deadline())
        return reaper.current

    def logins(self) -> list[tuple[str, Token]]:
        """Return the tokens of the identities that are logged in, each with the configuration's name for the identity."""
        reaper = self._reaper.current if self._reaper is not None else None
        found = (("auth", self._login.current), ("reaper", reaper))
        return [(name, token) for name, token in found if token is not None]

    async def ask(self, token: Token, path: str, body: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
        """Read a path with a token, or write ``body`` to it."""

        def work() -> Mapping[str, Any]:
            adapter = self._transport.adapter(token.secret)
            with during("reading" if body is None else "asking", path=path):
                found: Mapping[str, Any] = (
                    adapter.get(f"/v1/{path}") if body is None else adapter.post(f"/v1/{path}", json=body)
                )
                return found

        return await self._issuing.run(work, self.deadline())

    async def make_token(self, name: str, meta: Mapping[str, str]) -> Token:
        """Make a token as those of credentials are made, for an examination."""
        return await self._issuing.run(lambda: self._created(name, meta), self.deadline())

    async def end_trial(self, token: Token) -> bool:
        """End a token that was made for an examination with itself; tell whether it is certain that it ended."""
        with suppress(VaultFault):
            await self._ending.run(lambda: self._tokens.revoke(token), self.deadline())
            return True
        return False

    async def reap_trial(self, accessor: str) -> bool:
        """End a token with the identity that ends credentials; tell whether the vault knew it."""
        reaper = self._reaper
        if reaper is None:
            raise ValueError("no reaper is configured")
        return await self._ending.run(
            lambda: self._tokens.revoke_accessor(reaper.token(), accessor), self.deadline()
        )

    async def try_role(
        self, token: Token, role: VaultRoleConfig, request: CredentialRequest, seconds: int
    ) -> Obtained:
        """Obtain a credential with a token, for an examination."""
        return await self._issuing.run(lambda: self._obtained(token, role, request, seconds), self.deadline())

    async def obtain(  # noqa: PLR0913, PLR0917 - what is asked has that many sides
        self,
        request: CredentialRequest,
        role: VaultRoleConfig,
        seconds: int,
        turn: Turn,
        born: Callable[[Token], None],
        late: Callable[[Obtained], None],
    ) -> Obtained:
        """Obtain a credential with a token of its own.

        Args:
            request: the call's request.
            role: the configured role.
            seconds: how long the credential is to last.
            turn: the request's turn.
            born: called with the token in the vault's thread, when :attr:`source_id` is known; the engine isn't asked if it
                raises.
            late: gets a credential that comes after the deadline.
        """

        def work() -> Obtained:
            token = self._created(handle(request), meta(request))
            born(token)
            return self._obtained(token, role, request, seconds)

        return await self._issuing.run(work, self.deadline(), late, turn)

    async def extend(self, token: Token, seconds: int) -> float:
        """Extend a credential's token; return its life from now in seconds."""
        return await self._issuing.run(lambda: self._tokens.extend(token, seconds), self.deadline())

    @property
    def source_id(self) -> str:
        """What tells this vault from another one of the same name; empty before it was asked."""
        return self._identity.known

    async def revoke(self, token: Token, source_id: str = "", *, extended: bool = False) -> None:
        """End a credential with its own token, or with the reaper if the vault refuses that.

        Args:
            token: its token.
            source_id: the vault that made it.
            extended: whether the vault has let the token renew itself before. If it refuses that now, the token has ended.
        """
        await self._ending.run(lambda: self._revoked(token, source_id, extended=extended), self.deadline())

    async def revoke_accessor(self, accessor: str, source_id: str) -> bool:
        """End a credential of any sidecar; tell whether an identity for that is configured.

        ``source_id`` is the vault that made it. Only that one proves by not knowing the accessor that the token has ended.
        """
        reaper = self._reaper
        if reaper is None:
            return False
        await self._ending.run(lambda: self._reaped(reaper, accessor, source_id), self.deadline())
        return True

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def _obtained(
        self, token: Token, role: VaultRoleConfig, request: CredentialRequest, seconds: int
    ) -> Obtained:
        asking = Asking(self._transport.adapter(token.secret), role, seconds, request)
        path = f"{role.path}, {role.name}"
        with during(f"asking the engine {role.engine}", path=path, right="the token role's use of it"):
            return obtain(asking)

    def _created(self, name: str, meta: Mapping[str, str]) -> Token:
        own = self._own(self._login, self.config.auth.path)
        self._identity.get()
        with during("creating a token", path=f"auth/token/create/{self.config.token_role}", right="update"):
            try:
                return self._tokens.create(own, name, meta)
            except UnusableToken as unusable:
                self._tokens.revoke(unusable.token)
                raise
            except VaultFault as fault:
                if fault.status != FORBIDDEN or not self._login.reject(own):
                    raise
            # It may be another vault by now.
            self._identity.read()
            return self._tokens.create(self._login.token(), name, meta)

    def _revoked(self, token: Token, source_id: str, *, extended: bool) -> None:
        try:
            with during("revoking a token", path="auth/token/revoke-self", right="update"):
                self._tokens.revoke(token)
        except VaultFault as fault:
            if fault.status != FORBIDDEN:
                raise
            if self._reaper is not None:
                self._reaped(self._reaper, token.accessor, source_id)
            elif not (extended and self._over(token) and self._identity.read() == source_id):
                raise

    def _over(self, token: Token) -> bool:
        """Tell whether a token has ended that could renew itself before. If it hasn't, it ends in a second."""
        try:
            self._tokens.extend(token, 1)
        except VaultFault as fault:
            return fault.status == FORBIDDEN
        return False

    def _reaped(self, reaper: Login, accessor: str, source_id: str) -> None:
        own = self._own(reaper, self.config.reaper.path if self.config.reaper is not None else "")
        with during("revoking a token", path="auth/token/revoke-accessor", right="update"):
            try:
                known = self._tokens.revoke_accessor(own, accessor)
            except VaultFault as fault:
                if fault.status != FORBIDDEN or not reaper.reject(own):
                    raise
                known = self._tokens.revoke_accessor(reaper.token(), accessor)
            if not known and self._identity.read() != source_id:
                raise refused(
                    f"it doesn't know the token, and isn't the vault that made it: vault.{self.name} means another "
                    "vault on another sidecar, or did before; only that one can end the credential"
                )

    @staticmethod
    def _own(login: Login, mount: str) -> str:
        with during("logging in", path=f"auth/{mount}/login"):
            return login.token()
