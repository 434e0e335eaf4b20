"""Matrices of decision cases: every one of some requests with every one of some calls."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field

from tabard_sidecar.policy.authoring.request_keys import Keys, RequestKeys, keys_fault
from tabard_sidecar.policy.authoring.sequences import CARRIED
from tabard_sidecar.policy.loading.literals import nearest
from tabard_sidecar.util.lean import dataclass

MAX_CELLS = 20_000
"""Most cells of all matrices of a file: 20,000 of a small policy take ten seconds."""

Effect = Literal["allow", "deny", "ask"]
Effects = Effect | Annotated[list[Effect], Field(min_length=1)]
Path = tuple[str | int, ...]


class LineKeys(RequestKeys):
    """One request or one call of a matrix."""

    name: str = Field(
        default="", description="How cells name it. Default: the statement of a request, the tool of a call."
    )
    after: str = Field(
        default="",
        description="Of a request: name of a case of the file; each cell is of its task and finds what it left.",
    )


class CellKeys(Keys):
    """Cells of a matrix that expect something else. Of two that name a cell, the later holds."""

    request: str | Annotated[list[str], Field(min_length=1)] = Field(
        default=[], description="Names of requests. Default: all."
    )
    call: str | Annotated[list[str], Field(min_length=1)] = Field(
        default=[], description="Names of calls. Default: all."
    )
    expect: Effects = Field(description="Effect that these cells expect, or a list of accepted ones.")


class MatrixKeys(Keys):
    """Every request with every call: a case for each cell, all with the same expected effect but those that `cells` names."""

    name: str = Field(min_length=1, description="What the matrix shows; unique in its file.")
    requests: list[str | LineKeys] = Field(
        min_length=1, description="Statements, or mappings with a name and the keys of a request."
    )
    calls: list[str | LineKeys] = Field(
        min_length=1,
        description="Tools, or mappings with a name and the keys of a request, which replace those of `requests`.",
    )
    expect: Effects = Field(description="Effect that each cell expects, or a list of accepted ones.")
    cells: list[CellKeys] = Field(default=[], description="Cells that expect something else.")


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell as a case.

    Attributes:
        name: names of matrix, request and call.
        path: where its request stands in the matrix.
        stated: the keys that request and call state.
        expect: the effects that it accepts.
        after: the case that its request follows; empty if it follows none.
    """

    name: str
    path: Path
    stated: dict[str, Any]
    expect: Effects
    after: str = ""


def size(matrices: Sequence[MatrixKeys]) -> int:
    """Return the number of cells."""
    return sum(len(matrix.requests) * len(matrix.calls) for matrix in matrices)


def cells(matrix: MatrixKeys) -> Iterator[Cell]:
    """Yield every cell, request by request; the matrix has no fault."""
    expected: dict[tuple[str, str], Effects] = {}
    requests, calls = names(matrix.requests, "statement"), names(matrix.calls, "tool")
    for one in matrix.cells:
        for request in _listed(one.request) or requests:
            expected |= {(request, call): one.expect for call in _listed(one.call) or calls}
    columns = [(name, _stated(line, "tool")) for name, line in zip(calls, matrix.calls, strict=True)]
    for index, (request, line) in enumerate(zip(requests, matrix.requests, strict=True)):
        row, after = _stated(line, "statement"), _after(line)
        for call, column in columns:
            effects = expected.get((request, call), matrix.expect)
            name = f"{matrix.name}: {request} / {call}"
            yield Cell(name, ("requests", index), {**row, **column}, effects, after)


def faults(
    matrix: MatrixKeys, defaults: RequestKeys, cases: Collection[str]
) -> Iterator[tuple[Path, str, str]]:
    """Yield place, message and next step of what is wrong with a matrix beyond the types of its keys.

    Args:
        matrix: the matrix.
        defaults: the keys for every case.
        cases: names of the cases that its requests may follow.
    """
    known = {"request": names(matrix.requests, "statement"), "call": names(matrix.calls, "tool")}
    for key, of in (("request", "statement"), ("call", "tool")):
        yield from _name_faults(known[key], f"{key}s", of)
    yield from _after_faults(matrix, cases)
    for index, cell in enumerate(matrix.cells):
        yield from _cell_faults(cell, ("cells", index), known)
    if all(known["call"]):
        yield from _key_faults(matrix, defaults)


def _name_faults(found: Sequence[str], lines: str, of: str) -> Iterator[tuple[Path, str, str]]:
    before: set[str] = set()
    for index, name in enumerate(found):
        if not name:
            yield (lines, index), "has no name", f"State its name or its {of}."
        elif name in before:
            yield (lines, index), f"another one has the name {name!r}", "Give it a name of its own."
        before.add(name)


def _after_faults(matrix: MatrixKeys, cases: Collection[str]) -> Iterator[tuple[Path, str, str]]:
    for index, line in enumerate(matrix.requests):
        after = _after(line)
        if after and after not in cases:
            message = f"no case has the name {after!r}{nearest(after, cases)}"
            yield ("requests", index, "after"), message, "Name a case of this file."
        stated = set() if isinstance(line, str) or not after else line.model_fields_set
        for key in CARRIED:
            if key in stated:
                message = "a request after a case has what that one left"
                yield ("requests", index, key), message, "State it where the task begins."
    for index, line in enumerate(matrix.calls):
        if _after(line):
            yield ("calls", index, "after"), "a call follows no case", "State it with the request."


def _cell_faults(
    cell: CellKeys, path: Path, known: Mapping[str, Sequence[str]]
) -> Iterator[tuple[Path, str, str]]:
    if not cell.request and not cell.call:
        yield path, "names neither a request nor a call", "Change expect of the matrix."
    for key, named in (("request", cell.request), ("call", cell.call)):
        for name in _listed(named):
            if name not in known[key]:
                message = f"the matrix has no {key} {name!r}{nearest(name, known[key])}"
                yield (*path, key), message, "Correct the name."


def _key_faults(matrix: MatrixKeys, defaults: RequestKeys) -> Iterator[tuple[Path, str, str]]:
    """Yield for each call why it fits none or not each of the requests."""
    general = _stated(defaults, "")
    rows = [_stated(line, "statement") for line in matrix.requests]
    for index, line in enumerate(matrix.calls):
        column = _stated(line, "tool")
        for row in rows:
            whole = RequestKeys.model_construct(**{**general, **row, **column})
            fault = keys_fault(whole, {*row, *column})
            if whole.operation == "filter_tools":
                fault = "a case can't use filter_tools"
            if fault:
                yield ("calls", index), fault, "Correct the call, the request or the operation."
                break


def names(lines: Sequence[str | LineKeys], of: str) -> list[str]:
    """Return the names of requests or calls, on one line each; ``of`` is the key that names one without a name."""
    found = (
        line if isinstance(line, str) else line.name or getattr(line, of) or line.after for line in lines
    )
    return [" ".join(name.split()) for name in found]


def _stated(line: str | RequestKeys, of: str) -> dict[str, Any]:
    if isinstance(line, str):
        return {of: line}
    return {name: getattr(line, name) for name in line.model_fields_set if name in RequestKeys.model_fields}


def _after(line: str | LineKeys) -> str:
    return "" if isinstance(line, str) else line.after


def _listed(named: str | list[str]) -> list[str]:
    return [" ".join(name.split()) for name in ([named] if isinstance(named, str) else named)]
