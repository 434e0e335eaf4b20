"""Reads a policy from a folder or a bundle: sources, data and revision. Compiles nothing."""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from tabard_sidecar.policy.loading import folder
from tabard_sidecar.policy.loading.documents import DocumentError, merge, parse_data, parse_json
from tabard_sidecar.policy.loading.reading import MAX_BYTES, MAX_FILES, UnreadableError
from tabard_sidecar.policy.loading.strays import hidden_files, misspelt, misspelt_file
from tabard_sidecar.policy.problems import PolicyBrokenError, PolicyProblem
from tabard_sidecar.policy.values import Json

DATA_NAMES = frozenset({"data.json", "data.yaml", "data.yml"})
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


def load_source(path: Path, *, trusted: bool = False) -> PolicySource:
    """Read the policy at ``path``: a folder, or a bundle tarball.

    In a folder every ``*.rego`` and every ``data.json``, ``data.yaml`` or ``data.yml`` counts, the data placed at the
    folder's own path as in OPA's bundles. Names that begin with a dot don't count, so Kubernetes' ``..data`` is only
    seen through the links that lead there. A file that looks like a part of the policy and would be skipped is an error.

    Args:
        path: the folder or bundle.
        trusted: whether a policy that strangers could have written is refused, as for serving.

    Raises:
        PolicyBrokenError: something can't be read or would be skipped, or there is no module.
    """
    try:
        if trusted:
            _require_trusted(path)
        files = folder.read_folder(path, _is_source) if path.is_dir() else _read_bundle(path)
    except UnreadableError as error:
        raise PolicyBrokenError([error.problem]) from error
    if path.is_dir():
        _refuse_hidden(path)
    return _assemble(files, path)


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


def _require_trusted(path: Path) -> None:
    problems = distrusted(path)
    if problems:
        raise PolicyBrokenError(problems)


def read_case_files(path: Path) -> dict[str, bytes]:
    """Return the files with decision cases of the policy at ``path``, by the file name that messages use.

    Raises:
        PolicyBrokenError: something can't be read.
    """
    try:
        if path.is_dir():
            found = folder.read_folder(path, _is_case_file)
        else:
            found = _read_bundle(path, _is_case_file)
            found.pop(".manifest", None)
    except UnreadableError as error:
        raise PolicyBrokenError([error.problem]) from error
    return {_shown(path, name): found[name] for name in sorted(found)}


def _assemble(files: Mapping[str, bytes], path: Path) -> PolicySource:
    problems: list[PolicyProblem] = []
    modules: dict[str, str] = {}
    tests: dict[str, str] = {}
    data: dict[str, Json] = {}
    data_files: dict[str, str] = {}
    manifest: Mapping[str, Json] = {}
    for name in sorted(files):
        shown = _shown(path, name)
        meant = misspelt(PurePosixPath(name).name, DATA_NAMES)
        if meant:
            problems.append(misspelt_file(shown, meant))
            continue
        try:
            if name == ".manifest":
                manifest = _manifest(files[name])
            elif name.endswith(".rego"):
                target = tests if name.endswith("_test.rego") else modules
                target[shown] = files[name].decode("utf-8")
            else:
                _add_data(data, data_files, files[name], name, shown)
        except UnicodeDecodeError as error:
            problems.append(
                PolicyProblem(
                    shown, 0, 0, "encoding", f"byte {error.start} isn't UTF-8", "Save the file as UTF-8"
                )
            )
        except DocumentError as error:
            problems.append(PolicyProblem(shown, error.row, 0, error.code, error.message, error.next_step))
    if not modules and not problems:
        problems.append(
            PolicyProblem(
                str(path), 0, 0, "empty", "holds no policy module", "Add a .rego file, or fix policy.path"
            )
        )
    if problems:
        raise PolicyBrokenError(problems)
    digest = _digest(files)
    revision = manifest.get("revision") or digest
    return PolicySource(modules, tests, data, data_files, revision, digest, manifest)


def _shown(path: Path, name: str) -> str:
    return (path / name).as_posix() if path.is_dir() else f"{path.as_posix()}:{name}"


def _digest(files: Mapping[str, bytes]) -> str:
    digest = hashlib.sha256()
    for name in sorted(files):
        if name.endswith("_test.rego"):
            continue
        for part in (name.encode("utf-8", "surrogateescape"), files[name]):
            digest.update(len(part).to_bytes(8, "big"))
            digest.update(part)
    return digest.hexdigest()


def _add_data(data: dict[str, Json], origins: dict[str, str], content: bytes, name: str, shown: str) -> None:
    value = parse_data(content, name)
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
    if not isinstance(manifest.get("revision", ""), str) or len(manifest.get("revision", "")) > 256:  # noqa: PLR2004
        raise DocumentError(
            "manifest", "revision must be a string of at most 256 characters", "Fix the revision"
        )
    return manifest


def _is_source(name: str) -> bool:
    return name.endswith(".rego") or name in DATA_NAMES or bool(misspelt(name, DATA_NAMES))


def _is_case_file(name: str) -> bool:
    return name.endswith(CASES_SUFFIXES)


def fingerprint(path: Path) -> object:
    """Return a value that changes whenever the source changes: names, inodes, sizes, times, owners and modes."""
    seen = folder.fingerprint(path, _is_source)
    return (seen, *hidden_files(path)) if path.is_dir() else seen


def _read_bundle(path: Path, wanted: Callable[[str], bool] = _is_source) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    total = 0
    try:
        with tarfile.open(path, "r:*") as archive:
            for member in archive:
                name = _member_name(member.name, path)
                if not member.isfile() or not (
                    wanted(name.rsplit("/", 1)[-1]) or name in {".manifest", "patch.json"}
                ):
                    continue
                total += member.size
                if total > MAX_BYTES or len(files) >= MAX_FILES:
                    raise UnreadableError(
                        str(path), f"is larger than {MAX_BYTES} bytes or {MAX_FILES} files", "Split it"
                    )
                content = archive.extractfile(member)
                if name in files or name == "patch.json" or content is None:
                    raise UnreadableError(
                        f"{path}:{name}", "can't be used in a bundle", "Build a snapshot bundle"
                    )
                files[name] = content.read()
    except (tarfile.TarError, EOFError, OSError, ValueError) as error:
        raise UnreadableError(
            str(path), f"isn't a readable bundle: {error}", "Build it with `opa build`"
        ) from error
    return files


def _member_name(raw: str, path: Path) -> str:
    parts = [part for part in raw.split("/") if part not in {"", "."}]
    if ".." in parts:
        raise UnreadableError(f"{path}:{raw}", "leads out of the bundle", "Build the bundle again")
    return "/".join(parts)
