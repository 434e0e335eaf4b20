"""Laws of every pod: the patch applies, is idempotent, and leaves everything else alone."""

import contextlib
import copy

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tabard_sidecar.injector.annotations import ANNOTATIONS
from tabard_sidecar.injector.containers import agent_mount, agent_variable
from tabard_sidecar.injector.patching import inject
from tabard_sidecar.injector.refusal import Refusal

from tests.support import injecting

SETTINGS = injecting.settings()
OURS = {"tabard", "tabard-prepare"}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
UNKNOWN = st.dictionaries(
    st.sampled_from(["futureField", "lifecycle", "restartPolicy", "x/y~z"]), JSON, max_size=2
)
NAMES = st.sampled_from(["agent", "worker", "migrate", "proxy", "a-b", "tabard", "tabard-prepare"])


def lists(item):
    return st.one_of(st.none(), st.lists(item, max_size=3), st.just("absent"))


def without_absent(fields):
    return {name: value for name, value in fields.items() if value != "absent"}


MOUNTS = st.builds(
    lambda name, path, more: {**more, "name": name, "mountPath": path},
    st.sampled_from(["data", "tabard-agent", "tabard-keys", "kube-api-access-x"]),
    st.sampled_from(["/data", "/run/tabard/agent", "/run"]),
    st.dictionaries(st.sampled_from(["readOnly", "subPath"]), st.booleans(), max_size=1),
)
VARIABLES = st.builds(
    lambda name, value: {"name": name, "value": value},
    st.sampled_from(["HOME", "TABARD_ADDRESS"]),
    st.text(max_size=3),
)
CONTAINERS = st.builds(
    lambda name, mounts, env, more: {
        **more,
        "name": name,
        **without_absent({"volumeMounts": mounts, "env": env}),
    },
    NAMES,
    lists(MOUNTS),
    lists(VARIABLES),
    UNKNOWN,
)
VOLUMES = st.builds(
    lambda name, more: {**more, "name": name},
    st.sampled_from(["data", "config", "tabard-agent", "tabard-keys"]),
    st.dictionaries(st.sampled_from(["emptyDir", "secret", "projected"]), JSON, max_size=1),
)
ANNOTATED = st.dictionaries(
    st.sampled_from([*ANNOTATIONS, "tabard.dev/x", "other"]),
    st.sampled_from(["agent", "agent,worker", "100m", "1Gi", "9000", "tabard-config", "", "ü", "0" * 300]),
    max_size=2,
)
PODS = st.builds(
    lambda metadata, annotations, containers, inits, volumes, more: {
        "metadata": {**metadata, "annotations": annotations},
        "spec": {
            **more,
            "containers": containers,
            **without_absent({"initContainers": inits, "volumes": volumes}),
        },
    },
    UNKNOWN,
    ANNOTATED,
    st.lists(CONTAINERS, min_size=1, max_size=4, unique_by=lambda one: one["name"]),
    lists(CONTAINERS),
    lists(VOLUMES),
    UNKNOWN,
)


def taken_back(document):
    """A patched pod without what a patch adds."""
    result = copy.deepcopy(document)
    spec = result["spec"]
    spec["initContainers"] = [one for one in spec["initContainers"] if one["name"] not in OURS]
    spec["volumes"] = [one for one in spec["volumes"] if not one["name"].startswith("tabard-")]
    for one in (*spec["initContainers"], *spec["containers"]):
        for field, ours in (("volumeMounts", agent_mount()), ("env", agent_variable())):
            if one.get(field):
                one[field] = [item for item in one[field] if item != ours]
    return result


def without_empty(document):
    """A pod in which an empty list, an absent one and null are the same."""
    result = copy.deepcopy(document)
    spec = result["spec"]
    for holder, fields in (
        (spec, ("initContainers", "volumes")),
        *(
            (one, ("volumeMounts", "env"))
            for one in (*(spec.get("initContainers") or ()), *spec["containers"])
        ),
    ):
        for field in fields:
            if not holder.get(field):
                holder.pop(field, None)
    return result


@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow])
@given(PODS)
def test_a_patch_applies_is_idempotent_and_leaves_the_rest_alone(document):
    original = copy.deepcopy(document)
    try:
        patch = inject(document, SETTINGS)
    except Refusal:
        return
    finally:
        assert document == original
    after = injecting.patched(document, patch)
    assert inject(after, SETTINGS) == []
    assert [one["name"] for one in after["spec"]["initContainers"] if one["name"] in OURS] == [
        "tabard-prepare",
        "tabard",
    ]
    assert without_empty(taken_back(after)) == without_empty(taken_back(injecting_nothing(document)))


def injecting_nothing(document):
    """A pod with empty lists where it has none."""
    result = copy.deepcopy(document)
    result["spec"]["initContainers"] = result["spec"].get("initContainers") or []
    result["spec"]["volumes"] = result["spec"].get("volumes") or []
    return result


@settings(max_examples=400)
@given(JSON | st.fixed_dictionaries({"metadata": JSON, "spec": JSON}))
def test_any_json_is_patched_or_refused(document):
    with contextlib.suppress(Refusal):
        inject(document, SETTINGS)


@settings(max_examples=300)
@given(
    st.dictionaries(
        st.sampled_from([*ANNOTATIONS]) | st.text(max_size=8).map("tabard.dev/".__add__), st.text()
    )
)
def test_any_annotation_tunes_or_is_refused_in_printable_words(annotations):
    said = ""
    try:
        inject(injecting.pod(annotations=annotations), SETTINGS)
    except Refusal as refusal:
        said = str(refusal)
    assert not said or said.isprintable()
