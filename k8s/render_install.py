"""Writes k8s/install.yaml: the chart with its default values, and the namespace.

``python k8s/render_install.py HELM`` writes; HELM is the program, which ``tests/components/helm.sh`` installs.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
INSTALL = FOLDER / "install.yaml"
NAMESPACE = "tabard-system"
_HEAD = f"""\
# Generated from the chart by `make install-yaml`. The injector and the API server's rules; README.md beside this file says
# what to change before it is applied.
apiVersion: v1
kind: Namespace
metadata:
  name: {NAMESPACE}
  labels:
    pod-security.kubernetes.io/enforce: restricted
"""


def rendered(helm: str) -> str:
    """Return the text of install.yaml."""
    command = [helm, "template", "tabard", str(FOLDER / "chart"), "--namespace", NAMESPACE]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    # No release of Helm's manages what kubectl applies.
    return _HEAD + text.replace("app.kubernetes.io/managed-by: Helm", "app.kubernetes.io/managed-by: kubectl")


if __name__ == "__main__":
    INSTALL.write_text(rendered(sys.argv[1]), encoding="utf-8")
