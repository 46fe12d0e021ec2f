from server.rollups.checks import levels_are_kept_long_enough, samples_are_kept_long_enough


def test_the_defaults_are_fine():
    assert levels_are_kept_long_enough(None) == []
    assert samples_are_kept_long_enough(None) == []


def test_minutes_dropped_before_they_are_in_the_wider_levels_are_found(settings):
    settings.RETENTION_DAYS = settings.RETENTION_DAYS | {"email_stats_1m": 7}

    assert [problem.id for problem in levels_are_kept_long_enough(None)] == ["rollups.E001"]


def test_a_wider_level_stored_shorter_than_a_narrower_one_is_a_problem(settings):
    settings.RETENTION_DAYS = settings.RETENTION_DAYS | {"email_stats_1h": 30}

    assert [problem.id for problem in levels_are_kept_long_enough(None)] == ["rollups.E002"]


def test_samples_dropped_before_they_are_in_their_levels_are_found(settings):
    short = {"metrics_system": 7, "mail_queue_snapshots": 2}
    settings.RETENTION_DAYS = settings.RETENTION_DAYS | short

    assert [problem.id for problem in samples_are_kept_long_enough(None)] == ["rollups.E003"] * 2


def test_a_wider_level_of_samples_stored_shorter_than_a_narrower_one_is_a_problem(settings):
    settings.RETENTION_DAYS = settings.RETENTION_DAYS | {"metrics_system_1h": 30}

    assert [problem.id for problem in samples_are_kept_long_enough(None)] == ["rollups.E004"]
