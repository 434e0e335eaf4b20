"""The patch of a pod: goldens, and what is refused with which words."""

import copy
import json
from pathlib import Path

import kubernetes_validate
import pytest
import yaml
from tabard_sidecar.config import load
from tabard_sidecar.injector.annotations import ANNOTATIONS
from tabard_sidecar.injector.names import SECRET_FIELDS
from tabard_sidecar.injector.patching import inject
from tabard_sidecar.injector.refusal import Refusal

from tests.support.injecting import CONTROL, SPIFFE, container, patched, pod, secret_volume, settings
from tests.support.markdown import code_of

GOLDENS = Path(__file__).parent / "goldens"
OURS = {"tabard", "tabard-prepare"}


def sidecar(document):
    return next(one for one in document["spec"]["initContainers"] if one["name"] == "tabard")


def injected(document, **conf):
    return patched(document, inject(document, settings(**conf)))


def golden_settings(golden):
    if golden.stem.startswith("spiffe"):
        return settings(spiffe=SPIFFE, identities=["spiffe"])
    return settings(control=CONTROL if golden.stem.startswith("control") else None)


@pytest.mark.parametrize("golden", sorted(GOLDENS.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_pod_becomes_what_its_golden_says_and_stays_so(golden):
    """Applied once it gives the golden, applied again nothing."""
    before, after = yaml.safe_load_all(golden.read_text())
    chosen = golden_settings(golden)
    patch = inject(before, chosen)
    assert patched(before, patch) == after
    assert inject(after, chosen) == []
    assert inject(json.loads(json.dumps(after)), chosen) == []


@pytest.mark.parametrize("golden", sorted(GOLDENS.glob("*.yaml")), ids=lambda path: path.stem)
def test_what_an_injector_of_another_version_made_is_refused_with_what_to_do(golden):
    """Never changed, and never given a second sidecar."""
    _, after = yaml.safe_load_all(golden.read_text())
    chosen = golden_settings(golden)
    sidecar = chosen.sidecar.model_copy(update={"image": "registry.example.org/tabard-sidecar:0.2.0"})
    with pytest.raises(Refusal, match="during an upgrade of the injector create the pod again"):
        inject(after, chosen.model_copy(update={"sidecar": sidecar}))


@pytest.mark.parametrize("golden", sorted(GOLDENS.glob("*.yaml")), ids=lambda path: path.stem)
@pytest.mark.parametrize("version", ["1.33", "1.36"])
def test_a_golden_fits_the_schema_of_kubernetes(golden, version):
    _, after = yaml.safe_load_all(golden.read_text())
    kubernetes_validate.validate(after, version, strict=True)


def test_the_sidecar_comes_first_and_an_agent_gets_the_socket_and_nothing_else():
    document = injected(pod(container(), initContainers=[container("migrate")]))
    assert [one["name"] for one in document["spec"]["initContainers"]] == [
        "tabard-prepare",
        "tabard",
        "migrate",
    ]
    assert document["spec"]["initContainers"][2] == container("migrate")
    agent = document["spec"]["containers"][0]
    assert agent == {
        **container(),
        "volumeMounts": [{"name": "tabard-agent", "mountPath": "/run/tabard/agent", "readOnly": True}],
        "env": [{"name": "TABARD_ADDRESS", "value": "unix:/run/tabard/agent/tabard.sock"}],
    }


def test_the_environment_of_the_sidecar_is_a_configuration(tmp_path):
    """Every variable names a setting, and its value fits."""
    file = tmp_path / "tabard.yaml"
    file.write_text("zone: support\n")
    variables = {one["name"]: one["value"] for one in sidecar(injected(pod()))["env"]}
    loaded = load(file, environment=variables).settings
    assert loaded.listen.agent == "unix:/run/tabard/agent/tabard.sock"
    assert loaded.listen.agent_mode == "0666"
    assert loaded.http.listen == "0.0.0.0:9181"
    assert loaded.identity.agent.service_account.audience == "tabard"
    assert loaded.policy.path == Path("/etc/tabard/policy")
    assert not loaded.insecure.model_dump(exclude_defaults=True)


def test_each_mount_has_its_volume_and_what_is_private_is_the_sidecars():
    document = injected(pod())
    volumes = {volume["name"] for volume in document["spec"]["volumes"]}
    mounts = {mount["name"] for one in document["spec"]["initContainers"] for mount in one["volumeMounts"]}
    assert mounts == volumes
    assert {mount["name"] for mount in document["spec"]["containers"][0]["volumeMounts"]} == {"tabard-agent"}


def test_with_a_control_service_a_pod_has_no_keys_and_one_token_more(tmp_path):
    """Of the sidecar's alone. Its zone is its namespace, whatever its file says."""
    document = injected(pod(), control=CONTROL)
    assert [one["name"] for one in document["spec"]["initContainers"]] == ["tabard"]
    assert "tabard-keys" not in json.dumps(document)
    volumes = {volume["name"]: volume for volume in document["spec"]["volumes"]}
    assert volumes.keys() & {"tabard-keys", "tabard-keyring", "tabard-control"} == {"tabard-control"}
    token, authorities = volumes["tabard-control"]["projected"]["sources"]
    assert token["serviceAccountToken"]["audience"] == "tabard-control"
    assert authorities["configMap"]["name"] == "tabard-control-ca"
    assert mounting(document, "tabard-control") == ["tabard"]
    variables = {one["name"]: one for one in sidecar(document)["env"]}
    place = variables.pop("TABARD_ZONE")["valueFrom"]["fieldRef"]["fieldPath"]
    assert place == "metadata.namespace"
    file = tmp_path / "tabard.yaml"
    file.write_text("zone: elsewhere\n")
    environment = {name: one["value"] for name, one in variables.items()} | {"TABARD_ZONE": "support"}
    loaded = load(file, environment=environment).settings
    assert (loaded.zone, loaded.keys.control.url) == ("support", CONTROL["url"])
    assert str(loaded.keys.control.token_file) == "/var/run/secrets/tabard-control/token"
    assert str(loaded.keys.control.ca_file) == "/var/run/secrets/tabard-control/ca.crt"


def test_with_a_control_service_nobody_has_the_name_of_the_container_that_prepares():
    document = pod(initContainers=[container("tabard-prepare")])
    with pytest.raises(Refusal, match="the name of the init container tabard-prepare is the injector's"):
        inject(document, settings(control=CONTROL))


@pytest.mark.parametrize("control", [None, CONTROL])
@pytest.mark.parametrize("audience", ["tabard", "tabard-control"])
def test_no_other_volume_has_a_token_of_the_sidecars(control, audience):
    source = {"serviceAccountToken": {"path": "t", "audience": audience}}
    document = pod(volumes=[{"name": "mine", "projected": {"sources": [source]}}])
    with pytest.raises(Refusal, match=f'the sidecar\'s audience "{audience}"'):
        inject(document, settings(control=control))


def test_the_sidecar_has_further_tokens_and_nobody_else_has_one_of_their_audiences():
    """Such as those for a vault, whose audiences keep the agent out there."""
    ((_, page),) = code_of("docs/vault.md", "injector-tokens")
    cluster = yaml.safe_load(page)["cluster"]
    document = injected(pod(), cluster=cluster)
    (volume,) = [one for one in document["spec"]["volumes"] if one["name"] == "tabard-identity"]
    sources = [one.get("serviceAccountToken", {}) for one in volume["projected"]["sources"]]
    files = {one["path"]: (one.get("audience"), one["expirationSeconds"]) for one in sources if one}
    assert files == {
        "token": ("tabard", 600),
        "vault-token": ("tabard-vault", 600),
        "vault-reaper-token": ("tabard-reaper-vault", 600),
        "api-token": (None, 3600),
    }
    for audience in cluster["tokens"].values():
        source = {"serviceAccountToken": {"path": "t", "audience": audience}}
        mine = pod(volumes=[{"name": "mine", "projected": {"sources": [source]}}])
        with pytest.raises(Refusal, match=f'the sidecar\'s audience "{audience}"'):
            inject(mine, settings(cluster=cluster))


@pytest.mark.parametrize(
    ("tokens", "why"),
    [
        ({"token": "vault"}, "token is a file of the sidecar's already"),
        ({"ca.crt": "vault"}, "ca.crt is a file of the sidecar's already"),
        ({"vault-token": "tabard"}, "is cluster.audience; use an audience of its own"),
        ({"vault-token": "tabard-control"}, "is control.audience"),
        (
            {"vault-token": "https://kubernetes.default.svc.cluster.local"},
            "every token for the API server has",
        ),
        ({"../token": "vault"}, "String should match pattern"),
        ({"vault-token": "a b"}, "String should match pattern"),
        ({f"t{n}": f"a{n}" for n in range(9)}, "at most 8 items"),
    ],
)
def test_further_tokens_that_cannot_be_meant_are_refused(tokens, why):
    with pytest.raises(ValueError, match=why):
        settings(cluster={"tokens": tokens})


def mounting(document, volume):
    return [
        one["name"]
        for one in (*document["spec"]["initContainers"], *document["spec"]["containers"])
        if any(mount["name"] == volume for mount in one["volumeMounts"])
    ]


def test_an_identity_of_spiffe_comes_over_a_volume_of_the_sidecars(tmp_path):
    """And nothing of the ServiceAccount's: no token with its audience, none for the API server."""
    document = injected(pod(), spiffe=SPIFFE, identities=["spiffe"])
    assert mounting(document, "tabard-spiffe") == ["tabard"]
    volumes = {volume["name"]: volume for volume in document["spec"]["volumes"]}
    assert volumes["tabard-spiffe"]["csi"] == {"driver": "csi.spiffe.io", "readOnly": True}
    assert "tabard-identity" not in volumes
    assert "serviceAccountToken" not in json.dumps(document)
    file = tmp_path / "tabard.yaml"
    file.write_text("zone: support\n")
    environment = {one["name"]: one["value"] for one in sidecar(document)["env"]}
    agent = load(file, environment=environment).settings.identity.agent
    assert agent.service_account is None
    assert str(agent.spiffe.socket) == "/run/tabard/spiffe/spire-agent.sock"
    assert (agent.spiffe.trust_domain, agent.spiffe.svid) == ("shop.example", "x509")


def test_with_an_identity_of_spiffe_further_tokens_stay():
    tokens = {"vault-token": "tabard-vault"}
    conf = {"trust_domain": None, "svid": "jwt", "socket": "socket", "driver": "x.example.org"}
    document = injected(
        pod(), spiffe=conf, identities=["spiffe"], cluster={"tokens": tokens, "trust_domain": "c.example"}
    )
    assert mounting(document, "tabard-identity") == ["tabard"]
    volumes = {volume["name"]: volume for volume in document["spec"]["volumes"]}
    (source,) = volumes["tabard-identity"]["projected"]["sources"]
    assert source["serviceAccountToken"]["audience"] == "tabard-vault"
    assert volumes["tabard-spiffe"]["csi"]["driver"] == "x.example.org"
    found = {one["name"].rpartition("__")[2]: one["value"] for one in sidecar(document)["env"]}
    assert (found["SOCKET"], found["SVID"], found["AUDIENCE"]) == (
        "/run/tabard/spiffe/socket",
        "jwt",
        "tabard",
    )
    assert found["TRUST_DOMAIN"] == "c.example"


def test_the_pages_settings_of_spiffe_are_accepted():
    ((_, page),) = code_of("docs/identity.md", "injector-spiffe")
    found = yaml.safe_load(page)
    document = pod(annotations={"tabard.dev/identity": "spiffe"})
    assert "tabard-spiffe" in json.dumps(injected(document, spiffe=found["spiffe"], **found["sidecar"]))
    assert "tabard-spiffe" not in json.dumps(injected(pod(), spiffe=found["spiffe"], **found["sidecar"]))


def test_files_of_a_secret_are_the_sidecars():
    document = injected(pod(), files_secret="passwords")
    assert mounting(document, "tabard-files") == ["tabard"]
    (mount,) = [one for one in sidecar(document)["volumeMounts"] if one["name"] == "tabard-files"]
    assert mount == {"name": "tabard-files", "mountPath": "/var/run/secrets/tabard-files", "readOnly": True}
    assert "tabard-files" not in json.dumps(injected(pod()))
    volume = {"name": "mine", "secret": {"secretName": "passwords"}}
    variable = {"name": "P", "valueFrom": {"secretKeyRef": {"name": "passwords", "key": "p"}}}
    for mine in (pod(volumes=[volume]), pod(container(env=[variable]))):
        assert inject(mine, settings())
        with pytest.raises(Refusal, match=r"other secrets of the sidecar \(Secret passwords\)"):
            inject(mine, settings(files_secret="passwords"))
    with pytest.raises(ValueError, match="the zone's keys have a Secret of their own"):
        settings(files_secret="tabard-keys")


def test_no_agent_gets_the_svid_of_its_sidecar():
    """A volume of the driver is refused beside a sidecar that has one, unless registrations tell containers apart."""
    document = pod(volumes=[{"name": "mesh", "csi": {"driver": "csi.spiffe.io", "readOnly": True}}])
    with pytest.raises(Refusal, match='volume "mesh" holds the Workload API\'s socket'):
        inject(document, settings(spiffe=SPIFFE, identities=["spiffe"]))
    assert inject(document, settings(spiffe=SPIFFE))
    # Nor one that this pod's sidecar might have.
    document["metadata"]["annotations"] = {"tabard.dev/identity": "service-account"}
    with pytest.raises(Refusal, match='volume "mesh" holds the Workload API\'s socket'):
        inject(document, settings(spiffe=SPIFFE, identities=["spiffe", "service-account"]))
    del document["metadata"]["annotations"]
    assert inject(document, settings(spiffe={**SPIFFE, "agents_may_ask": True}, identities=["spiffe"]))


def test_a_pod_chooses_among_the_identities_that_are_allowed():
    document = pod(annotations={"tabard.dev/identity": "service-account"})
    with pytest.raises(
        Refusal, match="can't be \"service-account\": the injector's configuration allows spiffe"
    ):
        inject(document, settings(identities=["spiffe"]))
    assert "tabard-spiffe" not in json.dumps(injected(document, identities=["spiffe", "service-account"]))


def test_the_two_audiences_differ():
    """A token for the sidecar's identity must not open the control service, nor the reverse."""
    with pytest.raises(ValueError, match="a token for one must not do for the other"):
        settings(control={"audience": "tabard"})


def test_a_pod_that_wants_none_gets_none():
    document = pod()
    document["metadata"]["labels"] = {"tabard.dev/inject": "disabled"}
    assert inject(document, settings()) == []


def test_every_annotation_tunes():
    values = {
        "tabard.dev/containers": "worker, migrate",
        "tabard.dev/config-map": "other",
        "tabard.dev/identity": "spiffe",
        "tabard.dev/cpu-request": "250m",
        "tabard.dev/memory-request": "200Mi",
        "tabard.dev/memory-limit": "1Gi",
        "tabard.dev/state-size": "2Gi",
        "tabard.dev/http-port": "9999",
    }
    assert set(values) == set(ANNOTATIONS)
    before = pod(
        container(),
        container("worker"),
        initContainers=[container("migrate"), container("x")],
        annotations=values,
    )
    after = injected(before, config_maps=["tabard-config", "other"], identities=["service-account", "spiffe"])
    inits, containers = after["spec"]["initContainers"], after["spec"]["containers"]
    assert ["env" in one for one in (*containers, *inits[2:])] == [False, True, True, False]
    found = sidecar(after)
    assert found["resources"] == {
        "requests": {"cpu": "250m", "memory": "200Mi"},
        "limits": {"memory": "1Gi"},
    }
    assert found["ports"][0]["containerPort"] == found["readinessProbe"]["httpGet"]["port"] == 9999
    volumes = {volume["name"]: volume for volume in after["spec"]["volumes"]}
    assert volumes["tabard-config"]["configMap"]["name"] == "other"
    assert volumes["tabard-state"]["emptyDir"]["sizeLimit"] == "2Gi"
    assert "tabard-spiffe" in volumes


def labelled(value):
    document = pod()
    document["metadata"]["labels"] = {"tabard.dev/inject": value}
    return document


SECRET = {"secretKeyRef": {"name": "tabard-keys", "key": "root.json"}}
REFUSED = {
    "label that is neither": (labelled("true"), 'is "true"; write enabled or disabled'),
    "unknown annotation": (
        pod(annotations={"tabard.dev/cpu-requests": "1"}),
        "did you mean tabard.dev/cpu-request",
    ),
    "strange annotation": (
        pod(annotations={"tabard.dev/\x1b[31m": "1"}),
        r"\\x1b\[31m.* is unknown: known are",
    ),
    "amount that is none": (
        pod(annotations={"tabard.dev/cpu-request": "much"}),
        "it is no amount; write digits and a unit, such as 100m or 0.5",
    ),
    "processor finer than Kubernetes counts": (
        pod(annotations={"tabard.dev/cpu-request": "1n"}),
        'cpu-request can\'t be "1n": it is finer than 1m, a thousandth of a core',
    ),
    "half a thousandth": (pod(annotations={"tabard.dev/cpu-request": "0.5m"}), "finer than 1m"),
    "negative processor": (pod(annotations={"tabard.dev/cpu-request": "-1"}), "it is negative; write"),
    "negative memory": (pod(annotations={"tabard.dev/memory-limit": " -1Gi"}), "it is negative; write"),
    "thousandths of a byte": (
        pod(annotations={"tabard.dev/memory-limit": "384000000100m"}),
        "it isn't a whole number of bytes",
    ),
    "memory without its unit": (
        pod(annotations={"tabard.dev/memory-limit": "384"}),
        "it is less than 1Mi; write an amount with its unit, such as 384Mi",
    ),
    "disk without its unit": (pod(annotations={"tabard.dev/state-size": "1"}), "with its unit"),
    "all there is": (pod(annotations={"tabard.dev/memory-limit": "16Ei"}), "it is more than 1Pi"),
    "every core there is": (pod(annotations={"tabard.dev/cpu-request": "1M"}), "it is more than 1024 cores"),
    "no amount": (pod(annotations={"tabard.dev/cpu-request": "0"}), "write an amount such as 100m"),
    "too much": (pod(annotations={"tabard.dev/memory-limit": "1Ti"}), "allows at most 2Gi"),
    "exponent": (pod(annotations={"tabard.dev/memory-limit": "1e999999999"}), "it is no amount"),
    "request over its limit": (
        pod(annotations={"tabard.dev/memory-request": "1Gi"}),
        "set tabard.dev/memory-limit",
    ),
    "port": (pod(annotations={"tabard.dev/http-port": "80"}), "a port from 1024 to 65535"),
    "port in other digits": (pod(annotations={"tabard.dev/http-port": "٩٩٩٩"}), "a port from 1024"),
    "another ConfigMap": (pod(annotations={"tabard.dev/config-map": "mine"}), "allows tabard-config"),
    "no such container": (
        pod(annotations={"tabard.dev/containers": "worker"}),
        'names "worker", and the pod has no',
    ),
    "ours as an agent": (pod(annotations={"tabard.dev/containers": "tabard"}), 'names "tabard", and'),
    "long annotation": (pod(annotations={"tabard.dev/containers": "x" * 10_000}), 'x…": write at most 64'),
    "whole node": (pod(volumes=[{"name": "n", "hostPath": {"path": "/"}}]), r"files of the node \(/dev\)"),
    "pods of the node": (
        pod(volumes=[{"name": "n", "hostPath": {"path": "/var//lib/kubelet/pods/"}}]),
        r"files of the node \(/var/lib/kubelet\)",
    ),
    "above the pods of the node": (
        pod(volumes=[{"name": "n", "hostPath": {"path": "/var/./lib"}}]),
        "files of the node",
    ),
    "privileged": (
        pod(container(securityContext={"privileged": True})),
        "is privileged, or has capabilities",
    ),
    "capability of the node": (
        pod(initContainers=[container("i", securityContext={"capabilities": {"add": ["cap_sys_admin"]}})]),
        "is privileged, or has capabilities",
    ),
    "file of ours in a variable": (
        pod(container(env=[{"name": "K", "valueFrom": {"fileKeyRef": {"volumeName": "tabard-state"}}}])),
        "reads a file of the sidecar's volumes",
    ),
    "shared processes": (pod(shareProcessNamespace=True), "spec.shareProcessNamespace is set"),
    "processes of the node": (pod(hostPID=True), "spec.hostPID is set"),
    "network of the node": (pod(hostNetwork=True), "spec.hostNetwork is set"),
    "memory of the node": (pod(hostIPC=True), "spec.hostIPC is set"),
    "Windows": (pod(os={"name": "windows"}), "Linux only"),
    "static pod": (pod(annotations={"kubernetes.io/config.mirror": "x"}), "static pod"),
    "our name among containers": (
        pod(container("tabard")),
        "the name of the container tabard is the injector's",
    ),
    "our name among init containers": (
        pod(initContainers=[container("tabard")]),
        'the name of the init container tabard is the injector\'s, and its field "\\.image"',
    ),
    "our volume": (
        pod(volumes=[{"name": "tabard-operator", "hostPath": {"path": "/"}}]),
        "the name of the volume tabard-operator",
    ),
    "private volume mounted": (
        pod(container(volumeMounts=[{"name": "tabard-keyring", "mountPath": "/k", "readOnly": True}])),
        'container "agent" mounts the injector\'s volume tabard-keyring',
    ),
    "socket mounted to be replaced": (
        pod(container(volumeMounts=[{"name": "tabard-agent", "mountPath": "/run/tabard/agent"}])),
        "mounts the injector's volume tabard-agent",
    ),
    "socket of a container that is no agent": (
        pod(
            container(),
            container(
                "x",
                volumeMounts=[{"name": "tabard-agent", "mountPath": "/run/tabard/agent", "readOnly": True}],
            ),
            annotations={"tabard.dev/containers": "agent"},
        ),
        'container "x" mounts the injector\'s volume',
    ),
    "private volume of an init container": (
        pod(initContainers=[container("x", volumeMounts=[{"name": "tabard-keys", "mountPath": "/k"}])]),
        'container "x" mounts the injector\'s volume tabard-keys',
    ),
    "another volume at our path": (
        pod(container(volumeMounts=[{"name": "mine", "mountPath": "/run//tabard/agent/"}])),
        "mounts another volume at /run/tabard/agent",
    ),
    "another address": (
        pod(container(env=[{"name": "TABARD_ADDRESS", "value": "127.0.0.1:1"}])),
        "sets TABARD_ADDRESS to something else",
    ),
    "the sidecar's port": (pod(container(ports=[{"containerPort": 9181}])), "uses the sidecar's port 9181"),
    "keys in a volume": (
        pod(volumes=[{"name": "k", "secret": {"secretName": "tabard-keys"}}]),
        'volume "k" holds the zone\'s keys',
    ),
    "keys to pull images with": (
        pod(imagePullSecrets=[{"name": "mine"}, {"name": "tabard-keys"}]),
        "imagePullSecrets names the zone's keys",
    ),
    "keys in a projected volume": (
        pod(volumes=[{"name": "k", "projected": {"sources": [{"secret": {"name": "tabard-keys"}}]}}]),
        'volume "k" holds the zone\'s keys',
    ),
    "our audience": (
        pod(
            volumes=[
                {
                    "name": "t",
                    "projected": {"sources": [{"serviceAccountToken": {"audience": "tabard", "path": "t"}}]},
                }
            ]
        ),
        "the sidecar's audience",
    ),
    "keys in a variable": (pod(container(env=[{"name": "K", "valueFrom": SECRET}])), "reads the zone's keys"),
    "keys in all variables": (
        pod(container(envFrom=[{"secretRef": {"name": "tabard-keys"}}])),
        "reads the zone's keys",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_pod_is_refused_with_the_reason(case):
    document, reason = REFUSED[case]
    with pytest.raises(Refusal, match=reason) as refused:
        inject(document, settings())
    assert len(str(refused.value)) < 600
    assert str(refused.value).isprintable()


@pytest.mark.parametrize("kind", SECRET_FIELDS)
def test_no_driver_of_a_volume_gets_the_keys(kind):
    """What a driver gets, it may send to an address that the pod names."""
    for name, refused in (("tabard-keys", True), ("mine", False)):
        document = pod(volumes=[{"name": "k", **secret_volume(kind, name)}])
        if refused:
            with pytest.raises(Refusal, match='volume "k" holds the zone\'s keys'):
                inject(document, settings())
        else:
            assert inject(document, settings())


def _secret_fields(version):
    """Yield kind and field of every volume of Kubernetes that names a Secret."""
    folder = Path(kubernetes_validate.__file__).parent / f"kubernetes-json-schema/v{version}.0-local"
    definitions = json.loads((folder / "_definitions.json").read_text())["$defs"]
    for kind, source in definitions["io.k8s.api.core.v1.Volume"]["properties"].items():
        inner = definitions.get(source.get("$ref", "").rpartition("/")[2], {})
        for field, value in inner.get("properties", {}).items():
            named = value.get("$ref", "").endswith((".LocalObjectReference", ".SecretReference"))
            if field == "secretName" or named:
                yield kind, field


@pytest.mark.parametrize("version", ["1.33", "1.36"])
def test_every_kind_of_volume_that_names_a_secret_is_known(version):
    assert dict(_secret_fields(version)) == SECRET_FIELDS


@pytest.mark.parametrize("path", ["/var/log", "/srv/models", "/var/lib/kubelet-plugins", "/development"])
def test_other_folders_of_the_node_are_left_alone(path):
    assert inject(pod(volumes=[{"name": "n", "hostPath": {"path": path}}]), settings())


def test_what_every_container_may_do_is_left_alone():
    rights = {"privileged": False, "capabilities": {"add": ["NET_BIND_SERVICE"], "drop": ["ALL"]}}
    assert inject(pod(container(securityContext=rights)), settings())


SHAPES = [
    None,
    [],
    "pod",
    {},
    {"spec": None},
    {"spec": {}},
    {"spec": {"containers": []}},
    {"spec": {"containers": {}}},
    {"spec": {"containers": [None]}},
    {"spec": {"containers": [{}]}},
    {"spec": {"containers": [{"name": 1}]}},
    {"spec": {"containers": [container(env="x")]}},
    {"spec": {"containers": [container(volumeMounts=[1])]}},
    {"spec": {"containers": [container()], "initContainers": "x"}},
    {"spec": {"containers": [container()], "volumes": [{}]}},
    {"metadata": [1], "spec": {"containers": [container()]}},
    {"metadata": {"labels": {"tabard.dev/inject": 1}}, "spec": {"containers": [container()]}},
    {"metadata": {"annotations": {"tabard.dev/containers": None}}, "spec": {"containers": [container()]}},
]


@pytest.mark.parametrize("document", SHAPES, ids=json.dumps)
def test_a_malformed_pod_is_refused(document):
    with pytest.raises(Refusal):
        inject(document, settings())


EXTRAS = [
    ("command", ["sh"]),
    ("env", [{"name": "TABARD_INSECURE__AGENT_ID", "value": "spiffe://x/y"}]),
    ("lifecycle", {"postStart": {"exec": {"command": ["sh"]}}}),
    ("image", "registry.example.org/mine:1"),
    ("volumeMounts", [{"name": "mine", "mountPath": "/usr"}]),
    ("envFrom", [{"configMapRef": {"name": "mine"}}]),
    ("stdin", True),
]


@pytest.mark.parametrize(("field", "value"), EXTRAS, ids=[field for field, _ in EXTRAS])
def test_a_sidecar_that_was_brought_along_and_differs_is_refused(field, value):
    """Nothing may be added to our containers."""
    for name in sorted(OURS):
        document = injected(pod())
        ours = next(one for one in document["spec"]["initContainers"] if one["name"] == name)
        before = ours.get(field)
        ours[field] = [*before, *value] if isinstance(before, list) else value
        with pytest.raises(Refusal, match=f"name of the init container {name} is the injector's"):
            inject(document, settings())


def test_more_rights_are_a_difference():
    document = injected(pod())
    sidecar(document)["securityContext"]["privileged"] = True
    with pytest.raises(Refusal, match=r"securityContext\.privileged"):
        inject(document, settings())


def test_what_the_api_server_adds_is_no_difference():
    """Defaults, the usual token, limits of the namespace, amounts in another form."""
    document = injected(pod())
    for one in document["spec"]["initContainers"]:
        one |= {"terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File"}
        one["volumeMounts"].append(
            {
                "name": "kube-api-access-x7z2p",
                "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount",
                "readOnly": True,
            }
        )
        one["resources"]["limits"]["cpu"] = "1"
    sidecar(document)["resources"]["requests"]["cpu"] = "0.1"
    assert inject(document, settings()) == []


def test_containers_of_other_webhooks_stay_where_they_are():
    """One that comes later and puts itself first; ours aren't moved, and the newcomer gets the socket only if it is named."""
    document = injected(pod(annotations={"tabard.dev/containers": "agent"}))
    document["spec"]["initContainers"].insert(0, container("mesh-init"))
    document["spec"]["containers"].insert(0, container("mesh-proxy"))
    assert inject(document, settings()) == []


def test_half_a_sidecar_is_completed_in_order():
    whole = injected(pod(container(), initContainers=[container("x")]))
    for index in range(2):
        half = copy.deepcopy(whole)
        del half["spec"]["initContainers"][index]
        assert injected(half) == whole


def test_the_wrong_order_is_refused():
    document = injected(pod())
    document["spec"]["initContainers"].reverse()
    with pytest.raises(Refusal, match="comes after"):
        inject(document, settings())


def test_a_namespace_without_a_policy_of_its_own():
    """A bundle or an OPA server decides then."""
    document = injected(pod(), policy_config_map=None)
    assert "tabard-policy" not in json.dumps(document)
    assert "TABARD_POLICY__PATH" not in json.dumps(document)


def test_a_candidate_is_mounted_where_a_namespace_has_one():
    """Read-only, for the sidecar alone; pods of namespaces without the ConfigMap start all the same."""
    assert "tabard-candidate" not in json.dumps(injected(pod()))
    spec = injected(pod(), candidate_config_map="candidate")["spec"]
    (volume,) = [one for one in spec["volumes"] if one["name"] == "tabard-candidate"]
    assert volume["configMap"]["name"] == "candidate"
    assert volume["configMap"]["optional"] is True
    mounts = {
        one["name"]: [mount for mount in one["volumeMounts"] if mount["name"] == "tabard-candidate"]
        for one in [*spec["initContainers"], *spec["containers"]]
    }
    assert mounts.pop("tabard") == [
        {"name": "tabard-candidate", "mountPath": "/etc/tabard/candidate", "readOnly": True}
    ]
    assert not any(mounts.values())


def test_a_thousand_containers_take_little_time():
    document = pod(*(container(f"c{index}") for index in range(1000)))
    after = injected(document)
    assert inject(after, settings()) == []
