"""Reads bundle tarballs: OPA's own reader checks signature and roots, and this module that nothing in them is skipped.

Readers of tarballs skip what they don't know, each something else. So a bundle with anything but regular files and
folders is refused, and so is one in which the two readers, Python's and OPA's, don't find the same modules and data.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from tabard import base64url
from tabard.trust import read_trusted
from tabard_opa import Bundle, BundleVerification, EngineError, VerificationKey, parse_bundle
from tabard_opa import PolicyProblem as EngineProblem

from tabard_sidecar.policy.loading.documents import DocumentError, require_small_json
from tabard_sidecar.policy.loading.reading import (
    BUILD,
    MANIFEST,
    SIGNATURES,
    USUAL_SIZES,
    Sizes,
    UnreadableError,
    read_file,
)
from tabard_sidecar.policy.problems import PolicyBrokenError, PolicyProblem
from tabard_sidecar.policy.values import Json
from tabard_sidecar.util.files import explain
from tabard_sidecar.util.lean import dataclass
from tabard_sidecar.util.secret_files import SecretFileError, read_secret

_MAX_KEY_BYTES = 16 * 1024
_NAME_A_KEY = "Name the key under policy.bundle.keys, or build it without a signature"


@dataclass(frozen=True, slots=True)
class BundleKeys:
    """The keys that may have signed the policy, of which one must have.

    Attributes:
        files: algorithm (JWS) and file of each key, by the key id that signatures name. A single key is used whatever
            the signature names.
        scope: scope that the signature must state; empty for any.
    """

    files: Mapping[str, tuple[str, Path]]
    scope: str = ""

    def verification(self) -> BundleVerification:
        """Read the keys.

        Raises:
            UnreadableError: a key can't be read.
        """
        keys = {name: VerificationKey(_key(*found), found[0]) for name, found in self.files.items()}
        only = next(iter(keys)) if len(keys) == 1 else ""
        return BundleVerification(keys, key_id=only, scope=self.scope)


def read_bundle(
    path: Path, wanted: Callable[[str], bool], keys: BundleKeys | None, sizes: Sizes = USUAL_SIZES
) -> tuple[dict[str, bytes], Bundle]:
    """Return the wanted files and the manifest of a bundle by their path inside it, and what OPA reads in it.

    Args:
        path: the tarball.
        wanted: whether a file of this name, without its folder, is returned.
        keys: one of them must have signed it. Without, a bundle that is signed is refused.
        sizes: how large it may be.

    Raises:
        UnreadableError: it isn't a bundle, holds something that a reader skips, or its signature or roots don't hold.
        PolicyBrokenError: it holds modules that don't parse.
    """
    return unpack_bundle(read_file(path, sizes.whole_bytes), path, wanted, keys, sizes)


def unpack_bundle(
    content: bytes,
    path: Path,
    wanted: Callable[[str], bool],
    keys: BundleKeys | None,
    sizes: Sizes = USUAL_SIZES,
) -> tuple[dict[str, bytes], Bundle]:
    """Do what :func:`read_bundle` does with the content of a tarball; ``path`` is what messages call it."""
    from tabard_sidecar.policy.loading import archive  # noqa: PLC0415 - folders need no tarfile

    files = archive.unpack(content, path, sizes)
    _require_small(files, path, sizes)
    if keys is None and SIGNATURES in files:
        raise UnreadableError(
            f"{path}:{SIGNATURES}", "is signed, and no key is named to check it", _NAME_A_KEY
        )
    bundle = _verified(content, path, keys, sizes)
    if SIGNATURES in files:
        _require_current(files[SIGNATURES], path)
    modules = sorted((name, text) for name, text in files.items() if name.endswith(".rego"))
    if modules != sorted(
        (archive.member_name(name, path), text.encode()) for name, text in bundle.modules.items()
    ):
        raise UnreadableError(str(path), "holds modules that two readers of tarballs read differently", BUILD)
    return {
        name: text for name, text in files.items() if name == MANIFEST or wanted(name.rsplit("/", 1)[-1])
    }, bundle


def same_data(one: Json, other: Json) -> bool:
    """Tell whether two JSON values are the same; ``1`` and ``1.0`` are, ``1`` and ``true`` aren't."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same_data(value, other[key]) for key, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same_data, one, other))
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def _key(algorithm: str, path: Path) -> str:
    try:
        content = (
            read_secret(path)[0] if algorithm.startswith("HS") else read_trusted(path, _MAX_KEY_BYTES)[0]
        )
        return content.decode("ascii")
    except SecretFileError as error:
        problem = str(error)
    except OSError as error:
        problem = explain(error)
    except UnicodeDecodeError:
        problem = f"{path}: isn't PEM text"
    raise UnreadableError(str(path), f"is no key for bundles: {problem}", "Fix policy.bundle.keys")


def _require_small(files: Mapping[str, bytes], path: Path, sizes: Sizes) -> None:
    """Refuse large JSON before OPA's reader takes memory for it."""
    for name, text in files.items():
        if name.endswith(".json"):
            try:
                require_small_json(text, sizes.values, sizes.data_bytes)
            except DocumentError as error:
                raise UnreadableError(f"{path}:{name}", error.message, error.next_step, error.code) from error


def _verified(content: bytes, path: Path, keys: BundleKeys | None, sizes: Sizes) -> Bundle:
    """Let OPA read exactly the bytes that were read here."""
    descriptor = os.memfd_create("bundle", os.MFD_CLOEXEC)
    try:
        with os.fdopen(os.dup(descriptor), "wb") as copy:
            copy.write(content)
        name = f"/proc/self/fd/{descriptor}"
        try:
            verification = keys.verification() if keys is not None else None
            return parse_bundle(name, verification=verification, max_bytes=sizes.whole_bytes)
        except EngineError as error:
            raise PolicyBrokenError([_problem(one, path, name) for one in error.errors]) from error
    finally:
        os.close(descriptor)


def _require_current(signatures: bytes, path: Path) -> None:
    """Refuse a signature that states a time at which it isn't valid; OPA's reader doesn't look at it."""
    now = time.time()
    try:
        for token in json.loads(signatures)["signatures"]:
            claims = json.loads(base64url.decode(token.split(".")[1]))
            expires, begins = claims.get("exp", math.inf), claims.get("nbf", -math.inf)
            if now < expires and begins <= now:
                continue
            what = "is expired" if now >= expires else "isn't valid by now"
            raise UnreadableError(f"{path}:{SIGNATURES}", what, "Sign the bundle again, and check the clock")
    except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        raise UnreadableError(f"{path}:{SIGNATURES}", "can't be read as signatures of OPA", BUILD) from error


def _problem(error: EngineProblem, path: Path, name: str) -> PolicyProblem:
    inner = "" if error.file in {"", name} else f":{error.file}"
    message = error.message.replace(name, str(path))
    return PolicyProblem(f"{path}{inner}", error.row, error.column, error.code, message, _next_step(message))


def _next_step(message: str) -> str:
    if "verification key not provided" in message:
        return _NAME_A_KEY
    if "signature" in message or "verification" in message or "digest" in message:
        return "Load only what one of policy.bundle.keys has signed"
    return BUILD
