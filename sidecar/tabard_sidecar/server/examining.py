"""Examines all that a sidecar depends on, for `tabard doctor`. Starts no sidecar and changes nothing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from tabard_sidecar.config import Settings, compile_options
from tabard_sidecar.config.sections import insecure_switches
from tabard_sidecar.errors import NoDecision, Refused
from tabard_sidecar.identity.jose import TokenError
from tabard_sidecar.identity.sources import KeySource, KeysUnavailable
from tabard_sidecar.keys import Keyring, KeyringError
from tabard_sidecar.records.looking import log_problem
from tabard_sidecar.server.identities import configured_identity, subject_issuers
from tabard_sidecar.server.known_audiences import known_audiences, pods_tokens
from tabard_sidecar.server.readiness import failure_of, keys_failure
from tabard_sidecar.util.findings import Finding, ok, problem, warning

if TYPE_CHECKING:
    from tabard_sidecar.credentials.exchange.conf import ExchangeConfig
    from tabard_sidecar.credentials.exchange.server import ExchangeServer
    from tabard_sidecar.credentials.vault.conf import VaultConfig
    from tabard_sidecar.credentials.vault.server import VaultServer
    from tabard_sidecar.keys.conf import ControlKeysConfig
    from tabard_sidecar.policy.loading.compiling import CompileOptions
    from tabard_sidecar.state import StateStore

_Config = TypeVar("_Config")
_Server = TypeVar("_Server", bound="VaultServer | ExchangeServer")

_PAUSE_SECONDS = 0.1
_IDENTITY_TRIES = 100


async def examine(
    settings: Settings, file: Path | None, tries: Collection[str] = ()
) -> AsyncIterator[Finding]:
    """Yield what is found, cheap and local things first.

    Args:
        settings: the configuration.
        file: where it was read from.
        tries: roles of vaults of which a credential is to be obtained and ended.
    """
    control = settings.keys.control
    for found in (
        *_configuration(settings, file),
        *(_keys(settings) if control is None else ()),
        *_log(settings),
    ):
        yield found
    if control is not None:
        yield await _control_keys(settings, control)
    for found in await asyncio.to_thread(lambda: list(_policy(settings))):
        yield found
    async for found in _identity(settings):
        yield found
    async for found in _state(settings):
        yield found
    if settings.vault:
        async for found in _vaults(settings, tries):
            yield found
    if settings.exchange:
        async for found in _exchanges(settings):
            yield found


def _configuration(settings: Settings, file: Path | None) -> Iterator[Finding]:
    yield ok("configuration", f"{file or 'defaults'}, zone {settings.zone}")
    for text in insecure_switches(settings.insecure):
        yield warning(
            "configuration", text, "Remove it from the section insecure before this serves real people."
        )


async def _control_keys(settings: Settings, config: ControlKeysConfig) -> Finding:
    from tabard_sidecar.keys.control import ControlKeys  # noqa: PLC0415 - only for who uses it
    from tabard_sidecar.server.control_keys import ControlFollower  # noqa: PLC0415

    what = "keys.control"
    keys = ControlKeys(settings.zone, config.url)
    await ControlFollower(config, settings.zone, keys, lambda _result: None).fetch()
    failure = keys_failure(keys)
    if failure:
        return problem(
            what,
            failure,
            "Run this in the sidecar's container; `tabard explain keys` describes the section.",
        )
    return ok(what, f"{config.url} gives the keys of zone {settings.zone}")


def _keys(settings: Settings) -> Iterator[Finding]:
    what = "keys"
    try:
        keyring = Keyring(settings.keys.directory, max_stale_seconds=settings.keys.max_stale_seconds)
    except KeyringError as error:
        yield problem(
            what, str(error), "`tabard keys new` makes keys; `tabard explain keys` says how they are kept."
        )
        return
    failure = keys_failure(keyring)
    if failure:
        yield problem(what, failure, "`tabard keys list` shows them; `tabard keys rotate` makes new ones.")
    else:
        yield ok(what, str(settings.keys.directory))


def _log(settings: Settings) -> Iterator[Finding]:
    what, path = "decision log", settings.audit.path
    if path is None:
        yield ok(what, "standard output")
        return
    failure = log_problem(Path(path))
    if failure:
        yield problem(what, failure, "Make the folder, owned by the sidecar's user, or set audit.path.")
    else:
        yield ok(what, str(path))


def _policy(settings: Settings) -> Iterator[Finding]:
    from tabard_opa import Engine  # noqa: PLC0415 - loads the engine

    from tabard_sidecar.policy.authoring.workbench import check  # noqa: PLC0415 - loads the compiler
    from tabard_sidecar.policy.catalogue_source import create_catalogue  # noqa: PLC0415
    from tabard_sidecar.policy.problems import PolicyBrokenError  # noqa: PLC0415

    what = "policy"
    if settings.policy.remote is not None:
        yield ok(
            what,
            "an OPA server decides (policy.remote); a running sidecar's health tells whether it answers",
        )
        return
    if settings.policy.path is None and settings.policy.url is None:
        step = "Set policy.path to the folder with your Rego modules; `tabard explain policy` describes the section."
        yield problem(what, "none of policy.path, policy.url and policy.remote is set", step)
        return
    try:
        catalogue = create_catalogue(settings.catalogue)
    except PolicyBrokenError as error:
        yield problem("catalogue", "; ".join(map(str, error.problems)), "Mend the catalogue.")
        return
    options = compile_options(settings, catalogue)
    try:
        with _policy_file(settings, options) as (path, shown, named), Engine() as engine:
            report = check(engine, path, options, catalogue)
            problems = [(each.severity == "error", named(str(each))) for each in report.problems]
    except PolicyBrokenError as error:
        for broken in error.problems:
            yield problem(what, str(broken), "`tabard policy check` asks the server again.")
        return
    for is_error, text in problems:
        yield (problem if is_error else warning)(what, text, "`tabard policy check` shows all, with lines.")
    if not problems:
        yield ok(what, f"{shown}, {len(report.modules)} module(s), {len(list(catalogue))} tool(s)")


@contextmanager
def _policy_file(
    settings: Settings, options: CompileOptions
) -> Iterator[tuple[Path, str, Callable[[str], str]]]:
    """Give the policy's folder or bundle, fetched if need be; what it is called, and how its places are.

    Raises:
        PolicyBrokenError: it can't be fetched, or isn't acceptable.
    """
    if settings.policy.url is None:
        path = settings.policy.path or Path()
        yield path, str(path), str
        return
    from tabard_sidecar.policy.authoring.fetching import fetched  # noqa: PLC0415 - loads aiohttp

    with fetched(settings.policy.url, settings.policy.download, options) as bundle:
        yield bundle.path, str(bundle), bundle.named


async def _identity(settings: Settings) -> AsyncIterator[Finding]:
    try:
        identity = configured_identity(settings, time.time)
        await identity.start()
    except Exception as error:  # noqa: BLE001 - whatever keeps a sidecar from starting is a finding
        yield problem("identity", str(error), "`tabard explain identity` describes the section.")
        return
    try:
        agent = identity.agent
        failure = await _patiently(lambda: failure_of(agent.current))
        step = "Check identity.agent: the token's file, audience and issuer, or the Workload API's socket; `tabard explain identity` describes them."
        yield (
            problem("identity.agent", failure, step) if failure else ok("identity.agent", agent.current().id)
        )
        for name, source in {**identity.subjects.key_sources, **identity.intents.key_sources}.items():
            yield await _issuer(name, source)
    finally:
        await identity.close()


async def _issuer(name: str, source: KeySource) -> Finding:
    what = f"issuer {name}"
    try:
        # No issuer has a key of this name: to be told so proves that its keys were read.
        await source.find("tabard-doctor", "RS256")
    except KeysUnavailable as error:
        step = "Check issuer, jwks_url and ca_file, and that this machine reaches it; `tabard explain identity` describes them."
        return problem(what, str(error), step)
    except TokenError:
        pass
    return ok(what, "its keys can be read")


async def _state(settings: Settings) -> AsyncIterator[Finding]:
    from tabard_sidecar.state.factory import create_store  # noqa: PLC0415
    from tabard_sidecar.state.sqlite import StateFileError  # noqa: PLC0415

    what = "state"
    path = None if settings.state.is_redis else settings.state.path(settings.zone)
    place = settings.state.url.partition("?")[0].rpartition("@")[2] if path is None else str(path)
    if path is not None and not path.exists():
        yield ok(what, f"{path} will be made by the first start")
        return
    try:
        store = create_store(settings.state, settings.zone)
        notes, problems = await _looked_at(store)
    except (StateFileError, ValueError) as error:
        yield problem(what, str(error), "`tabard explain state` describes the section.")
        return
    except (NoDecision, Refused) as error:
        yield problem(what, error.message, "Check that the server runs, and that state.url names it.")
        return
    for note in notes:
        yield warning(what, note, "Start a sidecar if that is meant; `tabard state check` shows this again.")
    if problems:
        yield problem(what, "; ".join(problems), "`tabard state check` shows them again.")
    elif not notes:
        yield ok(what, place)


async def _looked_at(store: StateStore) -> tuple[Sequence[str], Sequence[str]]:
    """Return what a start would change, and what is wrong. A store that is examined is never opened to be written."""
    try:
        return await store.look(), await store.check()
    finally:
        await store.close()


async def _vaults(settings: Settings, tries: Collection[str]) -> AsyncIterator[Finding]:
    try:
        from tabard_sidecar.credentials.vault.examining import examine as examine_vault  # noqa: PLC0415
        from tabard_sidecar.credentials.vault.issuer import check_address  # noqa: PLC0415
        from tabard_sidecar.credentials.vault.server import VaultServer  # noqa: PLC0415
    except ImportError as error:
        yield problem("vault", f"{error.name} isn't installed", "Install tabard-sidecar[vault].")
        return

    def make(name: str, config: VaultConfig) -> VaultServer:
        check_address(name, config, allow_http=settings.insecure.allow_http)
        return VaultServer(name, config)

    taken = known_audiences(settings, pods_tokens())

    def examined(server: VaultServer) -> AsyncIterator[Finding]:
        return examine_vault(server, tries, taken)

    async for found in _servers("vault", settings.vault, make, examined):
        yield found


async def _exchanges(settings: Settings) -> AsyncIterator[Finding]:
    from tabard_sidecar.credentials.exchange.examining import examine as examine_exchange  # noqa: PLC0415
    from tabard_sidecar.credentials.exchange.issuer import check_server  # noqa: PLC0415
    from tabard_sidecar.credentials.exchange.server import ExchangeServer  # noqa: PLC0415

    issuers = subject_issuers(settings)

    def make(name: str, config: ExchangeConfig) -> ExchangeServer:
        check_server(name, config, issuers, allow_http=settings.insecure.allow_http)
        return ExchangeServer(name, config)

    async for found in _servers("exchange", settings.exchange, make, examine_exchange):
        yield found


async def _servers(
    section: str,
    configured: Mapping[str, _Config],
    make: Callable[[str, _Config], _Server],
    examine_one: Callable[[_Server], AsyncIterator[Finding]],
) -> AsyncIterator[Finding]:
    for name, config in configured.items():
        try:
            server = make(name, config)
        except ValueError as error:
            yield problem(f"{section}.{name}", str(error), "Correct the configuration.")
            continue
        try:
            async for found in examine_one(server):
                yield found
        finally:
            server.close()


async def _patiently(failure: Callable[[], str]) -> str:
    """Return why something doesn't work, after it had some time to begin."""
    for _ in range(_IDENTITY_TRIES):
        if not failure():
            break
        await asyncio.sleep(_PAUSE_SECONDS)
    return failure()
