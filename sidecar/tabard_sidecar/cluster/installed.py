"""Reads what is installed, and whether its Deployments run."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from tabard_sidecar.cluster.api import Api, listed, named
from tabard_sidecar.cluster.model import CONTROL, INJECTOR, Space, dig, items, name_of
from tabard_sidecar.injector import names
from tabard_sidecar.injector.conf import InjectorSettings
from tabard_sidecar.injector.loading import load_injector
from tabard_sidecar.kubernetes.api import ApiError, Object
from tabard_sidecar.util.findings import Finding, ok, problem, warning
from tabard_sidecar.util.problems import SourceError

_OLDEST = (1, 30)
"""First version whose API server has ValidatingAdmissionPolicy by default."""
_TOKENS = {"group": "authentication.k8s.io", "resource": "tokenreviews", "verb": "create"}


class NotInstalledError(Exception):
    """There is no injector, or its configuration can't be used; carries the finding."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.message)
        self.finding = finding


async def check_server(api: Api) -> Finding:
    """Return whether the API server is reached and new enough.

    Raises:
        ApiError: it isn't reached.
    """
    version = await api.get("/version")
    text = str(version.get("gitVersion") or "of an unknown version")
    found = re.match(r"v(\d+)\.(\d+)", text)
    if found is None or (int(found[1]), int(found[2])) < _OLDEST:
        return problem("api server", f"{text} is too old", "Upgrade it to Kubernetes 1.30 or newer.")
    return ok("api server", text)


async def read_settings(api: Api, namespace: str) -> InjectorSettings:
    """Return the injector's configuration.

    Raises:
        NotInstalledError: there is none, or it has mistakes.
        ApiError: it can't be read.
    """
    step = (
        f"Install the chart, or name the namespace that it is in with --namespace, in place of {namespace}."
    )
    try:
        found = await api.get(named(namespace, "configmaps", INJECTOR))
    except ApiError as error:
        if not error.missing:
            raise
        text = f"namespace {namespace} has no ConfigMap {INJECTOR}"
        raise NotInstalledError(problem("injector", text, step)) from None
    text = str(dig(found, "data", "injector.yaml") or "")
    with tempfile.TemporaryDirectory(prefix="tabard-") as folder:
        file = Path(folder) / "injector.yaml"
        file.write_text(text, encoding="utf-8")
        try:
            return load_injector(file)
        except SourceError as error:
            said = "; ".join(str(one) for one in error.problems)
            text = f"ConfigMap {namespace}/{INJECTOR} has mistakes: {said}"
            raise NotInstalledError(
                problem("injector", text, "Correct injector.config of the chart.")
            ) from None


async def read_spaces(api: Api, settings: InjectorSettings) -> tuple[tuple[Space, ...], list[Finding]]:
    """Return the namespaces that have the label, and what is wrong with the label of some.

    Raises:
        ApiError: they can't be read.
    """
    spaces, wrong = [], []
    async for one in listed(api, "/api/v1/namespaces", names.LABEL):
        if dig(one, "metadata", "deletionTimestamp"):
            continue  # no pod can be created there, and the injector writes nothing
        space = Space(name_of(one), str(dig(one, "metadata", "labels", names.LABEL) or ""))
        if space.name in settings.exempt_namespaces:
            if space.opted_in:
                text = f"{space.name} has the label {names.LABEL} and is exempt, so its pods get no sidecar"
                wrong.append(warning("namespaces", text, "Move its agents to another namespace."))
            continue
        if space.label not in {names.ENABLED, names.DISABLED}:
            text = f"{space.name}: the label {names.LABEL} is {space.label!a}"
            wrong.append(warning("namespaces", text, f"Write {names.ENABLED} or {names.DISABLED}."))
        spaces.append(space)
    return tuple(spaces), wrong


async def check_deployment(api: Api, namespace: str, name: str, what: str) -> Finding:
    """Return whether a Deployment runs, all of it in its newest form.

    Raises:
        ApiError: it can't be read.
    """
    step = f"kubectl --namespace {namespace} describe deployment {name}; kubectl --namespace {namespace} get pods"
    try:
        found = await api.get(f"/apis/apps/v1/namespaces/{namespace}/deployments/{name}")
    except ApiError as error:
        if not error.missing:
            raise
        return problem(
            what, f"Deployment {namespace}/{name} doesn't exist", "helm upgrade installs it again."
        )
    wanted = _count(found, "spec", "replicas")
    ready, updated = _count(found, "status", "availableReplicas"), _count(found, "status", "updatedReplicas")
    seen = _count(found, "status", "observedGeneration") >= _count(found, "metadata", "generation")
    if ready == 0:
        return problem(what, f"no replica of {namespace}/{name} is available", step)
    if not seen or updated < wanted:
        return warning(what, f"{namespace}/{name}: {updated} of {wanted} replicas have its newest form", step)
    if ready < wanted:
        return warning(what, f"{namespace}/{name}: {ready} of {wanted} replicas are available", step)
    return ok(what, f"{ready} of {wanted} replicas are available, image {_image(found)}")


async def check_control(api: Api, namespace: str) -> list[Finding]:
    """Return whether the control service runs and may ask whose a token is.

    Raises:
        ApiError: it can't be read.
    """
    what = "control service"
    user = f"system:serviceaccount:{namespace}:{CONTROL}"
    groups = ["system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated"]
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {"user": user, "groups": groups, "resourceAttributes": _TOKENS},
    }
    running = await check_deployment(api, namespace, CONTROL, what)
    answer = await api.try_create("/apis/authorization.k8s.io/v1/subjectaccessreviews", review)
    if dig(answer, "status", "allowed") is True:
        return [running]
    text = f"ServiceAccount {namespace}/{CONTROL} may not create TokenReviews, so no sidecar gets keys"
    return [running, problem(what, text, "helm upgrade restores its ClusterRole and ClusterRoleBinding.")]


def _count(document: Object, *steps: str) -> int:
    found = dig(document, *steps)
    return found if isinstance(found, int) else 0


def _image(deployment: Object) -> str:
    containers = items(deployment, "spec", "template", "spec", "containers")
    return str(containers[0].get("image")) if containers else "unknown"
