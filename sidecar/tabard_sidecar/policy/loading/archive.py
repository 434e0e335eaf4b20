"""Reads the members of a bundle's archive, and refuses those that readers skip or read differently."""

from __future__ import annotations

import io
import re
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from tabard_sidecar.policy.loading.reading import (
    BUILD,
    MANIFEST,
    MAX_FILES,
    RAISE,
    SIGNATURES,
    Sizes,
    UnreadableError,
)

_REGULAR = frozenset({tarfile.REGTYPE, tarfile.AREGTYPE})
_ARCHIVES = (".tar", ".tgz", ".gz", ".bz2", ".xz", ".zst", ".zip")
_UNSEEN = re.compile(r"[\x00-\x1f\x7f\\]")
_KINDS = {
    tarfile.SYMTYPE: "a symbolic link",
    tarfile.LNKTYPE: "a hard link",
    tarfile.FIFOTYPE: "a named pipe",
    tarfile.CHRTYPE: "a device",
    tarfile.BLKTYPE: "a device",
}


def unpack(content: bytes, path: Path, sizes: Sizes) -> dict[str, bytes]:
    """Return the files of a bundle by their path in it.

    Raises:
        UnreadableError: it isn't one whole archive, too large, or has a member that readers take differently.
    """
    unzip = zlib.decompressobj(wbits=31)
    files: dict[str, bytes] = {}
    try:
        unpacked = unzip.decompress(content, sizes.whole_bytes + 1)
        if len(unpacked) > sizes.whole_bytes:
            raise UnreadableError(str(path), f"unpacks to more than {sizes.whole_bytes} bytes", RAISE)
        if not unzip.eof or unzip.unused_data:
            raise UnreadableError(str(path), "isn't one whole gzip file", BUILD)
        with tarfile.open(fileobj=io.BytesIO(unpacked), mode="r:") as archive:
            for name, member in _members(archive, path):
                stream = archive.extractfile(member)
                files[name] = stream.read() if stream is not None else b""
            rest = unpacked[archive.offset :]
        if rest.strip(b"\0"):
            message = "holds more after the end of its archive, such as another archive, which readers skip"
            raise UnreadableError(str(path), message, BUILD)
    except (tarfile.TarError, zlib.error, EOFError, OSError, ValueError) as error:
        raise UnreadableError(str(path), f"isn't a readable bundle: {error}", BUILD) from error
    return files


def _members(archive: tarfile.TarFile, path: Path) -> Iterator[tuple[str, tarfile.TarInfo]]:
    """Yield the regular files with their path in the bundle."""
    seen: dict[str, str] = {}
    folders: dict[str, str] = {}
    for count, member in enumerate(archive):
        if count >= MAX_FILES:
            raise UnreadableError(str(path), f"holds more than {MAX_FILES} members", "Split it")
        name = member_name(member.name, path)
        where = f"{path}:{name}"
        parents = name.split("/")[:-1]
        for depth in range(1, len(parents) + 1):
            _note(folders, "/".join(parents[:depth]), where, again=True)
        if member.type == tarfile.DIRTYPE:
            if name:
                _note(folders, name, where, again=True)
            continue
        _require_read(name, member, where)
        _note(seen, name, where)
        yield name, member
    for folded in seen.keys() & folders.keys():
        raise UnreadableError(f"{path}:{seen[folded]}", "is a file and a folder", BUILD)


def _require_read(name: str, member: tarfile.TarInfo, where: str) -> None:
    """Refuse a member that readers skip."""
    if member.type not in _REGULAR:
        kind = _KINDS.get(member.type, f"a member of kind {member.type!r}")
        raise UnreadableError(where, f"is {kind}, which readers skip", f"Pack the file itself. {BUILD}")
    if name.lower().endswith(_ARCHIVES):
        raise UnreadableError(where, "is an archive, which readers skip", f"Pack its files. {BUILD}")
    meant = _meant(name)
    if meant:
        raise UnreadableError(where, "isn't read under this name", f"Remove it, or call it {meant}. {BUILD}")
    if name == "patch.json":
        raise UnreadableError(where, "makes this a delta bundle", "Build a snapshot bundle")


def _meant(name: str) -> str:
    """Return the file of a bundle that one of another spelling or in a folder must have meant; empty if it is none."""
    if name in {MANIFEST, SIGNATURES}:
        return ""
    plain = name.rsplit("/", 1)[-1].casefold().removeprefix(".").removesuffix(".txt").removesuffix(".json")
    return {"manifest": MANIFEST, "signatures": SIGNATURES, "signature": SIGNATURES}.get(plain, "")


def _note(known: dict[str, str], name: str, where: str, *, again: bool = False) -> None:
    """Remember a name; another that differs in upper and lower case only is refused, and so is the same one twice."""
    first = known.setdefault(name.casefold(), name)
    if first != name or (not again and first is not name):
        raise UnreadableError(where, f"is in the bundle twice, first as {first}", "Keep one of them")


def member_name(raw: str, path: Path) -> str:
    """Return a member's path below the bundle's root, which ``opa build`` writes as ``/``."""
    parts = [part for part in raw.split("/") if part not in {"", "."}]
    if ".." in parts or _UNSEEN.search(raw):
        raise UnreadableError(
            f"{path}:{raw!r}", "is a name that leads out of the bundle or can't be shown", BUILD
        )
    return "/".join(parts)
