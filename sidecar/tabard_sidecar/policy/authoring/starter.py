"""The starter: a whole policy for a workspace with many tools, as a template of ``tabard policy new``."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from tabard_sidecar.policy.authoring.templates import READ_ONLY, SPEND_LIMIT, WORKSPACE_REQUEST, Template
from tabard_sidecar.policy.resources import rego_root

_NAME = "workspace"
_HOST = f"https://{_NAME}.internal"


def workspace() -> Template:
    """Return the template.

    Raises:
        ResourceError: the installation is incomplete.
    """
    folder = rego_root() / "starter" / "policy" / _NAME

    def text(name: str) -> str:
        found = (folder / name).read_text(encoding="utf-8").replace(_HOST, "https://<host>.internal")
        return re.sub(rf"\b{_NAME}(?=\b|_test)", "<name>", found).replace(
            "# title: Workspace", "# title: <title>"
        )

    return Template(
        does="A whole policy for some twenty tools, in which each rule says why it allows, asks or denies.",
        module=text(f"{_NAME}.rego"),
        data=text("data.yaml"),
        test=text(f"{_NAME}_test.rego"),
        cases=text(f"{_NAME}_cases.yaml"),
    )


TEMPLATES: Mapping[str, Callable[[], Template]] = {
    "read-only": lambda: READ_ONLY,
    "spend-limit": lambda: SPEND_LIMIT,
    "workspace-request": lambda: WORKSPACE_REQUEST,
    "workspace": workspace,
}
"""The templates by name; the first is the default."""
