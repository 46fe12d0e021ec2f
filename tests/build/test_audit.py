"""An audit says what is weak, and never calls silence safety."""

from build import audit


def test_a_weakness_of_a_python_package_is_named_with_its_mending():
    said = {
        "dependencies": [
            {"name": "good", "version": "1.0", "vulns": []},
            {
                "name": "bad",
                "version": "2.0",
                "vulns": [{"id": "PYSEC-1", "fix_versions": ["2.1"], "aliases": []}],
            },
        ]
    }

    answer = audit.of_pip_audit("server.txt", said)

    assert (answer.asked, answer.silent) == (2, [])
    assert answer.weaknesses == ["bad 2.0: PYSEC-1, mended in 2.1"]


def test_a_package_nobody_could_tell_about_is_not_safe():
    said = {"dependencies": [{"name": "x", "version": "1", "skip_reason": "not found"}]}

    answer = audit.of_pip_audit("server.txt", said)

    assert (answer.asked, answer.silent) == (0, ["x 1"])
    assert "NOT ASKED about 1: x 1" in audit.line(answer)


def test_npm_s_answer_is_read_and_its_refusal_told():
    said = {
        "metadata": {"dependencies": {"total": 9}},
        "vulnerabilities": {"zrender": {"range": "<5.4", "severity": "high"}},
    }

    found = audit.of_npm("package-lock.json", said)
    refused = audit.of_npm("package-lock.json", {"message": "405 Method Not Allowed"})

    assert (found.asked, found.weaknesses) == (9, ["zrender <5.4: high"])
    assert refused.silent == ["all: 405 Method Not Allowed"]


def test_what_is_weak_where_a_user_installs_it_fails_and_what_only_tests_run_does_not():
    weak = {"weaknesses": ["bad 2.0: PYSEC-1"]}

    assert audit.code([audit.Answer("server.txt", **weak)]) == audit.FOUND
    assert audit.code([audit.Answer("build/stack/zonemta/package-lock.json", **weak)]) == 0
    assert audit.code([audit.Answer("agent.txt", silent=["x 1"])]) == audit.NOT_ASKED


def test_what_counts_as_installed_is_there():
    assert all(
        (audit.ROOT / name).exists() or (audit.ROOT / "requirements" / name).exists()
        for name in audit.INSTALLED
    )
