"""The sentence about the present, for every state of nodes, mail and problems."""

from datetime import UTC, datetime, timedelta

import pytest

from server.alerts.present.problems import FailingDestination, MissingEvents, OldMail, StrandedMail
from server.alerts.present.sentence import build_sentence
from server.nodes.queries import Reporting
from server.rollups.mail.queries import HourTotals

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
JUST_NOW = NOW - timedelta(seconds=2)
FLOWING = {"sent": 5, "delivered": 4, "bounced": 1}
STUCK = {"sent": 15, "bounced": 11}


def hour(*, inbound=None, **outbound):
    return HourTotals(
        {"received": 0, "delivered": 0, "rejected": 0, "greylisted": 0, **(inbound or {})},
        {"sent": 0, "delivered": 0, "bounced": 0, "deferred": 0, **outbound},
        0,
    )


def nodes(known, reporting, *, newest_sample_at=JUST_NOW, **silent_s):
    silent = tuple(
        (name.replace("_", "-"), None if age is None else NOW - timedelta(seconds=age))
        for name, age in silent_s.items()
    )
    return Reporting(known, reporting, newest_sample_at, silent)


@pytest.mark.parametrize(
    ("mail", "who", "level", "text"),
    [
        pytest.param(
            hour(), nodes(0, 0, newest_sample_at=None), "none", "No node has reported yet",
            id="no node ever reported",
        ),
        pytest.param(
            hour(delivered=3), nodes(0, 0, newest_sample_at=None), "none",
            "No node has reported yet; mail is counted nevertheless", id="mail without a node",
        ),
        pytest.param(
            hour(), nodes(1, 0, newest_sample_at=None, mta_01=None), "warning",
            "1 node is known but never sent a sample", id="one node, registered only",
        ),
        pytest.param(
            hour(), nodes(2, 0, newest_sample_at=None, mta_01=None, mta_02=None), "warning",
            "2 nodes are known but never sent a sample", id="two nodes, registered only",
        ),
        pytest.param(
            hour(**FLOWING), nodes(1, 1), "ok", "1 node reports, mail flows",
            id="the only node reports",
        ),
        pytest.param(
            hour(**FLOWING), nodes(15, 15), "ok", "All 15 nodes report, mail flows",
            id="all of several report",
        ),
        pytest.param(
            hour(), nodes(2, 2), "ok", "All 2 nodes report, no mail in the last 60 minutes",
            id="all report, silence",
        ),
        pytest.param(
            hour(inbound={"received": 1, "delivered": 1}), nodes(1, 1), "ok",
            "1 node reports, mail flows", id="inbound alone is mail too",
        ),
        pytest.param(
            hour(sent=3), nodes(1, 1), "ok", "1 node reports, mail flows",
            id="queued and not tried yet is mail",
        ),
        pytest.param(
            hour(sent=19, bounced=3, deferred=7), nodes(2, 2), "critical",
            "All 2 nodes report, nothing delivered in the last 60 minutes",
            id="nothing gets through",
        ),
        pytest.param(
            hour(sent=9, bounced=2, deferred=7), nodes(2, 2), "warning",
            "All 2 nodes report, nothing delivered in the last 60 minutes",
            id="nothing of few gets through",
        ),
        pytest.param(
            hour(**FLOWING), nodes(3, 2, mta_03=270), "warning",
            "1 of 3 nodes silent: mta-03 for 4 min · mail flows", id="one of three is silent",
        ),
        pytest.param(
            hour(**FLOWING), nodes(2, 1, mta_02=None), "warning",
            "1 of 2 nodes silent: mta-02 (never seen) · mail flows",
            id="one never reported, one reports",
        ),
        pytest.param(
            hour(**STUCK), nodes(3, 2, mta_03=270), "critical",
            "1 of 3 nodes silent: mta-03 for 4 min · nothing delivered in the last 60 minutes",
            id="silent and nothing gets through",
        ),
        pytest.param(
            hour(**FLOWING), nodes(9, 4, a=7200, b=3600, c=300), "warning",
            "5 of 9 nodes silent: a for 2 h, b for 1 h, c for 5 min, 2 more · mail flows",
            id="more are silent than are named",
        ),
        pytest.param(
            hour(**FLOWING), nodes(1, 0, mta_01=192), "critical",
            "The only node is silent: mta-01 for 3 min", id="the only node is silent",
        ),
        pytest.param(
            hour(**FLOWING), nodes(2, 0, mta_01=192, mta_02=50), "critical",
            "2 of 2 nodes silent: mta-01 for 3 min, mta-02 for 50 s", id="all are silent",
        ),
        pytest.param(
            hour(**FLOWING), nodes(2, 1, **{"<script>alert(1)</script>": 270}), "warning",
            "1 of 2 nodes silent: <script>alert(1)</script> for 4 min · mail flows",
            id="a hostile name stays text",
        ),
    ],
)  # fmt: skip
def test_it_says_who_reports_and_whether_mail_flows(mail, who, level, text):
    sentence = build_sentence(mail, who)

    assert (sentence.level, sentence.text(NOW)) == (level, text)


OUTLOOK = FailingDestination(
    "outlook.example",
    "defers",
    datetime(2026, 11, 21, 12, 4, tzinfo=UTC),
    "451 4.7.500 Server busy",
)
MISSING = MissingEvents("mta-02", 1200)
FINE = hour(**FLOWING), nodes(2, 2)


def words(reply):
    return FailingDestination(OUTLOOK.domain, OUTLOOK.verb, OUTLOOK.since, reply)


@pytest.mark.parametrize(
    ("moment", "problems", "complete", "level", "text"),
    [
        pytest.param(
            FINE, [], True, "ok", "All 2 nodes report, mail flows, data complete",
            id="no problem, and nothing is missing",
        ),
        pytest.param(
            FINE, [], None, "ok", "All 2 nodes report, mail flows",
            id="whether anything is missing is not known",
        ),
        pytest.param(
            (hour(**FLOWING), nodes(2, 1, a=270)), [], True, "warning",
            "1 of 2 nodes silent: a for 4 min · mail flows", id="a warning is not called complete",
        ),
        pytest.param(
            FINE, [OUTLOOK], True, "warning",
            "All 2 nodes report, mail flows · 1 thing needs attention: "
            "outlook.example defers since 12:04"
            " (451 4.7.500 Server busy)", id="a destination defers",
        ),
        pytest.param(
            FINE, [words(""), MISSING], False, "warning",
            "All 2 nodes report, mail flows · 2 things need attention: "
            "outlook.example defers since 12:04"
            " · 1,200 events are missing from mta-02", id="two things",
        ),
        pytest.param(
            FINE,
            [MissingEvents("mta-02", 1), OldMail(NOW - timedelta(seconds=11520), 11520.0)], False,
            "warning",
            "All 2 nodes report, mail flows · 2 things need attention: "
            "1 event is missing from mta-02"
            " · mail waits for 3 h 12 min", id="one event is missing, mail waits",
        ),
        pytest.param(
            FINE, [StrandedMail(1200, ("mta-98", "mta-99"))], True, "critical",
            "All 2 nodes report, mail flows · 1 thing needs attention: "
            "1,200 stranded at mta-98 and 1 more", id="mail is stranded",
        ),
        pytest.param(
            (hour(**STUCK), nodes(1, 1)), [MISSING] * 5, False, "critical",
            "1 node reports, nothing delivered in the last 60 minutes · 5 things need attention: "
            + " · ".join(["1,200 events are missing from mta-02"] * 3) + " · 2 more",
            id="more than fit",
        ),
        pytest.param(
            (hour(**FLOWING), Reporting(2, 1, JUST_NOW, (("\u05d0", None),))),
            [FailingDestination("xn--4dbc.example", "defers", OUTLOOK.since, "\u05d0 (1)")], None,
            "warning",
            "1 of 2 nodes silent: \u2068\u05d0\u2069 (never seen) · mail flows"
            " · 1 thing needs attention: \u2068\u05d0\u05d1.example\u2069 defers since 12:04"
            " (\u2068\u05d0 (1)\u2069)",
            id="names from right to left are isolated",
        ),
        pytest.param(
            FINE, [words("550 <script>alert(1)</script>\r\n " + "é" * 80)], False, "warning",
            "All 2 nodes report, mail flows · 1 thing needs attention: "
            "outlook.example defers since 12:04"
            f" (550 <script>alert(1)</script> {'é' * 29}…)",
            id="long and hostile replies are cut and stay text",
        ),
    ],
)  # fmt: skip
def test_it_names_the_problems_or_says_that_data_is_complete(
    moment, problems, complete, level, text
):
    mail, who = moment
    sentence = build_sentence(mail, who, problems, complete=complete)

    assert (sentence.level, sentence.text(NOW)) == (level, text)


def test_a_frame_carries_times_and_ages_as_values_and_text_as_text():
    sentence = build_sentence(hour(**FLOWING), nodes(2, 1, a=270), [words("")])

    assert sentence.as_json() == {
        "level": "warning",
        "parts": [
            "1 of 2 nodes silent: a for ",
            {"age_of": "2026-11-21T11:55:30+00:00"},
            " · mail flows · 1 thing needs attention: outlook.example defers since ",
            {"time": "2026-11-21T12:04:00+00:00"},
        ],
    }
