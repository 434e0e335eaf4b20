"""Generates the limits in rego/schemas from the caveat types.

Run as ``make generate``; ``make rego`` runs it with ``--check`` and fails when a schema is out of step.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from tabard.caveats import CAVEATS, CaveatRegistry

SCHEMAS = Path(__file__).resolve().parent / "schemas"
_ELEMENTS = ("start", "delegate")


def asked_limits(registry: CaveatRegistry) -> dict[str, Any]:
    """Return the properties of limits that policies read in ``input.request``."""
    return {name: field.schema() for name, (_, field) in registry.limits.items()}


def element_limits(registry: CaveatRegistry) -> dict[str, Any]:
    """Return the properties of limits that a start or delegate element may have."""
    found = {name: field.element_schema() for name, (_, field) in registry.limits.items()}
    return {name: schema for name, schema in found.items() if schema is not None}


def updated(registry: CaveatRegistry) -> dict[Path, str]:
    """Return the text of every schema that holds limits."""
    schemas = {name: json.loads(_path(name).read_text("utf-8")) for name in (*_ELEMENTS, "input")}
    for name in _ELEMENTS:
        schemas[name]["properties"]["limits"]["properties"] = element_limits(registry)
    request = schemas["input"]["properties"]["request"]["properties"]
    for name in ("limits", "intent_limits"):
        request[name]["properties"] = asked_limits(registry)
    return {_path(name): json.dumps(schema, indent=2) + "\n" for name, schema in schemas.items()}


def _path(name: str) -> Path:
    return SCHEMAS / f"{name}.json"


def main() -> int:
    """Write the schemas, or with ``--check`` compare with what is committed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 on a difference")
    check = parser.parse_args().check
    stale = {path: text for path, text in updated(CAVEATS).items() if path.read_text("utf-8") != text}
    for path, text in stale.items():
        if check:
            sys.stderr.write(f"rego/schemas/{path.name} is out of step: run `make generate`\n")
        else:
            path.write_text(text, encoding="utf-8")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
