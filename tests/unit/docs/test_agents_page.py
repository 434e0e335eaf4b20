"""docs/agents.md names everything that agent developers can use."""

import inspect

import pytest
import tabard
from tabard.testing import FakeSidecar

from tests.support.markdown import ROOT

PAGE = (ROOT / "docs" / "agents.md").read_text()


def public(kind):
    return [name for name in dir(kind) if not name.startswith("_")]


@pytest.mark.parametrize("name", list(inspect.signature(tabard.guard).parameters))
def test_every_parameter_of_a_guard_has_its_row(name):
    assert f"\n| `{name}` |" in PAGE


@pytest.mark.parametrize("name", list(inspect.signature(tabard.connect).parameters)[1:])
def test_every_parameter_of_connect_is_named(name):
    assert name in PAGE


@pytest.mark.parametrize("name", sorted({*public(tabard.Task), *public(tabard.Client)} - {"connection"}))
def test_every_method_of_clients_and_tasks_is_named(name):
    assert f".{name}" in PAGE or f"`{name}" in PAGE


# A `with` block starts and stops it.
@pytest.mark.parametrize("name", sorted({*public(FakeSidecar)} - {"start", "stop"}))
def test_everything_of_the_fake_is_named(name):
    assert f".{name}" in PAGE or f"`{name}" in PAGE


@pytest.mark.parametrize("name", [*vars(tabard.errors)])
def test_every_error_is_named(name):
    kind = getattr(tabard.errors, name)
    if inspect.isclass(kind) and issubclass(kind, tabard.TabardError):
        assert f"`{name}`" in PAGE or f"`tabard.{name}`" in PAGE
