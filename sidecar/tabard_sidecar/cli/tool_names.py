"""Says of a tool that no rule grants whether its name may be misspelt, by the catalogue of the configuration."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path

_CODES = frozenset({"no_grant", "tool_not_granted", "tool_unknown"})


def doubt(name: str, code: str, catalogue: Path | None) -> str:
    """Return that the catalogue has no such tool, with the nearest name; empty where that isn't the matter."""
    if code not in _CODES or catalogue is None:
        return ""
    from tabard_sidecar.policy.catalogue import load_catalogue  # noqa: PLC0415 - only such denials pay for it
    from tabard_sidecar.policy.problems import PolicyBrokenError  # noqa: PLC0415

    try:
        names = {tool.name for tool in load_catalogue(catalogue)}
    except PolicyBrokenError:
        return ""
    if name in names:
        return ""
    near = get_close_matches(name, sorted(names), n=1)
    return f"the catalogue has no tool {name}" + (f"; did you mean {near[0]}?" if near else "")
