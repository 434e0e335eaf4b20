"""The bill of materials lists what is found in the layers, from each source once."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

from k8s.image.archive import Written
from k8s.image.bill import bill

SITE = "opt/tabard/lib/python3.13/site-packages"
FILES = {
    "./var/lib/dpkg/status.d/python3.13": "Package: python3.13\nVersion: 3.13.5-2+deb13u5\nArchitecture: amd64\nDescription: x\n y\n",
    "./var/lib/dpkg/status.d/python3.13.md5sums": "Package: no\nVersion: 1\nArchitecture: all\n",
    f"{SITE}/Aio_http-1.0.dist-info/METADATA": "Name: Aio.http\nVersion: 1.0\nLicense-Expression: MIT\n\nText",
    f"{SITE}/old-2.dist-info/METADATA": "Name: old\nVersion: 2\nLicense: A\n long text\nClassifier: License :: OSI Approved :: BSD License\n",
    f"{SITE}/bare-3.dist-info/METADATA": "Name: bare\nVersion: 3\n",
    f"{SITE}/bare-3.dist-info/sboms/rust.cdx.json": json.dumps(
        {"components": [{"name": "serde", "version": "1", "purl": "pkg:cargo/serde@1"}, {"name": "file"}]}
    ),
    f"{SITE}/tabard_opa/_lib/libtabard_opa.so": "\0\0path\tx\nmod\tx\t(devel)\t\ndep\tgithub.com/a/b\tv1.2.3\th1:x=\n\0go1.26.6\0",
    f"{SITE}/other/x.so": "\ndep\tgithub.com/other\tv1\th1:x=\n",
    f"{SITE}/notes/METADATA": "Name: no\nVersion: 1\n",
}


def layer(files: dict[str, str]) -> tarfile.TarFile:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    written.seek(0)
    return tarfile.open(fileobj=written)


def test_what_is_found_is_listed_once():
    """By its package URL, with the licence that it declares."""
    image = Written(Path("x"), "sha256:" + "a" * 64, "sha256:" + "b" * 64, 1, 2)
    made = bill(image, [layer(FILES), layer(FILES)], version="0.1.0", epoch=0)
    assert [part["bom-ref"] for part in made["components"]] == [
        "pkg:cargo/serde@1",
        "pkg:deb/debian/python3.13@3.13.5-2%2Bdeb13u5?arch=amd64&distro=debian",
        "pkg:golang/github.com/a/b@v1.2.3",
        "pkg:golang/stdlib@1.26.6",
        "pkg:pypi/aio-http@1.0",
        "pkg:pypi/bare@3",
        "pkg:pypi/old@2",
    ]
    licences = {part["name"]: part.get("licenses") for part in made["components"]}
    assert licences["Aio.http"] == [{"expression": "MIT"}]
    assert licences["old"] == [{"license": {"name": "BSD License"}}]
    assert licences["bare"] is None


def test_the_same_image_has_the_same_bill():
    """Also its serial number."""
    image = Written(Path("x"), "sha256:" + "a" * 64, "sha256:" + "b" * 64, 1, 2)
    assert bill(image, [layer(FILES)], version="1", epoch=0) == bill(
        image, [layer(FILES)], version="1", epoch=0
    )
