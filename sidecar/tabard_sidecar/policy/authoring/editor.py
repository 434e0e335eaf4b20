"""Makes the files by which editors resolve the library, the input and the catalogue of a policy's folder."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import PurePosixPath

from tabard_sidecar.policy.authoring.case_keys import case_schema
from tabard_sidecar.policy.authoring.samples import sample_call, sample_input
from tabard_sidecar.policy.catalogue import ToolSpec
from tabard_sidecar.policy.resources import library, schema
from tabard_sidecar.policy.values import Json

OWN = ".tabard"
"""The folder of what an author never changes: the library, the schemas, and the list of what was written."""
LISTED = f"{OWN}/editor.json"
"""The list of what was written, with SHA-256, inode and time of each file."""
_LIBRARY = f"{OWN}/rego"
_SCHEMAS = f"{OWN}/schemas"
_SAMPLE_TIME = 1_767_614_400.0
_REGAL = """\
# Written by `tabard policy editor`. A file that you change is never written again.
project:
  rego-version: 1
  roots: {roots}
rules:
  imports:
    unresolved-reference:
      # What data files and the sidecar define. `tabard policy check` looks these names up.
      except-paths: {data}
  style:
    mixed-iteration:
      ignore: {{files: {files}}}
"""


def editor_files(policy: PurePosixPath, data: Iterable[str], tools: Iterable[ToolSpec]) -> dict[str, str]:
    """Return the text of each file by its path below the folder that the editor opens.

    Args:
        policy: the policy's folder, below that folder.
        data: names of the policy's data, each the first part of a path.
        tools: the catalogue.
    """
    specs = list(tools)
    found = {
        ".regal/config.yaml": _regal(policy, data),
        ".vscode/settings.json": _text(_settings(policy)),
        ".vscode/extensions.json": _text({"recommendations": ["tsandall.opa", "redhat.vscode-yaml"]}),
        "input.json": _text(_sample(specs)),
        f"{OWN}/.gitignore": "# Written again by `tabard policy editor`.\n*\n",
        f"{_SCHEMAS}/input.json": _text(_input_schema(specs)),
        f"{_SCHEMAS}/cases.json": _text(case_schema()),
    }
    return found | {f"{_LIBRARY}/{name}": source for name, source in library().items()}


def _regal(policy: PurePosixPath, data: Iterable[str]) -> str:
    names = [
        "data.tabard.settings.*",
        *(path for name in sorted(data) for path in (f"data.{name}", f"data.{name}.*")),
    ]
    return _REGAL.format(
        roots=json.dumps([str(policy), _LIBRARY]), data=json.dumps(names), files=json.dumps([f"{OWN}/**"])
    )


def _settings(policy: PurePosixPath) -> Json:
    root = "${workspaceFolder}"
    return {
        # As bundles the two folders would claim the same root.
        "opa.bundleMode": False,
        "opa.roots": [f"{root}/{policy}", f"{root}/{_LIBRARY}"],
        "opa.schema": f"{root}/{_SCHEMAS}/input.json",
        "opa.strictMode": True,
        "opa.checkOnSave": True,
        "yaml.schemas": {f"./{_SCHEMAS}/cases.json": "*_cases.yaml"},
    }


def _input_schema(specs: list[ToolSpec]) -> Json:
    whole = schema("input")
    if not specs:
        return whole
    tool = whole["properties"]["tool"]
    names = {**tool["properties"]["name"], "enum": sorted({spec.name for spec in specs})}
    tool = {**tool, "properties": {**tool["properties"], "name": names, "arguments": _arguments(specs)}}
    return {**whole, "properties": {**whole["properties"], "tool": tool}}


def _arguments(specs: list[ToolSpec]) -> Json:
    """Return the names of all arguments without their types, because the library goes through arguments of any type."""
    known = [spec.arguments for spec in specs if spec.arguments is not None]
    if len(known) < len(specs):
        return {"type": "object", "additionalProperties": True}
    properties: dict[str, Json] = {name: {} for name in sorted(frozenset().union(*known))}
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _sample(specs: list[ToolSpec]) -> Json:
    """Return an input that holds every field: editors complete the names of a sample, and not those of a schema."""
    first = specs[0].name if specs else "tool"
    calls = [sample_call(spec.name, spec) for spec in specs]
    arguments = {name: value for call in reversed(calls) for name, value in call["arguments"].items()}
    hints = {name: value for call in reversed(calls) for name, value in call["annotations"].items()}
    call = {
        "name": first,
        "server": "",
        "arguments": arguments,
        "annotations": {"readOnlyHint": False, **hints},
    }
    return sample_input("authorize", _SAMPLE_TIME, tool=call, request={"limits": {}})


def _text(document: Json) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
