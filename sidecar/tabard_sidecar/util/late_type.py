"""Lets a field of the configuration have a type whose module is imported only if there is a value for it."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, TypeAdapter
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, core_schema

from tabard_sidecar.util.lean import dataclass


@dataclass(frozen=True, slots=True)
class LateType:
    """Stands for a type in ``Annotated[dict[str, Any], LateType(...)]``; an empty mapping needs no type.

    Attributes:
        module: the module that defines the type.
        name: its name there.
    """

    module: str
    name: str

    def find(self) -> Any:  # noqa: ANN401 - any type, for pydantic
        """Import the type."""
        return getattr(import_module(self.module), self.name)

    def _checked(self, value: object) -> object:
        return {} if value == {} else TypeAdapter(self.find()).validate_python(value)

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self._checked)

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return handler(TypeAdapter(self.find()).core_schema)


def type_of(field: FieldInfo) -> object:
    """Return a field's annotation; a late type is imported."""
    late = next((item for item in field.metadata if isinstance(item, LateType)), None)
    return field.annotation if late is None else late.find()
