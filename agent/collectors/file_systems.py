"""Reader of the local file systems: how full each is, in bytes and in inodes."""

import os
from pathlib import Path

from agent.parsers.mounts import find_local
from agent.parsers.values import text
from agent.samples import FileSystem

MAX_FILE_SYSTEMS = 50  # to report: the fullest
MAX_POINT_CHARS = 255
MAX_INODES = 2**53  # some without a bound say 2**64 - 1


def read_file_systems(proc: Path) -> list[FileSystem]:
    """Return the local file systems, the fullest first; none where the kernel lists no mounts."""
    try:
        mountinfo = (proc / "self/mountinfo").read_text(errors="surrogateescape")
    except OSError:
        return []
    found = []
    for mount in find_local(mountinfo):
        try:
            # os.statvfs, since shutil's and psutil's do not count inodes.
            read = judge(mount.point, mount.type, os.statvfs(mount.point))
        except (OSError, ValueError):
            continue  # not for this user, or unmounted meanwhile
        if read is not None:
            found.append(read)
    return sorted(found, key=fill, reverse=True)[:MAX_FILE_SYSTEMS]


def judge(point: str, kind: str, counts: os.statvfs_result) -> FileSystem | None:
    """Return the readings of one, None of one without blocks. What is reserved for root counts as
    used only where it is, as `df` does. Pure."""
    if counts.f_blocks <= 0:
        return None
    used = max(counts.f_blocks - counts.f_bfree, 0)
    inodes = counts.f_files - counts.f_ffree
    has_inodes = counts.f_files > 0  # Btrfs and FAT make them as needed and count none
    return FileSystem(
        mount_point=text(point, limit=MAX_POINT_CHARS) or "?",
        type=kind,
        total_bytes=counts.f_blocks * counts.f_frsize,
        free_bytes=max(counts.f_bavail, 0) * counts.f_frsize,
        used_percent=_percent(used, used + max(counts.f_bavail, 0)),
        inodes_free_count=min(counts.f_ffree, MAX_INODES) if has_inodes else None,
        inodes_used_percent=_percent(inodes, counts.f_files) if has_inodes else None,
    )


def fill(read: FileSystem) -> float:
    """Return how full it is: of bytes or of inodes, whichever ends first."""
    return max(read.used_percent, read.inodes_used_percent or 0.0)


def _percent(used: int, total: int) -> float:
    return round(100 * min(max(used / total, 0.0), 1.0), 1) if total > 0 else 100.0
