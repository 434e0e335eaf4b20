"""Runs the containers of ``k8s/pod.yaml``, or of another pod, as the kubelet would, without a kubelet.

Volumes are folders laid out, owned and moded as the kubelet does it; containers are processes of the manifest's users
and groups without capabilities. What the manifest calls ``/run/tabard`` and so on lies below one folder, so the
manifest's commands and configuration are used with that folder put in front of those paths.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tabard_sidecar.keys import ROOT, SIGNING, Keyring

from tests.support.manifests import container, manifests

_PATHS = re.compile(r"(?<!\w)/(?=(?:run/tabard|var/lib/tabard|var/run/secrets|etc/tabard)\b)")
_TEMPORARY = "/tmp"  # noqa: S108 - the manifest's own
_REPOSITORY = Path(__file__).resolve().parents[2]

# Interpreters often lie in a home directory that no other user may enter. In a mount namespace of its own the process
# sees that directory replaced by one that holds nothing but the interpreter.
_REACHABLE = r"""
closed=$1 wanted=$2 read_only=$3; shift 3
if [ -n "$closed" ]; then
  aside=$(mktemp -d)
  mount --bind "$wanted" "$aside"
  mount -t tmpfs -o mode=0755 tmpfs "$closed"
  mkdir -p "$wanted"
  mount --move "$aside" "$wanted"
  rmdir "$aside"
fi
# The top folders of volumes are mount points.
for volume in $VOLUMES; do mount --bind "$volume" "$volume"; done
for volume in $read_only; do mount -o remount,bind,ro "$volume"; done
exec setpriv "$@"
"""


class Pod:
    """A pod, by default that of the manifest, below a folder that every user may enter.

    ``before`` is for what a fixture observed before the pod was complete.
    """

    def __init__(self, folder: Path, document: dict[str, Any] | None = None) -> None:
        folder.chmod(0o755)
        self.folder = folder
        self.before = ""
        self._volumes: list[Path] = []
        self.document = document or manifests()["Pod"]
        self.spec: dict[str, Any] = self.document["spec"]
        # Without one, volumes are root's, and every user may read files or write to the top folder.
        self.group: int = self.spec.get("securityContext", {}).get("fsGroup", 0)

    def path(self, text: str) -> str:
        """Put the folder in front of the paths in a text."""
        return _PATHS.sub(f"{self.folder}/", text)

    def empty_dirs(self) -> None:
        """Lay out the empty volumes at the places where the sidecar mounts them."""
        empty = {
            volume["name"]: volume["emptyDir"].get("medium")
            for volume in self.spec["volumes"]
            if "emptyDir" in volume
        }
        for mount in container(self.document, "tabard")["volumeMounts"]:
            if mount["name"] in empty and mount["mountPath"] != _TEMPORARY:
                directory = Path(self.path(mount["mountPath"]))
                directory.mkdir(parents=True)
                os.chown(directory, 0, self.group)
                # A file system in memory has the sticky bit, which a kubelet leaves.
                sticky = 0o1000 if empty[mount["name"]] == "Memory" else 0
                directory.chmod(0o777 | sticky | (0o2000 if self.group else 0))
                self._volumes.append(directory)

    def files(self, mount: str, contents: Mapping[str, str]) -> None:
        """Lay out a Secret, ConfigMap or projected volume: links into a dated folder, readable for the group."""
        directory = Path(self.path(mount))
        dated = directory / "..2026_01_01"
        for name, content in contents.items():
            path = dated / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(self.path(content))
            os.chown(path, 0, self.group)
            path.chmod(0o440 if self.group else 0o444)
        for path in [dated, *(child for child in dated.rglob("*") if child.is_dir())]:
            os.chown(path, 0, self.group)
            path.chmod(0o2755 if self.group else 0o755)
        (directory / "..data").symlink_to(dated.name)
        for name in {Path(name).parts[0] for name in contents}:
            (directory / name).symlink_to(Path("..data") / name)

    def add(self, mount: str, name: str, content: str) -> None:
        """Add a file to a volume that :meth:`files` has laid out."""
        directory = Path(self.path(mount))
        path = directory / "..data" / name
        path.write_text(self.path(content))
        os.chown(path, 0, self.group)
        path.chmod(0o440 if self.group else 0o444)
        (directory / name).symlink_to(Path("..data") / name)

    def renew(self, mount: str, name: str, content: str) -> None:
        """Replace a file of a volume in one piece, as a kubelet does."""
        path = Path(self.path(mount)) / "..data" / name
        fresh = path.with_name(f".{name}")
        fresh.write_text(self.path(content))
        os.chown(fresh, 0, self.group)
        fresh.chmod(0o440 if self.group else 0o444)
        fresh.replace(path)

    def new_keys(self) -> None:
        """Lay out the Secret of a zone with new keys."""
        with tempfile.TemporaryDirectory() as folder:
            ring = Keyring.create_directory(Path(folder) / "keys")
            ring.create(ROOT)
            ring.create(SIGNING)
            made = {path.name: path.read_text() for path in (Path(folder) / "keys").glob("*.json")}
        self.files("/var/run/secrets/tabard-keys", made)

    def command(self, name: str, command: Sequence[str]) -> list[str]:
        """Return what runs a command as the user of a container."""
        user = container(self.document, name)["securityContext"]
        closed = next((path for path in reversed(_base().parents) if not path.stat().st_mode & 0o001), "")
        return [
            *("unshare", "--mount", "--propagation", "private", "bash", "-euc", _REACHABLE, "reachable"),
            *(str(closed), str(_base()), " ".join(self._read_only(name))),
            f"--reuid={user['runAsUser']}",
            f"--regid={user['runAsGroup']}",
            f"--groups={self.group}" if self.group else "--clear-groups",
            *("--inh-caps=-all", "--bounding-set=-all", "--no-new-privs"),
            *command,
        ]

    def _read_only(self, name: str) -> list[str]:
        mounts = container(self.document, name)["volumeMounts"]
        places = [self.path(mount["mountPath"]) for mount in mounts if mount.get("readOnly")]
        return [str(volume) for volume in self._volumes if str(volume) in places]

    def run(self, name: str, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        """Run a command to its end as the user of a container."""
        return subprocess.run(
            self.command(name, command),
            env=self.environment(),
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def prepare(self) -> None:
        """Run the init container's own command.

        Raises:
            RuntimeError: it failed.
        """
        step = container(self.document, "tabard-prepare")
        answer = self.run(step["name"], [self.path(word) for word in step["command"]])
        if answer.returncode != 0:
            raise RuntimeError(answer.stderr)

    def environment(self) -> dict[str, str]:
        """Return the environment of a container."""
        return {
            "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
            "PYTHONPATH": str(_REPOSITORY),
            "PYTHONDONTWRITEBYTECODE": "1",
            "HOME": _TEMPORARY,
            "VOLUMES": " ".join(map(str, self._volumes)),
            "TABARD_ADDRESS": f"unix:{self.path('/run/tabard/agent/tabard.sock')}",
        }


def _base() -> Path:
    return Path(sys.base_prefix)
