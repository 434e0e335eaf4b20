"""Finds the sidecar that a command is about: flag, environment, configuration, default, in this order.

Every command finds its sidecar here. Imports the standard library only, because probes start often. Of the configuration
only the zone and the sockets are read, so that a mistake elsewhere in it doesn't keep an operator from revoking.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

from tabard.address import AGENT, OPERATOR, default_address, named_address, socket_path, variable
from tabard.project import MAX_BYTES, UnusualFormError, existing_folder, listed, top_level
from tabard.trust import read_trusted, require_trusted

from tabard_sidecar.util.config_file import base_directory, find_file
from tabard_sidecar.util.health_address import health_beside
from tabard_sidecar.util.lean import dataclass

DEFAULT_ZONE = "default"
_HEALTH = "health"
_PREFIX = "TABARD_"
_FLAGS = {AGENT: "--address", OPERATOR: "--operator", _HEALTH: "--address"}


@dataclass(frozen=True, slots=True)
class Target:
    """The sidecar that a command is about.

    Attributes:
        address: where it listens.
        origin: what named the address.
        zone: the zone that must answer; empty if any may.
        zone_origin: what named the zone.
        token_file: file with the token that tells a control service who calls.
        ca_file: file with the authorities of a control service's certificate.
    """

    address: str
    origin: str
    zone: str
    zone_origin: str
    token_file: Path | None = None
    ca_file: Path | None = None


def find(  # noqa: PLR0913 - each is one source
    surface: str,
    flag: str = "",
    *,
    zone: str = "",
    config_file: Path | None = None,
    assignments: Sequence[str] = (),
    environment: Mapping[str, str] = os.environ,
) -> Target:
    """Return the sidecar that a command is about.

    Args:
        surface: ``agent``, ``operator`` or ``health``.
        flag: the address that the user gave.
        zone: the zone that the user gave.
        config_file: the configuration that the user named.
        assignments: ``section.key=value`` of ``--set`` flags.
        environment: the process's environment.

    Raises:
        ValueError: the configuration can't be read; the message says why.
    """
    said = _Configuration(config_file, assignments, environment)
    named, zone_origin = (zone, "--zone") if zone else said.zone()
    if flag:
        return Target(flag, _FLAGS[surface], named, zone_origin)
    address, origin = _health(said, environment) if surface == _HEALTH else _find(surface, said, environment)
    return Target(address, origin, named, zone_origin)


def meant_zone(
    zone: str, config_file: Path | None, environment: Mapping[str, str] = os.environ
) -> tuple[str, str]:
    """Return the zone that a command is about, and what names it; empty if nothing does.

    Raises:
        ValueError: the configuration can't be read.
    """
    return (zone, "--zone") if zone else _Configuration(config_file, (), environment).zone()


def _find(surface: str, said: _Configuration, environment: Mapping[str, str]) -> tuple[str, str]:
    by_flag = said.flag(f"listen.{surface}")
    if by_flag:
        return by_flag
    named = named_address(surface, environment)
    if named:
        return named, f"${variable(surface)}"
    return said.socket(surface) or (default_address(surface, environment), "the usual path")


def _health(said: _Configuration, environment: Mapping[str, str]) -> tuple[str, str]:
    """Return the health socket: its own setting, or beside the operators' socket of the same sidecar."""
    own = said.flag("listen.health") or said.variable("listen.health")
    if own:
        return own
    if not named_address(OPERATOR, environment):
        own = said.socket(_HEALTH)
        if own:
            return own
    operator, origin = _find(OPERATOR, said, environment)
    if operator.startswith("https://"):
        # A control service is named for operators; health is that of the sidecar here.
        here = {name: value for name, value in environment.items() if name != variable(OPERATOR)}
        operator, origin = said.socket(OPERATOR) or (default_address(OPERATOR, here), "the usual path")
    return health_beside(operator) if socket_path(operator) else operator, origin


class _Configuration:
    """What flags, environment and file say of zone and sockets, without the whole loader's half second."""

    def __init__(self, file: Path | None, assignments: Sequence[str], environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._flags = dict(item.split("=", 1) for item in assignments if "=" in item)
        self._file = find_file(file, environment)
        self._base = base_directory(self._file)

    @cached_property
    def _text(self) -> str:
        return "" if self._file is None else _read(self._file)

    def zone(self) -> tuple[str, str]:
        """Return the zone and what names it; empty if there is no configuration at all."""
        if self._flags.get("zone"):
            return self._flags["zone"], "--set zone"
        if self._environment.get(f"{_PREFIX}ZONE"):
            return self._environment[f"{_PREFIX}ZONE"], f"${_PREFIX}ZONE"
        if self._file is None:
            return "", ""
        try:
            found = top_level(self._text, "zone")
        except UnusualFormError:
            found = _text(self._parsed().get("zone"))
        return found or DEFAULT_ZONE, str(self._file)

    def socket(self, surface: str) -> tuple[str, str] | None:
        """Return the address that environment or file name, and which of them."""
        named = self.variable(f"listen.{surface}")
        if named or self._file is None:
            return named
        try:
            found = listed(self._text, "listen", surface)
        except UnusualFormError:
            section = self._parsed().get("listen")
            found = _text(section.get(surface)) if isinstance(section, dict) else None
        if not found:
            return None
        address = self._anchored(found)
        if surface != _HEALTH:
            self._require_own(surface, address)
        return address, str(self._file)

    def _require_own(self, surface: str, address: str) -> None:
        """Check that no other user can listen where the file says: commands send tokens and secrets there.

        Raises:
            ValueError: it is no unix socket, or another user could put one into its folder.
        """
        path = socket_path(address)
        if path is None:
            message = f"{self._file}: listen.{surface} isn't unix: and a path"
            raise ValueError(message)
        try:
            require_trusted(existing_folder(path))
        except OSError as error:
            message = f"listen.{surface} of {self._file}: {error.filename}: {error.strerror}"
            raise ValueError(message) from None

    def flag(self, key: str) -> tuple[str, str] | None:
        """Return the address of a ``--set`` flag."""
        return (self._anchored(self._flags[key]), f"--set {key}") if self._flags.get(key) else None

    def variable(self, key: str) -> tuple[str, str] | None:
        """Return the address of a setting's environment variable."""
        name = _PREFIX + key.upper().replace(".", "__")
        value = self._environment.get(name)
        return (self._anchored(value), f"${name}") if value else None

    def _anchored(self, address: str) -> str:
        path = socket_path(address)
        return address if path is None else f"unix:{self._base / path.expanduser()}"

    def _parsed(self) -> Mapping[str, object]:
        from tabard_sidecar.util.problems import SourceError  # noqa: PLC0415 - unusual form: correct before fast
        from tabard_sidecar.util.yaml_source import parse  # noqa: PLC0415

        try:
            value = parse(self._text.encode(), str(self._file))[0].value
        except SourceError as error:
            raise ValueError(str(error)) from None
        return value if isinstance(value, dict) else {}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _read(file: Path) -> str:
    """Return a configuration's text.

    Raises:
        ValueError: it can't be read, or another user could write it.
    """
    try:
        return read_trusted(file, MAX_BYTES)[0].decode("utf-8")
    except FileNotFoundError:
        raise ValueError(f"{file}: no such file") from None
    except UnicodeDecodeError:
        raise ValueError(f"{file}: it isn't UTF-8 text") from None
    except OSError as error:
        where = f"{error.filename}: " if error.filename not in {None, str(file)} else ""
        raise ValueError(f"{file}: {where}{error.strerror}") from None
