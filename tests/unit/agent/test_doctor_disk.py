"""The space that doctor finds for the spool."""

from agent.config import Config
from agent.config import Spool as SpoolSettings
from agent.doctor.disk import format_size, judge_disk


def test_a_disk_too_small_for_the_spool_is_seen_before_it_is_full(tmp_path):
    def level(**settings):
        config = Config(node_id="a", spool=SpoolSettings(**settings))
        return judge_disk(tmp_path / "not" / "yet", config).level

    assert [format_size(count) for count in (900, 48 * 2**20, 2**32)] == [
        "900 B",
        "48.0 MiB",
        "4.0 GiB",
    ]
    assert level(min_free_bytes=0, max_event_bytes=2**20) == "ok"
    assert level(min_free_bytes=0, max_event_bytes=2**62) == "warning"
    assert level(min_free_bytes=2**62, max_event_bytes=2**20) == "failure"
