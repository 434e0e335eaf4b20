"""Implements ``tabard health``. Imports only the standard library, because probes start it often.

Exit code 0 if the sidecar is ready, 1 if it isn't, 6 if nothing answers.
"""

from __future__ import annotations

import os
import re
import socket
import stat
import sys
from collections.abc import Mapping, Sequence

from tabard.address import OPERATOR, default_address

from tabard_sidecar import exit_codes
from tabard_sidecar.util.health_address import health_beside
from tabard_sidecar.util.visible import printable, visible_json

_VARIABLE = "TABARD_LISTEN__HEALTH"
_OPERATOR_VARIABLE = "TABARD_LISTEN__OPERATOR"
_MAX_BYTES = 256 * 1024
_OK = 200

USAGE = """Usage: tabard health [--address ADDRESS] [--config FILE] [--timeout SECONDS] [--live] [--json]

  Ask a running sidecar whether it is ready.

Options:
  --address ADDRESS  unix:/path or host:port. Default: listen.health of the environment
                     (TABARD_LISTEN__HEALTH) or the configuration, else the socket beside
                     listen.operator. On http.listen only the status is told.
  --config FILE      Configuration file to read.
  --timeout SECONDS  Longest wait. Default: 3.
  --live             Succeed if the process isn't stuck, ready or not.
  --json             Print the answer as JSON.
  --help             Show this message and exit.

Exit codes: 0 ready, 1 not ready, 2 usage, 6 no answer.
"""


class _UsageError(Exception):
    pass


def run_health(arguments: Sequence[str]) -> int:
    """Run the command with its own arguments and return the exit code."""
    try:
        options = _parse(arguments)
        if "help" in options:
            sys.stdout.write(USAGE)
            return exit_codes.OK
        timeout = float(options.get("timeout", "3"))
        address = options.get("address") or find_address(os.environ, options.get("config"))
    except (_UsageError, ValueError) as error:
        sys.stderr.write(printable(f"{USAGE}\nerror: {error}\n"))
        return exit_codes.USAGE
    try:
        status, body = ask(address, "/healthz" if "live" in options else "/readyz", timeout)
    except (OSError, ValueError) as error:
        sys.stderr.write(
            printable(f"error: no sidecar answers at {address}: {error}\n")
            + "  next: start it with `tabard serve`, or name its listen.health with --address\n"
        )
        return exit_codes.UNREACHABLE
    # The words of a party that isn't known: it only listens at the address.
    sys.stdout.write(visible_json(body) if "json" in options else printable(_text(body)))
    if not body.endswith("\n") and "json" in options:
        sys.stdout.write("\n")
    return exit_codes.OK if status == _OK else exit_codes.NEGATIVE


def _parse(arguments: Sequence[str]) -> dict[str, str]:
    options: dict[str, str] = {}
    rest = list(arguments)
    while rest:
        name, separator, value = rest.pop(0).partition("=")
        if name in {"--json", "--live", "--help", "-h"} and not separator:
            options[{"-h": "help"}.get(name, name.removeprefix("--"))] = "yes"
        elif name in {"--address", "--config", "--timeout"}:
            if not separator and not rest:
                raise _UsageError(f"{name} needs a value")
            options[name.removeprefix("--")] = value if separator else rest.pop(0)
        else:
            raise _UsageError(f"unknown option {name}")
    return options


def find_address(environment: Mapping[str, str], file: str | None) -> str:
    """Return the health socket without the configuration's own loader, which would cost half a second.

    Raises:
        ValueError: the configuration can't be read.
    """
    if environment.get(_VARIABLE):
        return environment[_VARIABLE]
    text = _configuration(file or environment.get("TABARD_CONFIG"))
    named = scan(text, "health")
    if named is not None:
        return named
    operator = environment.get(_OPERATOR_VARIABLE) or scan(text, "operator")
    return health_beside(operator or default_address(OPERATOR, environment))


def _configuration(named: str | None) -> str:
    for candidate in [named] if named else ["tabard.yaml", "/etc/tabard/tabard.yaml"]:
        try:
            return _read(candidate)
        except FileNotFoundError:
            if named:
                raise ValueError(f"{candidate}: no such file") from None
        except (OSError, UnicodeDecodeError) as error:
            raise ValueError(f"{candidate}: {error}") from None
    return ""


def _read(file: str) -> str:
    """Return a file's text; a named pipe would block and is refused."""
    # Like tabard.files, whose imports would cost a tenth of the budget.
    descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError(f"{file}: not a regular file")
        return os.read(descriptor, _MAX_BYTES).decode("utf-8")
    finally:
        os.close(descriptor)


def scan(text: str, key: str) -> str | None:
    """Return ``listen.<key>`` of a configuration in the usual block form, ``None`` if it isn't set.

    Any other form is left to the full loader.
    """
    section = re.search(
        r"^listen:[ \t]*(#.*)?\n((?:[ \t]*(?:#.*)?\n|[ \t]+.*(?:\n|\Z))*)", text, re.MULTILINE
    )
    if section is not None:
        line = re.search(
            rf"""^[ \t]+{key}:[ \t]+(["']?)([^"'#\s{{}}\[\]]+)\1[ \t]*(?:#.*)?$""",
            section.group(2),
            re.MULTILINE,
        )
        if line is not None:
            return line.group(2)
        if key not in section.group(2):
            return None
    if re.search(r"^(?:[\"']?listen[\"']?[ \t]*:|\{)", text, re.MULTILINE) is None:
        return None
    from tabard_sidecar.util.yaml_source import parse  # noqa: PLC0415 - unusual form: correct before fast

    found = parse(text.encode(), "configuration")[0].value.get("listen")
    address = found.get(key) if isinstance(found, dict) else None
    return address if isinstance(address, str) else None


def ask(address: str, path: str, timeout: float) -> tuple[int, str]:
    """Send one GET and return status code and body.

    Raises:
        OSError: nothing answers in time.
        ValueError: the answer isn't HTTP, or the address has no port.
    """
    with _connect(address, timeout) as connection:
        connection.sendall(f"GET {path} HTTP/1.0\r\nHost: tabard\r\n\r\n".encode())
        answer = b""
        while len(answer) < _MAX_BYTES and (piece := connection.recv(65536)):
            answer += piece
    head, _, body = answer.partition(b"\r\n\r\n")
    match = re.match(rb"HTTP/1\.[01] (\d{3})", head)
    if match is None:
        raise ValueError("the answer isn't HTTP")
    return int(match.group(1)), body.decode(errors="replace")


def _connect(address: str, timeout: float) -> socket.socket:
    scheme, _, rest = address.partition(":")
    if scheme == "unix":
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(timeout)
        try:
            connection.connect(rest.removeprefix("//"))
        except OSError:
            connection.close()
            raise
        return connection
    host, separator, port = address.rpartition(":")
    if not separator:
        raise ValueError("the address has no port")
    host = {"0.0.0.0": "127.0.0.1", "[::]": "::1"}.get(host, host)  # noqa: S104 - what a server on all interfaces is asked at
    return socket.create_connection((host.strip("[]"), int(port)), timeout)


def _text(body: str) -> str:
    import json  # noqa: PLC0415 - only needed here

    try:
        document = json.loads(body)
        lines = [f"{document['status']}{'' if document['ready'] else ' (not ready)'}"]
        lines += [f"  {reason}".replace("\n", "\\n") for reason in document["reasons"]]
    except (ValueError, KeyError, TypeError):
        return body + "\n"
    return "\n".join(lines) + "\n"
