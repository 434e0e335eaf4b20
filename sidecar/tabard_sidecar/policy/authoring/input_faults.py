"""Lists every fault of a policy input, for people who write one by hand."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from jsonschema_rs import ValidationErrorKind, Validator, validator_for

from tabard_sidecar.policy.loading.literals import nearest
from tabard_sidecar.policy.resources import schema
from tabard_sidecar.policy.schema import Check, compile_schema, error_fault
from tabard_sidecar.policy.values import Json

MAX_FAULTS = 20
"""Most faults that are told at once."""


def input_faults(document: Mapping[str, Json]) -> tuple[str, ...]:
    """Return the faults of an input against rego/schemas/input.json, at most ``MAX_FAULTS``; empty if there are none."""
    first = _check()(document)
    if first is None:
        return ()
    found: list[str] = []
    for error in _validator().iter_errors(document):
        kind = error.kind
        if isinstance(kind, ValidationErrorKind.AdditionalProperties):
            path = [str(step) for step in error.instance_path]
            known = _known(error.instance_path, schema("input"))
            found += [
                _told(".".join((*path, name[:100])), f"is not a known name{nearest(name, known)}")
                for name in kind.unexpected
            ]
        else:
            found.append(_told(*error_fault(error)))
        if len(found) >= MAX_FAULTS:
            break
    return tuple(found[:MAX_FAULTS]) or (_told(*first),)


@cache
def _check() -> Check:
    return compile_schema(schema("input"))


@cache
def _validator() -> Validator:
    return validator_for(schema("input"), offline=True, validate_formats=False)


def _told(place: str, problem: str) -> str:
    return f"input.{place} {problem}" if place else f"input {problem}"


def _known(path: list[str | int], at: Json) -> tuple[str, ...]:
    """Return the names that the schema knows at a place of the document."""
    for step in path:
        at = at.get("items", {}) if isinstance(step, int) else _member(at, step)
    return tuple(at.get("properties", ()))


def _member(at: Mapping[str, Json], name: str) -> Mapping[str, Json]:
    found = at.get("properties", {}).get(name, at.get("additionalProperties"))
    return found if isinstance(found, Mapping) else {}
