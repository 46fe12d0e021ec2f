"""Mounts of a mail node, as /proc/self/mountinfo lists them: in no order."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.parsers.mounts import find_local

ROOT_LINE = "27 1 254:0 / / rw,relatime - ext4 /dev/vda1 rw"


def points(*lines):
    return [mount.point for mount in find_local("\n".join(lines))]


def test_every_local_file_system_is_found_and_the_root_is_first():
    assert points(
        "22 27 0:21 / /proc rw - proc proc rw",
        "40 27 254:1 / /var/lib/mongodb rw shared:1 master:2 - xfs /dev/vdb rw",
        ROOT_LINE,
        "41 27 0:71 / /tank/mail rw - zfs tank/mail rw",
        "42 27 254:11 / /boot/efi rw - vfat /dev/vda15 rw",
        "43 27 0:23 / /dev/shm rw - tmpfs tmpfs rw",
        "44 27 7:0 / /snap/core/1 ro - squashfs /dev/loop0 ro",
    ) == ["/", "/boot/efi", "/tank/mail", "/var/lib/mongodb"]


@pytest.mark.parametrize(
    "type_", ["nfs", "nfs4", "cifs", "smb3", "fuse.sshfs", "fuse.glusterfs", "fuseblk", "ceph"]
)
def test_what_a_server_or_a_program_provides_is_not_touched_nor_what_is_below_it(type_):
    assert points(
        ROOT_LINE,
        f"50 27 0:60 / /mnt/far rw - {type_} server:/ rw",
        "51 50 254:5 / /mnt/far/disk rw - ext4 /dev/vdc rw",
        "52 27 254:6 / /mnt/far-away rw - ext4 /dev/vdd rw",
    ) == ["/", "/mnt/far-away"]


def test_one_device_is_reported_once_by_the_mount_nearest_to_the_root():
    assert points(
        "60 27 254:0 /srv/data /mnt/bind rw - ext4 /dev/vda1 rw",
        "61 27 0:99 /@snapshots /data/.snapshots rw - btrfs /dev/vde rw",
        "62 27 0:99 /@data /data rw - btrfs /dev/vde rw",
        ROOT_LINE,
    ) == ["/", "/data"]


def test_what_another_mount_hides_is_not_reported():
    assert points(
        "42 40 0:50 / /home ro - tmpfs tmpfs ro",
        "41 40 254:2 / /home/a rw - xfs /dev/vdc rw",
        "40 27 254:1 / /home rw - xfs /dev/vdb rw",
        "67 27 254:12 / /a/b rw - ext4 /dev/vdi rw",
        "68 27 0:72 / /a rw - tmpfs tmpfs rw",
        "69 68 254:13 / /a/c rw - ext4 /dev/vdj rw",
        ROOT_LINE,
    ) == ["/", "/a/c"]


def test_the_root_of_a_container_is_reported_and_no_other_overlay():
    assert points(
        "27 1 0:40 / / rw - overlay overlay rw",
        "28 27 0:41 / /var/lib/docker/overlay2/x/merged rw - overlay overlay rw",
    ) == ["/"]


def test_a_blank_in_a_path_is_read():
    assert points(ROOT_LINE, r"63 27 254:9 / /my\040disk rw - ext4 /dev/vdg rw") == [
        "/",
        "/my disk",
    ]


@given(st.text())
def test_no_text_upsets_the_reader(text):
    find_local(text)
    find_local(f"1 1 0:1 / {text} rw - ext4 x rw\n2 1 0:2 / / rw - {text} x rw")
