"""Law: nothing that a schema of the catalogue names is opened or fetched."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tabard_sidecar.policy.schema import compile_schema
from tabard_sidecar.policy.schema_rules import SchemaError

from tests.support.untouched import references, untouched


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    with untouched(tmp_path_factory.mktemp("canary")) as watched:
        yield watched


@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_schema_of_the_catalogue_leaves_the_process(watched, data):
    with contextlib.suppress(SchemaError):
        check = compile_schema(data.draw(references(watched)))
        for value in ({"a": {"a": [{"a": "x"}]}}, [{}, {"a": 1}], "text"):
            assert "the canary" not in str(check(value))

    assert not watched.opened
    assert not watched.reached
