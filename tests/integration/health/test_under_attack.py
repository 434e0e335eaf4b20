"""A real sidecar answers its probes while authors of policies and what it depends on attack it."""

from __future__ import annotations

import pytest
import pytest_asyncio

from testbed.attacks.dependencies import STAGES
from testbed.attacks.loads import LOADS
from testbed.attacks.probed import probed
from tests.support.attacks import answers_under

pytestmark = pytest.mark.asyncio(loop_scope="module")

_LOAD_SECONDS = 4.0
"""Time for several loads of what is large."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def attacked():
    """A sidecar that serves, with its probes."""
    async with probed() as both:
        yield both


@pytest.mark.parametrize("name", LOADS)
async def test_authors(attacked, name):
    """Attacks by authors of the policy or the catalogue."""
    await answers_under(LOADS[name], *attacked, _LOAD_SECONDS)


@pytest.mark.parametrize("name", STAGES)
async def test_dependencies(name):
    """Attacks by what the sidecar asks or writes to."""
    make, attack = STAGES[name]
    async with make() as overrides, probed(overrides) as (made, probes):
        await answers_under(attack, made, probes)
