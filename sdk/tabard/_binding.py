"""Binds the arguments of a guarded function to those of a tool call."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping
from dataclasses import field, replace
from typing import Any

from tabard import _annotations, _json, _values
from tabard._decision import Decision
from tabard._lean import dataclass
from tabard._model import Reason
from tabard.errors import Denied, InvalidRequest


@dataclass(frozen=True, slots=True)
class Bound:
    """One call of a guarded function.

    Attributes:
        arguments: arguments of the tool call, which are authorized.
        args: positional arguments that the function is called with.
        kwargs: named arguments that the function is called with.
        ignored: those of its parameters that are no arguments of the tool call, by name.
    """

    arguments: Mapping[str, Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    ignored: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Binding:
    """How the arguments of one function become those of a tool call.

    Attributes:
        signature: the function's signature without the parameter that takes the credential; annotations are evaluated.
        annotations: the function's annotations without that parameter, evaluated.
        ignore: parameters that are no arguments of the tool call.
        extract: returns the arguments of the tool call, if they aren't the function's.
        credential: the parameter that takes the credential; empty if there is none.
        credential_optional: that parameter may be ``None``.
        credential_place: number of parameters before it, if it is passed by position; ``None`` if by name.
    """

    signature: inspect.Signature
    annotations: dict[str, Any]
    ignore: frozenset[str]
    extract: Callable[..., Mapping[str, Any]] | None
    credential: str
    credential_optional: bool
    credential_place: int | None

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
        name = label(function)
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise TypeError(f"{name}: a generator runs after the guard has ended; guard a plain function")
        signature = inspect.signature(function)
        parameters = dict(signature.parameters)
        first = next(iter(parameters), "")
        unknown = ignore - parameters.keys()
        if unknown:
            raise TypeError(f"{name}: ignore names no parameter of it: {', '.join(sorted(unknown))}")
        if first in {"self", "cls"} and first not in ignore and extract is None:
            raise TypeError(f"{name}: {first} is no argument of a tool call; write ignore=({first!r},)")
        hints = _annotations.evaluated(function)
        credential, optional = _credential_parameter(name, parameters, hints)
        place = _place(parameters, credential)
        parameters.pop(credential, None)
        hints.pop(credential, None)
        if extract is None:
            _check_possible(name, parameters.keys() - ignore, hints)
        public = signature.replace(
            parameters=[
                parameter.replace(annotation=hints.get(parameter.name, parameter.annotation))
                for parameter in parameters.values()
            ],
            return_annotation=hints.get("return", signature.return_annotation),
        )
        return cls(public, hints, ignore, extract, credential, optional, place)

    def bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Bound:
        """Bind one call.

        Raises:
            TypeError: the function doesn't take these arguments.
            InvalidRequest: they have no exact JSON form.
        """
        if self.credential and self.credential in kwargs:  # **more would take it
            raise TypeError(f"got an unexpected keyword argument {self.credential!r}")
        bound = self.signature.bind(*args, **kwargs)
        bound.apply_defaults()
        ignored = {name: bound.arguments[name] for name in self.ignore}
        if self.extract is not None:
            extracted = _json.snapshot(self.extract(*bound.args, **bound.kwargs))
            return Bound(_json.Snapshot(extracted), bound.args, bound.kwargs, ignored)
        forms: dict[str, Any] = {}
        for name, value in bound.arguments.items():
            if name not in self.ignore:
                forms[name], bound.arguments[name] = _json.read(value, name)
        return Bound(self._arguments(forms), bound.args, bound.kwargs, ignored)

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

    @staticmethod
    def _check_unchanged(extract: Callable[..., Mapping[str, Any]], bound: Bound) -> None:
        """Ask again for the arguments of the tool call: a person may have taken minutes to approve them."""
        if _json.encode(extract(*bound.args, **bound.kwargs)) != _json.encode(bound.arguments):
            message = "what guard(arguments=...) returns has changed since it was authorized, so the call isn't made"
            raise InvalidRequest("arguments_invalid", message)

    def with_credential(self, bound: Bound, decision: Decision) -> Bound:
        """Return the allowed call as it is made: with the credential, if the function asks for it.

        Raises:
            Denied: the function needs one and policy issued none.
            InvalidRequest: the function receives its own objects, and they aren't those that were authorized any more.
        """
        if self.extract is not None:
            self._check_unchanged(self.extract, bound)
        if not self.credential:
            return bound
        if decision.credential is None and not self.credential_optional:
            text = "policy allowed the call without a credential (kind none), and the tool needs one"
            reason = Reason("no_credential", text)
            raise Denied(reason.code, text, decision_id=decision.decision_id, reasons=(reason,))
        if self.credential_place is None:
            return replace(bound, kwargs={**bound.kwargs, self.credential: decision.credential})
        # Those after it are passed by position, too.
        before, after = bound.args[: self.credential_place], bound.args[self.credential_place :]
        return replace(bound, args=(*before, decision.credential, *after))


def label(function: Callable[..., Any]) -> str:
    """Return how messages name a function; a partial or an object that is called has no name of its own."""
    return getattr(function, "__qualname__", "") or f"a {type(function).__qualname__}"


def _credential_parameter(
    function: str, parameters: Mapping[str, inspect.Parameter], hints: Mapping[str, Any]
) -> tuple[str, bool]:
    """Return the name of the parameter that takes the credential, if any, and whether it may be ``None``.

    Raises:
        TypeError: there are several, or it can't be passed by name.
    """
    found = [
        (name, optional)
        for name, parameter in parameters.items()
        for matches, optional in [_annotations.takes_credential(hints.get(name, parameter.annotation))]
        if matches
    ]
    if not found:
        return "", False
    name, optional = found[0]
    by_name = {inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY}
    if len(found) > 1 or parameters[name].kind not in by_name:
        raise TypeError(f"{function}: exactly one parameter, passed by name, can take the credential")
    return name, optional


def _place(parameters: Mapping[str, inspect.Parameter], name: str) -> int | None:
    """Return the number of parameters before one that can be passed by position; ``None`` if it can't."""
    if not name or parameters[name].kind is inspect.Parameter.KEYWORD_ONLY:
        return None
    return list(parameters).index(name)


def _check_possible(function: str, names: Collection[str], hints: Mapping[str, Any]) -> None:
    """Check that each parameter can be an argument of a tool call.

    Raises:
        TypeError: the type of one says that it can't.
    """
    for name in sorted(names):
        kind = _annotations.impossible(hints.get(name))
        if kind is not None:
            raise TypeError(f"{function}: {_values.advice(name, kind)}")
