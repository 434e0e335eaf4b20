"""The package as a whole."""

import inspect
import pydoc
import re
import subprocess
import sys

import pytest
import tabard
import tabard.testing
from opentelemetry.sdk.trace import TracerProvider


def test_every_name_that_is_promised_exists():
    for name in tabard.__all__:
        assert hasattr(tabard, name)
    assert set(tabard.__all__) <= set(dir(tabard))
    with pytest.raises(AttributeError):
        tabard.nothing  # noqa: B018


@pytest.mark.parametrize("module", [tabard, tabard.testing])
def test_help_lists_everything(module):
    """Names that are loaded when first used are listed like all others."""
    text = pydoc.plain(pydoc.render_doc(module))
    lists = text[text.index("CLASSES") :]
    for name in module.__all__:
        if not inspect.ismodule(getattr(module, name)):
            assert re.search(rf"\b{name}\b", lists), name


def _modules_after(statement):
    script = f"import sys\n{statement}\nprint(*sorted(sys.modules))"
    return subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    ).stdout.split()


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import tabard", ["grpc", "google.protobuf", "jwt", "pymacaroons"]),
        ("import tabard.address", ["grpc", "google.protobuf"]),
        ("import tabard.testing.plugin", ["grpc", "google.protobuf", "jwt"]),
        (
            "import tabard\ntabard.connect",
            ["jwt", "cryptography", "pymacaroons", "pytest"],
        ),
    ],
)
def test_a_part_does_not_load_what_it_does_not_need(statement, absent):
    assert set(_modules_after(statement)).isdisjoint(absent)


def test_trace_context_travels_when_the_program_traces(tabard_fake):
    tracer = TracerProvider().get_tracer("test")
    tabard_fake.allow("t")
    with tabard.connect() as client:
        task = client.start_task("token")
        task.authorize("t")
        with tracer.start_as_current_span("caller") as span:
            task.authorize("t")
    without, traced = (call.metadata.get("traceparent") for call in tabard_fake.calls)
    assert without is None
    assert f"{span.get_span_context().trace_id:032x}" in traced
