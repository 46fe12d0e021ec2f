"""The fill of file systems, of bytes and of inodes."""

import os

import pytest

from agent.collectors import file_systems
from agent.collectors.file_systems import judge, read_file_systems

MOUNTS = """\
27 1 254:0 / / rw - ext4 /dev/vda1 rw
40 27 254:1 / /var/lib/mongodb rw - xfs /dev/vdb rw
50 27 0:60 / /mnt/far rw - nfs4 server:/ rw
"""


def counts(*, blocks=1000, free=400, available=350, inodes=100, inodes_free=25):
    unused = (0, 255)
    return os.statvfs_result(
        (4096, 4096, blocks, free, available, inodes, inodes_free, inodes_free, *unused)
    )


def test_used_is_as_df_says_and_what_is_reserved_for_root_is_not_free():
    read = judge("/", "ext4", counts())

    assert (read.total_bytes, read.free_bytes) == (1000 * 4096, 350 * 4096)
    assert read.used_percent == 63.2  # 600 of 950
    assert (read.inodes_free_count, read.inodes_used_percent) == (25, 75.0)


def test_a_file_system_that_counts_no_inodes_has_none():
    read = judge("/boot/efi", "vfat", counts(inodes=0, inodes_free=0))

    assert (read.inodes_free_count, read.inodes_used_percent) == (None, None)


@pytest.mark.parametrize(
    ("odd", "percent"), [({"available": 0, "free": 0}, 100.0), ({"free": 2000}, 0.0)]
)
def test_a_share_is_between_0_and_100(odd, percent):
    assert judge("/", "ext4", counts(**odd)).used_percent == percent


def test_what_has_no_blocks_is_not_reported():
    assert judge("/", "ext4", counts(blocks=0)) is None


def test_the_fullest_comes_first_also_by_inodes_and_no_network_is_touched(tmp_path, monkeypatch):
    touched = []
    by_point = {
        "/": counts(free=500, available=500),
        "/var/lib/mongodb": counts(free=900, available=900, inodes_free=1),
    }

    def statvfs(point):
        touched.append(point)
        return by_point[point]

    (tmp_path / "self").mkdir()
    (tmp_path / "self" / "mountinfo").write_text(MOUNTS)
    monkeypatch.setattr(file_systems.os, "statvfs", statvfs)

    read = read_file_systems(tmp_path)

    assert [(each.mount_point, each.type) for each in read] == [
        ("/var/lib/mongodb", "xfs"),
        ("/", "ext4"),
    ]
    assert sorted(touched) == ["/", "/var/lib/mongodb"]


def test_one_that_cannot_be_read_does_not_hide_the_others(tmp_path, monkeypatch):
    def statvfs(point):
        if point == "/":
            return counts()
        raise PermissionError(13, "Permission denied")

    (tmp_path / "self").mkdir()
    (tmp_path / "self" / "mountinfo").write_text(MOUNTS)
    monkeypatch.setattr(file_systems.os, "statvfs", statvfs)

    assert [each.mount_point for each in read_file_systems(tmp_path)] == ["/"]


def test_a_machine_that_lists_no_mounts_has_no_reading(tmp_path):
    assert read_file_systems(tmp_path) == []


def test_the_root_of_this_machine_is_read():
    assert "/" in [each.mount_point for each in read_file_systems(file_systems.Path("/proc"))]
