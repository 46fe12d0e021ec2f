"""Parser of /proc/self/mountinfo: the local file systems that can fill up, each once, and whether
/proc hides processes. Pure.

File systems over a network or of a program (FUSE) are left out, and so is everything below them:
the kernel waits for their servers without a deadline, already on the way to a path.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

LOCAL = frozenset(
    [
        *("bcachefs", "btrfs", "exfat", "ext2", "ext3", "ext4", "f2fs", "hfsplus", "jfs"),
        *("nilfs2", "ntfs3", "reiserfs", "ufs", "vfat", "xfs", "zfs"),
    ]
)
# What a path may pass on its way to a local one.
PASSED = LOCAL | {"devtmpfs", "overlay", "ramfs", "rootfs", "squashfs", "erofs", "tmpfs"}
ROOT = "/"
MAX_MOUNTS = 2000
_ESCAPE = re.compile(r"\\([0-3][0-7]{2})")
_FIELDS = 6  # before the optional ones, which end with " - "


class Mount(NamedTuple):
    """One line: its number and that of the mount it is on, the device's numbers, which part of the
    device is seen where, and the type."""

    id: str
    parent: str
    device: str
    part: str
    point: str
    type: str


@lru_cache(maxsize=1)  # read every few seconds, and changes seldom
def find_local(mountinfo: str) -> tuple[Mount, ...]:
    """Return a mount of each local file system, the root first. Of several mounts of one device,
    as of bind mounts and subvolumes, the one nearest to the root."""
    visible = _drop_covered(_parse(mountinfo))
    risky = {mount.point for mount in visible if mount.type not in PASSED} - {ROOT}
    local = [
        mount
        for mount in visible
        # The root of a container is an overlay on a disk that is not shown in it.
        if (mount.type in LOCAL or (mount.type == "overlay" and mount.point == ROOT))
        and risky.isdisjoint(_folders_of(mount.point))
    ]
    found: dict[str, Mount] = {}
    for mount in sorted(local, key=_distance):
        found.setdefault(mount.device, mount)
    return tuple(found.values())


def find_hidepid(mountinfo: str) -> tuple[str, str]:
    """Return the options hidepid and gid of the last /proc, "0" and "" where they are not given."""
    hidepid, gid = "0", ""
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        fields, ends = before.split(" "), after.split(" ")
        if ends[0] == "proc" and fields[4:5] == ["/proc"]:
            options = dict(each.partition("=")[::2] for each in ends[-1].split(","))
            hidepid, gid = options.get("hidepid", "0"), options.get("gid", "")
    return hidepid, gid


def _parse(mountinfo: str) -> list[Mount]:
    mounts = []
    for line in mountinfo.splitlines()[:MAX_MOUNTS]:
        before, dash, after = line.partition(" - ")
        fields = before.split(" ")
        if dash and len(fields) >= _FIELDS:
            number, parent, device, part, point = fields[:5]
            type_ = after.split(" ")[0]
            mounts.append(Mount(number, parent, device, _plain(part), _plain(point), type_))
    return mounts


def _drop_covered(mounts: Iterable[Mount]) -> list[Mount]:
    """Return the mounts that their paths reach. Lines come in no order; a mount hides the one it is
    on where both have one point, and its siblings below its point."""
    by_id = {mount.id: mount for mount in mounts}
    points_on: dict[str, set[str]] = {}
    for mount in by_id.values():
        points_on.setdefault(mount.parent, set()).add(mount.point)
    covered = {key for key, mount in by_id.items() if mount.point in points_on.get(key, ())}
    reached: dict[str, bool] = {}

    def is_reached(mount: Mount) -> bool:
        if mount.id not in reached:
            reached[mount.id] = False  # where a line names itself
            below = by_id.get(mount.parent)
            siblings = points_on[mount.parent]
            reached[mount.id] = below is None or (
                siblings.isdisjoint(_folders_of(mount.point)[:-1])
                and (mount.point == below.point or below.id not in covered)
                and is_reached(below)
            )
        return reached[mount.id]

    return [mount for mount in by_id.values() if is_reached(mount) and mount.id not in covered]


def _folders_of(path: str) -> list[str]:
    """Return the folders on the way to a path, and the path: /, /a, /a/b."""
    ends = [place for place, char in enumerate(path) if char == "/" and place]
    return [ROOT, *(path[:end] for end in ends), *([path] if path != ROOT else [])]


def _distance(mount: Mount) -> tuple[bool, bool, int, str]:
    return mount.point != ROOT, mount.part != ROOT, len(mount.point), mount.point


def _plain(text: str) -> str:
    return _ESCAPE.sub(lambda match: chr(int(match[1], 8)), text)
