"""Creates the policy runtime and the tool catalogue that the configuration describes."""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from pathlib import Path

from tabard_opa import Engine

from tabard_sidecar.interfaces import Clock
from tabard_sidecar.policy.conf import BundleConfig, PolicyConfig
from tabard_sidecar.policy.engines.embedded import FileProvider
from tabard_sidecar.policy.engines.provider import PolicyProvider
from tabard_sidecar.policy.loading.bundles import BundleKeys
from tabard_sidecar.policy.loading.compiling import CompileOptions
from tabard_sidecar.policy.loading.withheld import WITHHELD, WITHHELD_REMOTE
from tabard_sidecar.policy.problems import PolicyBrokenError, PolicyProblem
from tabard_sidecar.policy.runtime import Companion, Runtime, StatusListener


def create_runtime(  # noqa: PLR0913, PLR0917 - one argument per part
    config: PolicyConfig,
    options: CompileOptions,
    engine: Engine,
    clock: Clock,
    listener: StatusListener | None = None,
    companion: Companion | None = None,
) -> Runtime:
    """Return the runtime; the caller starts it.

    Raises:
        PolicyBrokenError: the configuration names no policy source, or a builtin that isn't withheld.
    """
    withheld = (*WITHHELD, *WITHHELD_REMOTE)
    unknown = sorted(options.insecure_builtins - set(withheld))
    if unknown:
        message = f"insecure.capabilities lists {', '.join(unknown)}, which isn't withheld"
        step = f"List only names among {', '.join(withheld)}"
        raise PolicyBrokenError([PolicyProblem("", 0, 0, "capabilities", message, step)])
    return Runtime(_provider(config, options, engine), config, clock, listener, companion)


def _provider(config: PolicyConfig, options: CompileOptions, engine: Engine) -> PolicyProvider:
    if config.remote is not None:
        from tabard_sidecar.policy.engines.remote import RemoteProvider  # noqa: PLC0415 - for those who need it

        return RemoteProvider(
            engine,
            config.remote,
            options,
            load_seconds=config.load_seconds,
            poll_seconds=config.poll_seconds,
        )
    signed = replace(options, bundle_keys=bundle_keys(config.bundle))
    if config.url is not None:
        from tabard_sidecar.policy.engines.service import BundleProvider  # noqa: PLC0415 - aiohttp, as above

        folder = config.download.folder or usual_folder(config.url)
        return BundleProvider(
            engine, config.url, config.download, folder, signed, load_seconds=config.load_seconds
        )
    if config.path is None:
        message = "none of policy.path, policy.url and policy.remote is set"
        raise PolicyBrokenError(
            [
                PolicyProblem(
                    "", 0, 0, "no_source", message, "Set policy.path to the folder with your Rego modules"
                )
            ]
        )
    return FileProvider(engine, config.path, signed, load_seconds=config.load_seconds)


def usual_folder(url: str) -> Path:
    """Return the folder that keeps the last good bundle of a URL if the configuration names none."""
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(base) / "tabard" / "policies" / hashlib.sha256(url.encode()).hexdigest()[:16]


def bundle_keys(config: BundleConfig) -> BundleKeys | None:
    """Return the keys of which one must have signed the policy; ``None`` if it needn't be signed."""
    files = {name: (key.algorithm, key.key_file) for name, key in config.keys.items()}
    return BundleKeys(files, config.scope) if files else None
