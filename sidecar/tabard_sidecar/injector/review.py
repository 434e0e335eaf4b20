"""Answers an AdmissionReview of the API server (admission.k8s.io/v1)."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import orjson

from tabard_sidecar.injector.conf import InjectorSettings
from tabard_sidecar.injector.patching import inject
from tabard_sidecar.injector.refusal import Refusal, quoted
from tabard_sidecar.util.jsontext import encode
from tabard_sidecar.util.lean import dataclass

API_VERSION, KIND = "admission.k8s.io/v1", "AdmissionReview"
_POD = {"group": "", "version": "v1", "kind": "Pod"}
_MAX_UID = 256
_FORBIDDEN = 403


class Result(StrEnum):
    """What became of a pod; a label of the metrics."""

    INJECTED = "injected"
    UNCHANGED = "unchanged"
    REFUSED = "refused"
    MALFORMED = "malformed"


class MalformedError(Exception):
    """The request is no AdmissionReview that could be answered as one; says why."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a review.

    Attributes:
        body: the AdmissionReview, as JSON.
        result: what became of the pod.
        namespace: namespace of the pod, shortened.
        name: its name, or what its name will begin with, shortened.
        reason: why it was refused; empty if it wasn't.
    """

    body: bytes
    result: Result
    namespace: str
    name: str
    reason: str


def answer(body: bytes, settings: InjectorSettings) -> Answer:
    """Return the answer to a review. Nothing is changed elsewhere, so a dry run is answered like any other.

    Raises:
        MalformedError: it has no identifier under which it could be answered.
    """
    request = _request(body)
    namespace, name = str(request.get("namespace") or "")[:64], _name(request)
    try:
        patch = _patch(request, settings)
    except Refusal as refusal:
        reason = f"pod {quoted(name)}: {refusal}"
        return Answer(_document(request, reason=reason), Result.REFUSED, namespace, name, reason)
    result = Result.INJECTED if patch else Result.UNCHANGED
    return Answer(_document(request, patch=patch), result, namespace, name, "")


def _request(body: bytes) -> Mapping[str, Any]:
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise MalformedError(f"the body isn't JSON: {error}") from None
    request = document.get("request") if isinstance(document, dict) else None
    if not isinstance(request, dict):
        raise MalformedError(f"the body isn't an {KIND} with a request")
    uid = request.get("uid")
    if not isinstance(uid, str) or not 1 <= len(uid) <= _MAX_UID:
        raise MalformedError("request.uid isn't text of 1 to 256 characters")
    request["type"] = (document.get("apiVersion"), document.get("kind"))
    return request


def _patch(request: Mapping[str, Any], settings: InjectorSettings) -> list[dict[str, Any]]:
    """Return the patch for the pod in a request.

    Raises:
        Refusal: the pod can't get a sidecar, or the request isn't about the creation of one.
    """
    if request["type"] != (API_VERSION, KIND):
        version = quoted(str(request["type"][0]))
        raise Refusal(
            f"the injector answers an {KIND} of {API_VERSION}, not {version}; correct admissionReviewVersions of its "
            "MutatingWebhookConfiguration"
        )
    if request.get("namespace") in settings.exempt_namespaces:
        return []
    if request.get("kind") != _POD or request.get("operation") != "CREATE" or request.get("subResource"):
        raise Refusal(
            "the injector answers for CREATE of pods only; correct the rules of its MutatingWebhookConfiguration"
        )
    return inject(request.get("object"), settings)


def _document(
    request: Mapping[str, Any], *, patch: list[dict[str, Any]] | None = None, reason: str = ""
) -> bytes:
    response: dict[str, Any] = {"uid": request["uid"], "allowed": not reason}
    if reason:
        response["status"] = {
            "status": "Failure",
            "reason": "Forbidden",
            "code": _FORBIDDEN,
            "message": reason,
        }
    if patch:
        response |= {"patchType": "JSONPatch", "patch": base64.b64encode(encode(patch)).decode()}
    return encode({"apiVersion": API_VERSION, "kind": KIND, "response": response})


def _name(request: Mapping[str, Any]) -> str:
    """Return a pod's name, or what its name will begin with."""
    pod = request.get("object")
    metadata = pod.get("metadata") if isinstance(pod, dict) else None
    for holder, field in ((request, "name"), (metadata, "name"), (metadata, "generateName")):
        name = holder.get(field) if isinstance(holder, dict) else None
        if isinstance(name, str) and name:
            return name[:64]
    return ""
