"""Folders of sockets, and free ports."""

import os
import socket
import stat

from build.stack import paths, ports


def test_a_short_folder_holds_its_sockets_itself(tmp_path):
    assert paths.socket_directory(tmp_path) == tmp_path


def test_a_folder_too_long_for_a_socket_gets_a_short_private_one_that_stays_the_same(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(paths.tempfile, "gettempdir", lambda: str(tmp_path))
    long = tmp_path / ("long" * 30)

    short = paths.socket_directory(long)

    assert len(os.fsencode(short.relative_to(tmp_path))) < 40
    assert stat.S_IMODE(short.stat().st_mode) == 0o700
    assert paths.socket_directory(long) == short
    assert paths.socket_directory(tmp_path / ("long" * 31)) != short


def test_ports_handed_out_together_differ():
    assert len(set(ports.free_ports(20))) == 20


def test_a_preferred_port_that_is_taken_is_passed_over():
    with socket.socket() as taken:
        taken.bind((ports.LOOPBACK, 0))
        taken.listen()
        number = taken.getsockname()[1]

        assert ports.answers(number)
        assert ports.free_port([number]) != number

    assert not ports.answers(number)
