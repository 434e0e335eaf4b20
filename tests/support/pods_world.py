"""Two namespaces of agents with everything that a cluster has for them: API server, injector, control service, Redis, Vault.

Only the nodes' kubelet is ours (:mod:`tests.support.kubelet`), and the issuers of people's tokens are keys made here.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from tabard_sidecar.identity import sign_intent

from testbed.world import AUDIENCE, FRONT_END, ISSUER, PERSON, Signer
from tests.components.ports import free_port
from tests.support import markdown
from tests.support.components import component
from tests.support.control_process import Control, ControlProcess
from tests.support.folders import short_folder
from tests.support.injector_process import InjectorProcess, apply
from tests.support.kube_api import KubeApi
from tests.support.kube_server import Kubectl, kube_server, kubectl_of
from tests.support.kubelet import Kubelet, kubelet
from tests.support.pod_agent import PodAgent, agent_pod
from tests.support.redis_server import RedisServer, redis_server
from tests.support.vault_server import VaultServer, code_of, dev_vault
from tests.support.waiting import eventually_blocking

SUPPORT, BILLING = "support", "billing"
TRUST_DOMAIN = "shop.example"
PASSWORD = secrets.token_urlsafe(32)
"""Of both Redis servers."""
_MEMORY = "/dev/shm"  # noqa: S108 - what it is for
"""Where a kubelet has Secrets and tokens: in memory."""
_COMMAND = (sys.executable, "-m", "tabard_sidecar.cli", "injector", "policy")


@dataclass(frozen=True)
class Namespace:
    """One namespace: its zone, its policy, and the sections of its ``tabard.yaml`` that differ from the other's."""

    name: str
    policy: str
    sections: dict[str, Any]


class PodsWorld:
    """Everything but the pods.

    Args:
        folder: an empty folder.
        cluster: the API server's folder.
        nodes: runs pods.

    Attributes:
        control: the control service, of one replica.
        issuer: the issuer of people's tokens.
        agents: those that run, by their ServiceAccounts.
    """

    def __init__(self, folder: Path, cluster: Path, nodes: Kubelet) -> None:
        self._folder = folder
        self._cluster = cluster
        self._nodes = nodes
        self.kubectl: Kubectl = kubectl_of(cluster)
        self.api = KubeApi(cluster)
        self._control = Control(folder, self.kubectl, cluster, managed=True)
        self.control = ControlProcess(self._control, "control")
        self.injector = InjectorProcess(folder)
        self.issuer = Signer.create(ISSUER, folder / "issuer.json")
        self._front_end = Signer.create(FRONT_END, folder / "front-end.json")
        self.agents: dict[str, PodAgent] = {}

    @property
    def control_url(self) -> str:
        """Address of the control service."""
        return f"https://127.0.0.1:{self.control.port}"

    def start(self, **sections: Mapping[str, Any]) -> None:
        """Start control service and injector, and have the API server ask the injector and hold its own rules.

        Args:
            sections: further settings of the injector, by their sections.
        """
        self.control.start()
        document = yaml.safe_load(self.injector.config.read_text())
        document["cluster"] = {
            "jwks_url": f"{self.api.server}/openid/v1/jwks",
            "trust_domain": TRUST_DOMAIN,
        }
        document["control"] = {"url": self.control_url}
        for name, section in sections.items():
            document[name] = {**document.get(name, {}), **section}
        self.injector.config.write_text(yaml.safe_dump(document))
        self.injector.start()
        self.injector.register(self.kubectl)
        rules = subprocess.run(
            [*_COMMAND, "--config", str(self.injector.config)], capture_output=True, text=True, check=True
        )
        apply(self.kubectl, json.loads(rules.stdout))

    def add(self, namespace: Namespace) -> None:
        """Make a labelled namespace by the commands of docs/two-namespaces.md, and what controllers make in each."""
        name = namespace.name
        people = {
            "issuer": ISSUER,
            "audiences": [AUDIENCE],
            "algorithms": ["ES256"],
            "kept_claims": ["groups"],
            "keys_file": "/etc/tabard/config/issuer.json",
        }
        front_end = {"issuer": FRONT_END, "keys_file": "/etc/tabard/config/front-end.json"}
        config = {"identity": {"issuers": [people], "initiators": [front_end]}, **namespace.sections}
        self._by_the_page(
            name,
            {
                "tabard.yaml": yaml.safe_dump(config),
                "desk.rego": namespace.policy,
                "redis-password": PASSWORD,
            },
        )
        self.kubectl("label", "namespace", name, "pod-security.kubernetes.io/enforce=restricted")
        # People's tokens are signed with keys that are made here, so their files are in the ConfigMap, too.
        keys = {
            "issuer.json": self.issuer.keys_file.read_text(),
            "front-end.json": self._front_end.keys_file.read_text(),
        }
        patch = ("patch", "configmap", "tabard-config", "--namespace", name, "--type=merge", "--patch")
        self.kubectl(*patch, json.dumps({"data": keys}))
        authority = {"ca.crt": (self._cluster / "apiserver.crt").read_text()}
        document = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "kube-root-ca.crt"}}
        self.api.create(f"/api/v1/namespaces/{name}/configmaps", {**document, "data": authority})

    def _by_the_page(self, name: str, files: Mapping[str, str]) -> None:
        """Run the page's commands for a namespace in a folder with the files that they name."""
        ((_, commands),) = markdown.code_of("docs/two-namespaces.md", "namespace")
        folder = self._folder / f"namespace-{name}"
        folder.mkdir()
        for file, content in files.items():
            (folder / file).write_text(content)
        programs = component("kube-install.sh").splitlines()[-1]
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", re.sub(rf"\b{SUPPORT}\b", name, commands)],
            cwd=folder,
            env={
                "PATH": f"{programs}:{os.environ['PATH']}",
                "HOME": str(folder),
                "KUBECONFIG": str(self._cluster / "kubeconfig"),
            },
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def run(self, namespace: str, account: str, **annotations: str) -> PodAgent:
        """Create a pod with a ServiceAccount of its own, as a Deployment would, and run it."""
        space = f"/api/v1/namespaces/{namespace}"
        made = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": account}}
        self.api.create(f"{space}/serviceaccounts", made)
        # The API server's rules hold a moment after they were made, the webhook as well.
        eventually_blocking(lambda: self._has_sidecar(space, account, annotations))
        self.api.create(f"{space}/pods", agent_pod(account, free_port(), **annotations))
        self.agents[account] = PodAgent(self._nodes.run(namespace, account))
        return self.agents[account]

    def _has_sidecar(self, space: str, account: str, annotations: Mapping[str, str]) -> bool:
        answer = self.api.send("POST", f"{space}/pods?dryRun=All", agent_pod(account, 9181, **annotations))
        assert answer.ok, answer.text
        return bool(answer.json()["spec"].get("initContainers"))

    def token(self, **claims: Any) -> str:
        """Return a fresh access token of the person."""
        return self.issuer.access_token(PERSON, **claims)

    def intent(self, zone: str, purpose: str = "refunds") -> str:
        """Return what the person asked for, as the front end signs it."""
        return sign_intent(
            self._front_end.key,
            issuer=FRONT_END,
            zone=zone,
            subject_id=PERSON,
            subject_issuer=ISSUER,
            purpose=purpose,
            statement="Work off today's refund tickets, up to 100 euros each.",
            key_id="k1",
        )

    def close(self) -> None:
        """Stop injector and control service."""
        self.injector.kill()
        self.control.kill()


@contextlib.contextmanager
def pods_world(drivers: Mapping[str, Path] | None = None) -> Iterator[PodsWorld]:
    """Make one for the length of a block; :meth:`PodsWorld.start` starts it."""
    with (
        kube_server() as cluster,
        short_folder("pods") as folder,
        short_folder("node", _MEMORY) as node,
        kubelet(cluster, node, drivers) as nodes,
    ):
        world = PodsWorld(folder, cluster, nodes)
        try:
            yield world
        finally:
            world.close()


@contextlib.contextmanager
def stores(folder: Path) -> Iterator[dict[str, RedisServer]]:
    """Run a Redis for each of the two zones."""
    password = ("--requirepass", PASSWORD)
    with (
        redis_server(folder / SUPPORT, *password) as one,
        redis_server(folder / BILLING, *password) as other,
    ):
        yield {SUPPORT: one, BILLING: other}


@contextlib.contextmanager
def vault_of(world: PodsWorld, *accounts: str) -> Iterator[VaultServer]:
    """Run a Vault that gives certificates to sidecars of some ServiceAccounts of the namespace billing.

    It is set up by the commands of docs/vault.md as far as they need no database, and asks the API server whose a token is.
    """
    with dev_vault() as vault:
        for command in (
            ("create", "serviceaccount", "vault-reviewer", "-n", "kube-system"),
            (
                *("create", "clusterrolebinding", "vault-reviewer", "--clusterrole=system:auth-delegator"),
                "--serviceaccount=kube-system:vault-reviewer",
            ),
        ):
            world.kubectl(*command)
        (vault.folder / "ca.crt").write_bytes((world._cluster / "apiserver.crt").read_bytes())
        blocks = [code for _, code in code_of("docs/vault.md", "set-up")]
        needed = [code for code in blocks if code.startswith(("vault policy", "vault write auth/token"))]
        bound = f"bound_service_account_names={','.join(accounts)} bound_service_account_namespaces={BILLING}"
        ((_, login),) = code_of("docs/vault.md", "kubernetes")
        given = "bound_service_account_names=support-agent bound_service_account_namespaces=support"
        assert given in login
        vault.shell(
            *needed,
            login.replace(given, bound),
            *_CERTIFICATES,
            KUBERNETES_HOST=world.api.server,
            REVIEWER_TOKEN=world.kubectl("create", "token", "vault-reviewer", "-n", "kube-system").strip(),
        )
        yield vault


_CERTIFICATES = (
    "vault secrets enable pki",
    "vault write pki/root/generate/internal common_name=shop.example ttl=24h",
    (
        "vault write pki/roles/billing allowed_domains=agents.shop.example allow_subdomains=true "
        "generate_lease=true key_type=ec key_bits=256 ttl=15m max_ttl=1h"
    ),
    (
        "{ vault policy read tabard-credentials; "
        'echo \'path "pki/issue/billing" { capabilities = ["update"] }\'; } '
        "| vault policy write tabard-credentials -"
    ),
)
