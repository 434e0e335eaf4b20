"""Implements ``tabard injector``."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tabard_sidecar import exit_codes
from tabard_sidecar.operating.failure import Failure, InjectorConfigFailure
from tabard_sidecar.operating.options import Existing, json_option, read_bytes, service_options
from tabard_sidecar.operating.terminal import echo, echo_json, visible
from tabard_sidecar.util.dumps import never_dump
from tabard_sidecar.util.problems import SourceError

if TYPE_CHECKING:
    from tabard_sidecar.injector.conf import InjectorSettings

_MAX_POD_BYTES = 3 * 1024 * 1024
_MAX_DEPTH, _MAX_VALUES = 64, 200_000
_MAX_CA_BYTES = 256 * 1024
_SERVICE = "tabard-injector.tabard-system"


_options = service_options(
    "the injector", default="/etc/tabard/injector.yaml", example="sidecar.http_port=9200"
)


@click.group()
def injector() -> None:
    """Put the sidecar into pods on Kubernetes when they are created."""


@injector.command()
@_options
def serve(config_file: Path | None, assignments: tuple[str, ...]) -> None:
    """Answer the API server's questions until a signal stops it.

    SIGTERM and SIGINT drain and stop. A certificate is renewed, or a renewed one is followed, without a
    restart.
    """
    never_dump()
    settings = _load(config_file, assignments)
    from tabard_sidecar.http.certificate import CertificateError  # noqa: PLC0415 - loads aiohttp
    from tabard_sidecar.injector.running import run  # noqa: PLC0415
    from tabard_sidecar.util.sockets import BindError  # noqa: PLC0415

    try:
        run(settings)
    except CertificateError as error:
        raise Failure(
            f"the injector can't start: {error}",
            exit_codes.CONFIG,
            next_step="Correct the section webhook of the configuration.",
        ) from error
    except BindError as error:
        raise Failure(
            f"the injector can't start: {error}",
            exit_codes.CANNOT_BIND,
            next_step="Set webhook.listen and http.listen to free addresses.",
        ) from error


@injector.command(name="try")
@click.argument("pod", type=Existing(allow_dash=True))
@_options
@json_option
def try_pod(pod: Path, config_file: Path | None, assignments: tuple[str, ...], as_json: bool) -> None:
    """Show the patch that a pod would get, or why it would be refused.

    POD is the manifest of a pod in YAML or JSON; - reads standard input. Nothing is sent anywhere.
    Exit code 1 if the pod would be refused.
    """
    from tabard_sidecar.injector.patching import inject  # noqa: PLC0415
    from tabard_sidecar.injector.refusal import Refusal  # noqa: PLC0415

    settings = _load(config_file, assignments)
    document = _manifest(pod)
    try:
        patch = inject(document, settings)
    except Refusal as refusal:
        if as_json:
            echo_json({"ok": False, "reason": str(refusal)})
            raise click.exceptions.Exit(exit_codes.NEGATIVE) from None
        raise Failure(f"the pod would be refused: {refusal}", exit_codes.NEGATIVE, where=str(pod)) from None
    if as_json:
        echo_json({"ok": True, "patch": patch})
        return
    for operation in patch:
        echo(f"{operation['op']} {operation['path']}: {visible(_named(operation['value']))}")
    if not patch:
        echo("nothing: the pod has its sidecar already, or its label says that it gets none")


@injector.command()
@click.option(
    "--ca-file",
    type=Existing(),
    help="PEM certificates that sign the webhook's. Not with webhook.managed: then the injector itself writes them.",
)
@click.option(
    "--service",
    default=_SERVICE,
    show_default=True,
    metavar="NAME.NAMESPACE",
    help="The injector's Service, with port 443.",
)
@click.option(
    "--url",
    default="",
    help="URL of the webhook, which ends with /inject, for an injector outside of the cluster.",
)
@_options
def webhook(
    ca_file: Path | None, service: str, url: str, config_file: Path | None, assignments: tuple[str, ...]
) -> None:
    """Print the MutatingWebhookConfiguration as JSON, for kubectl apply --filename -.

    From then on the API server asks the injector about each pod that a label of its namespace, or its
    own, selects. Without an answer such a pod isn't created.
    """
    from tabard_sidecar.injector.registration import webhook_configuration  # noqa: PLC0415

    settings = _load(config_file, assignments)
    name, dot, namespace = service.partition(".")
    if not dot or not name or not namespace:
        raise Failure(f"{service!a} isn't NAME.NAMESPACE", exit_codes.USAGE)
    if not url and namespace not in settings.exempt_namespaces:
        raise Failure(
            f"exempt_namespaces lacks {namespace}, the injector's own namespace: if it ever stopped, it couldn't start again",
            exit_codes.CONFIG,
            next_step=f"Add {namespace} to exempt_namespaces.",
        )
    where: dict[str, Any] = (
        {"url": url}
        if url
        else {"service": {"name": name, "namespace": namespace, "path": "/inject", "port": 443}}
    )
    if (ca_file is None) == (settings.webhook.managed is None):
        raise Failure(
            "--ca-file is missing" if ca_file is None else "webhook.managed is set, and --ca-file as well",
            exit_codes.USAGE,
            next_step="Give --ca-file, or set webhook.managed: then the injector itself writes its authorities.",
        )
    if ca_file is not None:
        authorities = read_bytes(ca_file, "the file of --ca-file", _MAX_CA_BYTES)
        where["caBundle"] = base64.b64encode(authorities).decode()
    echo_json(webhook_configuration(settings, where))


@injector.command()
@_options
def policy(config_file: Path | None, assignments: tuple[str, ...]) -> None:
    """Print the ValidatingAdmissionPolicies as JSON, for kubectl apply --filename -.

    With them the API server itself refuses pods that go around the injector: without the sidecar that a
    label wants, with a changed image of it, with its volumes, keys or tokens elsewhere, and commands in
    its containers. They name the image, Secret and audience of the configuration: apply them again
    when those change.
    """
    from tabard_sidecar.injector.admission_policy import admission_policies  # noqa: PLC0415

    items = admission_policies(_load(config_file, assignments))
    echo_json({"apiVersion": "v1", "kind": "List", "items": items})


def _load(config_file: Path | None, assignments: tuple[str, ...]) -> InjectorSettings:
    from tabard_sidecar.injector.loading import load_injector  # noqa: PLC0415 - half a second that --help needn't wait for

    try:
        return load_injector(config_file, assignments)
    except SourceError as error:
        raise InjectorConfigFailure(error.problems) from None


def _manifest(path: Path) -> object:
    from tabard_sidecar.util.yaml_source import parse_data  # noqa: PLC0415

    text = read_bytes(path, "the manifest", _MAX_POD_BYTES)
    try:
        document = parse_data(text, str(path), _MAX_DEPTH, _MAX_VALUES)
    except SourceError as error:
        raise Failure(str(error), exit_codes.USAGE, next_step="Name a file with one Pod.") from None
    if not isinstance(document, dict) or document.get("kind") != "Pod":
        raise Failure(
            "the manifest isn't that of one Pod",
            exit_codes.USAGE,
            where=str(path),
            next_step="Write the pod's template of a Deployment or Job as a Pod.",
        )
    return document


def _named(value: object) -> str:
    """Return names of what is added."""
    items = value if isinstance(value, list) else [value]
    return ", ".join(str(item.get("name")) for item in items if isinstance(item, dict))
