"""Builds the tool catalogue of a suite from the descriptions of its tools."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from agentdojo.task_suite.task_suite import TaskSuite

from bench.agentdojo.play import OTHERS

CATALOGUE = "catalogue.json"
_READS = ("check_", "get_", "list_", "read_", "search_")
TRIALS = Path(__file__).with_name("trial")
EXAMPLES = Path(__file__).resolve().parents[2] / "rego" / "examples"


def example(suite: str) -> Path:
    """Return the folder with a suite's policy and catalogue."""
    return TRIALS / suite if suite in OTHERS else EXAMPLES / f"agentdojo_{suite}"


def catalogue(suite: TaskSuite[Any]) -> str:
    """Return the catalogue in the form of an MCP ``tools/list`` result."""
    tools = []
    for tool in sorted(suite.tools, key=lambda tool: tool.name):
        schema = tool.parameters.model_json_schema()
        tools.append(
            {
                "name": tool.name,
                "description": tool.description,
                "inputSchema": {
                    "type": "object",
                    "properties": {name: _plain(part) for name, part in schema["properties"].items()},
                    "required": schema.get("required", []),
                    "additionalProperties": False,
                    **({"$defs": schema["$defs"]} if "$defs" in schema else {}),
                },
                "annotations": {"readOnlyHint": tool.name.startswith(_READS)},
            }
        )
    return json.dumps({"tools": tools}, indent=2) + "\n"


def _plain(part: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in part.items() if name != "title"}
