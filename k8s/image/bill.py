"""The image's bill of materials (CycloneDX 1.6): what the finished image holds, read from its layers.

Listed are Debian's packages (from ``/var/lib/dpkg``), Python packages (from their metadata), what compiled packages
say that they hold (PEP 770), and the Go modules that the linker wrote into the policy engine.
"""

from __future__ import annotations

import json
import re
import tarfile
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from email.message import Message
from email.parser import HeaderParser
from typing import Any
from urllib.parse import quote
from uuid import NAMESPACE_URL, uuid5

from k8s.image.archive import Written

_METADATA = re.compile(r"/site-packages/[^/]+\.dist-info/METADATA$")
_PARTS = re.compile(r"/site-packages/[^/]+\.dist-info/sboms/[^/]+\.json$")
_DEBIAN = re.compile(r"^var/lib/dpkg/(status|status\.d/[^/]+(?<!\.md5sums))$")
_ENGINE = re.compile(r"/tabard_opa/_lib/.*\.so$")
_MODULE = re.compile(rb"\ndep\t([!-~]+)\t(v[!-~]+)(?=[\t\n])")
_COMPILER = re.compile(rb"\bgo(1\.\d+(?:\.\d+)?)\b")

Component = dict[str, Any]


def bill(image: Written, layers: Iterable[tarfile.TarFile], *, version: str, epoch: int) -> dict[str, Any]:
    """Return the bill of materials of an image."""
    found: dict[str, Component] = {}
    for layer in layers:
        for member in layer:
            for component in _components(layer, member):
                found.setdefault(component["bom-ref"], component)
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid5(NAMESPACE_URL, image.digest)}",
        "version": 1,
        "metadata": {
            "timestamp": datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "component": {
                "type": "container",
                "bom-ref": image.digest,
                "name": "tabard",
                "version": version,
                "hashes": [{"alg": "SHA-256", "content": image.digest.removeprefix("sha256:")}],
            },
        },
        "components": [found[ref] for ref in sorted(found)],
    }


def _components(layer: tarfile.TarFile, member: tarfile.TarInfo) -> Iterator[Component]:
    name = member.name.removeprefix("./")
    readers = ((_DEBIAN, _debian), (_METADATA, _python), (_PARTS, _stated), (_ENGINE, _go))
    for pattern, reader in readers:
        file = layer.extractfile(member) if member.isreg() and pattern.search(name) else None
        if file is not None:
            yield from reader(file.read())


def _debian(content: bytes) -> Iterator[Component]:
    for stanza in re.split(r"\n\s*\n", content.decode()):
        fields = HeaderParser().parsestr(stanza.strip())
        if "Package" not in fields:
            continue
        name, version = fields["Package"], fields["Version"]
        where = f"?arch={fields['Architecture']}&distro=debian"
        yield _component("deb/debian", name, version, where)


def _python(content: bytes) -> Iterator[Component]:
    fields = HeaderParser().parsestr(content.decode())
    component = _component("pypi", fields["Name"], fields["Version"])
    yield component | ({"licenses": licences} if (licences := _licences(fields)) else {})


def _licences(fields: Message) -> list[dict[str, Any]]:
    """Give what the package itself declares: an SPDX expression, else the names of its classifiers or its text."""
    if fields["License-Expression"]:
        return [{"expression": fields["License-Expression"]}]
    classified = [
        value.rpartition(" :: ")[2]
        for value in fields.get_all("Classifier", [])
        if value.startswith("License :: ") and value != "License :: OSI Approved"
    ]
    stated = fields["License"]
    short = [stated] if stated and "\n" not in stated else []
    return [{"license": {"name": name}} for name in classified or short]


def _stated(content: bytes) -> Iterator[Component]:
    stated = json.loads(content)
    for part in stated.get("components", ()):
        if part.get("purl") and part.get("version"):
            yield {
                "type": "library",
                "bom-ref": part["purl"],
                "name": part["name"],
                "version": part["version"],
                "purl": part["purl"],
            }


def _go(content: bytes) -> Iterator[Component]:
    for module, version in sorted(set(_MODULE.findall(content))):
        yield _component("golang", module.decode(), version.decode())
    compiler = _COMPILER.search(content)
    if compiler:
        yield _component("golang", "stdlib", compiler[1].decode())


def _component(kind: str, name: str, version: str, qualifiers: str = "") -> Component:
    normal = re.sub(r"[-_.]+", "-", name).lower() if kind == "pypi" else name
    purl = f"pkg:{kind}/{quote(normal, safe='/')}@{quote(version, safe=':')}{qualifiers}"
    return {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}
