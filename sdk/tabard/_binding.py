"""Binds the arguments of a guarded function to those of a tool call."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tabard import _json
from tabard._decision import Decision
from tabard._model import Credential, Reason
from tabard.errors import Denied, InvalidRequest


@dataclass(frozen=True, slots=True)
class Bound:
    """One call of a guarded function.

    Attributes:
        arguments: arguments of the tool call, which are authorized.
        args: positional arguments that the function is called with.
        kwargs: named arguments that the function is called with.
    """

    arguments: Mapping[str, Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Binding:
    """How the arguments of one function become those of a tool call.

    Attributes:
        signature: the function's signature without the parameter that takes the credential.
        ignore: parameters that are no arguments of the tool call.
        extract: returns the arguments of the tool call, if they aren't the function's.
        credential: the parameter that takes the credential; empty if there is none.
        credential_optional: that parameter may be ``None``.
    """

    signature: inspect.Signature
    ignore: frozenset[str]
    extract: Callable[..., Mapping[str, Any]] | None
    credential: str
    credential_optional: bool

    @classmethod
    def of(
        cls,
        function: Callable[..., Any],
        ignore: frozenset[str],
        extract: Callable[..., Mapping[str, Any]] | None,
    ) -> Binding:
        """Examine a function.

        Raises:
            TypeError: it can't be guarded.
        """
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            message = (
                f"{function.__qualname__}: a generator runs after the guard has ended; guard a plain function"
            )
            raise TypeError(message)
        signature = inspect.signature(function)
        parameters = dict(signature.parameters)
        first = next(iter(parameters), "")
        unknown = ignore - parameters.keys()
        if unknown:
            message = (
                f"{function.__qualname__}: ignore names no parameter of it: {', '.join(sorted(unknown))}"
            )
            raise TypeError(message)
        if first in {"self", "cls"} and first not in ignore and extract is None:
            message = (
                f"{function.__qualname__}: {first} is no argument of a tool call; write ignore=({first!r},)"
            )
            raise TypeError(message)
        credential, optional = _credential_parameter(function, parameters)
        parameters.pop(credential, None)
        public = signature.replace(parameters=list(parameters.values()))
        return cls(public, ignore, extract, credential, optional)

    def bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Bound:
        """Bind one call.

        Raises:
            TypeError: the function doesn't take these arguments.
            InvalidRequest: they have no exact JSON form.
        """
        bound = self.signature.bind(*args, **kwargs)
        bound.apply_defaults()
        if self.extract is not None:
            extracted = _json.snapshot(dict(self.extract(*bound.args, **bound.kwargs)))
            return Bound(_json.Snapshot(extracted), bound.args, bound.kwargs)
        for name, value in bound.arguments.items():
            if name not in self.ignore:
                bound.arguments[name] = _json.snapshot(value, where=name)
        return Bound(self._arguments(bound.arguments), bound.args, bound.kwargs)

    def _arguments(self, values: Mapping[str, Any]) -> _json.Snapshot:
        arguments = _json.Snapshot()
        for name, parameter in self.signature.parameters.items():
            if name in self.ignore:
                continue
            several = parameter.kind is inspect.Parameter.VAR_KEYWORD
            for key, value in values[name].items() if several else ((name, values[name]),):
                if key in arguments:
                    message = f"the argument {key!r} is given twice"
                    raise InvalidRequest("arguments_invalid", message)
                arguments[key] = value
        return arguments

    def add_credential(self, bound: Bound, decision: Decision) -> None:
        """Give the credential to the function if it asks for it.

        Raises:
            Denied: the function needs one and policy issued none.
        """
        if not self.credential:
            return
        if decision.credential is None and not self.credential_optional:
            text = "policy allowed the call without a credential (kind none), and the tool needs one"
            reason = Reason("no_credential", text)
            raise Denied(reason.code, text, decision_id=decision.decision_id, reasons=(reason,))
        bound.kwargs[self.credential] = decision.credential


def _credential_parameter(
    function: Callable[..., Any], parameters: Mapping[str, inspect.Parameter]
) -> tuple[str, bool]:
    """Return the name of the parameter that takes the credential, if any, and whether it may be ``None``.

    Raises:
        TypeError: there are several, or it can't be passed by name.
    """
    try:
        hints = typing.get_type_hints(function)
    except Exception:  # noqa: BLE001  # an annotation may name what only a type checker can see
        hints = {}
    found = [
        (name, optional)
        for name, parameter in parameters.items()
        for matches, optional in [_is_credential(hints.get(name, parameter.annotation))]
        if matches
    ]
    if not found:
        return "", False
    name, optional = found[0]
    by_name = {inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY}
    if len(found) > 1 or parameters[name].kind not in by_name:
        message = f"{function.__qualname__}: exactly one parameter, passed by name, can take the credential"
        raise TypeError(message)
    return name, optional


def _is_credential(annotation: object) -> tuple[bool, bool]:
    if isinstance(annotation, str):
        parts = {part.strip() for part in annotation.split("|")}
        names = {"Credential", "tabard.Credential"}
        return bool(parts & names) and parts <= names | {"None"}, "None" in parts
    if annotation is Credential:
        return True, False
    union = typing.get_origin(annotation) in {typing.Union, types.UnionType}
    members = typing.get_args(annotation)
    return union and Credential in members, type(None) in members
