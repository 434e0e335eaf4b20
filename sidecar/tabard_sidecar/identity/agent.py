"""Determines which workload this sidecar serves. Each source of the identity is a class."""

from __future__ import annotations

import asyncio
import logging
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

from tabard.files import stamp
from tabard.trust import read_trusted

from tabard_sidecar.errors import NoDecision
from tabard_sidecar.identity import claims as checks
from tabard_sidecar.identity import jose, spiffe
from tabard_sidecar.identity.jose import TokenError, TokenProblem
from tabard_sidecar.identity.sources import KeySource, KeysUnavailable
from tabard_sidecar.model import Agent
from tabard_sidecar.util.lean import dataclass

if TYPE_CHECKING:
    from pathlib import Path

    from tabard_sidecar.identity.jose import UnverifiedToken
    from tabard_sidecar.interfaces import Clock

_log = logging.getLogger(__name__)

STATIC_ISSUER = "urn:tabard:insecure"
"""Issuer of an identity that the configuration states and that isn't attested."""

# Kubernetes object names: DNS subdomains.
_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
_TYPES = frozenset({"", "jwt"})


class AgentIdentity(Protocol):
    """An identity source with a lifetime; the pipeline only uses ``current``."""

    @property
    def problem(self) -> str:
        """The current problem, for health; empty if there is none."""
        ...

    async def start(self) -> None:
        """Obtain the identity. An identity that isn't available yet is no error: ``current`` raises until it is."""
        ...

    def current(self) -> Agent:
        """Return the identity that was verified last.

        Raises:
            NoDecision: there is no valid identity.
        """
        ...

    async def close(self) -> None:
        """Stop following changes."""
        ...


class StaticAgent:
    """An id that the configuration states, under ``insecure``.

    Raises:
        ValueError: it isn't a SPIFFE ID.
    """

    def __init__(self, agent_id: str) -> None:
        if not spiffe.is_spiffe_id(agent_id):
            raise ValueError(
                "the agent's id must be a SPIFFE ID such as spiffe://example.org/ns/shop/sa/orders"
            )
        self._agent = Agent(id=agent_id, issuer=STATIC_ISSUER)

    @property
    def problem(self) -> str:
        """Always empty: a stated id has no problems."""
        return ""

    async def start(self) -> None:
        """Do nothing."""

    def current(self) -> Agent:
        """Return the identity."""
        return self._agent

    async def close(self) -> None:
        """Do nothing."""


class NoAgent:
    """Stands for an identity that isn't configured: ``current`` always raises."""

    problem = "no workload identity is configured; set identity.agent or, for trying out, insecure.agent_id"

    async def start(self) -> None:
        """Do nothing."""

    def current(self) -> Agent:
        """Raise :class:`NoDecision`."""
        raise NoDecision("FAILED_PRECONDITION", "agent_identity_unavailable", self.problem)

    async def close(self) -> None:
        """Do nothing."""


@dataclass(frozen=True, slots=True)
class ServiceAccountTerms:
    """A projected service-account token and the terms on which it is accepted.

    ``skew_seconds`` is the largest accepted difference from the issuer's clock; the file is checked every
    ``poll_seconds``.
    """

    token_file: Path
    issuer: str
    audience: str
    trust_domain: str
    algorithms: frozenset[str]
    skew_seconds: float = 30.0
    poll_seconds: float = 5.0


class KubernetesAgent:
    """The workload that a projected Kubernetes service-account token names.

    The token is verified against its issuer's keys, read again when the file changes, and valid until its own ``exp``.
    If a new token doesn't verify, the previous one stays in use until it expires.

    Args:
        terms: the token's file and the terms on which it is accepted.
        keys: the issuer's keys.
        clock: time in seconds since the epoch.
    """

    def __init__(self, terms: ServiceAccountTerms, keys: KeySource, *, clock: Clock) -> None:
        self._terms = terms
        self._keys = keys
        self._clock = clock
        self._agent: Agent | None = None
        self._expires_at = float("-inf")
        self._signature: tuple[int, ...] = ()
        self._failure = "it has not been read yet"
        self._task: asyncio.Task[None] | None = None

    @property
    def problem(self) -> str:
        """Why the last check of the token failed; empty if it didn't."""
        return self._failure

    async def start(self) -> None:
        """Read the token and start following the file.

        Raises:
            KeysUnavailable: the issuer's keys can't be read as configured.
        """
        await self._keys.start()
        await self.refresh()
        self._task = asyncio.get_running_loop().create_task(self._follow())

    def current(self) -> Agent:
        """Return the identity of the last verified token, unless it has expired."""
        if self._agent is None or self._clock() >= self._expires_at:
            raise NoDecision(
                "UNAVAILABLE",
                "agent_identity_unavailable",
                f"service-account token {self._terms.token_file}: {self._failure or 'it expired and was not renewed'}",
            )
        return self._agent

    async def refresh(self) -> None:
        """Check the file now. Never raises: see :attr:`problem`."""
        before = self._failure
        await self._check()
        if self._failure and self._failure != before:
            _log.error(
                "service-account token refused",
                extra={"file": str(self._terms.token_file), "problem": self._failure},
            )

    async def _check(self) -> None:
        try:
            signature, text = _read(self._terms.token_file)
            if signature == self._signature and not self._failure:
                return
            token = jose.parse(text)
            self._check_unsigned(token)
            jose.verify_signature(token, await self._keys.find(token.key_id, token.algorithm))
            agent, expires_at = self._agent_of(token)
        except TokenError as error:
            self._failure = error.message
        except KeysUnavailable as error:
            self._failure = str(error)
        except OSError as error:
            self._failure = (
                f"it can't be read: {error.strerror}; mount a projected token there, or correct "
                "identity.agent.service_account.token_file"
            )
        except UnicodeDecodeError:
            self._failure = "it isn't UTF-8 text"
        else:
            self._agent, self._expires_at = agent, expires_at
            self._signature, self._failure = signature, ""

    async def close(self) -> None:
        """Stop following the file."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        await self._keys.close()

    async def _follow(self) -> None:
        while True:
            pause = self._terms.poll_seconds
            # Without an identity nothing works, so a token that comes is noticed at once.
            await asyncio.sleep(pause if self._agent is not None and not self._failure else min(1.0, pause))
            await self.refresh()

    def _check_unsigned(self, token: UnverifiedToken) -> None:
        if token.algorithm not in self._terms.algorithms:
            raise TokenError(TokenProblem.ALGORITHM, "the token's alg isn't one of those configured")
        checks.check_type(token.type, _TYPES)
        if token.claims.get("iss") != self._terms.issuer:
            raise TokenError(TokenProblem.CLAIMS, f"the token's issuer isn't {self._terms.issuer}")

    def _agent_of(self, token: UnverifiedToken) -> tuple[Agent, float]:
        checks.single_audience(token.claims, {self._terms.audience})
        expires_at = checks.check_period(token.claims, now=self._clock(), skew=self._terms.skew_seconds)
        names = token.claims.get("kubernetes.io")
        if not isinstance(names, dict):
            raise TokenError(TokenProblem.CLAIMS, "the token has no claim kubernetes.io")
        namespace = _name(names.get("namespace"), "namespace")
        account = _name(_member(names, "serviceaccount", "name"), "serviceaccount.name")
        if token.claims.get("sub") != f"system:serviceaccount:{namespace}:{account}":
            raise TokenError(TokenProblem.CLAIMS, "the token's sub and kubernetes.io name different accounts")
        attributes = {"namespace": namespace, "service_account": account}
        if "pod" in names:
            attributes["pod"] = _name(_member(names, "pod", "name"), "pod.name")
        agent_id = f"spiffe://{self._terms.trust_domain}/ns/{namespace}/sa/{account}"
        return Agent(id=agent_id, issuer=self._terms.issuer, attributes=attributes), expires_at


def _read(path: Path) -> tuple[tuple[int, ...], str]:
    content, status = read_trusted(path, jose.MAX_TOKEN_BYTES + 2)
    return stamp(status), content.decode("ascii").strip()


def _member(names: dict[str, Any], outer: str, inner: str) -> object:
    value = names.get(outer)
    return value.get(inner) if isinstance(value, dict) else None


def _name(value: object, what: str) -> str:
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise TokenError(TokenProblem.CLAIMS, f"the token's kubernetes.io {what} isn't a Kubernetes name")
    return value
