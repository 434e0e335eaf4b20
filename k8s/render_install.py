"""Writes k8s/install.yaml, the chart with its default values and the namespace, k8s/control.yaml and k8s/doctor.yaml, parts of it.

``python k8s/render_install.py HELM`` writes; HELM is the program, which ``tests/components/helm.sh`` installs.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
NAMESPACE = "tabard-system"
_INSTALL = f"""\
# Generated from the chart by `make install-yaml`. The injector and the API server's rules; README.md beside this file says
# what to change before it is applied.
apiVersion: v1
kind: Namespace
metadata:
  name: {NAMESPACE}
  labels:
    pod-security.kubernetes.io/enforce: restricted
"""
_CONTROL = """\
# Generated from the chart by `make install-yaml`. The control service, to be applied after install.yaml; README.md beside this
# file says what has to exist before.
"""
_DOCTOR = """\
# Generated from the chart by `make install-yaml`. A ServiceAccount for `tabard doctor --kubernetes`, to be applied after
# install.yaml.
"""


def rendered(helm: str) -> dict[Path, str]:
    """Return the text of each file."""
    control = ("--set", "control.enabled=true", "--show-only", "templates/control.yaml")
    doctor = [f"templates/{name}" for name in ("doctor.yaml", "doctor-rules.yaml")]
    shown = (part for name in doctor for part in ("--show-only", name))
    return {
        FOLDER / "install.yaml": _INSTALL + _template(helm),
        FOLDER / "control.yaml": _CONTROL + _template(helm, *control),
        FOLDER / "doctor.yaml": _DOCTOR + _template(helm, "--set", "doctor.enabled=true", *shown),
    }


def _template(helm: str, *options: str) -> str:
    command = [helm, "template", "tabard", str(FOLDER / "chart"), "--namespace", NAMESPACE, *options]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    # No release of Helm's manages what kubectl applies.
    return text.replace("app.kubernetes.io/managed-by: Helm", "app.kubernetes.io/managed-by: kubectl")


if __name__ == "__main__":
    for path, text in rendered(sys.argv[1]).items():
        path.write_text(text, encoding="utf-8")
