"""Implements ``tabard health``. Imports only the standard library, because probes start it often.

Exit code 0 if the sidecar is ready, 1 if it isn't, 6 if nothing answers.
"""

from __future__ import annotations

import json
import re
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tabard_sidecar import exit_codes
from tabard_sidecar.operating.reach import Target, find
from tabard_sidecar.util.visible import printable, visible_json

_MAX_BYTES = 256 * 1024
_OK = 200

USAGE = """Usage: tabard health [--address ADDRESS] [--config FILE] [--timeout SECONDS] [--live] [--json]

  Ask a running sidecar whether it is ready. A sidecar of another zone than the
  configuration's counts as no answer.

Options:
  --address ADDRESS  unix:/path or host:port; any zone may answer. Default: listen.health of the
                     environment (TABARD_LISTEN__HEALTH) or the configuration, else the socket
                     beside the operators'. On http.listen only the status is told.
  --config FILE      Configuration file. Default: $TABARD_CONFIG, ./tabard.yaml,
                     /etc/tabard/tabard.yaml.
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
        target = _target(options)
    except (_UsageError, ValueError) as error:
        sys.stderr.write(printable(f"{USAGE}\nerror: {error}\n"))
        return exit_codes.USAGE
    try:
        status, body = ask(target.address, "/healthz" if "live" in options else "/readyz", timeout)
    except (OSError, ValueError) as error:
        sys.stderr.write(
            printable(f"error: no sidecar answers at {target.address}, from {target.origin}: {error}\n")
            + "  next: start it with `tabard serve`, or name its listen.health with --address\n"
        )
        return exit_codes.UNREACHABLE
    found = _document(body)
    other = _other_zone(target, found)
    if other:
        sys.stderr.write(printable(other))
        return exit_codes.UNREACHABLE
    # The words of a party that isn't known: it only listens at the address.
    sys.stdout.write(visible_json(body) if "json" in options else printable(_text(found, body)))
    if not body.endswith("\n") and "json" in options:
        sys.stdout.write("\n")
    return exit_codes.OK if status == _OK else exit_codes.NEGATIVE


def _target(options: Mapping[str, str]) -> Target:
    """Return the sidecar to ask; at an address that the user named, any zone may answer."""
    if "address" in options:
        return Target(options["address"], "--address", "", "")
    return find("health", config_file=Path(options["config"]) if "config" in options else None)


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


def _document(body: str) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _other_zone(target: Target, found: dict[str, Any]) -> str:
    """Return the error if the sidecar serves another zone than the one that is meant; empty if it doesn't."""
    zone = found.get("zone") or target.zone
    if not target.zone or zone == target.zone:
        return ""
    return (
        f"error: the sidecar at {target.address}, from {target.origin}, serves {_who(found)}, not zone {target.zone} of "
        f"{target.zone_origin}\n  next: start the sidecar of {target.zone_origin}, or name the other one's configuration "
        "with --config\n"
    )


def _who(found: dict[str, Any]) -> str:
    return (
        f"zone {found.get('zone')} ({found.get('config') or 'no configuration file'}, pid {found.get('pid')})"
    )


def _text(found: dict[str, Any], body: str) -> str:
    try:
        lines = [f"{found['status']}{'' if found['ready'] else ' (not ready)'}"]
        lines += [f"  {_who(found)}"] if found.get("zone") else []
        lines += [f"  {reason}" for reason in found.get("reasons", ())]
    except (KeyError, TypeError):
        return body + "\n"
    return "\n".join(line.replace("\n", "\\n") for line in lines) + "\n"
