"""The reference page of the control service: settings, what it serves, how keys are derived, metrics."""

from __future__ import annotations

from injector_page import Table, metrics_rows, settings_tables
from prometheus_client import CollectorRegistry
from tabard_sidecar.certificates.serving import Kept
from tabard_sidecar.control.conf import ControlSettings
from tabard_sidecar.control.metrics import ControlMetrics

_INTRO = """\
# Control service

`tabard control serve` gives the sidecars of every namespace the keys of their zone.
[Kubernetes](../../k8s/README.md#the-control-service) shows how it is installed.

## What it serves

| request | who may ask | answer |
|---|---|---|
| `GET /zones/NAMESPACE/keys` | a pod of the namespace, by a token of its ServiceAccount with the audience `cluster.audience`, sent as `Authorization: Bearer` | 200 with the zone's keys and an `ETag`; 304 if `If-None-Match` has that tag; 401, 403, 404 or 503 with `error` and `error_description` |
| `GET /zones/NAMESPACE/jwks.json` | everyone | the zone's public signing keys, a JWK Set (RFC 7517); a new key is in it before its first use |
| `POST /zones/NAMESPACE/introspect` | a backend, by a key of `zones.NAME.introspection.clients` | as [a sidecar answers](../backends.md#revocation) (RFC 7662); 404 for a zone that isn't in `zones` |

With the section `operators` it serves gRPC on `operators.listen`: the services `RevocationService`,
`TaskOperatorService`, `LeaseOperatorService` and `ApprovalService` of `tabard.authz.v1`, as a
sidecar's operator socket. A request carries the metadata `authorization: Bearer TOKEN` and
`tabard-zone: NAMESPACE`, each once.

| role | allows |
|---|---|
| `viewer` | to list tasks, leases, revocations and approvals, and to see a task's tree |
| `approver` | the same, to see a call that waits in full, and to decide about it with an approver's token |
| `operator` | what `viewer` allows, to revoke, and to lift revocations |

A person decides with a token of their own; a workload with the role `approver`, such as a console,
passes on tokens of people. Changes are records in the format of the [decision log](decision-log.md)
(section `audit`), with `zone` and `operator` in `by`. Every call is a line `operator call` of the
log.

The API server is asked about every token (TokenReview). It says whose it is, and whether the pod
that it is bound to still exists. A token that is bound to no pod gets nothing.

## How keys are derived

A master key is 32 random bytes; each has a number, its generation. The keys of a zone come from it
by HKDF-SHA256 (RFC 5869) without a salt. `info` is `tabard/v1/control/PURPOSE/GENERATION/ZONE`:

| purpose | bytes | what they are |
|---|---|---|
| `root` | 32 | the zone's key of use `root` |
| `signing` | 48 | read as a number *n* (big endian), the private key on P-256 is *n* mod (*order* - 1) + 1 (FIPS 186-5, A.2.1) |
| `kid/root`, `kid/signing` | 8 | end of the key's id, `root-GENERATION-HEX` or `signing-GENERATION-HEX` |

So replicas agree without talking to each other. `tests/conformance/control_keys.json` has vectors.

A file of a master key is named `generation-N.json`:

```json
{
  "generation": 2,
  "active_from": "2026-03-01T12:05:00.000Z",
  "former_until": "2026-03-02T12:05:00.000Z",
  "key": "base64url of 32 bytes"
}
```

From `active_from` on the keys that come from it make new grants and credentials. At `former_until`
those of all former generations retire; it is `null` for the first generation.

"""
_SETTINGS = """\
## Settings

The service reads one YAML file: the one that `--config` names, else `/etc/tabard/control.yaml`. A
flag (`--set server.listen=0.0.0.0:9444`) is stronger. It reads no environment variables. Relative
paths are relative to the file's directory.
"""
_METRICS = """\
## Metrics

`http.listen` serves `/healthz`, `/readyz` and `/metrics`: these metrics, and `process_*`.

| metric | type | labels | meaning |
|---|---|---|---|
"""


def control_page(table: Table) -> str:
    """Return the page; ``table`` writes the rows of settings."""
    lines = [f"{_INTRO}{_SETTINGS}", *settings_tables(ControlSettings, table)]
    metrics = metrics_rows(ControlMetrics(CollectorRegistry(), Kept(), float))
    return "\n".join(lines) + "\n" + _METRICS + "".join(metrics)
