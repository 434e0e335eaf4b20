"""Keeps the last good bundle of a URL in a private folder, for starts without the server.

Sidecars of one user that follow the same URL share a folder, unless each names its own.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import secrets
import time
from contextlib import suppress
from pathlib import Path

from tabard.files import RefusedFileError, create_private_folder
from tabard.trust import read_trusted

from tabard_sidecar.policy.loading.sequences import Place, require_not_older
from tabard_sidecar.util.lean import dataclass
from tabard_sidecar.util.malformed import MALFORMED

_FILE = "policy.bundle"
_MAX_HEAD = 8 * 1024
_UNFINISHED_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class KeptBundle:
    """A bundle that was in use.

    Attributes:
        content: the tarball.
        etag: the server's ETag of it; empty if there was none.
        place: where it stands among the bundles of its policy.
        revision: its revision.
    """

    content: bytes
    etag: str
    place: Place
    revision: str


class Keeper:
    """Keeps one bundle in one file: a line of JSON about it, then the tarball. So both are replaced together.

    Args:
        folder: the private folder; it is created with mode 0700.
        url: where the bundle comes from. One that was kept for another URL isn't used.
        most_bytes: size of the largest bundle.
    """

    def __init__(self, folder: Path, url: str, most_bytes: int) -> None:
        self._folder = folder
        self._most_bytes = most_bytes
        self._url = hashlib.sha256(url.encode()).hexdigest()

    def read(self) -> KeptBundle | None:
        """Return what was kept; ``None`` if there is nothing for this URL.

        Raises:
            OSError: it can't be read, strangers could have written it, or it is damaged.
        """
        path = self._folder / _FILE
        try:
            whole, _ = read_trusted(path, _MAX_HEAD + self._most_bytes, private=True)
        except FileNotFoundError:
            return None
        head, _, content = whole.partition(b"\n")
        try:
            about = json.loads(head)
            if about["url"] != self._url:
                return None
            place = Place(int(about["sequence"]), str(about["digest"]))
            kept = KeptBundle(content, str(about["etag"]), place, str(about["revision"]))
            damaged = about["sha256"] != hashlib.sha256(content).hexdigest()
        except MALFORMED:
            damaged = True
        if damaged:
            problem = "is damaged; remove it while the server of policy.url answers"
            raise RefusedFileError(errno.EINVAL, problem, path)
        return kept

    def write(self, kept: KeptBundle, accepted: int | None, shown: Path) -> None:
        """Keep a bundle instead of the last one; a crash leaves one of the two.

        Args:
            kept: the bundle.
            accepted: a sequence number that is accepted although it is smaller.
            shown: what messages call the bundle.

        Raises:
            PolicyBrokenError: another sidecar has kept a newer one.
            OSError: it can't be written.
        """
        create_private_folder(self._folder)
        folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            found = self.read()
            require_not_older(kept.place, found.place if found is not None else None, accepted, shown)
            self._replace(kept)
            os.fsync(folder)
        finally:
            os.close(folder)

    def _replace(self, kept: KeptBundle) -> None:
        self._remove_unfinished()
        about = {
            "url": self._url,
            "sha256": hashlib.sha256(kept.content).hexdigest(),
            "etag": kept.etag,
            "sequence": kept.place.sequence,
            "digest": kept.place.digest,
            "revision": kept.revision,
        }
        fresh = self._folder / f".{_FILE}.{secrets.token_hex(8)}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            with os.fdopen(os.open(fresh, flags, 0o600), "wb") as stream:
                stream.write(json.dumps(about).encode() + b"\n" + kept.content)
                stream.flush()
                os.fsync(stream.fileno())
            fresh.replace(self._folder / _FILE)
        except BaseException:
            fresh.unlink(missing_ok=True)
            raise

    def _remove_unfinished(self) -> None:
        """Remove what a writing left that a crash ended, and none that another sidecar may be busy with."""
        for path in self._folder.glob(f".{_FILE}.*"):
            with suppress(FileNotFoundError):
                if time.time() - path.stat().st_mtime > _UNFINISHED_SECONDS:
                    path.unlink()
