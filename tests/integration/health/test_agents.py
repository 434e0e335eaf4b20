"""A real sidecar answers its probes while agents and strangers attack it, and its memory stays bounded."""

from __future__ import annotations

import pytest
import pytest_asyncio

from testbed.attacks.agents import HOLDERS, STRANGERS
from testbed.attacks.probed import probed
from tests.support.attacks import answers_under, forget_peak, peak_megabytes

pytestmark = pytest.mark.asyncio(loop_scope="module")

_POD_MEGABYTES = 256
_GRANTED_MEGABYTES = 384
"""With a valid grant, arguments of very many values take more than the pod has (a known limit in the threat model)."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def attacked():
    """A sidecar that serves, with its probes."""
    async with probed() as both:
        yield both


@pytest.mark.parametrize("name", STRANGERS)
async def test_strangers(attacked, name):
    """Attacks that need only a connection."""
    made, probes = attacked
    forget_peak(made.pid)
    await answers_under(STRANGERS[name], made, probes)
    assert peak_megabytes(made.pid) < _POD_MEGABYTES


@pytest.mark.parametrize("name", HOLDERS)
async def test_holders(attacked, name):
    """Attacks by holders of a grant, or of a backend's key."""
    made, probes = attacked
    forget_peak(made.pid)
    await answers_under(HOLDERS[name], made, probes)
    assert peak_megabytes(made.pid) < _GRANTED_MEGABYTES
