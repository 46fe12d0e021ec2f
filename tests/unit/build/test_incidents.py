"""Incidents of the demo: rules that exist, figures they accept, answers of the remote servers."""

import json
import urllib.request

import pytest

from build import incidents
from build.incidents import INCIDENTS
from build.stack import sink
from server.alerts.conditions.catalogue import DEFAULT_RULES
from server.alerts.definitions.files import read_rule_files


@pytest.mark.parametrize("name", sorted(INCIDENTS))
def test_the_shortened_figures_are_those_of_a_rule(name, tmp_path):
    rule = DEFAULT_RULES[INCIDENTS[name].rule]

    incidents.write_rule(name, tmp_path)

    files = read_rule_files(tmp_path)
    assert files.problems == []
    shortened = files.definitions[rule.name][1].rule
    assert shortened.severity == rule.severity

    assert shortened.values["for"] == 10
    assert shortened.values["keep_firing_for"] == 10


def test_a_block_refuses_one_sending_ip_and_takes_mail_from_the_other():
    block = INCIDENTS["block"]

    assert block.decide("ok-1@bigmail.example", "127.0.0.2").at_rcpt.startswith("550 5.7.1")
    assert block.decide("ok-1@bigmail.example", "127.0.0.1") == sink.ACCEPTED


def test_a_queue_grows_by_one_domain_that_defers():
    queue = INCIDENTS["queue"]

    assert queue.decide("ok-1@bigmail.example", "127.0.0.1").at_rcpt.startswith("451")
    assert queue.decide("ok-1@tiny.example", "127.0.0.1") == sink.ACCEPTED


def test_what_a_notification_says_moves_no_cursor(capsys):
    body = {"kind": "firing", "severity": "critical", "rule": "x", "text": "a\x1b[2J\nb\u202e"}
    request = urllib.request.Request(incidents._receive(), json.dumps(body).encode())

    with urllib.request.urlopen(request, timeout=10):
        pass

    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("NOTIFICATION firing (critical, x): a [2J b ")
