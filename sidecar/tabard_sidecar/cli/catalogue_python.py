"""Finds guarded functions of Python modules and describes their arguments, for ``tabard catalogue from-python``."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import inspect
import json
import sys
import types
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pydantic import PydanticUserError, TypeAdapter
from pydantic.errors import PydanticInvalidForJsonSchema, PydanticSchemaGenerationError
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from tabard._tool import Tool, guarded_tools

from tabard_sidecar import exit_codes
from tabard_sidecar.operating.failure import Failure

_REASON_CHARACTERS = 300
_NO_SCHEMA = (PydanticUserError, PydanticSchemaGenerationError, PydanticInvalidForJsonSchema)


class _Schemas(GenerateJsonSchema):
    """JSON Schemas of what a guard sends: without titles made of names, and decimal numbers as the text that they are."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ANN401, ARG002 - pydantic's signature
        """Never make a title of a field's name."""
        return False

    def decimal_schema(self, schema: Any) -> JsonSchemaValue:  # noqa: ANN401, ARG002 - pydantic's signature
        """Return the schema of a decimal number, whose JSON form is a string; pydantic's pattern looks around."""
        return {"type": "string"}


def tools_of(modules: Sequence[str]) -> tuple[list[dict[str, Any]], list[str]]:
    """Import modules and return the tools that their guards ask about, and notes on what needs attention.

    Raises:
        Failure: a module can't be imported.
    """
    with _importing():
        kept = [_import(module) for module in modules]
    tools: list[dict[str, Any]] = []
    notes: list[str] = []
    for tool in guarded_tools():
        described: dict[str, Any] = {"name": tool.name}
        if tool.server:
            described["server"] = tool.server
        if tool.description:
            described["description"] = tool.description
        schema, note = _arguments(tool)
        described["inputSchema"] = schema
        if note:
            notes.append(f"{tool.name} ({tool.place}): {note}")
        tools.append(described)
    del kept
    return tools, notes


@contextlib.contextmanager
def _importing() -> Iterator[None]:
    """Find modules as ``python -m`` does, and keep what they print out of the catalogue."""
    sys.path.insert(0, str(Path.cwd()))
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        sys.path.remove(str(Path.cwd()))


def _import(name: str) -> object:
    try:
        if not name.endswith(".py"):
            return importlib.import_module(name)
        path = Path(name)
        spec = importlib.util.spec_from_file_location(path.stem, path)
        if spec is None or spec.loader is None or not path.is_file():
            raise ImportError(f"no file {name}")
        module = importlib.util.module_from_spec(spec)
        sys.modules[path.stem] = module
        sys.path.insert(0, str(path.resolve().parent))
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise Failure(
            f"the module can't be imported: {type(error).__name__}: {_told(error)}",
            exit_codes.USAGE,
            where=name,
            next_step="Run the command in the folder and environment of the program, and keep what starts the program "
            'under `if __name__ == "__main__":`.',
        ) from error
    return module


def _arguments(tool: Tool) -> tuple[dict[str, Any], str]:
    """Return the schema of a tool's arguments, and what its author has to add."""
    if tool.binding.extract is not None:
        note = "its guard makes the arguments by a function; write their inputSchema"
        return {"type": "object"}, note
    named = {
        name: parameter
        for name, parameter in tool.binding.signature.parameters.items()
        if name not in tool.binding.ignore
    }
    try:
        adapters = {name: TypeAdapter(_annotation(parameter)) for name, parameter in named.items()}
        inputs = [(name, "serialization", adapter) for name, adapter in adapters.items()]
        made, shared = TypeAdapter.json_schemas(
            inputs,  # type: ignore[arg-type]  # pydantic means any key
            schema_generator=_Schemas,
        )
        schemas: dict[str, Any] = {name: dict(made[name, "serialization"]) for name in named}
        whole = _object(named, schemas) | ({"$defs": shared["$defs"]} if shared.get("$defs") else {})
        return json.loads(json.dumps(whole)), ""
    except _NO_SCHEMA as error:
        return {"type": "object"}, f"no schema: {_told(error)}; write its inputSchema"
    except Exception as error:  # noqa: BLE001 - types make their schemas by code of their own
        problem = f"{type(error).__name__}: {_told(error)}"
        return {"type": "object"}, f"no schema: a type of it fails, {problem}; write its inputSchema"


def _told(error: BaseException) -> str:
    """Return the first line of an exception's text, which may be made by code of its own."""
    try:
        return next(iter(str(error).splitlines()), "")[:_REASON_CHARACTERS]
    except Exception:  # noqa: BLE001 - see above
        return ""


def _annotation(parameter: inspect.Parameter) -> Any:  # noqa: ANN401 - any type
    annotation = Any if parameter.annotation is inspect.Parameter.empty else parameter.annotation
    if isinstance(annotation, str):
        return Any
    return (
        types.GenericAlias(list, (annotation,))
        if parameter.kind is inspect.Parameter.VAR_POSITIONAL
        else annotation
    )


def _object(named: dict[str, inspect.Parameter], schemas: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of the whole object. Other arguments than these are refused, unless the function takes any."""
    schema: dict[str, Any] = {"type": "object", "properties": {}, "additionalProperties": False}
    required = []
    for name, parameter in named.items():
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            schema["additionalProperties"] = schemas[name] or True
            continue
        schema["properties"][name] = schemas[name]
        if parameter.default is parameter.empty and parameter.kind is not inspect.Parameter.VAR_POSITIONAL:
            required.append(name)
    if required:
        schema["required"] = required
    return schema
