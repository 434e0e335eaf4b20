"""Coverage-guided fuzzing of everything that reads a caller's bytes before a signature was checked.

``make fuzz`` runs it for FUZZ_SECONDS (default 30). Anything but the one documented error of each reader is a finding;
atheris then prints the input and writes it to crash-*.
"""

from __future__ import annotations

import contextlib
import sys

import atheris

with atheris.instrument_imports(include=["tabard", "tabard_sidecar", "pymacaroons"]):
    from google.protobuf.message import DecodeError
    from tabard import macaroon
    from tabard.arguments import ArgumentsError, canonical, parse_arguments
    from tabard.authz.v1 import authorization_service_pb2, task_service_pb2
    from tabard.caveats import CaveatError, decode_caveat, encode_caveat
    from tabard_sidecar.errors import NoDecision, Refused
    from tabard_sidecar.grants import GrantService
    from tabard_sidecar.keys.model import ROOT, Key
    from tabard_sidecar.server import convert


class _OneKey:
    """A keyring of one key that exists in this process only."""

    key = Key("k1", ROOT, 0.0, None, b"\x00" * 32)

    def active(self, _use: str) -> Key:
        return self.key

    def get(self, kid: str, _use: str) -> Key | None:
        return self.key if kid == "k1" else None

    def derive(self, _key: Key, info: str) -> bytes:
        return info.encode().ljust(32, b"\x00")[:32]


_grants = GrantService(_OneKey(), "zone")


def _arguments(data: bytes) -> None:
    try:
        parsed = parse_arguments(data)
    except ArgumentsError:
        return
    # What was accepted has one canonical form, which reads back to itself.
    text = canonical(parsed)
    if canonical(parse_arguments(text)) != text:
        raise AssertionError(data)


def _caveat(data: bytes) -> None:
    try:
        caveat = decode_caveat(data)
    except CaveatError:
        return
    if decode_caveat(encode_caveat(caveat)) != caveat:
        raise AssertionError(data)


def _grant(data: bytes) -> None:
    text = data.decode("latin-1")
    with contextlib.suppress(macaroon.MacaroonError):
        macaroon.parse(text)
    try:
        _grants.verify(text)
    except Refused:
        return
    raise AssertionError("a grant that was never minted verifies")


def _request(data: bytes) -> None:
    for kind, read in (
        (authorization_service_pb2.AuthorizeRequest, convert.authorize_request),
        (task_service_pb2.StartTaskRequest, convert.start_request),
        (task_service_pb2.DelegateTaskRequest, convert.delegate_request),
    ):
        try:
            read(kind.FromString(data))
        except (DecodeError, NoDecision):
            continue


_READERS = (_arguments, _caveat, _grant, _request)


def test_one_input(data: bytes) -> None:
    """Give one input to the reader that its first byte chooses."""
    if data:
        _READERS[data[0] % len(_READERS)](data[1:])


if __name__ == "__main__":
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()
