"""TLS towards the servers that a policy comes from or is evaluated on."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Protocol

from tabard.trust import read_trusted

from tabard_sidecar.policy.problems import PolicyBrokenError, PolicyProblem
from tabard_sidecar.util.files import require_readable

_MAX_TOKEN_BYTES = 16 * 1024


class PeerConfig(Protocol):
    """What proves the identity of a server, and this process's to it."""

    @property
    def token_file(self) -> Path | None:
        """File with the bearer token."""
        ...

    @property
    def ca_file(self) -> Path | None:
        """CA certificates (PEM) to trust instead of the system's."""
        ...

    @property
    def cert_file(self) -> Path | None:
        """Client certificate (PEM) for mutual TLS."""
        ...

    @property
    def key_file(self) -> Path | None:
        """Private key (PEM) of the client certificate."""
        ...


def read_token(config: PeerConfig) -> str:
    """Return the bearer token; empty if there is none.

    Raises:
        OSError: its file can't be read.
        ValueError: it isn't ASCII.
    """
    if config.token_file is None:
        return ""
    content, _ = read_trusted(config.token_file, _MAX_TOKEN_BYTES)
    return content.decode("ascii").strip()


def tls_context(config: PeerConfig, section: str) -> ssl.SSLContext:
    """Return what is accepted of the server, and shown to it; ``section`` is the configuration's, for messages.

    Raises:
        PolicyBrokenError: a file can't be used.
    """
    try:
        require_readable(config.ca_file, config.cert_file, config.key_file)
        context = ssl.create_default_context(cafile=_text(config.ca_file))
        if config.cert_file is not None:
            context.load_cert_chain(config.cert_file, config.key_file)
    except (OSError, ssl.SSLError) as error:
        message = f"the TLS files of {section} can't be used: {error}"
        code = f"{section.rpartition('.')[2]}_tls"
        raise PolicyBrokenError([PolicyProblem("", 0, 0, code, message, "Check the files")]) from error
    return context


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)
