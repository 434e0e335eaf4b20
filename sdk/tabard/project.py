"""Reads from ``tabard.yaml`` where the sidecar of a folder listens, without a YAML parser.

The sidecar, its command line and the clients find each other with this module and :mod:`tabard.address`. It reads the
usual block form only and says so of any other form.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from tabard.address import AGENT, AddressError, default_address, named_address, socket_path

FILE = "tabard.yaml"
MAX_BYTES = 256 * 1024

_TEXT = r"""(?P<quote>["']?)(?P<text>[^"'#\s{}\[\],&*!|>]+)(?P=quote)"""
_END = r"[ \t]*(?:#.*)?"
_COMMENT = re.compile(r"(?:^|[ \t])#.*$", re.MULTILINE)


class UnusualFormError(ValueError):
    """The file may hold the setting in another form than the usual one."""


def listed(text: str, section: str, key: str) -> str | None:
    """Return ``<section>.<key>`` of a configuration in block form, ``None`` if it isn't set.

    Raises:
        UnusualFormError: the section has another form.
    """
    problem = UnusualFormError(f"{section}.{key} isn't written in block form")
    found = re.search(rf"^{section}:{_END}\n(?P<lines>(?:[ \t].*\n|{_END}\n)*)", f"{text}\n", re.MULTILINE)
    if found is None:
        _require_absent(text, section, problem)
        return None
    _require_whole_lines(text[: found.end()], problem)
    lines = [line for line in found["lines"].splitlines() if re.fullmatch(_END, line) is None]
    indent = lines[0][: len(lines[0]) - len(lines[0].lstrip(" \t"))] if lines else ""
    value = None
    for line in lines:
        setting = re.fullmatch(rf"{indent}(?P<key>[a-z_]+):(?:[ \t]+{_TEXT})?{_END}", line)
        if setting is None:
            raise problem
        value = setting["text"] if setting["key"] == key else value
    return value


def top_level(text: str, key: str) -> str | None:
    """Return a setting outside of any section, ``None`` if it isn't set.

    Raises:
        UnusualFormError: it has another form than ``key: value``.
    """
    problem = UnusualFormError(f"{key} isn't written as {key}: value")
    # The next line that isn't empty begins another setting, or it would go on with this one's text.
    following = rf"(?=(?:{_END}\n)*(?:[^ \t\n#]|\Z))"
    found = re.search(rf"^{key}:[ \t]+{_TEXT}{_END}\n{following}", f"{text}\n", re.MULTILINE)
    if found is None:
        _require_absent(text, key, problem)
        return None
    _require_whole_lines(text[: found.end()], problem)
    return found["text"]


def _require_whole_lines(text: str, problem: UnusualFormError) -> None:
    """Check that no quoted text or bracket spans lines, since a line in it isn't what it looks like."""
    for line in _COMMENT.sub("", text).splitlines():
        odd = line.count("'") % 2 or line.count('"') % 2
        if odd or line.count("[") != line.count("]") or line.count("{") != line.count("}"):
            raise problem


def _require_absent(text: str, name: str, problem: UnusualFormError) -> None:
    """Check that a key isn't there in another form."""
    if re.search(rf"^(?:[\"']?{name}[\"']?[ \t]*:|\{{|---|\?)", text, re.MULTILINE):
        raise problem


def client_address(environ: Mapping[str, str] | None = None, directory: Path | None = None) -> str:
    """Return where a client finds its sidecar: ``$TABARD_ADDRESS``, else ``tabard.yaml`` here, else the usual socket.

    Args:
        environ: environment variables; those of this process by default.
        directory: the folder whose ``tabard.yaml`` counts; by default the working directory.

    Raises:
        AddressError: ``tabard.yaml`` can't be read, another user could write it or the socket's folder, or it names the
            socket in another form than ``listen.agent`` in block form.
    """
    named = named_address(AGENT, environ)
    if named:
        return named
    file = (directory or Path.cwd()) / FILE
    return _address_in(file) or default_address(AGENT, environ)


def existing_folder(path: Path) -> Path:
    """Return the folder of a socket, or the nearest one above it that exists: who may write there could make the rest."""
    return next(folder for folder in path.parents if os.path.lexists(folder))


def _address_in(file: Path) -> str | None:
    """Return the agents' socket that a configuration names, ``None`` if there is no file or it names none."""
    from tabard.trust import read_trusted, require_trusted  # noqa: PLC0415 - most programs have no such file

    remedy = "or set TABARD_ADDRESS"
    try:
        content, _ = read_trusted(file, MAX_BYTES)
        text = listed(content.decode("utf-8"), "listen", "agent")
        if text is None:
            return None
        path = socket_path(text)
        if path is None:
            raise UnusualFormError("listen.agent isn't unix: and a path")
        path = file.parent.resolve() / path.expanduser()
        require_trusted(existing_folder(path))
    except FileNotFoundError:
        return None
    except UnusualFormError as error:
        raise AddressError(f"{file}: {error}; write it so, {remedy}") from None
    except (OSError, UnicodeDecodeError) as error:
        problem = error.strerror if isinstance(error, OSError) else "it isn't UTF-8 text"
        where = getattr(error, "filename", None) or file
        raise AddressError(f"{where}: {problem}; mend it, {remedy}") from None
    return f"unix:{path}"
