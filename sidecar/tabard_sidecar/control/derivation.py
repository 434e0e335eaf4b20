"""Derives a zone's keys from a master key with HKDF-SHA256 (RFC 5869): the same everywhere, without any exchange.

What is derived is bound to its use, the generation and the zone's name. Between two of them nothing is shared, and from the
keys of one zone nothing can be computed about the master key or another zone.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from tabard_sidecar.control.master import retired_at
from tabard_sidecar.keys.control_document import Generation
from tabard_sidecar.keys.model import ROOT, ROOT_BYTES, SIGNING, Key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tabard_sidecar.control.master import MasterKey

_ZONE = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""Order of P-256's base point (SEC 2, section 2.4.2)."""
_SCALAR_BYTES = 48
"""128 bits more than the order, so that no scalar is likelier than another (FIPS 186-5, A.2.1; at least 64 are asked for)."""
_KID_BYTES = 8


def valid_zone(name: str) -> bool:
    """Tell whether ``name`` can be that of a namespace: a DNS label (RFC 1123)."""
    return _ZONE.fullmatch(name) is not None


def derived(master: MasterKey, zone: str, retire_after: float | None) -> Generation:
    """Return the keys of a zone that come from one master key.

    Args:
        master: the master key.
        zone: the zone's name, that of a namespace.
        retire_after: when they aren't accepted any more, in seconds since the epoch; ``None``: never.

    Raises:
        ValueError: ``zone`` can't be a namespace.
    """
    if not valid_zone(zone):
        raise ValueError("the name isn't one of a namespace")
    # FIPS 186-5, A.2.1: from 1 to the order minus 1.
    wide = int.from_bytes(_bytes(master, zone, SIGNING, _SCALAR_BYTES), "big")
    scalar = wide % (_ORDER - 1) + 1
    root = Key(
        _kid(master, zone, ROOT),
        ROOT,
        master.active_from,
        retire_after,
        secret=_bytes(master, zone, ROOT, ROOT_BYTES),
    )
    signing = Key(
        _kid(master, zone, SIGNING),
        SIGNING,
        master.active_from,
        retire_after,
        private_key=ec.derive_private_key(scalar, ec.SECP256R1()),
        algorithm="ES256",
    )
    return Generation(master.generation, root, signing)


def accepted(masters: Sequence[MasterKey], zone: str, now: float) -> list[Generation]:
    """Return the keys of a zone that are accepted now or will be, oldest first."""
    ends = [(master, retired_at(master, masters)) for master in masters]
    return [derived(master, zone, end) for master, end in ends if end is None or now < end]


def _kid(master: MasterKey, zone: str, use: str) -> str:
    return f"{use}-{master.generation}-{_bytes(master, zone, f'kid/{use}', _KID_BYTES).hex()}"


def _bytes(master: MasterKey, zone: str, purpose: str, length: int) -> bytes:
    # Neither purposes nor numbers hold what follows them, so no two inputs are written alike.
    info = f"tabard/v1/control/{purpose}/{master.generation}/{zone}"
    return HKDF(algorithm=SHA256(), length=length, salt=None, info=info.encode()).derive(master.secret)
