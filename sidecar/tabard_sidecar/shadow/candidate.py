"""Reads the candidate policy: whole, or some of its modules together with the others of the policy that decides."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from tabard_opa import Engine

from tabard_sidecar.policy.conf import PolicyConfig
from tabard_sidecar.policy.factory import bundle_keys
from tabard_sidecar.policy.loading.ast import package_path
from tabard_sidecar.policy.loading.compiling import parse_modules, read_policy
from tabard_sidecar.policy.loading.reading import Sizes
from tabard_sidecar.policy.loading.sources import PolicySource, fingerprint
from tabard_sidecar.policy.problems import PolicyBrokenError, PolicyProblem


def read_candidate(engine: Engine, config: PolicyConfig) -> PolicySource:
    """Return the candidate that a configuration names.

    Raises:
        PolicyBrokenError: it, or the policy whose other modules it needs, can't be read, or it lacks a module.
    """
    shadow, keys = config.shadow, bundle_keys(config.bundle)
    if shadow is None:
        raise no_candidate()
    found = read_policy(engine, shadow.path, keys, trusted=True, sizes=Sizes(config.max_data_mib))
    if not shadow.modules or config.path is None:
        return found
    live = read_policy(engine, config.path, keys, trusted=True, sizes=Sizes(config.max_data_mib))
    return _composed(engine, live, found, shadow.path, frozenset(shadow.modules))


def read_base(engine: Engine, config: PolicyConfig) -> str:
    """Return the revision of the policy that a promotion replaces; empty if it isn't in files, or can't be read."""
    if config.path is None:
        return ""
    try:
        return read_policy(
            engine, config.path, bundle_keys(config.bundle), trusted=True, sizes=Sizes(config.max_data_mib)
        ).revision
    except PolicyBrokenError:
        return ""


def candidate_fingerprint(config: PolicyConfig) -> object:
    """Return a value that changes whenever the files of the candidate do. Never raises."""
    shadow = config.shadow
    if shadow is None:
        return None
    live = fingerprint(config.path) if shadow.modules and config.path is not None else None
    return fingerprint(shadow.path), live


def module_files(engine: Engine, modules: Mapping[str, str], names: Iterable[str]) -> dict[str, str]:
    """Return the file names of modules by the policy module that each is; only of those that are named.

    Raises:
        PolicyBrokenError: a source isn't Rego.
    """
    wanted = {("policy", name) for name in names}
    packages = {file: package_path(parsed) for file, parsed in parse_modules(engine, modules).items()}
    return {file: path[1] for file, path in packages.items() if path in wanted}


def no_candidate() -> PolicyBrokenError:
    """Return the error of a configuration that names no candidate."""
    step = "Set policy.shadow.path to the folder with the candidate"
    return PolicyBrokenError([PolicyProblem("", 0, 0, "no_source", "policy.shadow isn't set", step)])


def _composed(
    engine: Engine, live: PolicySource, found: PolicySource, path: Path, names: frozenset[str]
) -> PolicySource:
    """Return the live policy with some modules of another one."""
    tried = module_files(engine, found.modules, names)
    missing = sorted(names - set(tried.values()))
    if missing:
        message = f"holds no module {', '.join(f'policy.{name}' for name in missing)}"
        step = "Add it, or correct its name in policy.shadow.modules"
        raise PolicyBrokenError([PolicyProblem(str(path), 0, 0, "module_unknown", message, step)])
    replaced = module_files(engine, live.modules, names)
    modules = {file: text for file, text in live.modules.items() if file not in replaced}
    modules |= {file: found.modules[file] for file in sorted(tried)}
    digest = hashlib.sha256(live.digest.encode())
    for file, name in sorted(tried.items(), key=lambda item: (item[1], item[0])):
        text = found.modules[file].encode()
        digest.update(b"%d %b %b" % (len(text), name.encode(), text))
    revision = digest.hexdigest()
    return PolicySource(modules, {}, live.data, live.data_files, revision, revision)
