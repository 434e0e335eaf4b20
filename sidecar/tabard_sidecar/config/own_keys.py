"""Keeps what proves a sidecar to be one of its zone out of settings whose content goes elsewhere.

Who writes the configuration may be someone else than who may have the zone's keys: on Kubernetes it is a ConfigMap. A
password or a token that is read from a file is sent to a server that the configuration names as well.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tabard_sidecar.util.schema_walk import paths_in

if TYPE_CHECKING:
    from pathlib import Path

    from tabard_sidecar.config.settings import Settings

_OWN = frozenset({"keys.directory", "keys.control.token_file"})


class OwnKeysError(ValueError):
    """A setting names the sidecar's own keys; ``key`` is the setting, with dots."""

    def __init__(self, key: str, path: Path, own: str) -> None:
        super().__init__(f"{path} is of {own}, which only the sidecar itself uses; name a file of its own")
        self.key = key


def check_own_keys(settings: Settings) -> None:
    """Check that no other setting names the keyring, a file in it, or the token for the control service.

    Links are followed, so that another way to the same file is none.

    Raises:
        OwnKeysError: one does.
    """
    control = settings.keys.control
    own = "keys.directory" if control is None else "keys.control.token_file"
    place = os.path.realpath(settings.keys.directory if control is None else control.token_file)
    for key, path in paths_in(settings):
        if key not in _OWN:
            found = os.path.realpath(path)
            if found == place or found.startswith(f"{place}/"):
                raise OwnKeysError(key, path, own)
