"""Leaves out of an input what the policy can't read, before another process is asked.

OPA reads an input twice, once as JSON and once into its own values, and what it allocates has to be collected: an input of two
kilobytes takes it as long as the evaluation. Most of the input is the verified part of the grant, which is the same for every call
under it, so that part alone is cut, once for each grant.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias, cast

import orjson

from tabard_sidecar.interfaces import InputParts
from tabard_sidecar.policy.loading.input_paths import InputPaths
from tabard_sidecar.util.fifo import FifoDict

_LONGEST = 64 * 1024
_GRANTS = 256
_BEGINNING = 16
_BEGIN, _END = b'{"delegation":{', b"}}"
_ALWAYS = (("delegation", "depth"), ("task", "id"))
"""What is left in any case, because other members are written behind them."""

_Kept: TypeAlias = Mapping[str, "_Kept | None"]
"""The members to keep; ``None`` keeps all below."""


class SentInput:
    """Cuts the inputs of one policy.

    Args:
        paths: what the policy may read; everything if the empty path is among them.
    """

    def __init__(self, paths: InputPaths) -> None:
        self._kept = None if () in paths else _tree((*paths, *_ALWAYS))
        self._cut: FifoDict[bytes, bytes] = FifoDict(_GRANTS)

    def of(self, input_json: bytes, parts: InputParts | None) -> bytes:
        """Return an input without what can't be read. What isn't known to be a tool call's input is returned whole."""
        if parts is None or self._kept is None:
            return input_json
        verified = parts.verified
        key, text = (verified, verified) if isinstance(verified, bytes) else (verified.digest, verified.text)
        if len(text) > _LONGEST:
            return input_json
        cut = self._cut.get(key)
        if cut is None:
            cut = self._cut[key] = _without(text, self._kept)
        # To look for the beginning and compare takes a tenth of the time of looking for a long text.
        at = input_json.find(text[:_BEGINNING])
        if at < 0 or not input_json.startswith(text, at):
            return input_json
        return input_json[:at] + cut + input_json[at + len(text) :]


def _without(text: bytes, kept: _Kept) -> bytes:
    """Return the members that are kept. A text that wouldn't be written again as it is stays whole."""
    whole = _BEGIN + text + _END
    try:
        members = orjson.loads(whole)
        same = orjson.dumps(members) == whole
    except (TypeError, ValueError):  # nested more deeply than orjson goes
        return text
    if not same:  # a number that orjson doesn't hold exactly
        return text
    return orjson.dumps(_only(members, kept))[len(_BEGIN) : -len(_END)]


def _only(value: Any, kept: _Kept | None) -> Any:  # noqa: ANN401 - JSON
    if kept is None or not isinstance(value, dict):
        return value
    return {name: _only(item, kept[name]) for name, item in value.items() if name in kept}


def _tree(paths: Iterable[tuple[str, ...]]) -> _Kept:
    root: dict[str, Any] = {}
    for path in sorted(paths, key=len, reverse=True):
        at = root
        for name in path[:-1]:
            at = at.setdefault(name, {})
        at[path[-1]] = None  # a shorter path holds what longer ones do
    return cast("_Kept", root)
