"""An audit names what is vulnerable, and never takes silence for safety."""

from build import audit


def test_a_vulnerability_of_a_python_package_is_named_with_its_fix():
    answer = {
        "dependencies": [
            {"name": "good", "version": "1.0", "vulns": []},
            {
                "name": "bad",
                "version": "2.0",
                "vulns": [{"id": "PYSEC-1", "fix_versions": ["2.1"], "aliases": []}],
            },
        ]
    }

    report = audit.parse_pip_audit("server.txt", answer)

    assert (report.answered_count, report.unanswered) == (2, [])
    assert report.vulnerabilities == ["bad 2.0: PYSEC-1, fixed in 2.1"]


def test_a_package_without_an_answer_is_not_safe():
    answer = {"dependencies": [{"name": "x", "version": "1", "skip_reason": "not found"}]}

    report = audit.parse_pip_audit("server.txt", answer)

    assert (report.answered_count, report.unanswered) == (0, ["x 1"])
    assert "NO ANSWER about 1: x 1" in audit.format_report(report)


def test_npm_s_answer_is_read_and_its_refusal_reported():
    answer = {
        "metadata": {"dependencies": {"total": 9}},
        "vulnerabilities": {"zrender": {"range": "<5.4", "severity": "high"}},
    }

    answered = audit.parse_npm_audit("package-lock.json", answer)
    refused = audit.parse_npm_audit("package-lock.json", {"message": "405 Method Not Allowed"})

    assert (answered.answered_count, answered.vulnerabilities) == (9, ["zrender <5.4: high"])
    assert refused.unanswered == ["all: 405 Method Not Allowed"]


def test_a_vulnerability_fails_where_users_install_it_and_not_where_only_tests_run_it():
    vulnerable = {"vulnerabilities": ["bad 2.0: PYSEC-1"]}
    zonemta = audit.Report("build/stack/zonemta/package-lock.json", **vulnerable)

    assert audit.exit_code([audit.Report("server.txt", **vulnerable)]) == audit.VULNERABLE
    assert audit.exit_code([zonemta]) == 0
    assert audit.exit_code([audit.Report("agent.txt", unanswered=["x 1"])]) == audit.UNANSWERED


def test_the_locks_that_users_install_exist():
    assert all(
        (audit.ROOT / name).exists() or (audit.ROOT / "requirements" / name).exists()
        for name in audit.INSTALLED
    )
