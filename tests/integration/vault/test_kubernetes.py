"""docs/vault.md: the login by Kubernetes, with a real API server that reviews each token."""

from __future__ import annotations

import time

import pytest
import yaml
from hvac.exceptions import Forbidden
from tabard_sidecar.credentials.vault.conf import AuthConfig
from tabard_sidecar.credentials.vault.faults import VaultFault
from tabard_sidecar.credentials.vault.login import Login
from tabard_sidecar.credentials.vault.transport import VaultTransport
from tabard_sidecar.util.bounded_http import until

from tests.support.kube_server import kube_server, kubectl_of
from tests.support.manifests import manifests
from tests.support.vault_server import code_of, make_token
from tests.support.waiting import eventually_blocking

REVIEWER = "vault-reviewer"
NAMESPACE = "support"
ACCOUNT = "support-agent"
NAME = "ptzmshmq3brvpznw-pl5kgrvu-42bjpjhk"


@pytest.fixture(scope="module")
def token(vault):
    """Gives tokens of service accounts, with which Vault was told by the page's commands to let sidecars log in."""
    with kube_server() as cluster:
        kubectl = kubectl_of(cluster)
        for namespace in (NAMESPACE, "other"):
            kubectl("create", "namespace", namespace)
            kubectl("create", "serviceaccount", ACCOUNT, "-n", namespace)
        kubectl("create", "serviceaccount", "default", "-n", NAMESPACE)
        kubectl("create", "serviceaccount", REVIEWER, "-n", "kube-system")
        reviewer = f"--serviceaccount=kube-system:{REVIEWER}"
        kubectl("create", "clusterrolebinding", REVIEWER, "--clusterrole=system:auth-delegator", reviewer)
        (vault.folder / "ca.crt").write_bytes((cluster / "apiserver.crt").read_bytes())
        host = kubectl("config", "view", "-o", "jsonpath={.clusters[0].cluster.server}").strip()
        vault.shell(
            *(code for _, code in code_of("docs/vault.md", "kubernetes")),
            KUBERNETES_HOST=host,
            REVIEWER_TOKEN=kubectl("create", "token", REVIEWER, "-n", "kube-system").strip(),
        )

        def made(audience=None, *, account=ACCOUNT, namespace=NAMESPACE):
            audiences = [] if audience is None else [f"--audience={audience}"]
            return kubectl("create", "token", account, "-n", namespace, *audiences).strip()

        made.kubectl = kubectl
        yield made


def test_the_sidecar_logs_in(vault, token):
    client = vault.login(token("tabard-vault"), mount="kubernetes")
    assert client.lookup_token()["data"]["policies"] == ["tabard"]
    assert make_token(client, NAME)["orphan"]


def test_the_sidecar_logs_in_as_it_is_configured(vault, token, tmp_path):
    """Again with a fresh token, when the first login was refused or ended."""
    file = tmp_path / "token"
    config = AuthConfig(method="kubernetes", role="tabard", token_file=file)
    login = Login(config, VaultTransport(vault.address, ca_file=None, namespace="", connections=4))
    file.write_text(token("tabard"))
    with until(time.monotonic() + 10), pytest.raises(VaultFault, match="invalid audience") as caught:
        login.token()
    assert caught.value.code == "vault_refused"
    file.write_text(token("tabard-vault"))
    time.sleep(1.1)  # failed logins are paced
    with until(time.monotonic() + 10):
        assert make_token(vault.client(login.token()), NAME)["orphan"]


def test_the_reaper_logs_in(vault, token):
    client = vault.login(token("tabard-reaper-vault"), role="tabard-reaper", mount="kubernetes")
    assert client.lookup_token()["data"]["policies"] == ["tabard-reaper"]


@pytest.mark.parametrize("audience", [None, "vault", "tabard", "tabard-reaper-vault"])
def test_the_agents_own_token_of_the_same_account_is_refused(vault, token, audience):
    with pytest.raises(Forbidden):
        vault.login(token(audience), mount="kubernetes")


@pytest.mark.parametrize("other", [{"account": "default"}, {"namespace": "other"}], ids=str)
def test_another_account_is_refused(vault, token, other):
    with pytest.raises(Forbidden):
        vault.login(token("tabard-vault", **other), mount="kubernetes")


def test_the_token_of_an_account_that_was_deleted_is_refused_within_seconds(vault, token):
    """The API server remembers what it answered for ten seconds."""
    made = token("tabard-vault")
    assert vault.login(made, mount="kubernetes")
    token.kubectl("delete", "serviceaccount", ACCOUNT, "-n", NAMESPACE)

    def refused():
        try:
            vault.login(made, mount="kubernetes")
        except Forbidden:
            return True
        return False

    eventually_blocking(refused)
    token.kubectl("create", "serviceaccount", ACCOUNT, "-n", NAMESPACE)


def test_the_pages_tokens_fit_into_the_volume_of_the_sidecar(token, tmp_path):
    """The API server accepts the pod with them."""
    ((_, sources),) = code_of("docs/vault.md", "volume")
    parts = manifests()
    pod = parts["Pod"]
    (volume,) = [volume for volume in pod["spec"]["volumes"] if "projected" in volume]
    volume["projected"]["sources"] += yaml.safe_load(sources)
    mounts = {c["name"]: [m["name"] for m in c.get("volumeMounts", [])] for c in containers(pod)}
    assert [name for name, mounted in mounts.items() if volume["name"] in mounted] == ["tabard"]
    (tmp_path / "pod.yaml").write_text(yaml.safe_dump(pod))
    said = token.kubectl("apply", "--dry-run=server", "-n", NAMESPACE, "-f", str(tmp_path / "pod.yaml"))
    assert "created" in said


def containers(pod):
    return [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]
