"""AdmissionReviews: well-formed, malformed, and about something else."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from tabard_sidecar.injector.review import MalformedError, Result, answer

from tests.support.injecting import patched, pod, review, settings


def answered(document):
    found = answer(json.dumps(document).encode(), settings())
    document = json.loads(found.body)
    assert document["apiVersion"] == "admission.k8s.io/v1"
    assert document["kind"] == "AdmissionReview"
    return found, document["response"]


def test_a_pod_gets_its_patch():
    found, response = answered(review(pod()))
    assert found.result is Result.INJECTED
    assert (response["uid"], response["allowed"], response["patchType"]) == ("u1", True, "JSONPatch")
    after = patched(pod(), json.loads(base64.b64decode(response["patch"])))
    again, unchanged = answered(review(after))
    assert again.result is Result.UNCHANGED
    assert unchanged == {"uid": "u1", "allowed": True}


def test_a_dry_run_is_answered_like_any_other():
    assert answered(review(pod(), dryRun=True))[1] == answered(review(pod()))[1]


def test_a_refusal_says_which_pod_and_why():
    found, response = answered(review(pod(hostPID=True)))
    assert found.result is Result.REFUSED
    assert response["allowed"] is False
    assert response["status"]["code"] == 403
    assert response["status"]["message"].startswith('pod "support-agent": spec.hostPID is set')


@pytest.mark.parametrize("namespace", ["kube-system", "tabard-system"])
def test_exempt_namespaces_are_never_changed_nor_refused(namespace):
    """Even if a wrong selector asks about them."""
    _, response = answered(review(pod(hostPID=True), namespace=namespace))
    assert response == {"uid": "u1", "allowed": True}


ELSEWHERE = [
    {"operation": "UPDATE"},
    {"operation": "DELETE", "object": None},
    {"kind": {"group": "apps", "version": "v1", "kind": "Deployment"}},
    {"kind": None},
    {"subResource": "ephemeralcontainers"},
    {"object": None},
    {"object": []},
    {"namespace": 3, "object": {}},
]


@pytest.mark.parametrize("change", ELSEWHERE, ids=json.dumps)
def test_what_the_injector_doesnt_answer_for_is_refused(change):
    """Allowing it would let a pod through without a sidecar."""
    found, response = answered(review(pod(), **change))
    assert found.result is Result.REFUSED
    assert response["allowed"] is False


@pytest.mark.parametrize("version", ["admission.k8s.io/v1beta1", "v2", None, 3, "x" * 5000])
def test_an_unknown_version_is_refused_with_the_reason(version):
    _, response = answered({**review(pod()), "apiVersion": version})
    assert "answers an AdmissionReview of admission.k8s.io/v1, not" in response["status"]["message"]
    assert len(response["status"]["message"]) < 400


MALFORMED = [
    b"",
    b"\xff",
    b"{",
    b"[" * 100_000,
    b'{"request":' * 10_000,
    b"null",
    b"[]",
    b"{}",
    b'{"request": []}',
    b'{"request": {}}',
    b'{"request": {"uid": 1}}',
    b'{"request": {"uid": ""}}',
    json.dumps({"request": {"uid": "u" * 257}}).encode(),
    b'{"request": {"uid": "\\ud800"}}',
    b"NaN",
]


@pytest.mark.parametrize("body", MALFORMED, ids=range(len(MALFORMED)))
def test_what_is_no_review_is_malformed(body):
    with pytest.raises(MalformedError):
        answer(body, settings())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
REQUESTS = st.fixed_dictionaries(
    {"uid": st.text(max_size=3) | JSON},
    optional=dict.fromkeys(("kind", "operation", "namespace", "name", "object", "subResource"), JSON),
)


@hypothesis_settings(max_examples=300)
@given(st.fixed_dictionaries({"request": REQUESTS | JSON}, optional={"apiVersion": JSON, "kind": JSON}))
def test_any_review_is_refused_or_malformed(document):
    """None of them is about the creation of a pod, so none is allowed, and none ends in another error."""
    try:
        found = answer(json.dumps(document).encode(), settings())
    except MalformedError:
        return
    assert json.loads(found.body)["response"]["allowed"] is False
