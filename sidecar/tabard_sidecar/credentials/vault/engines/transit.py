"""Engine ``transit``: a signature by a key of the vault over a statement of the call, which its backend verifies."""

from __future__ import annotations

import re
from base64 import b64encode

from tabard_sidecar.credentials.vault.conf import VaultRoleConfig
from tabard_sidecar.credentials.vault.engines.asking import Asking
from tabard_sidecar.credentials.vault.faults import invalid
from tabard_sidecar.credentials.vault.replies import Obtained, data_of, text_fields
from tabard_sidecar.util.jsontext import encode

_FIELDS = ("payload", "signature")
_SIGNATURE = re.compile(r"vault:v[0-9]{1,9}:[A-Za-z0-9+/=_-]{16,4096}")


def path(role: VaultRoleConfig) -> str:
    """Return what is written to for a signature."""
    return f"{role.path}/sign/{role.name}"


def obtain(asking: Asking) -> Obtained:
    """Obtain a signature over ``payload``: JSON with the claims of a credential that tell person, task and call.

    Raises:
        VaultFault: the vault can't be reached, refuses, or its reply isn't acceptable.
    """
    role = asking.role
    payload = _statement(asking)
    reply = asking.write(path(role), {"input": b64encode(payload).decode()})
    signature = text_fields(data_of(reply), ("signature",))["signature"]
    if _SIGNATURE.fullmatch(signature) is None:
        raise invalid("its reply holds no signature")
    fields = {"payload": payload.decode(), "signature": signature}
    return Obtained(text_fields(fields, role.fields or _FIELDS), seconds=float(asking.seconds))


def _statement(asking: Asking) -> bytes:
    """Return what is signed; the claims have the names and meanings of docs/reference/credentials.md."""
    request, grant = asking.request, asking.request.grant
    return encode(
        {
            "aud": request.audience,
            "iat": int(request.issued_at),
            "exp": int(request.issued_at) + asking.seconds,
            "jti": request.credential_id,
            "sub": grant.subject.id,
            "sub_iss": grant.subject.issuer,
            "txn": grant.task.id,
            "req_wl": grant.holder,
            "tabard_tool": request.call.name,
            "tabard_server": request.call.server,
            "tabard_call": request.call.digest,
        }
    )
