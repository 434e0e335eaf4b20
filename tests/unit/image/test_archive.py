"""An image's file depends on what is in the image, and on nothing else."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from k8s.image.archive import configuration_of, layers_of, rewrite, settled

EPOCH = 1_700_000_000
names = st.text("abc/", min_size=1, max_size=8).map(lambda text: text.strip("/")).filter(bool)
entries = st.dictionaries(names, st.binary(max_size=50), min_size=1, max_size=8)


def layer(files: dict[str, bytes], *, time: int, order: int = 1, user: int = 0) -> bytes:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as archive:
        for name in sorted(files)[::order]:
            member = tarfile.TarInfo(name)
            member.size, member.mtime, member.uid, member.uname = len(files[name]), time, user, f"user{user}"
            archive.addfile(member, io.BytesIO(files[name]))
    return written.getvalue()


def saved(path: Path, layers: list[bytes], created: str) -> Path:
    """Write what ``docker save`` would."""
    config = {
        "architecture": "amd64",
        "os": "linux",
        "created": created,
        "docker_version": created,
        "container": created,
        "container_config": {"Hostname": created},
        "config": {"User": "65532:65532", "Hostname": created, "Image": created},
        "rootfs": {"type": "layers", "diff_ids": []},
        "history": [{"created": created, "created_by": "COPY"} for _ in layers],
    }
    files = {f"{number}/layer.tar": content for number, content in enumerate(layers)}
    files["config.json"] = json.dumps(config).encode()
    files["manifest.json"] = json.dumps(
        [
            {
                "Config": "config.json",
                "RepoTags": ["x"],
                "Layers": [f"{n}/layer.tar" for n in range(len(layers))],
            }
        ]
    ).encode()
    path.write_bytes(layer(files, time=0))
    return path


@given(entries, st.integers(EPOCH, EPOCH + 10**8), st.integers(0, 5000))
def test_layers_of_any_build_are_alike(files: dict[str, bytes], time: int, user: int):
    """Order, times after the image's and owners make no difference."""
    assert settled(layer(files, time=time, order=-1, user=user), EPOCH) == settled(
        layer(files, time=EPOCH), EPOCH
    )


@given(entries)
def test_contents_and_older_times_stay(files: dict[str, bytes]):
    """A layer is still that layer, and settled twice it is the same."""
    once = settled(layer(files, time=EPOCH - 5), EPOCH)
    assert settled(once, EPOCH) == once
    with tarfile.open(fileobj=io.BytesIO(once)) as archive:
        assert {member.name: archive.extractfile(member).read() for member in archive} == files
        assert {member.mtime for member in archive} == {EPOCH - 5}


def test_two_builds_give_one_file(tmp_path: Path):
    """Only the layers of the base keep their times."""
    base = layer({"usr/bin/python3": b"p"}, time=EPOCH + 77)
    made = [
        rewrite(
            saved(
                tmp_path / f"saved{time}",
                [base, layer({"opt/x": b"x"}, time=time)],
                f"2030-01-0{day}T00:00:00Z",
            ),
            tmp_path / f"image{day}.tar",
            tag="tabard:1",
            base_layers=1,
            epoch=EPOCH,
        )
        for day, time in ((1, EPOCH + 1), (2, EPOCH + 2))
    ]
    assert made[0].digest == made[1].digest
    assert made[0].path.read_bytes() == made[1].path.read_bytes()
    times = [[member.mtime for member in one] for one in layers_of(made[0].path)]
    assert times == [[EPOCH + 77], [EPOCH]]


def test_nothing_of_the_build_is_left_in_the_configuration(tmp_path: Path):
    """Host names, containers and versions of the builder are gone; what a container needs is there."""
    made = rewrite(
        saved(tmp_path / "saved", [layer({"a": b""}, time=1)], "2030-01-01T00:00:00Z"),
        tmp_path / "image.tar",
        tag="tabard:1",
        base_layers=0,
        epoch=EPOCH,
    )
    found = configuration_of(made.path)
    assert set(found) == {"architecture", "os", "created", "config", "rootfs", "history"}
    assert found["config"] == {"User": "65532:65532"}
    assert {entry["created"] for entry in found["history"]} == {found["created"]} == {"2023-11-14T22:13:20Z"}
