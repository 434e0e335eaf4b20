"""Starts a process in a file system of its own, as a container's is: an image that can't be written, and mounted volumes.

The image is this machine's system, interpreter and repository.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_REPOSITORY = Path(__file__).resolve().parents[2]
_SYSTEM = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
_ETC = (
    "passwd",
    "group",
    "nsswitch.conf",
    "hosts",
    "resolv.conf",
    "ssl",
    "ca-certificates",
    "ld.so.cache",
    "localtime",
)
_DEVICES = ("null", "zero", "full", "random", "urandom")
_ENTERED = 0o005
_TEMPORARY = "/tmp"  # noqa: S108 - a container's own

PATH = f"{Path(sys.executable).parent}:/usr/sbin:/usr/bin:/sbin:/bin"

# The arguments: the root, how many volumes, for each of them folder, place and rw or ro, and what is to be run.
_SCRIPT = r"""
root=$1 count=$2; shift 2
mount -t tmpfs -o mode=0755,size=16m tmpfs "$root"
bound() { # from to
  if [ -d "$1" ]; then mkdir -p "$2"; else mkdir -p "$(dirname "$2")"; touch "$2"; fi
  mount --bind "$1" "$2"
}
for place in $SYSTEM; do
  if [ -L "/$place" ]; then cp -P "/$place" "$root/$place"
  elif [ -d "/$place" ]; then bound "/$place" "$root/$place"; mount -o remount,bind,ro "$root/$place"; fi
done
for device in $DEVICES; do bound "/dev/$device" "$root/dev/$device"; done
mkdir -p "$root/proc" "$root/tmp"
mount --bind /proc "$root/proc"
[ -z "$SCRATCH" ] || mount -t tmpfs -o mode=1777,size=16m tmpfs "$root/tmp"
while [ "$count" -gt 0 ]; do
  bound "$1" "$root$2"
  [ "$3" = rw ] || mount -o remount,bind,ro "$root$2"
  shift 3; count=$((count - 1))
done
# After the volumes: a volume or a scratch file system at /tmp would hide a repository that lies there.
for place in $IMAGE; do bound "$place" "$root$place"; mount -o remount,bind,ro "$root$place"; done
mount -o remount,ro "$root"
unset SYSTEM IMAGE DEVICES SCRATCH
exec chroot "$root" setpriv "$@"
"""


@dataclass(frozen=True)
class Mount:
    """A volume in a container.

    Attributes:
        folder: where the volume is on this machine.
        place: where the container has it.
        writable: whether the container may write there.
    """

    folder: Path
    place: str
    writable: bool


@dataclass(frozen=True)
class User:
    """Whom a container runs as.

    Attributes:
        number: the user.
        group: that user's group.
        groups: further groups.
    """

    number: int
    group: int
    groups: tuple[int, ...] = ()


def contained(root: Path, mounts: Sequence[Mount], user: User, command: Sequence[str]) -> list[str]:
    """Return what runs a command in a container, without a privilege; the first process becomes the command's.

    Args:
        root: an empty folder, which any number of containers use at once.
        mounts: the volumes.
        user: whom it runs as.
        command: the command, by its places in the container.

    Raises:
        RuntimeError: other users may not enter a folder of this machine that is part of the image.
    """
    volumes = [
        part for one in mounts for part in (str(one.folder), one.place, "rw" if one.writable else "ro")
    ]
    return [
        *("unshare", "--mount", "--propagation", "private", "env", *_image(mounts)),
        *("bash", "-euc", _SCRIPT, "container", str(root), str(len(mounts)), *volumes),
        f"--reuid={user.number}",
        f"--regid={user.group}",
        f"--groups={','.join(map(str, user.groups))}" if user.groups else "--clear-groups",
        *("--inh-caps=-all", "--bounding-set=-all", "--no-new-privs"),
        *command,
    ]


def _image(mounts: Sequence[Mount]) -> list[str]:
    """Return what the script takes of this machine."""
    places = ["/usr", *(f"/etc/{name}" for name in _ETC)]
    for place in map(str, (_REPOSITORY, Path(sys.base_prefix).resolve(), Path(sys.prefix))):
        if not any(place == one or place.startswith(f"{one}/") for one in places):
            places.append(place)
    for place in places:
        if Path(place).is_dir() and Path(place).stat().st_mode & _ENTERED != _ENTERED:
            raise RuntimeError(f"a container's user may not enter {place}: chmod o+rx {place}")
    scratch = "" if any(one.place == _TEMPORARY for one in mounts) else "yes"
    return [
        f"SYSTEM={' '.join(_SYSTEM)}",
        f"IMAGE={' '.join(place for place in places if Path(place).exists())}",
        f"DEVICES={' '.join(_DEVICES)}",
        f"SCRATCH={scratch}",
    ]
