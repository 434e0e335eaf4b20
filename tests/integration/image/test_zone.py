"""The image at work: sidecar and agent, OPA, Redis and Vault, each in a container."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from testbed.world import PERSON
from tests.support.contained import SIDECAR, ContainedZone, backends, seconds_until_stopped
from tests.support.folders import short_folder

MOST_SECONDS = 10.0
"""What a stop may take; a kubelet waits for 30."""


@pytest.fixture(scope="module")
def zone(engine: Path, image: dict[str, Any]) -> Iterator[ContainedZone]:
    """A sidecar of the image that serves, with everything behind it."""
    with ExitStack() as stack:
        folder = stack.enter_context(short_folder("zone"))
        behind = stack.enter_context(backends(engine, folder))
        zone = ContainedZone(folder, image["image"], behind.overrides())
        zone.prepare()
        stack.enter_context(zone.serving())
        yield zone


def _inside(zone: ContainedZone, program: str) -> Any:
    answer = zone.container.exec(["/opt/tabard/bin/python", "-I", "-c", f"import json\n{program}"])
    assert answer.exit_code == 0, answer.output.decode()
    return json.loads(answer.output)


def test_an_agent_is_authorized_over_the_mounted_socket(zone: ContainedZone):
    """OPA's server decides, Redis keeps the task, Vault gives the key; what no rule grants is denied."""
    answer = zone.ask(zone.issuer.access_token(PERSON), zone.intent("notes", "What did I write?"))
    assert answer["note"] == "jwt"
    assert "key-of-the-weather-service" in answer["weather"]
    assert answer["denied"] == "tool_not_granted"


def test_the_process_has_no_privileges(zone: ContainedZone):
    """Another user than root, no capability, none to be had, and a system call filter, as its kernel sees it."""
    status = _inside(
        zone,
        "print(json.dumps(dict(line.split(':\\t', 1) for line in open('/proc/1/status').read().splitlines())))",
    )
    assert status["Uid"].split() == status["Gid"].split() == [str(SIDECAR)] * 4
    assert {status[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
    assert status["NoNewPrivs"] == "1"


def test_nothing_but_the_volume_can_be_written(zone: ContainedZone):
    """The root file system is read-only, no temporary folder is mounted, and the sidecar serves all the same."""
    mounts = _inside(zone, "print(json.dumps([line.split() for line in open('/proc/1/mounts')]))")
    options = {where: set(flags.split(",")) for _, where, _, flags, *_ in mounts}
    assert "ro" in options["/"]
    assert not {place for place in options if place.startswith("/tmp") and place != str(zone.folder)}  # noqa: S108
    assert "rw" in options[str(zone.folder)]
    refused = _inside(
        zone,
        "import errno\nfound = []\nfor place in ('/tmp/x', '/opt/tabard/x', '/home/nonroot/x', '/x'):\n"
        "    try:\n        open(place, 'w')\n    except OSError as error:\n        found.append(errno.errorcode[error.errno])\n"
        "print(json.dumps(found))",
    )
    assert refused == ["EROFS"] * 4


def test_the_agent_sees_its_socket_only(zone: ContainedZone):
    """Whatever else the sidecar has lies in folders that the agent's user can't enter."""
    for place in (zone.keys, zone.sidecar.folder / "operator"):
        assert place.stat().st_mode & 0o007 == 0
        assert place.stat().st_uid == SIDECAR


def test_without_the_store_nothing_is_authorized_and_sigterm_ends_it(engine: Path, image: dict[str, Any]):
    """Fails closed, says so, and stops within seconds also then; with the store it ends as well."""
    with ExitStack() as stack:
        folder = stack.enter_context(short_folder("zone"))
        behind = stack.enter_context(backends(engine, folder))
        zone = ContainedZone(folder, image["image"], behind.overrides())
        zone.prepare()
        running = stack.enter_context(zone.serving())
        behind.store.get_wrapped_container().kill("SIGKILL")
        with pytest.raises(AssertionError, match="state"):
            zone.ask(zone.issuer.access_token(PERSON), zone.intent("notes", "What did I write?"))
        took, code = seconds_until_stopped(running)
        assert took < MOST_SECONDS
        assert code == 0


def test_sigterm_ends_it(zone: ContainedZone):
    """In good order, within seconds."""
    took, code = seconds_until_stopped(zone.container)
    assert took < MOST_SECONDS
    assert code == 0
