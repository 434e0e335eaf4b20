"""Implements `tabard policy build`, `sign`, `verify` and `push`."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from tabard_sidecar import exit_codes
from tabard_sidecar.operating.failure import Failure
from tabard_sidecar.operating.options import Existing, config_options, json_option, load_settings
from tabard_sidecar.operating.policy_target import GUIDE, broken, catalogue_option, find_target, path_argument
from tabard_sidecar.operating.terminal import echo, echo_json
from tabard_sidecar.policy.bundle_algorithms import BUNDLE_ALGORITHMS

if TYPE_CHECKING:
    from tabard_sidecar.policy.loading.bundles import BundleKeys
    from tabard_sidecar.policy.loading.reading import Sizes
    from tabard_sidecar.policy.loading.sources import PolicySource

_Command = TypeVar("_Command", bound=Callable[..., object])

_SEE = f"{GUIDE}#build-sign-verify-and-push"
_MAX_SEQUENCE = 2**53 - 1
_bundle_argument = click.argument("bundle", type=Existing())


def _algorithm_option(command: _Command) -> _Command:
    return click.option(
        "--algorithm",
        type=click.Choice(BUNDLE_ALGORITHMS),
        default="ES256",
        show_default=True,
        help="Algorithm of the signature (JWS).",
    )(command)


def _checking_options(command: _Command) -> _Command:
    """Add what says which signature is accepted."""
    command = click.option("--scope", default="", help="Scope that the signature must state.")(command)
    command = _algorithm_option(command)
    return click.option(
        "--key",
        "key_file",
        type=Existing(),
        help="Public key (PEM) that must have signed it. Default: the configured policy.bundle.keys.",
    )(command)


@click.command()
@path_argument
@click.option(
    "--output", "-o", type=click.Path(dir_okay=False, path_type=Path), default="bundle.tar.gz",
    show_default=True, help="Where to write the bundle.",
)  # fmt: skip
@click.option("--revision", default="", help="What decisions name. Default: a digest of the policy.")
@click.option(
    "--sequence",
    type=click.IntRange(1, _MAX_SEQUENCE),
    help="Number of the bundle; sidecars refuse a smaller one later. Default: $SOURCE_DATE_EPOCH, or the time in seconds.",
)
@catalogue_option
@config_options
@json_option
def build(path: Path | None, output: Path, revision: str, sequence: int | None, **given: Any) -> None:  # noqa: ANN401 - click's own
    """Check the policy at PATH and pack it into a bundle, without its tests and decision cases.

    The same policy, revision and number always give the same bytes. Without PATH the configured policy is packed. Exit
    code 4 if the policy can't be served; nothing is written then.
    """
    from tabard_opa import Engine  # noqa: PLC0415 - loads the engine

    from tabard_sidecar.policy.authoring.packing import build_bundle  # noqa: PLC0415
    from tabard_sidecar.policy.loading.compiling import compile_policy, read_policy  # noqa: PLC0415
    from tabard_sidecar.policy.problems import PolicyBrokenError  # noqa: PLC0415

    number = _sequence() if sequence is None else sequence
    target = find_target(path, given["catalogue_file"], given["config_file"], given["assignments"])
    try:
        with Engine() as engine:
            source = read_policy(engine, target.path, target.options.bundle_keys, sizes=target.options.sizes)
            compiled = compile_policy(engine, source.modules, source.data, target.options, source.tests)
            compiled.close()
            content = build_bundle(engine, source, target.path, number, revision, sizes=target.options.sizes)
        packed = _read(content, output, None, target.options.sizes)
    except PolicyBrokenError as error:
        raise broken(error.problems, "the policy") from error
    _write(content, output)
    if given["as_json"]:
        echo_json({"bundle": str(output), **_facts(packed, number), "bytes": len(content)})
        return
    for warning in compiled.warnings:
        echo(str(warning), err=True)
    echo(f"wrote {output}: revision {packed.revision}, number {number}, {len(content)} bytes")
    echo(f"next: tabard policy sign {output} --signing-key PRIVATE.pem")


@click.command()
@_bundle_argument
@click.option(
    "--signing-key", type=Existing(), required=True,
    help="Private key (PEM), or the shared secret of an HS algorithm. Only you may be able to read it.",
)  # fmt: skip
@_algorithm_option
@click.option(
    "--key-id", default="default", show_default=True, help="Id by which sidecars find the public key."
)
@click.option("--scope", default="", help="Scope to state in the signature.")
@click.option(
    "--expires-in", type=click.IntRange(min=1), metavar="SECONDS",
    help="Time after which sidecars don't load the bundle any more. Default: never.",
)  # fmt: skip
@click.option(
    "--output", "-o", type=click.Path(dir_okay=False, path_type=Path),
    help="Where to write the signed bundle. Default: it replaces BUNDLE.",
)  # fmt: skip
@json_option
def sign(bundle: Path, algorithm: str, key_id: str, scope: str, **given: Any) -> None:  # noqa: ANN401 - click's own
    """Sign BUNDLE as `opa sign` does, and write the signature into it.

    A signature that it has is replaced. OPA verifies the result, too (`opa run -b BUNDLE --verification-key`).
    """
    from tabard_sidecar.policy.authoring.signing import (  # noqa: PLC0415 - loads the algorithms
        Signer,
        SigningError,
        read_signing_key,
        sign_bundle,
    )
    from tabard_sidecar.policy.loading.reading import LARGEST_SIZES  # noqa: PLC0415
    from tabard_sidecar.policy.problems import PolicyBrokenError  # noqa: PLC0415

    lifetime = given["expires_in"]
    expires_at = int(time.time()) + lifetime if lifetime else 0
    output = given["output"] or bundle
    try:
        key = read_signing_key(given["signing_key"], algorithm)
        signed = sign_bundle(
            _content(bundle, LARGEST_SIZES), bundle, Signer(key, algorithm, key_id, scope, expires_at)
        )
    except SigningError as error:
        raise Failure(str(error), exit_codes.POLICY, where=str(bundle), see=_SEE) from error
    except PolicyBrokenError as error:
        raise broken(error.problems, "the bundle") from error
    _write(signed, output)
    if given["as_json"]:
        echo_json(
            {
                "bundle": str(output),
                "key_id": key_id,
                "algorithm": algorithm,
                "scope": scope,
                "expires_at": expires_at or None,
            }
        )
        return
    echo(f"signed {output} with {algorithm}, key id {key_id}")
    echo(f"next: tabard policy verify {output} --key PUBLIC.pem --algorithm {algorithm}")


@click.command()
@_bundle_argument
@_checking_options
@config_options
@json_option
def verify(bundle: Path, key_file: Path | None, algorithm: str, scope: str, **given: Any) -> None:  # noqa: ANN401 - click's own
    """Verify signature, roots and content of BUNDLE as a sidecar does. Exit code 4 if a sidecar would refuse it.

    `tabard policy check BUNDLE` also checks its rules.
    """
    from tabard_sidecar.policy.problems import PolicyBrokenError  # noqa: PLC0415

    keys = _keys(key_file, algorithm, scope) or _configured_keys(given["config_file"], given["assignments"])
    if keys is None:
        raise Failure(
            "no key was named, and the configuration has none under policy.bundle.keys",
            exit_codes.USAGE,
            next_step="Name the public key: tabard policy verify BUNDLE --key PUBLIC.pem",
            see=_SEE,
        )
    try:
        sizes = _configured_sizes(given["config_file"], given["assignments"])
        source = _read(_content(bundle, sizes), bundle, keys, sizes)
        number = _sequence_in(source, bundle)
    except PolicyBrokenError as error:
        raise broken(error.problems, "the bundle") from error
    if given["as_json"]:
        echo_json({"bundle": str(bundle), "ok": True, **_facts(source, number)})
        return
    told = f"number {number}" if number else "without a number, so an older one could replace it"
    echo(f"{bundle}: verified, revision {source.revision}, {told}, {len(source.modules)} module(s)")


@click.command()
@_bundle_argument
@click.argument("target")
@click.option("--token-file", type=Existing(), help="File with the bearer token.")
@click.option("--ca-file", type=Existing(), help="CA certificates (PEM) to trust instead of the system's.")
@click.option("--cert-file", type=Existing(), help="Client certificate (PEM) for mutual TLS.")
@click.option(
    "--key-file", "private_file", type=Existing(), help="Private key (PEM) of the client certificate."
)
@click.option("--timeout", "timeout_seconds", type=click.FloatRange(1, 600), default=60.0, show_default=True,
              help="Longest time, in seconds.")  # fmt: skip
@_checking_options
@config_options
@json_option
def push(bundle: Path, target: str, key_file: Path | None, algorithm: str, scope: str, **given: Any) -> None:  # noqa: ANN401 - click's own
    """Verify BUNDLE and put it where sidecars fetch it.

    TARGET is a URL, to which it is sent with HTTP PUT, or a file. A bundle that isn't signed is pushed if no key is named.
    Exit code 6 if the server doesn't accept it.
    """
    from tabard_sidecar.policy.authoring.pushing import PushError, write_bundle  # noqa: PLC0415 - loads aiohttp
    from tabard_sidecar.policy.problems import PolicyBrokenError  # noqa: PLC0415

    keys = _keys(key_file, algorithm, scope) or _configured_keys(given["config_file"], given["assignments"])
    sizes = _configured_sizes(given["config_file"], given["assignments"])
    content = _content(bundle, sizes)
    try:
        source = _read(content, bundle, keys, sizes)
        number = _sequence_in(source, bundle)
    except PolicyBrokenError as error:
        raise broken(error.problems, "the bundle") from error
    try:
        if "://" in target:
            _put(content, target, given)
        else:
            write_bundle(content, Path(target))
    except PushError as error:
        raise Failure(str(error), exit_codes.UNREACHABLE, where=target.partition("?")[0], see=_SEE) from error
    if given["as_json"]:
        echo_json({"target": target.partition("?")[0], **_facts(source, number), "bytes": len(content)})
        return
    echo(f"pushed {bundle} to {target.partition('?')[0]}: revision {source.revision}, number {number}")


def _put(content: bytes, url: str, given: dict[str, Any]) -> None:
    import asyncio  # noqa: PLC0415

    from pydantic import ValidationError  # noqa: PLC0415

    from tabard_sidecar.policy.authoring.pushing import put_bundle  # noqa: PLC0415 - loads aiohttp
    from tabard_sidecar.policy.conf import DownloadConfig, PolicyConfig  # noqa: PLC0415

    try:
        peer = DownloadConfig(
            token_file=given["token_file"],
            ca_file=given["ca_file"],
            cert_file=given["cert_file"],
            key_file=given["private_file"],
            timeout_seconds=given["timeout_seconds"],
        )
        PolicyConfig(url=url)
    except ValidationError as error:
        message = str(error.errors()[0]["msg"]).removeprefix("Value error, ")
        raise Failure(message, exit_codes.USAGE, where=url.partition("?")[0], see=_SEE) from error
    asyncio.run(put_bundle(content, url, peer))


def _sequence() -> int:
    """Return the number that the environment or the clock gives."""
    stated = os.environ.get("SOURCE_DATE_EPOCH", "")
    if not stated:
        return int(time.time())
    if stated.isascii() and stated.isdigit() and 1 <= int(stated[:20]) <= _MAX_SEQUENCE:
        return int(stated)
    raise Failure(
        "SOURCE_DATE_EPOCH isn't a number of seconds",
        exit_codes.USAGE,
        next_step="Unset it, or name --sequence",
    )


def _keys(key_file: Path | None, algorithm: str, scope: str) -> BundleKeys | None:
    from tabard_sidecar.policy.loading.bundles import BundleKeys  # noqa: PLC0415

    return None if key_file is None else BundleKeys({"key": (algorithm, key_file)}, scope)


def _configured_keys(config_file: Path | None, assignments: tuple[str, ...]) -> BundleKeys | None:
    from tabard_sidecar.policy.factory import bundle_keys  # noqa: PLC0415

    return bundle_keys(load_settings(config_file, assignments).settings.policy.bundle)


def _configured_sizes(config_file: Path | None, assignments: tuple[str, ...]) -> Sizes:
    from tabard_sidecar.policy.loading.reading import Sizes  # noqa: PLC0415

    return Sizes(load_settings(config_file, assignments).settings.policy.max_data_mib)


def _content(bundle: Path, sizes: Sizes) -> bytes:
    from tabard_sidecar.policy.loading.reading import UnreadableError, read_file  # noqa: PLC0415

    try:
        return read_file(bundle, sizes.whole_bytes)
    except UnreadableError as error:
        raise broken([error.problem], "the bundle") from error


def _read(content: bytes, path: Path, keys: BundleKeys | None, sizes: Sizes) -> PolicySource:
    from tabard_sidecar.policy.loading.sources import load_bundle  # noqa: PLC0415

    return load_bundle(content, path, keys, sizes)


def _sequence_in(source: PolicySource, path: Path) -> int:
    from tabard_sidecar.policy.loading.sequences import sequence_of  # noqa: PLC0415

    return sequence_of(source.manifest, str(path))


def _facts(source: PolicySource, number: int) -> dict[str, object]:
    return {
        "revision": source.revision,
        "sequence": number or None,
        "digest": source.digest,
        "roots": source.manifest.get("roots", [""]),
        "modules": sorted(source.modules),
    }


def _write(content: bytes, path: Path) -> None:
    from tabard_sidecar.policy.authoring.pushing import PushError, write_bundle  # noqa: PLC0415 - loads aiohttp

    try:
        write_bundle(content, path)
    except PushError as error:
        raise Failure(str(error), exit_codes.USAGE) from error
