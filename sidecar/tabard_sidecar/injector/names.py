"""Names and places that an injected pod has."""

from __future__ import annotations

LABEL = "tabard.dev/inject"
ENABLED, DISABLED = "enabled", "disabled"
NETWORK_POLICY = "tabard-injected"
"""NetworkPolicy that the injector keeps in labelled namespaces."""
PREFIX = "tabard.dev/"
"""What labels and annotations for Tabard begin with."""

SIDECAR, PREPARE = "tabard", "tabard-prepare"
CONTAINERS = (PREPARE, SIDECAR)
"""Names of the containers, in their order."""

SERVICE_ACCOUNT, SPIFFE = "service-account", "spiffe"
"""Where a sidecar's identity comes from."""

HTTP_PORT = "tabard-http"
"""Name of the sidecar's port."""

AGENT_VOLUME = "tabard-agent"
"""The one volume that agents see. It holds their socket and nothing else."""
OPERATOR_VOLUME = "tabard-operator"
KEYRING_VOLUME = "tabard-keyring"
KEYS_VOLUME = "tabard-keys"
STATE_VOLUME = "tabard-state"
TMP_VOLUME = "tabard-tmp"
CONFIG_VOLUME = "tabard-config"
POLICY_VOLUME = "tabard-policy"
CANDIDATE_VOLUME = "tabard-candidate"
"""Files of a policy that is tried beside the one that decides."""
IDENTITY_VOLUME = "tabard-identity"
CONTROL_VOLUME = "tabard-control"
"""Token for the control service, and its authorities."""
SPIFFE_VOLUME = "tabard-spiffe"
"""Folder of the SPIFFE Workload API's socket."""
FILES_VOLUME = "tabard-files"
"""Passwords and other files of the namespace that its configuration names."""
VOLUMES = frozenset(
    {
        AGENT_VOLUME,
        OPERATOR_VOLUME,
        KEYRING_VOLUME,
        KEYS_VOLUME,
        STATE_VOLUME,
        TMP_VOLUME,
        CONFIG_VOLUME,
        POLICY_VOLUME,
        CANDIDATE_VOLUME,
        IDENTITY_VOLUME,
        CONTROL_VOLUME,
        SPIFFE_VOLUME,
        FILES_VOLUME,
    }
)

AGENT_DIRECTORY = "/run/tabard/agent"
OPERATOR_DIRECTORY = "/run/tabard/operator"
KEYRING_DIRECTORY = "/var/lib/tabard/keys"
STATE_DIRECTORY = "/var/lib/tabard/state"
CONFIG_DIRECTORY = "/etc/tabard/config"
POLICY_DIRECTORY = "/etc/tabard/policy"
CANDIDATE_DIRECTORY = "/etc/tabard/candidate"
KEYS_DIRECTORY = "/var/run/secrets/tabard-keys"
IDENTITY_DIRECTORY = "/var/run/secrets/tabard"
CONTROL_DIRECTORY = "/var/run/secrets/tabard-control"
FILES_DIRECTORY = "/var/run/secrets/tabard-files"
SPIFFE_DIRECTORY = "/run/tabard/spiffe"

ADDRESS_VARIABLE = "TABARD_ADDRESS"
ADDRESS = f"unix:{AGENT_DIRECTORY}/tabard.sock"
"""What agents connect to."""

SHARED = {
    "shareProcessNamespace": "containers could read the sidecar's memory and files",
    "hostPID": "containers could read the sidecar's memory and files",
    "hostNetwork": "the sidecar's port would be the node's",
    "hostIPC": "containers would share memory with the node",
}
"""Fields of a pod that undo what keeps its containers apart, and why."""

NODE_FOLDERS = (
    "/dev",
    "/proc",
    "/run",
    "/sys",
    "/var/lib/containerd",
    "/var/lib/containers",
    "/var/lib/docker",
    "/var/lib/kubelet",
    "/var/run",
)
"""Folders of a node in which a container finds the volumes, memory or sockets of another one, or of what runs it."""

SECRET_FIELDS = {
    "azureFile": "secretName",
    "cephfs": "secretRef",
    "cinder": "secretRef",
    "csi": "nodePublishSecretRef",
    "flexVolume": "secretRef",
    "iscsi": "secretRef",
    "rbd": "secretRef",
    "scaleIO": "secretRef",
    "secret": "secretName",
    "storageos": "secretRef",
}
"""For each kind of volume that uses a Secret the field that names it. A driver gets its content, and may send it anywhere."""

NODE_CAPABILITIES = frozenset(
    {
        "ALL",
        "BPF",
        "DAC_READ_SEARCH",
        "MKNOD",
        "SYS_ADMIN",
        "SYS_BOOT",
        "SYS_MODULE",
        "SYS_PTRACE",
        "SYS_RAWIO",
    }
)
"""Capabilities with which a container gets at the node, and so at another container."""

NAMESPACE_NAME = "kubernetes.io/metadata.name"
"""A label that the API server itself gives to every namespace, and that can't be changed."""
