"""The reference page of the injector: labels, annotations, settings, metrics."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from tabard_sidecar.certificates.serving import Kept
from tabard_sidecar.config.fields import section
from tabard_sidecar.injector.annotations import ANNOTATIONS
from tabard_sidecar.injector.conf import InjectorSettings
from tabard_sidecar.injector.metrics import InjectorMetrics

_INTRO = """\
# Injector

`tabard injector serve` answers the API server's questions about new pods.
[Kubernetes](../../k8s/README.md) shows how it is installed.

## Labels

| label | on | meaning |
|---|---|---|
| `tabard.dev/inject: enabled` | namespace | Every new pod of the namespace gets a sidecar. |
| `tabard.dev/inject: enabled` | pod | This pod gets one. |
| `tabard.dev/inject: disabled` | pod | This pod gets none, whatever its namespace says. |

Any other value on a pod is refused.

## Annotations of a pod

They tune the sidecar. An annotation that begins with `tabard.dev/` and isn't in this table is
refused, and so is a value that can't be used.

| annotation | value | default | meaning |
|---|---|---|---|
"""
_SETTINGS = """
## Settings

The injector reads one YAML file: the one that `--config` names, else `/etc/tabard/injector.yaml`. A
flag (`--set sidecar.http_port=9200`) is stronger. It reads no environment variables. Relative paths
are relative to the file's directory.
"""
_METRICS = """\
## Metrics

`http.listen` serves `/healthz`, `/readyz` and `/metrics`: these metrics, and `process_*`.

| metric | type | labels | meaning |
|---|---|---|---|
"""

Table = Callable[[str, dict[str, FieldInfo]], Iterator[str]]


def injector_page(table: Table) -> str:
    """Return the page; ``table`` writes the rows of settings."""
    annotations = "\n".join(
        f"| `{name}` | {one.value} | {one.default} | {one.meaning} |" for name, one in ANNOTATIONS.items()
    )
    lines = [f"{_INTRO}{annotations}", _SETTINGS, *settings_tables(InjectorSettings, table)]
    metrics = metrics_rows(InjectorMetrics(CollectorRegistry(), Kept()))
    return "\n".join(lines) + "\n" + _METRICS + "".join(metrics)


def settings_tables(settings: type[BaseModel], table: Table) -> Iterator[str]:
    """Yield the lines that describe every setting, section by section."""
    fields = settings.model_fields
    yield from table("", {name: field for name, field in fields.items() if section(field) is None})
    for name, field in fields.items():
        found = section(field)
        if found is not None:
            yield from (
                f"### {name}\n",
                f"{_about(found[0])}\n",
                *table(f"{name}{found[1]}.", found[0].model_fields),
            )


def _about(model: type[BaseModel]) -> str:
    return " ".join((model.__doc__ or "").strip().split("\n\n")[0].split())


def metrics_rows(metrics: object) -> Iterator[str]:
    """Yield a row for each instrument that is an attribute of ``metrics``."""
    for instrument in vars(metrics).values():
        if isinstance(instrument, MetricWrapperBase):
            family = next(iter(instrument.describe()))
            full = f"{family.name}_total" if family.type == "counter" else family.name
            labels = ", ".join(f"`{label}`" for label in instrument._labelnames) or "none"  # noqa: SLF001 - no public way
            yield f"| `{full}` | {family.type} | {labels} | {family.documentation} |\n"
