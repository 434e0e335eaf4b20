"""Finds the policy, the options and the tool catalogue of a `tabard policy` command."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tabard_sidecar import exit_codes
from tabard_sidecar.operating.failure import Failure
from tabard_sidecar.operating.options import Existing, load_settings
from tabard_sidecar.operating.terminal import echo
from tabard_sidecar.util.lean import dataclass

if TYPE_CHECKING:
    from tabard_sidecar.config import Settings
    from tabard_sidecar.policy.authoring.fetching import FetchedBundle
    from tabard_sidecar.policy.catalogue import Catalogue
    from tabard_sidecar.policy.loading.compiling import CompileOptions
    from tabard_sidecar.policy.problems import PolicyProblem

GUIDE = "docs/policy-guide.md"

path_argument = click.argument("path", type=Existing(), required=False)
catalogue_option = click.option(
    "--catalogue", "catalogue_file", type=Existing(), help="Tool catalogue. Default: the configured one."
)  # fmt: skip


def policy_option(name: str, what: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return the option ``--policy`` of a command; ``name`` is its parameter, and ``what`` says which policy is meant."""
    text = f"The policy {what}: a folder or a bundle. Default: the configured one."
    return click.option("--policy", name, type=Existing(), help=text)


@dataclass(frozen=True, slots=True)
class Target:
    """The policy, options and catalogue of a command."""

    path: Path
    options: CompileOptions
    catalogue: Catalogue
    deadline_seconds: float
    """``policy.deadline_seconds``: how long a sidecar lets one evaluation take."""
    bundle: FetchedBundle | None = None
    """The bundle at ``policy.url`` that ``path`` is a copy of, if it is one."""

    def named(self, value: Any) -> Any:  # noqa: ANN401 - JSON
        """Return a text, or JSON with texts, in which a fetched bundle has its address."""
        return value if self.bundle is None else self.bundle.named(value)


def find_target(
    path: Path | None,
    catalogue: Path | None,
    config_file: Path | None,
    assignments: tuple[str, ...],
    *,
    fetches: bool = True,
) -> Target:
    """Return the policy that was named, else the configured one.

    A named policy is compiled with the strictest options, unless a configuration is named, too. What only a configuration
    offers, such as roles of approvers, isn't known without one. If the configuration has ``policy.url``, its bundle is fetched
    once, verified, and kept until the command ends; unless not ``fetches``, since the command needs a folder.

    Raises:
        Failure: there is no policy, it can't be fetched, or the catalogue can't be used.
    """
    from tabard_sidecar.config import compile_options  # noqa: PLC0415 - not needed for --help
    from tabard_sidecar.policy.catalogue import load_catalogue  # noqa: PLC0415
    from tabard_sidecar.policy.catalogue_source import create_catalogue  # noqa: PLC0415
    from tabard_sidecar.policy.conf import CatalogueConfig, PolicyConfig  # noqa: PLC0415
    from tabard_sidecar.policy.loading.compiling import CompileOptions  # noqa: PLC0415
    from tabard_sidecar.policy.loading.offered import Offers  # noqa: PLC0415
    from tabard_sidecar.policy.problems import PolicyBrokenError  # noqa: PLC0415

    configures = path is None or config_file is not None or bool(assignments)
    settings = load_settings(config_file, assignments).settings if configures else None
    if settings is not None:
        path = path or settings.policy.path
    url = settings.policy.url if settings is not None and path is None and fetches else None
    if path is None and url is None:
        remote = settings is not None and settings.policy.url is not None
        raise Failure(
            "the configured policy is at a URL, and this command needs a folder"
            if remote
            else "no policy was named and the configuration has none in a file or at a URL",
            exit_codes.USAGE,
            where="policy.path",
            next_step="Name a folder or bundle: tabard policy check PATH",
            see=GUIDE,
        )
    try:
        configured = CatalogueConfig() if settings is None else settings.catalogue
        tools = load_catalogue(catalogue) if catalogue else create_catalogue(configured)
    except PolicyBrokenError as error:
        raise broken(error.problems, "the tool catalogue") from error
    if settings is not None:
        options = replace(compile_options(settings, tools), patient=True)
        bundle = _fetched(url, settings, options) if url is not None else None
        found = path if bundle is None else bundle.path
        if found is not None:
            return Target(found, options, tools, settings.policy.deadline_seconds, bundle)
    options = CompileOptions(offers=Offers(tools=tools if catalogue else None), patient=True)
    return Target(path or Path(), options, tools, PolicyConfig().deadline_seconds)


def _fetched(url: str, settings: Settings, options: CompileOptions) -> FetchedBundle:
    """Fetch the bundle, for as long as the command runs, and say which one it is.

    Raises:
        Failure: the server has none, or it isn't acceptable.
    """
    from tabard_sidecar.policy.authoring.fetching import fetched  # noqa: PLC0415 - loads aiohttp
    from tabard_sidecar.policy.problems import PolicyBrokenError  # noqa: PLC0415

    try:
        bundle = click.get_current_context().with_resource(fetched(url, settings.policy.download, options))
    except PolicyBrokenError as error:
        if all(problem.code == "download" for problem in error.problems):
            raise Failure(
                f"the policy can't be fetched: {error.problems[0].message}",
                exit_codes.UNREACHABLE,
                where=error.problems[0].file,
                next_step=error.problems[0].next_step,
                see=GUIDE,
            ) from error
        raise broken(error.problems, "the bundle at policy.url") from error
    echo(str(bundle), err=True)
    return bundle


def broken(problems: Sequence[PolicyProblem], what: str) -> Failure:
    """Return the failure that lists every problem."""
    lines = "".join(f"\n  {problem}" for problem in problems)
    return Failure(f"{what} can't be used{lines}", exit_codes.POLICY, see=GUIDE)
