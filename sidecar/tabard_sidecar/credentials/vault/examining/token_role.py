"""Examines the token role, which makes the token of each credential."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from tabard_sidecar.credentials.quoting import quoted
from tabard_sidecar.credentials.vault.engines import leases
from tabard_sidecar.credentials.vault.examining.asking import (
    MOUNTS,
    SEE,
    mount_config,
    read,
    seconds_of,
    words,
)
from tabard_sidecar.credentials.vault.examining.commands import word
from tabard_sidecar.credentials.vault.examining.logins import read_or_tell
from tabard_sidecar.credentials.vault.faults import VaultFault
from tabard_sidecar.util.findings import Finding, ok, problem, warning

if TYPE_CHECKING:
    from collections.abc import Collection

    from tabard_sidecar.credentials.vault.conf import VaultConfig
    from tabard_sidecar.credentials.vault.replies import Token
    from tabard_sidecar.credentials.vault.server import VaultServer

_TYPES = ("service", "default-service", "default", None)
_BASE = ("root", "default")


async def examine_token_role(
    server: VaultServer, what: str, token: Token, others: Collection[str]
) -> AsyncIterator[Finding]:
    """Check that it makes orphans that can be extended and have policies of their own.

    Args:
        server: the vault.
        what: what is examined, for messages.
        token: the sidecar's token.
        others: policies of the sidecar's and the reaper's logins, which it must not give to credentials.
    """
    name = server.config.token_role
    role, refused = await read_or_tell(server, what, token, f"auth/token/roles/{name}")
    if refused is not None:
        yield refused
        return
    told = [
        *_wrong(what, name, role, others),
        *_life(what, server.config, role),
        *_mount_life(what, server.config, await _mount_seconds(server, token)),
    ]
    for one in told:
        yield one
    if not told:
        yield ok(
            what, f"makes renewable orphans with {quoted(', '.join(words(role.get('allowed_policies'))))}"
        )


def _wrong(what: str, name: str, role: Mapping[str, Any], others: Collection[str]) -> Iterator[Finding]:
    policies = words(role.get("allowed_policies"))
    foreign = [one for one in policies if one in _BASE or one in others]
    kept = [one for one in policies if one not in foreign] or ["tabard-credentials"]
    allowed = f"allowed_policies={word(','.join(kept))}"
    wrong = [
        (role.get("orphan") is not True, "makes no orphans, so credentials end with the sidecar's login", "orphan=true"),
        (role.get("renewable", True) is not True, "makes tokens that can't be renewed", "renewable=true"),
        (
            bool(role.get("token_period") or role.get("period")),
            "has a period, so a token that isn't extended lives longer than 30 s",
            "token_period=0 period=0",
        ),
        (
            role.get("token_type") not in _TYPES,
            "makes batch tokens, which can't be revoked",
            "token_type=service",
        ),
        (not policies, "names no policies, so tokens get those of the sidecar", allowed),
        *((True, f"allows the policy {quoted(one)}{_whose(one)}", allowed) for one in foreign),
        (bool(role.get("allowed_policies_glob")), "allows policies by pattern", "allowed_policies_glob="),
        (bool(role.get("token_num_uses")), "makes tokens for some uses only", "token_num_uses=0"),
    ]  # fmt: skip
    for is_wrong, message, step in wrong:
        if is_wrong:
            yield problem(what, f"the token role {name} {message}", f"{_write(name)} {step}; {SEE}.")
    if role.get("token_no_default_policy") is not True and "default" not in policies:
        yield warning(
            what,
            f"the token role {name} adds the policy default",
            f"{_write(name)} token_no_default_policy=true",
        )


def _whose(policy: str) -> str:
    return "" if policy in _BASE else ", which is for the sidecar's or the reaper's own login"


def _life(what: str, config: VaultConfig, role: Mapping[str, Any]) -> Iterator[Finding]:
    name = config.token_role
    longest = seconds_of(role.get("token_explicit_max_ttl")) or seconds_of(role.get("explicit_max_ttl"))
    if not longest:
        yield warning(
            what,
            f"the token role {name} sets no longest life",
            f"{_write(name)} token_explicit_max_ttl=1h bounds every credential, whatever asks for it.",
        )
        return
    wanted, cut = _cut(config, longest)
    if cut:
        yield warning(
            what,
            f"the token role {name} ends tokens after {longest:g} s, and max_ttl_seconds of {quoted(', '.join(cut))} is longer",
            f"{_write(name)} token_explicit_max_ttl={wanted:g}s, or lower max_ttl_seconds",
        )


async def _mount_seconds(server: VaultServer, token: Token) -> float:
    """Return after how long the mount of tokens ends them, whatever made them; 0 if the vault doesn't tell."""
    try:
        return seconds_of(
            mount_config(await read(server, token, f"{MOUNTS}/auth/token")).get("max_lease_ttl")
        )
    except VaultFault:
        return 0.0


def _mount_life(what: str, config: VaultConfig, longest: float) -> Iterator[Finding]:
    wanted, cut = _cut(config, longest)
    if longest and cut:
        yield warning(
            what,
            f"the mount auth/token ends tokens after {longest:g} s, and max_ttl_seconds of {quoted(', '.join(cut))} is longer",
            f"vault auth tune -max-lease-ttl={wanted:g}s token, or lower max_ttl_seconds",
        )


def _cut(config: VaultConfig, longest: float) -> tuple[float, list[str]]:
    """Return the longest life that a role wants whose leases end with their tokens, and the roles that want more than there is."""
    wanted = {key: one.max_ttl_seconds for key, one in config.roles.items() if leases(one)}
    return max(wanted.values(), default=0.0), sorted(
        key for key, seconds in wanted.items() if seconds > longest
    )


def _write(name: str) -> str:
    return f"vault write auth/token/roles/{name}"
