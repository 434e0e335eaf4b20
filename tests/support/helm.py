"""The real Helm and kubeconform."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from tests.support.components import component

CHART = Path(__file__).resolve().parents[2] / "k8s" / "chart"
NAMESPACE = "tabard-system"


class Helm:
    """Runs helm, on a cluster if there is one."""

    def __init__(self, folder: Path, kubeconfig: Path | None = None) -> None:
        self.program = component("helm.sh")
        self._folder = folder
        self._options = [] if kubeconfig is None else ["--kubeconfig", str(kubeconfig)]

    def run(self, *arguments: str, check: bool = True) -> str:
        home = {
            name: str(self._folder)
            for name in ("HOME", "HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME")
        }
        answer = subprocess.run(
            [self.program, *self._options, *arguments], env=home, capture_output=True, text=True, check=False
        )
        assert not check or answer.returncode == 0, answer.stderr
        return answer.stdout if check else answer.stdout + answer.stderr

    def values(self, values: dict[str, Any]) -> str:
        """Write values into a file, and return its name."""
        path = self._folder / "values.yaml"
        path.write_text(yaml.safe_dump(values))
        return str(path)

    def template(
        self, values: dict[str, Any] | None = None, namespace: str = NAMESPACE
    ) -> list[dict[str, Any]]:
        """Return the objects that the chart makes."""
        text = self.run(
            *(
                "template",
                "tabard",
                str(CHART),
                "--namespace",
                namespace,
                "--values",
                self.values(values or {}),
            )
        )
        return [one for one in yaml.safe_load_all(text) if one]

    def refused(self, values: dict[str, Any]) -> str:
        """Return why the chart makes nothing of these values."""
        text = self.run("template", "tabard", str(CHART), "--values", self.values(values), check=False)
        assert "Error" in text
        return text


def schemas(raw: str, folder: Path) -> str:
    """Write the schemas of a running API server for kubeconform; return its option.

    Args:
        raw: what the API server answers at /openapi/v2.
        folder: where they are written.
    """
    definitions = json.loads(raw)["definitions"]
    for definition in definitions.values():
        if definition.get("format") == "int-or-string":
            # A number or a string, where the schema says one of them.
            definition.pop("type", None)
            definition["oneOf"] = [{"type": "string"}, {"type": "integer"}]
        elif "properties" in definition:
            definition.setdefault("additionalProperties", False)
    shared = folder / "_definitions.json"
    shared.write_text(json.dumps({"definitions": definitions}))
    for file, name in _kinds(definitions):
        (folder / file).write_text(json.dumps({"$ref": f"{shared.as_uri()}#/definitions/{name}"}))
    return f"{folder}/{{{{ .ResourceKind }}}}{{{{ .KindSuffix }}}}.json"


def _kinds(definitions: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for name, definition in definitions.items():
        kinds = definition.get("x-kubernetes-group-version-kind", [])
        if len(kinds) == 1:
            kind = kinds[0]
            group = kind["group"].split(".")[0]
            parts = [kind["kind"], group, kind["version"]] if group else [kind["kind"], kind["version"]]
            yield "-".join(parts).lower() + ".json", name


def conform(location: str, documents: list[dict[str, Any]]) -> None:
    """Check documents with kubeconform, strictly."""
    answer = subprocess.run(
        [component("kubeconform.sh"), "-strict", "-summary", "-schema-location", location, "-"],
        input="---\n".join(json.dumps(one) + "\n" for one in documents),
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
