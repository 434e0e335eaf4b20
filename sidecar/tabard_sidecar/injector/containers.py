"""The containers and volumes that a pod gets.

Every field that the API server would fill in is written out, so that a pod that is seen a second time can be compared.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tabard_sidecar.injector import names
from tabard_sidecar.injector.annotations import Tuning
from tabard_sidecar.injector.conf import (
    API_TOKEN_FILE,
    AUTHORITY_FILE,
    TOKEN_FILE,
    ClusterConfig,
    InjectorSettings,
    SidecarConfig,
)

_READABLE = 0o444
"""Mode of mounted files. They may belong to another user than the sidecar; only the sidecar's containers mount them."""
_API_TOKEN_SECONDS = 3600
_IDENTITY_PLACES = {
    names.IDENTITY_VOLUME: names.IDENTITY_DIRECTORY,
    names.SPIFFE_VOLUME: names.SPIFFE_DIRECTORY,
}
_RING = f"{names.KEYRING_DIRECTORY}/ring"
_ZONE: Mapping[str, Any] = {
    "name": "TABARD_ZONE",
    "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}},
}
"""With a control service the zone is the namespace, whatever its file says."""


def agent_mount() -> dict[str, Any]:
    """Return the one mount of an agent's container."""
    return _mount(names.AGENT_VOLUME, names.AGENT_DIRECTORY, read_only=True)


def agent_variable() -> dict[str, str]:
    """Return the one variable of an agent's container."""
    return {"name": names.ADDRESS_VARIABLE, "value": names.ADDRESS}


def prepare_container(settings: InjectorSettings) -> dict[str, Any]:
    """Return the container that copies the keyring and ends."""
    return {
        **_common(names.PREPARE, settings.sidecar),
        # Kubernetes mounts a Secret as symbolic links, with wider modes than a keyring may have.
        "command": ["tabard", "keys", "copy", "--from", names.KEYS_DIRECTORY, "--directory", _RING],
        "resources": {"requests": {"cpu": "10m", "memory": "64Mi"}, "limits": {"memory": "128Mi"}},
        "volumeMounts": [
            _mount(names.KEYRING_VOLUME, names.KEYRING_DIRECTORY),
            _mount(names.KEYS_VOLUME, names.KEYS_DIRECTORY, read_only=True),
        ],
    }


def init_containers(settings: InjectorSettings, tuning: Tuning) -> list[dict[str, Any]]:
    """Return the containers that a pod gets, in their order."""
    prepare = [prepare_container(settings)] if settings.control.url is None else []
    return [*prepare, sidecar_container(settings, tuning)]


def sidecar_container(settings: InjectorSettings, tuning: Tuning) -> dict[str, Any]:
    """Return the sidecar: it starts before the agents, which wait until it is ready, and ends after them."""
    return {
        **_common(names.SIDECAR, settings.sidecar),
        "restartPolicy": "Always",
        "command": ["tabard", "serve"],
        "env": [
            *({"name": name, "value": value} for name, value in _environment(settings, tuning).items()),
            *([_ZONE] if settings.control.url else []),
        ],
        "ports": [{"name": names.HTTP_PORT, "containerPort": tuning.http_port, "protocol": "TCP"}],
        # The kubelet can't ask on a unix socket, and only the health socket says what is missing.
        "startupProbe": {"exec": {"command": ["tabard", "health"]}, **_times(1, 60, timeout=5)},
        "readinessProbe": {"httpGet": _get("/readyz", tuning), **_times(10, 3, timeout=2)},
        "livenessProbe": {"httpGet": _get("/healthz", tuning), **_times(10, 6, timeout=2)},
        "resources": {
            "requests": {"cpu": tuning.cpu_request, "memory": tuning.memory_request},
            "limits": {"memory": tuning.memory_limit},
        },
        "volumeMounts": _sidecar_mounts(settings, tuning),
    }


def volumes(settings: InjectorSettings, tuning: Tuning) -> list[dict[str, Any]]:
    """Return the volumes of the sidecar, and the one that it shares with agents."""
    policy, candidate = settings.sidecar.policy_config_map, settings.sidecar.candidate_config_map
    return [
        # Of sockets. A kubelet gives a volume in memory the sticky bit, as /tmp has it, and there the sidecar makes no socket.
        {"name": names.AGENT_VOLUME, "emptyDir": {"sizeLimit": "1Mi"}},
        {"name": names.OPERATOR_VOLUME, "emptyDir": {"sizeLimit": "1Mi"}},
        *_keys(settings),
        {"name": names.STATE_VOLUME, "emptyDir": {"sizeLimit": tuning.state_size}},
        {"name": names.TMP_VOLUME, "emptyDir": {"sizeLimit": "64Mi"}},
        _config_map(names.CONFIG_VOLUME, tuning.config_map),
        *([_config_map(names.POLICY_VOLUME, policy)] if policy else []),
        *([_config_map(names.CANDIDATE_VOLUME, candidate, optional=True)] if candidate else []),
        *_identity(settings, tuning),
        *_files(settings.sidecar),
    ]


def _files(config: SidecarConfig) -> list[dict[str, Any]]:
    if config.files_secret is None:
        return []
    secret = {"secretName": config.files_secret, "defaultMode": _READABLE}
    return [{"name": names.FILES_VOLUME, "secret": secret}]


def _keys(settings: InjectorSettings) -> list[dict[str, Any]]:
    """Return the volumes of what the sidecar gets its keys from: the control service, or the namespace's Secret."""
    control = settings.control
    if control.url is None:
        secret = {"secretName": settings.sidecar.keys_secret, "defaultMode": _READABLE}
        memory = {"medium": "Memory", "sizeLimit": "1Mi"}
        return [
            {"name": names.KEYRING_VOLUME, "emptyDir": memory},
            {"name": names.KEYS_VOLUME, "secret": secret},
        ]
    proof = _tokens({"token": control.audience}, settings.cluster)
    authorities = {"name": control.ca_config_map, "items": [{"key": "ca.crt", "path": "ca.crt"}]}
    return [_projected(names.CONTROL_VOLUME, [*proof, {"configMap": authorities}])]


def _common(name: str, config: SidecarConfig) -> dict[str, Any]:
    """Return what both containers have: the image, and the rights of the restricted Pod Security Standard."""
    return {
        "name": name,
        "image": config.image,
        "imagePullPolicy": config.image_pull_policy,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": config.user,
            "runAsGroup": config.user,
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }


def _environment(settings: InjectorSettings, tuning: Tuning) -> Mapping[str, str]:
    """Return the settings that belong to the pod. They are stronger than the namespace's file."""
    policy = settings.sidecar.policy_config_map
    keys = "TABARD_KEYS__"
    return {
        "HOME": "/tmp",  # noqa: S108 - a volume of the sidecar's own
        "XDG_STATE_HOME": names.STATE_DIRECTORY,
        "TABARD_CONFIG": f"{names.CONFIG_DIRECTORY}/tabard.yaml",
        "TABARD_LISTEN__AGENT": names.ADDRESS,
        # Agents run as users of their own; who has the volume may connect.
        "TABARD_LISTEN__AGENT_MODE": "0666",
        "TABARD_LISTEN__OPERATOR": f"unix:{names.OPERATOR_DIRECTORY}/tabard.sock",
        "TABARD_LISTEN__HEALTH": f"unix:{names.OPERATOR_DIRECTORY}/tabard.health",
        "TABARD_HTTP__LISTEN": f"{settings.sidecar.http_host}:{tuning.http_port}",
        **(
            {
                f"{keys}CONTROL__URL": settings.control.url,
                f"{keys}CONTROL__TOKEN_FILE": f"{names.CONTROL_DIRECTORY}/token",
                f"{keys}CONTROL__CA_FILE": f"{names.CONTROL_DIRECTORY}/ca.crt",
            }
            if settings.control.url
            else {f"{keys}DIRECTORY": _RING}
        ),
        **({"TABARD_POLICY__PATH": names.POLICY_DIRECTORY} if policy else {}),
        **(_spiffe(settings) if tuning.identity == names.SPIFFE else _service_account(settings.cluster)),
    }


def _service_account(cluster: ClusterConfig) -> Mapping[str, str]:
    account = "TABARD_IDENTITY__AGENT__SERVICE_ACCOUNT__"
    return {
        f"{account}TOKEN_FILE": f"{names.IDENTITY_DIRECTORY}/{TOKEN_FILE}",
        f"{account}ISSUER": cluster.issuer,
        f"{account}AUDIENCE": cluster.audience,
        f"{account}TRUST_DOMAIN": cluster.trust_domain,
        f"{account}JWKS_URL": cluster.jwks_url,
        f"{account}CA_FILE": f"{names.IDENTITY_DIRECTORY}/{AUTHORITY_FILE}",
        f"{account}BEARER_TOKEN_FILE": f"{names.IDENTITY_DIRECTORY}/{API_TOKEN_FILE}",
    }


def _spiffe(settings: InjectorSettings) -> Mapping[str, str]:
    section, spiffe = "TABARD_IDENTITY__AGENT__SPIFFE__", settings.spiffe
    return {
        f"{section}SOCKET": f"{names.SPIFFE_DIRECTORY}/{spiffe.socket}",
        f"{section}TRUST_DOMAIN": spiffe.trust_domain or settings.cluster.trust_domain,
        f"{section}SVID": spiffe.svid,
        f"{section}AUDIENCE": settings.cluster.audience,
    }


def _sidecar_mounts(settings: InjectorSettings, tuning: Tuning) -> list[dict[str, Any]]:
    config = settings.sidecar
    keys = (names.CONTROL_VOLUME, names.CONTROL_DIRECTORY)
    if settings.control.url is None:
        keys = (names.KEYRING_VOLUME, names.KEYRING_DIRECTORY)
    policy = _mount(names.POLICY_VOLUME, names.POLICY_DIRECTORY, read_only=True)
    candidate = _mount(names.CANDIDATE_VOLUME, names.CANDIDATE_DIRECTORY, read_only=True)
    return [
        _mount(names.AGENT_VOLUME, names.AGENT_DIRECTORY),
        _mount(names.OPERATOR_VOLUME, names.OPERATOR_DIRECTORY),
        _mount(*keys, read_only=True),
        _mount(names.STATE_VOLUME, names.STATE_DIRECTORY),
        _mount(names.TMP_VOLUME, "/tmp"),  # noqa: S108 - a volume of the sidecar's own
        _mount(names.CONFIG_VOLUME, names.CONFIG_DIRECTORY, read_only=True),
        *([policy] if config.policy_config_map else []),
        *([candidate] if config.candidate_config_map else []),
        *(
            _mount(volume["name"], _IDENTITY_PLACES[volume["name"]], read_only=True)
            for volume in _identity(settings, tuning)
        ),
        *([_mount(names.FILES_VOLUME, names.FILES_DIRECTORY, read_only=True)] if config.files_secret else []),
    ]


def _identity(settings: InjectorSettings, tuning: Tuning) -> list[dict[str, Any]]:
    """Return the volumes of what proves the sidecar's identity: tokens of its own, or the Workload API."""
    if tuning.identity == names.SPIFFE:
        csi = {"driver": settings.spiffe.driver, "readOnly": True}
        further = _tokens(settings.cluster.tokens, settings.cluster)
        return [
            *([_projected(names.IDENTITY_VOLUME, further)] if further else []),
            {"name": names.SPIFFE_VOLUME, "csi": csi},
        ]
    cluster = settings.cluster
    # For reading the issuer's public keys from the API server.
    reading = {"path": API_TOKEN_FILE, "expirationSeconds": _API_TOKEN_SECONDS}
    authority = {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": AUTHORITY_FILE}]}
    sources = [
        *_tokens({TOKEN_FILE: cluster.audience, **cluster.tokens}, cluster),
        {"serviceAccountToken": reading},
        {"configMap": authority},
    ]
    return [_projected(names.IDENTITY_VOLUME, sources)]


def _tokens(files: Mapping[str, str], cluster: ClusterConfig) -> list[dict[str, Any]]:
    return [
        {
            "serviceAccountToken": {
                "path": path,
                "audience": audience,
                "expirationSeconds": cluster.token_seconds,
            }
        }
        for path, audience in files.items()
    ]


def _projected(name: str, sources: list[dict[str, Any]]) -> dict[str, Any]:
    """Return a volume of its own, which automountServiceAccountToken doesn't touch."""
    return {"name": name, "projected": {"defaultMode": _READABLE, "sources": sources}}


def _mount(name: str, path: str, *, read_only: bool = False) -> dict[str, Any]:
    return {"name": name, "mountPath": path, **({"readOnly": True} if read_only else {})}


def _config_map(name: str, source: str, *, optional: bool = False) -> dict[str, Any]:
    found: dict[str, Any] = {"name": source, "defaultMode": _READABLE}
    return {"name": name, "configMap": found | ({"optional": True} if optional else {})}


def _get(path: str, tuning: Tuning) -> dict[str, Any]:
    return {"path": path, "port": tuning.http_port, "scheme": "HTTP"}


def _times(period: int, failures: int, *, timeout: int) -> dict[str, int]:
    return {
        "periodSeconds": period,
        "failureThreshold": failures,
        "timeoutSeconds": timeout,
        "successThreshold": 1,
    }
