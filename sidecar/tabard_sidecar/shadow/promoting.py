"""Puts the candidate into the place of the policy that decides: checked once more, as a whole, at once."""

from __future__ import annotations

import ctypes
import os
import shutil
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path, PurePosixPath
from secrets import token_hex

from tabard_opa import Engine

from tabard_sidecar.policy.conf import PolicyConfig, ShadowConfig
from tabard_sidecar.policy.loading.compiling import CompileOptions, compile_policy, read_policy
from tabard_sidecar.policy.loading.folder import read_folder
from tabard_sidecar.policy.loading.reading import LARGEST_SIZES, UnreadableError
from tabard_sidecar.policy.loading.sources import PolicySource, fingerprint
from tabard_sidecar.policy.problems import PolicyBrokenError
from tabard_sidecar.shadow.candidate import module_files, read_base, read_candidate
from tabard_sidecar.util.lean import dataclass

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
_BY_HAND = "put the candidate there as you put the policy there, for example by your deployment"


class PromotionError(Exception):
    """The candidate can't be put into place; the message says why and what to do. Nothing was changed."""


@dataclass(frozen=True, slots=True)
class Promoted:
    """What was written: the policy's folder, and the folder with what was there before."""

    path: Path
    previous: Path


def promote(
    engine: Engine, config: PolicyConfig, options: CompileOptions, revision: str, base: str
) -> Promoted:
    """Put the candidate into place. Blocks for as long as a policy takes to load.

    Args:
        engine: compiles.
        config: where both policies are.
        options: as the sidecar compiles policies.
        revision: of the candidate that is meant.
        base: revision of the policy that it may replace.

    Raises:
        PromotionError: it can't be done; nothing was changed.
    """
    path, shadow = _folders(config)
    before = fingerprint(path)
    _check_base(engine, config, base)
    try:
        candidate = read_candidate(engine, config)
        if candidate.revision != revision:
            raise PromotionError(
                f"the candidate is revision {candidate.revision} by now; look at `tabard shadow status` again"
            )
        staged = _staged(path, _files(engine, path, shadow))
    except (PolicyBrokenError, UnreadableError) as error:
        raise PromotionError(f"the candidate can't be used: {error}") from error
    try:
        _check(engine, staged, candidate, options)
        if fingerprint(path) != before:
            raise PromotionError(f"{path} changed meanwhile; look at `tabard shadow status` again")
        _exchange(staged, path)
    except BaseException:
        shutil.rmtree(staged, ignore_errors=True)
        raise
    return Promoted(path, _kept(staged, path))


def _folders(config: PolicyConfig) -> tuple[Path, ShadowConfig]:
    """Return the policy's folder, and what the candidate is.

    Raises:
        PromotionError: one of them is no folder, or the sidecar may not replace it.
    """
    shadow = config.shadow
    if config.path is None or shadow is None:
        raise PromotionError(f"the policy is loaded from an OPA server; {_BY_HAND}")
    if not config.path.is_dir():
        raise PromotionError(f"{config.path} is a bundle, which can't be written from a folder; {_BY_HAND}")
    if not shadow.path.is_dir():
        raise PromotionError(f"the candidate {shadow.path} is a bundle; {_BY_HAND}")
    path = config.path.resolve()
    hidden = sorted(entry.name for entry in path.iterdir() if entry.name.startswith("."))
    if hidden:
        raise PromotionError(
            f"{path} holds {hidden[0]!a}, so it is kept by something else (a volume, a repository); {_BY_HAND}"
        )
    if path.is_mount() or not os.access(path.parent, os.W_OK | os.X_OK):
        raise PromotionError(
            f"the sidecar can't replace {path}, because it is mounted or its parent isn't writable; {_BY_HAND}"
        )
    return path, shadow


def _check_base(engine: Engine, config: PolicyConfig, base: str) -> None:
    """Check that a promotion undoes nothing: the policy's files are those that the candidate was compared with.

    Raises:
        PromotionError: they aren't, or can't be read.
    """
    found = read_base(engine, config)
    if not found:
        raise PromotionError(f"the policy in {config.path} can't be read; {_BY_HAND}")
    if not base:
        raise PromotionError(
            f"the policy in {config.path} wasn't known when the candidate was loaded; compare it with the candidate, "
            f"and name its revision {found} (--base) if the candidate has all that it has"
        )
    if found != base:
        raise PromotionError(
            f"the policy in {config.path} changed since the candidate was loaded, from revision {base} to {found}; bring "
            f"the change into the candidate, or name {found} (--base) if the candidate has it already"
        )


def _files(engine: Engine, path: Path, shadow: ShadowConfig) -> dict[str, bytes]:
    """Return the files of the policy as it is to be, by their path below its folder.

    Raises:
        PromotionError: two files would have one name, or a file isn't in its folder.
        PolicyBrokenError: a policy can't be read.
        UnreadableError: a file can't be read.
    """
    found = _contents(shadow.path)
    if not shadow.modules:
        return found
    files = _contents(path)
    for folder, content in ((path, files), (shadow.path, found)):
        modules = read_policy(engine, folder, None, sizes=LARGEST_SIZES).modules
        mine = {_below(folder, file) for file in module_files(engine, modules, shadow.modules)}
        if content is files:
            for name in mine:
                files.pop(name, None)
            continue
        for name in sorted(mine):
            if name in files:
                raise PromotionError(
                    f"{path / name} holds another module; rename {folder / name} in the candidate"
                )
            files[name] = found[name]
    return files


def _contents(folder: Path) -> dict[str, bytes]:
    """Return all files of a folder by their path below it.

    Raises:
        PromotionError: a link leads out of the folder. A copy would no longer follow it, and may be readable by more users.
        UnreadableError: a file can't be read.
    """
    found, top = read_folder(folder, _any), folder.resolve()
    for name in found:
        if not (folder / name).resolve().is_relative_to(top):
            raise PromotionError(
                f"{folder / name} is a link that leads out of the folder; put the file itself there"
            )
    return found


def _any(name: str) -> bool:
    del name
    return True


def _below(folder: Path, file: str) -> str:
    return str(PurePosixPath(file).relative_to(folder.as_posix()))


def _staged(path: Path, files: Mapping[str, bytes]) -> Path:
    """Write files to a new folder beside ``path``, down to the disk.

    Raises:
        PromotionError: they can't be written.
    """
    staged = path.with_name(f".{path.name}.new-{token_hex(4)}")
    try:
        staged.mkdir()
        staged.chmod(path.stat().st_mode & 0o777)
        for name, content in files.items():
            file = staged / name
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("xb") as output:
                output.write(content)
                output.flush()
                os.fsync(output.fileno())
        for folder, _, _ in os.walk(staged, topdown=False):
            _sync(folder)
    except OSError as error:
        shutil.rmtree(staged, ignore_errors=True)
        raise PromotionError(f"{staged} can't be written: {error.strerror}; {_BY_HAND}") from error
    return staged


def _check(engine: Engine, staged: Path, candidate: PolicySource, options: CompileOptions) -> None:
    """Check that what was written is the candidate that was tried, and that it can be served.

    Raises:
        PromotionError: it isn't, or can't.
    """
    try:
        source = read_policy(engine, staged, options.bundle_keys, trusted=True, sizes=options.sizes)
        same = sorted(source.modules.values()) == sorted(candidate.modules.values())
        if not same or source.data != candidate.data:
            raise PromotionError("the candidate changes while it is being written; try again")
        # In a process of its own first: this one serves.
        compile_policy(
            engine, source.modules, source.data, replace(options, apart=True), source.tests
        ).close()
    except PolicyBrokenError as error:
        raise PromotionError(f"the candidate can't be used: {error}") from error


def _exchange(staged: Path, path: Path) -> None:
    """Let two folders change places at once (renameat2, Linux).

    Raises:
        PromotionError: the file system can't, or doesn't let us.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    done = libc.renameat2(
        _AT_FDCWD, os.fsencode(staged), _AT_FDCWD, os.fsencode(path), ctypes.c_uint(_RENAME_EXCHANGE)
    )
    if done != 0:
        why = os.strerror(ctypes.get_errno())
        raise PromotionError(f"{path} can't be replaced at once: {why}; {_BY_HAND}")


def _kept(staged: Path, path: Path) -> Path:
    """Give the folder with what was there before a name that tells when; return it."""
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    previous = path.with_name(f"{path.name}.{stamp}")
    if previous.exists():
        previous = path.with_name(f"{path.name}.{stamp}-{token_hex(2)}")
    with suppress(OSError):  # the new policy is in place, whatever the old one is called
        staged.rename(previous)
        _sync(path.parent)
        return previous
    return staged


def _sync(folder: str | Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
