"""Sums of refusals, their comparison, and a short history with known incidents."""

import itertools
import random
from math import exp

import pytest

from server.alerts.blocks import state
from server.alerts.blocks.attempts import Attempts, Reply
from server.alerts.blocks.baseline import SECONDS_A_MONTH, Baseline
from server.alerts.blocks.cells import Cell
from server.alerts.blocks.comparison import Explanation, explain
from server.alerts.blocks.cusum import OVERSHOOT, clamp_usual, compute_gains, compute_threshold
from server.alerts.blocks.detection import MAX_CELLS, Detector
from server.alerts.blocks.watch import Watch
from tests.incidents.replay import replay

GOOGLE, IP, OTHER_IP = "Google", "192.0.2.7", "192.0.2.8"
BLOCKED = Reply("b10c000000000001", "reputation", is_permanent=True)
LATER = Reply("1a7e000000000006", "other", is_permanent=False)
NO_ANSWER = Reply("0000000000000005", "network", is_permanent=False)
SENDERS = ("alice", "bob", "carol")


def attempts(
    ip=IP, sender="alice", *replies, taken=0, domain="corp.example", provider=GOOGLE, at=1
):
    return Attempts(provider, ip, sender, domain, taken, replies, refused_at=float(at))


def taken(ip=OTHER_IP, sender="alice", **more):
    return attempts(ip, sender, taken=1, **more)


def refused(ip=IP, sender="alice", reply=BLOCKED, **more):
    return attempts(ip, sender, reply, **more)


@pytest.mark.parametrize("usual", [0.01, 0.05, 0.1, 0.3])
@pytest.mark.parametrize("spread", [0.0, 0.3, 1.0])
def test_the_sum_rises_by_no_factor_on_average_while_mail_is_refused_as_usual(usual, spread):
    """What bounds false alarms: the mean of e^gain is 1 for whole units, and less for shares."""
    up, down = compute_gains(usual)
    low, high = usual * (1 - spread), usual + (1 - usual) * spread
    weight = (usual - low) / (high - low) if high > low else 1.0

    mean = (1 - weight) * exp(low * up + (1 - low) * down) + weight * exp(
        high * up + (1 - high) * down
    )

    assert mean <= 1 + 1e-9


def test_more_accepted_false_alarms_make_a_lower_threshold():
    assert compute_threshold(3e7, 10) < compute_threshold(3e7, 1)
    assert exp(compute_threshold(3e7, 1) + OVERSHOOT) == pytest.approx(3e7)


def test_a_share_of_nothing_and_of_everything_can_be_summed():
    assert clamp_usual(0.0) > 0
    assert clamp_usual(1.0) < 0.5


def alarm(*rows_of_minutes, threshold=13.0):
    cell = Cell((GOOGLE, IP), 0.01)
    for rows in rows_of_minutes:
        cell.add(0, [(row, row.share()) for row in rows])
    return cell.is_alarm("ip", threshold)


def test_refusals_of_several_senders_are_an_alarm():
    assert alarm([refused(sender=name) for name in SENDERS], [refused(sender="alice")])


def test_refusals_of_one_sender_are_no_alarm_of_an_ip_however_many():
    assert not alarm(*[[refused()] for _ in range(50)])
    assert not alarm(*[[refused()] for _ in range(50)], [refused(sender="bob")])


def test_what_may_be_greylisting_is_an_alarm_only_once_retries_are_refused_too():
    cell = Cell((GOOGLE, IP), 0.01)
    for name in (*SENDERS, "dave", "eve"):
        cell.add(0, [(refused(sender=name, reply=LATER), 1.0)])
    before = cell.is_alarm("ip", 13.0)
    cell.refused_later += 2

    assert (before, cell.is_alarm("ip", 13.0)) == (False, True)


def test_units_of_a_month_are_those_of_the_rate_from_the_first_hour_on():
    baseline, a_month = Baseline(), []
    for hour in range(1, 24 * 30):
        baseline.add(GOOGLE, IP, 1000.0)
        baseline.fade(hour * 3600.0)
        a_month.append(baseline.units_a_month())

    assert a_month == pytest.approx([1000.0 * SECONDS_A_MONTH / 3600] * len(a_month), rel=0.01)


@pytest.mark.parametrize(("of_ten", "found"), [(1, False), (10, True)])
def test_while_little_is_known_a_tenth_of_refused_mail_may_be_usual(of_ten, found):
    detector, minutes = Detector(Baseline(faded_at=120.0)), []
    for minute in range(50):
        senders = [f"s{minute}-{n}" for n in range(10)]
        minutes.append([*map(refused, [IP] * of_ten, senders[:of_ten])])
        minutes[-1] += [*map(taken, [IP] * 10, senders[of_ten:])]
        minutes[-1] += [*map(taken, [OTHER_IP] * 10, senders)]
        # The first hour ends after one minute of mail.
        start = 3600.0 + 60 * minute
        detector.observe(start, minutes[-1], lambda *_: itertools.chain(*minutes))

    assert [watch.subject for watch in detector.watches] == [IP] * found


def test_the_sender_whose_mail_is_refused_is_named_not_the_busiest_nor_the_domain():
    busy = [taken(IP, "busy", domain="other.example")] * 600
    busy += [refused(IP, "busy", domain="other.example")] * 9
    rows = [refused(IP, "alice", Reply("5ba0", "content", is_permanent=True))] * 8
    rows += [*map(taken, [IP] * 50, ["bob"] * 50), refused(IP, "bob")]

    assert explain([*busy, *rows], 0.015) == Explanation("sender", "alice")


def test_one_of_several_ips_is_blocked_where_the_others_are_not():
    rows = [*map(refused, [IP] * 3, SENDERS), *map(taken, [OTHER_IP] * 3, SENDERS)]

    assert explain(rows, 0.01) == Explanation("ip", IP)


def test_two_blocked_ips_of_many_are_blocked_and_not_the_provider_down():
    ips = [f"192.0.2.{n}" for n in range(20)]
    rows = [(refused if ip in ips[:2] else taken)(ip, name) for ip in ips for name in SENDERS]

    assert explain(rows, 0.01, ip=ips[1]) == Explanation("ip", ips[1])


def test_a_provider_is_down_where_all_ips_and_senders_are_refused():
    rows = [refused(ip, name, reply=LATER) for ip in (IP, OTHER_IP) for name in SENDERS]

    assert explain(rows, 0.01) == Explanation("provider", "")


def test_one_senders_content_is_refused_where_its_mail_is_from_every_ip():
    rows = [
        *(refused(ip, "alice") for ip in (IP, OTHER_IP) for _ in range(3)),
        *(taken(ip, name) for ip in (IP, OTHER_IP) for name in SENDERS[1:] for _ in range(3)),
    ]

    assert explain(rows, 0.01) == Explanation("sender", "alice")


def test_a_domain_is_refused_where_all_of_its_senders_are_and_no_other():
    rows = [
        *(refused(ip, name, domain="bad.example") for ip in (IP, OTHER_IP) for name in SENDERS),
        *(taken(ip, f"{name}2") for ip in (IP, OTHER_IP) for name in SENDERS),
    ]

    assert explain(rows, 0.01) == Explanation("domain", "bad.example")


def test_of_one_sender_on_one_ip_the_class_of_the_reply_decides():
    spam = Reply("5ba0000000000003", "content", is_permanent=True)

    assert explain([refused()] * 5, 0.01) == Explanation("ip", IP)
    assert explain([refused(reply=spam)] * 5, 0.01) == Explanation("sender", "alice")


def test_a_block_ends_after_a_few_messages_that_are_taken_where_all_were_refused():
    watch = Watch("ip", GOOGLE, IP, 0.01, 0.0, 60.0, 60.0)
    watch.add([refused(sender=name) for name in SENDERS], 60.0)
    watch.add([taken(IP)], 120.0)
    early = watch.find_end(180.0)
    watch.add([taken(IP, name) for name in SENDERS], 180.0)

    assert early is None
    assert watch.find_end(240.0) == (120.0, "taken")


def test_a_block_that_nobody_tries_is_closed_after_a_week():
    watch = Watch("ip", GOOGLE, IP, 0.01, 0.0, 60.0, 60.0)

    assert watch.find_end(60.0 + 6 * 86_400) is None
    assert watch.find_end(61.0 + 7 * 86_400) == (61.0 + 7 * 86_400, "untried")


def test_an_ip_of_ours_that_reaches_nobody_is_no_block_of_a_provider():
    detector, changes = Detector(), []
    minutes = [
        [
            attempts(IP, name, NO_ANSWER, provider=f"provider{n}", at=60 * minute + 1)
            for n in range(6)
            for name in SENDERS
        ]
        for minute in range(10)
    ]
    for minute, rows in enumerate(minutes):
        changes += detector.observe(
            60.0 * minute,
            rows,
            lambda provider, since, last=minute: (
                row for of in minutes[: last + 1] for row in of if row.provider == provider
            ),
        )

    assert changes == []


def test_cells_are_bounded_and_those_that_are_dropped_are_counted(monkeypatch):
    monkeypatch.setattr("server.alerts.blocks.detection.MAX_CELLS", 100)
    detector = Detector()
    rows = [refused(f"10.0.0.{n}", f"s{n}", domain=f"d{n}") for n in range(200)]
    detector.observe(0.0, rows, lambda provider, since: ())
    held = len(detector.cells)

    detector.observe(7200.0, [], lambda provider, since: ())

    assert held > MAX_CELLS // 100
    assert len(detector.cells) == 100
    assert detector.dropped_cells == held - 100


def test_the_state_is_the_same_after_it_was_stored():
    detector = Detector()
    chance = random.Random(1)
    for minute in range(90):
        rows = [refused(sender="alice", at=60 * minute + 1), taken(IP, chance.choice(SENDERS))]
        detector.observe(60.0 * minute, rows, lambda provider, since: ())

    stored = state.dump_cells(detector), state.dump_baseline(detector.baseline)
    again = state.load(*stored)

    assert (state.dump_cells(again), state.dump_baseline(again.baseline)) == stored
    assert again.cells.items() == detector.cells.items()


def test_a_damaged_state_is_refused():
    with pytest.raises(ValueError, match="cannot be read"):
        state.load(b"?", b"")


def test_a_replayed_history_gives_up_its_incidents_and_nothing_else():
    verdict = replay(4, seed=2, messages_a_day=60_000)

    assert verdict.is_good, verdict.format_text()
    assert len(verdict.incidents) >= 2


def test_refusals_of_one_minute_count_in_whatever_order_they_are_read():
    rows = [refused(sender=f"s{n}", at=at) for n, at in enumerate((59, 2, 31, 7))]

    assert alarm(rows)
    assert alarm(rows[::-1])


def test_refusals_make_none_usual_that_follow_within_the_hour():
    detector, changes = Detector(), []
    minutes = [
        [refused(sender=f"s{n}", at=60 * minute + n) for n in range(5)]
        + [taken(OTHER_IP, f"s{n}") for n in range(5)]
        for minute in range(3)
    ]
    for minute, rows in enumerate(minutes):
        changes += detector.observe(
            60.0 * minute,
            rows,
            lambda provider, since, last=minute: [
                row for of in minutes[: last + 1] for row in of if row.provider == provider
            ],
        )

    assert [(c.watch.kind, c.watch.subject, c.watch.found_at) for c in changes] == [
        ("ip", IP, 120.0)
    ]
