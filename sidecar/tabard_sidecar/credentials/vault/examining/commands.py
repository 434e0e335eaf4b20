"""Writes the commands that mend a vault's set-up."""

from __future__ import annotations

from collections.abc import Iterable
from shlex import quote

from tabard_sidecar.credentials.quoting import quoted
from tabard_sidecar.credentials.vault.conf import AuthConfig

REAPER_POLICY = (
    'path "auth/token/revoke-accessor" { capabilities = ["update"] } '
    'path "auth/token/lookup-self" { capabilities = ["read"] } '
    'path "auth/token/renew-self" { capabilities = ["update"] } '
    'path "auth/token/revoke-self" { capabilities = ["update"] } '
    'path "sys/capabilities-self" { capabilities = ["update"] }'
)
"""All that the identity needs that ends credentials."""


def rights_added(policy: str, rights: Iterable[tuple[str, str]]) -> str:
    """Return the command that adds rights, each a path with a capability, to a policy that can be read."""
    lines = [f'path "{path}" {{ capabilities = ["{right}"] }}' for path, right in sorted(set(rights))]
    name, added = word(policy), " ".join(map(quote, lines))
    # Without the former text a policy would be written that has the new rights only.
    return f"old=$(vault policy read {name}) && printf '%s\\n' \"$old\" {added} | vault policy write {name} -"


def policies_of_login(auth: AuthConfig, policy: str) -> str:
    """Return the command that gives a login one policy and no other."""
    given = f"token_policies={word(policy)} token_no_default_policy=true"
    # Of an AppRole the configuration knows the id only.
    return f"{role_of_login(auth, auth.role or 'ROLE')} {given}"


def role_of_login(auth: AuthConfig, name: str) -> str:
    """Return the beginning of the command that changes the role of a login and leaves its other fields."""
    kind = " role_type=jwt" if auth.method == "jwt" else ""
    return f"vault write auth/{auth.path}/role/{name}{kind}"


def word(text: str) -> str:
    """Return a stranger's text as one word of a shell command."""
    return quote(quoted(text))
