"""Compares what the API server is told to do with what is shipped: the webhook, its authority, and its own rules."""

from __future__ import annotations

import base64
import binascii
from datetime import UTC, datetime, timedelta

from cryptography import x509

from tabard_sidecar.cluster.api import Api
from tabard_sidecar.cluster.comparing import differences
from tabard_sidecar.cluster.model import INJECTOR, RULES, Release, dig, items, several
from tabard_sidecar.injector.admission_policy import admission_policies
from tabard_sidecar.injector.registration import NAME, webhook_configuration
from tabard_sidecar.kubernetes.api import ApiError, Object
from tabard_sidecar.util.findings import Finding, ok, problem, warning

_PLACE = "/apis/admissionregistration.k8s.io/v1"
_SOON = timedelta(days=30)
_UPGRADE = timedelta(days=1)
"""Longest time for which a chart's upgrade has a former image accepted."""
_RESTORE = (
    "helm upgrade restores it; without Helm apply k8s/install.yaml, or what `tabard injector {}` prints."
)


async def check_webhook(api: Api, release: Release) -> list[Finding]:
    """Return whether the API server asks the injector, about all pods that are to have a sidecar, and trusts it.

    Raises:
        ApiError: the configuration can't be read.
    """
    managed = release.settings.webhook.managed
    name = managed.webhook_configuration if managed and managed.webhook_configuration else NAME
    try:
        found = await api.get(f"{_PLACE}/mutatingwebhookconfigurations/{name}")
    except ApiError as error:
        if not error.missing:
            raise
        text = f"MutatingWebhookConfiguration {name} doesn't exist, so no pod gets a sidecar"
        return [problem("webhook", text, _RESTORE.format("webhook"))]
    service = {"name": INJECTOR, "namespace": release.namespace, "path": "/inject", "port": 443}
    shipped = webhook_configuration(release.settings, {"service": service})
    other = list(differences({"webhooks": shipped["webhooks"]}, {"webhooks": found.get("webhooks")}))
    result = [
        problem("webhook", f"{name} isn't as shipped: {several(other)}", _RESTORE.format("webhook"))
        if other
        else ok("webhook", f"{name} is as shipped: failurePolicy Fail, {len(shipped['webhooks'])} webhooks")
    ]
    return [*result, _authority(found)]


def _authority(configuration: Object) -> Finding:
    """Return whether the authorities that the API server trusts can be used, and for how long."""
    step = (
        "See the injector's log; `tabard.dev/rotate=anew` on its Secret makes authority and certificate anew."
    )
    bundles = {str(dig(one, "clientConfig", "caBundle") or "") for one in items(configuration, "webhooks")}
    if len(bundles) != 1:
        return problem("authority", "the webhooks have different authorities", step)
    try:
        found = x509.load_pem_x509_certificates(base64.b64decode(bundles.pop(), validate=True))
    except (ValueError, binascii.Error):
        text = (
            "the webhook has no authority, or one that can't be read, so the API server accepts no injector"
        )
        return problem("authority", text, step)
    ends = max(one.not_valid_after_utc for one in found)
    left = ends - datetime.now(UTC)
    said = f"{len(found)} in the webhook's bundle, the last one until {ends:%Y-%m-%d}"
    if left <= timedelta(0):
        return problem("authority", f"{said}: expired", step)
    return warning("authority", f"{said}: soon", step) if left < _SOON else ok("authority", said)


async def check_rules(api: Api, release: Release) -> list[Finding]:
    """Return whether the ValidatingAdmissionPolicies and their bindings are as shipped.

    Raises:
        ApiError: they can't be read.
    """
    what, wrong = "rules", []
    shipped = admission_policies(release.settings)
    for one in shipped:
        kind, name = one["kind"], one["metadata"]["name"]
        try:
            found = await api.get(f"{_PLACE}/{RULES[kind]}/{name}")
        except ApiError as error:
            if not error.missing:
                raise
            wrong.append(f"{kind} {name} doesn't exist")
            continue
        wrong += [f"{kind} {name}: {text}" for text in differences(one["spec"], found.get("spec"))]
        wrong += [
            f"{kind} {name}: the API server can't evaluate {warned.get('fieldRef')}"
            for warned in items(found, "status", "typeChecking", "expressionWarnings")
        ]
    if wrong:
        return [problem(what, several(wrong), _RESTORE.format("policy"))]
    text = f"{len(shipped) // 2} ValidatingAdmissionPolicies and their bindings are as shipped"
    return [ok(what, text), *_former_images(release)]


def _former_images(release: Release) -> list[Finding]:
    """Return which images of before an upgrade new pods may still have, and whether that lasts longer than an upgrade."""
    now, found = datetime.now(UTC), []
    for image, text in sorted(release.settings.sidecar.former_images.items()):
        until = datetime.fromisoformat(text)
        said = f"new pods may have the former image {image} until {text}"
        if until - now > _UPGRADE:
            step = "Set an earlier time in sidecar.former_images of injector.config."
            found.append(warning("rules", said, step))
        elif until > now:
            found.append(ok("rules", said))
    return found
