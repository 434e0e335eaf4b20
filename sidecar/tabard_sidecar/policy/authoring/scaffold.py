"""Writes a new policy module with its data, its Rego test and its decision cases."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from tabard_sidecar.policy.authoring.templates import Template
from tabard_sidecar.util.fresh_files import FreshFiles
from tabard_sidecar.util.lean import dataclass

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_RESERVED = frozenset(
    {
        "as", "contains", "data", "default", "else", "every", "false", "if", "import", "in", "input", "lib", "not",
        "null", "package", "policy", "some", "system", "tabard", "true", "with",
    }
)  # fmt: skip
"""Words that Rego can't have in a package's path, and folders whose data Tabard refuses."""


class ScaffoldError(Exception):
    """The module can't be created."""


@dataclass(frozen=True, slots=True)
class Written:
    """The files of a new module."""

    module: Path
    data: Path
    test: Path
    cases: Path


def require_module_name(name: str) -> None:
    """Refuse a name that no module can have.

    Raises:
        ScaffoldError: it isn't valid.
    """
    if not _NAME.fullmatch(name) or name.endswith("_test"):
        raise ScaffoldError(
            f"{name!r} is no module name: use lower case letters, digits and _, not ending in _test"
        )
    if name in _RESERVED:
        raise ScaffoldError(f"{name!r} can't be a module name: Rego or Tabard reserves it; take another word")


def write_module(folder: Path, name: str, template: Template) -> Written:
    """Write ``<folder>/<name>/<name>.rego``, its data, its test and its cases, overwriting nothing.

    Raises:
        ScaffoldError: the name isn't valid, or a file exists already.
    """
    require_module_name(name)
    home = folder / name
    written = Written(
        home / f"{name}.rego", home / "data.yaml", home / f"{name}_test.rego", home / f"{name}_cases.yaml"
    )
    texts = {
        written.module: template.module,
        written.data: template.data,
        written.test: template.test,
        written.cases: template.cases,
    }
    for path in texts:
        if path.exists():
            raise ScaffoldError(f"{path} exists already; nothing was written")
    words = {"<name>": name, "<title>": name.replace("_", " "), "<host>": name.replace("_", "-")}
    try:
        with FreshFiles(folder) as files:
            for path, text in texts.items():
                files.text(path, _filled(text, words))
    except OSError as error:
        raise ScaffoldError(f"{error.filename} can't be written: {error.strerror}") from error
    return written


def _filled(text: str, words: Mapping[str, str]) -> str:
    for word, value in words.items():
        text = text.replace(word, value)
    return text
