"""Checks and writes catalogues for ``tabard catalogue``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml
from tabard.files import read_regular

from tabard_sidecar import exit_codes
from tabard_sidecar.cli.catalogue_patterns import hint
from tabard_sidecar.operating.failure import Failure
from tabard_sidecar.policy.catalogue import catalogue_of
from tabard_sidecar.policy.loading.documents import MAX_BYTES, DocumentError, parse_json, parse_yaml
from tabard_sidecar.policy.problems import PolicyBrokenError
from tabard_sidecar.util.replacing import replace_file

_KEPT = ("annotations", "labels", "title")
_WIDTH = 100


def usable(tools: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the tools that a catalogue can hold, and why each of the others can't be one of them."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    notes = []
    for tool in tools:
        key = (str(tool.get("name", "")), str(tool.get("server", "")))
        try:
            catalogue_of([tool], key[0])
        except PolicyBrokenError as error:
            notes += [
                f"left out: {problem.message}. {problem.next_step}{hint(tool)}" for problem in error.problems
            ]
            continue
        if key in found and found[key] != tool:
            notes.append(f"left out: {key[0]} is there twice with different descriptions or schemas")
            continue
        found[key] = tool
    return list(found.values()), notes


def text_of(tools: list[dict[str, Any]]) -> str:
    """Return a catalogue as YAML that every reader reads alike; as JSON if YAML would not be read as it was meant."""
    document = {"tools": json.loads(json.dumps(tools))}
    text: str = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=_WIDTH)
    try:
        if parse_yaml(text.encode()) == document:
            return text
    except DocumentError:
        pass
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def require_bounded(text: str, where: str = "") -> None:
    """Check that no catalogue is written that a sidecar wouldn't read.

    Raises:
        Failure: it is too large.
    """
    if len(text.encode()) > MAX_BYTES:
        problem = f"the catalogue would have more than {MAX_BYTES} bytes; nothing was written"
        raise Failure(problem, exit_codes.NEGATIVE, where=where, next_step="Write fewer tools at a time.")


def write(path: Path, tools: list[dict[str, Any]], *, update: bool) -> int:
    """Write a catalogue, in one step, and return how many other tools of the file were kept.

    Raises:
        Failure: the file exists and isn't to be updated, isn't a catalogue, or can't be written.
    """
    if path.exists() and not update:
        raise Failure(
            "the file exists already; nothing was written",
            exit_codes.USAGE,
            where=str(path),
            next_step="Add --update, or choose another file.",
        )
    earlier = _read(path) if path.exists() else []
    merged, kept = _merged(earlier, tools)
    text = json.dumps({"tools": merged}, indent=2) + "\n" if path.suffix == ".json" else text_of(merged)
    require_bounded(text, str(path))
    try:
        _replace(path, text)
    except OSError as error:
        raise Failure(
            f"the file can't be written: {error.strerror}", exit_codes.CONFIG, where=str(path)
        ) from error
    return kept


def _merged(earlier: list[dict[str, Any]], tools: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], int]:
    known = {(tool.get("name"), tool.get("server", "")): tool for tool in earlier}
    fresh = {(tool["name"], tool.get("server", "")) for tool in tools}
    others = [tool for key, tool in known.items() if key not in fresh]
    updated = []
    for tool in tools:
        before = known.get((tool["name"], tool.get("server", "")), {})
        updated.append({**tool, **{key: before[key] for key in _KEPT if key in before}})
    return [*others, *updated], len(others)


def _read(path: Path) -> list[dict[str, Any]]:
    try:
        content, _ = read_regular(path, MAX_BYTES)
        document: Any = parse_json(content) if path.suffix == ".json" else parse_yaml(content)
        catalogue_of(document, str(path))
    except (OSError, DocumentError, PolicyBrokenError) as error:
        raise Failure(
            f"the file isn't a catalogue that can be updated: {error}", exit_codes.CONFIG, where=str(path)
        ) from error
    if isinstance(document, dict):
        document = document.get("result", document)
    return list(document["tools"] if isinstance(document, dict) else document)


def _replace(path: Path, text: str) -> None:
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o644
    replace_file(path, text.encode(), mode)
