"""Reads a policy from a folder or a bundle: sources, data and revision. Compiles nothing."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path, PurePosixPath

from tabard_opa import Bundle

from tabard_sidecar.policy.loading import folder
from tabard_sidecar.policy.loading.bundles import (
    BundleKeys,
    read_bundle,
    same_data,
    unpack_bundle,
)
from tabard_sidecar.policy.loading.documents import (
    DocumentError,
    count_values,
    merge,
    parse_data,
    parse_json,
)
from tabard_sidecar.policy.loading.literals import nearest
from tabard_sidecar.policy.loading.reading import (
    MANIFEST,
    RAISE,
    SIGNATURES,
    USUAL_SIZES,
    Sizes,
    UnreadableError,
)
from tabard_sidecar.policy.loading.strays import hidden_files, hidden_stamps, misspelt, misspelt_file
from tabard_sidecar.policy.problems import PolicyBrokenError, PolicyProblem, Severity
from tabard_sidecar.policy.values import Json
from tabard_sidecar.util.lean import dataclass

DATA_NAMES = frozenset({"data.json", "data.yaml", "data.yml"})
_OF_A_MANIFEST = frozenset({"revision", "roots", "wasm", "metadata", "rego_version", "file_rego_versions"})
_MAX_REVISION = 256
CASES_SUFFIXES = ("_cases.yaml", "_cases.yml")
"""Name suffixes of files with decision cases. They are never loaded for serving."""

RESERVED_DATA = ("lib", "policy", "system", "tabard")


@dataclass(frozen=True, slots=True)
class PolicySource:
    """The files of a policy.

    Attributes:
        modules: Rego sources by the file name that messages use.
        tests: the same for ``*_test.rego``, which are never loaded for serving.
        data: base documents, merged.
        data_files: the file that each top-level key of ``data`` came from.
        revision: the bundle's own, or the SHA-256 over sorted paths and contents.
        digest: SHA-256 over sorted paths and contents, always.
        manifest: the bundle's manifest, or empty.
    """

    modules: Mapping[str, str]
    tests: Mapping[str, str]
    data: Mapping[str, Json]
    data_files: Mapping[str, str]
    revision: str
    digest: str
    manifest: Mapping[str, Json] = field(default_factory=dict)


def load_source(
    path: Path,
    keys: BundleKeys | None = None,
    *,
    trusted: bool = False,
    sizes: Sizes = USUAL_SIZES,
) -> PolicySource:
    """Read the policy at ``path``: a folder, or a bundle tarball.

    In a folder every ``*.rego`` and every ``data.json``, ``data.yaml`` or ``data.yml`` counts, the data placed at the
    folder's own path as in OPA's bundles. Names that begin with a dot don't count, so Kubernetes' ``..data`` is only
    seen through the links that lead there. A file that looks like a part of the policy and would be skipped is an error.

    Args:
        path: the folder or bundle.
        keys: one of them must have signed the policy, which is a bundle then.
        trusted: whether a policy that strangers could have written is refused, as for serving.
        sizes: how large it may be.

    Raises:
        PolicyBrokenError: something can't be read or would be skipped, or there is no module.
    """
    try:
        if trusted:
            _require_trusted(path)
        if not path.is_dir():
            return _assemble(*read_bundle(path, _is_source, keys, sizes), path, sizes)
        _refuse_signed(path, keys)
        files = folder.read_folder(path, _is_source, sizes)
        _refuse_hidden(path)
    except UnreadableError as error:
        raise PolicyBrokenError([error.problem]) from error
    return _assemble(files, None, path, sizes)


def load_bundle(
    content: bytes, shown: Path, keys: BundleKeys | None = None, sizes: Sizes = USUAL_SIZES
) -> PolicySource:
    """Read the policy in the content of a bundle tarball, which messages call ``shown``.

    Raises:
        PolicyBrokenError: as for :func:`load_source`.
    """
    try:
        files, bundle = unpack_bundle(content, shown, _is_source, keys, sizes)
    except UnreadableError as error:
        raise PolicyBrokenError([error.problem]) from error
    return _assemble(files, bundle, shown, sizes)


def _refuse_signed(path: Path, keys: BundleKeys | None) -> None:
    """Refuse a folder where a signature is demanded or claimed: that of a folder can't be checked.

    Raises:
        UnreadableError: as told.
    """
    step = "Name the bundle tarball in policy.path"
    if keys is not None:
        raise UnreadableError(str(path), "is a folder, and policy.bundle.keys demands a signed bundle", step)
    if os.path.lexists(path / SIGNATURES):
        raise UnreadableError(
            str(path / SIGNATURES), "claims a signature, which isn't checked in a folder", step
        )


def _refuse_hidden(path: Path) -> None:
    step = "Move it to a place whose name doesn't begin with a dot, or out of the policy's folder"
    message = "is never read, because a name on its path begins with a dot"
    problems = [PolicyProblem(file, 0, 0, "skipped", message, step) for file in hidden_files(path)]
    if problems:
        raise PolicyBrokenError(problems)


def distrusted(path: Path) -> list[PolicyProblem]:
    """Return a problem for everything by which a stranger could change the policy at ``path``.

    Raises:
        UnreadableError: something can't be examined.
    """
    return folder.distrusted(path, _is_source)


def ignored(path: Path) -> list[PolicyProblem]:
    """Return a warning for each file below a folder that looks like data and isn't read; catalogues aside.

    There are none if a name that looks like data isn't a regular file: nothing reads it.
    """
    message = "is ignored: it is neither data nor decision cases"
    step = f"Name data {', '.join(sorted(DATA_NAMES))}, each in a folder of its own, and cases *{CASES_SUFFIXES[0]}"
    try:
        files = folder.list_files(path, _looks_like_data) if path.is_dir() else []
    except UnreadableError:
        return []
    return [PolicyProblem(file, 0, 0, "file_ignored", message, step, Severity.WARNING) for file in files]


def _require_trusted(path: Path) -> None:
    problems = distrusted(path)
    if problems:
        raise PolicyBrokenError(problems)


def read_case_files(
    path: Path, keys: BundleKeys | None = None, sizes: Sizes = USUAL_SIZES
) -> dict[str, bytes]:
    """Return the files with decision cases of the policy at ``path``, by the file name that messages use.

    Raises:
        PolicyBrokenError: something can't be read.
    """
    try:
        if path.is_dir():
            found = folder.read_folder(path, _is_case_file)
        else:
            found, _ = read_bundle(path, _is_case_file, keys, sizes)
            found.pop(MANIFEST, None)
    except UnreadableError as error:
        raise PolicyBrokenError([error.problem]) from error
    return {_shown(path, name, folder=path.is_dir()): found[name] for name in sorted(found)}


def _assemble(files: Mapping[str, bytes], bundle: Bundle | None, path: Path, sizes: Sizes) -> PolicySource:
    problems: list[PolicyProblem] = []
    modules: dict[str, str] = {}
    tests: dict[str, str] = {}
    data: dict[str, Json] = {}
    data_files: dict[str, str] = {}
    manifest: Mapping[str, Json] = {}
    _require_little(path, files, sizes)
    left = sizes.values
    for name in sorted(files):
        shown = _shown(path, name, folder=bundle is None)
        meant = misspelt(PurePosixPath(name).name, DATA_NAMES)
        if meant:
            problems.append(misspelt_file(shown, meant))
            continue
        try:
            if name == MANIFEST:
                manifest = _manifest(files[name])
            elif name.endswith(".rego"):
                target = tests if name.endswith("_test.rego") else modules
                target[shown] = files[name].decode("utf-8")
            else:
                left -= _add_data(data, data_files, files[name], (name, shown), (left, sizes.data_bytes))
        except UnicodeDecodeError as error:
            problems.append(
                PolicyProblem(
                    shown, 0, 0, "encoding", f"byte {error.start} isn't UTF-8", "Save the file as UTF-8"
                )
            )
        except DocumentError as error:
            problems.append(PolicyProblem(shown, error.row, 0, error.code, error.message, error.next_step))
    if bundle is not None and not problems and not same_data(data, bundle.data):
        message = "holds data that two readers read differently"
        step = "Write data as JSON, and numbers with at most 15 digits"
        problems.append(PolicyProblem(str(path), 0, 0, "data_ambiguous", message, step))
    if not modules and not problems:
        problems.append(
            PolicyProblem(
                str(path), 0, 0, "empty", "holds no policy module", "Add a .rego file, or fix policy.path"
            )
        )
    if problems:
        raise PolicyBrokenError(problems, {**modules, **tests})
    digest = _digest(files)
    revision = manifest.get("revision") or digest
    return PolicySource(modules, tests, data, data_files, revision, digest, manifest)


def _require_little(path: Path, files: Mapping[str, bytes], sizes: Sizes) -> None:
    size = sum(len(text) for name, text in files.items() if PurePosixPath(name).name in DATA_NAMES)
    if size > sizes.data_bytes:
        message = f"the data files have {size} bytes; {sizes.data_bytes} are accepted"
        raise PolicyBrokenError([PolicyProblem(str(path), 0, 0, "limit", message, RAISE)])


def _shown(path: Path, name: str, *, folder: bool) -> str:
    return (path / name).as_posix() if folder else f"{path.as_posix()}:{name}"


def _digest(files: Mapping[str, bytes]) -> str:
    digest = hashlib.sha256()
    for name in sorted(files):
        if name.endswith("_test.rego"):
            continue
        for part in (name.encode("utf-8", "surrogateescape"), files[name]):
            digest.update(len(part).to_bytes(8, "big"))
            digest.update(part)
    return digest.hexdigest()


def _add_data(
    data: dict[str, Json],
    origins: dict[str, str],
    content: bytes,
    names: tuple[str, str],
    most: tuple[int, int],
) -> int:
    """Add a data file with at most so many values and bytes, and return how many values it has."""
    name, shown = names
    value = parse_data(content, name, *most)
    count = count_values(value)
    for part in reversed(PurePosixPath(name).parent.parts):
        value = {part: value}
    if not isinstance(value, dict):
        raise DocumentError(
            "data_not_object", "the top level must be an object", "Put the values under a key"
        )
    for key in value:
        if key in RESERVED_DATA:
            message = f"data under {key!r} could be mistaken for rules"
            raise DocumentError("data_reserved", message, "Put the data under another top-level key")
        origins.setdefault(key, shown)
    merge(data, value)
    return count


def _manifest(content: bytes) -> Mapping[str, Json]:
    manifest = parse_json(content)
    if not isinstance(manifest, dict):
        raise DocumentError(
            "manifest", "the manifest must be a JSON object", "Build the bundle with `opa build`"
        )
    if manifest.get("rego_version", 1) != 1 or manifest.get("file_rego_versions"):
        raise DocumentError(
            "manifest", "the bundle isn't written in Rego v1", "Build the bundle with Rego v1"
        )
    for name in sorted(manifest.keys() - _OF_A_MANIFEST):
        message = f"the manifest has a key {name!r}, which OPA doesn't know{nearest(name, _OF_A_MANIFEST)}"
        raise DocumentError("manifest", message, "Correct the name, or put it below metadata")
    revision = manifest.get("revision", "")
    if not isinstance(revision, str) or len(revision) > _MAX_REVISION or not revision.isprintable():
        message = f"revision must be a string of at most {_MAX_REVISION} characters that can be shown"
        raise DocumentError("manifest", message, "Fix the revision")
    return manifest


def _is_source(name: str) -> bool:
    return name.endswith(".rego") or name in DATA_NAMES or bool(misspelt(name, DATA_NAMES))


def _looks_like_data(name: str) -> bool:
    known = _is_source(name) or _is_case_file(name) or name.startswith(("catalogue.", "catalog."))
    return name.endswith((".json", ".yaml", ".yml")) and not known


def _is_case_file(name: str) -> bool:
    return name.endswith(CASES_SUFFIXES)


def fingerprint(path: Path) -> object:
    """Return a value that changes whenever the source changes: names, inodes, sizes, times, owners and modes."""
    seen = folder.fingerprint(path, _is_source)
    try:
        return (seen, *hidden_stamps(path)) if path.is_dir() else seen
    except UnreadableError as error:
        return seen, str(error.problem), folder.place_stamps(error.problem.file)
