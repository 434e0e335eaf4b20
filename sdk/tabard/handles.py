"""Handles: short names that stand for a person, a task or an agent where a backend keeps only a user name.

A backend can compute the same handle itself and so find out who it is, without a secret and without asking Tabard:
SHA-256 over the name in UTF-8, of which the first bits are written in lower-case base32 (RFC 4648, section 6, without
padding). A handle is no secret and proves nothing; who issued the login does. docs/last-mile.md has the same in SQL.
"""

from __future__ import annotations

import hashlib
from base64 import b32encode

SUBJECT_CHARACTERS = 16
"""80 bits: with a billion people the chance that any two share a handle is one in two million."""

TASK_CHARACTERS = 8
"""40 bits. Stands beside the person's handle, so it has to tell the tasks of one person apart."""

AGENT_CHARACTERS = 8
"""40 bits. Has to tell the workloads of one trust domain apart."""


def subject_handle(issuer: str, subject: str) -> str:
    """Return the handle of a person: 16 characters of ``issuer``, a line feed and ``subject``.

    Args:
        issuer: the claim ``iss`` of the person's token.
        subject: the claim that names people at this issuer, ``sub`` as a rule.

    Raises:
        ValueError: one of both is empty, or the issuer has a line feed, which would let two people share a handle.
    """
    if "\n" in issuer:
        raise ValueError("an issuer has no line feed")
    if not issuer or not subject:
        raise ValueError("a person is named by an issuer and a subject")
    return _handle(f"{issuer}\n{subject}", SUBJECT_CHARACTERS)


def task_handle(task_id: str) -> str:
    """Return the handle of a task: 8 characters.

    Raises:
        ValueError: the id is empty.
    """
    return _handle(task_id, TASK_CHARACTERS)


def agent_handle(agent_id: str) -> str:
    """Return the handle of a workload: 8 characters of its SPIFFE id.

    Raises:
        ValueError: the id is empty.
    """
    return _handle(agent_id, AGENT_CHARACTERS)


def login_handle(*, issuer: str, subject: str, task_id: str, agent_id: str) -> str:
    """Return what stands in a login's name: the handles of person, task and agent, with ``-`` between them.

    34 characters, so that a name with a prefix and a random part stays within PostgreSQL's 63 bytes.

    Raises:
        ValueError: as :func:`subject_handle`, :func:`task_handle` and :func:`agent_handle`.
    """
    return "-".join((subject_handle(issuer, subject), task_handle(task_id), agent_handle(agent_id)))


def _handle(name: str, characters: int) -> str:
    if not name:
        raise ValueError("a handle stands for a name, and this one is empty")
    digest = hashlib.sha256(name.encode()).digest()
    return b32encode(digest)[:characters].decode().lower()
