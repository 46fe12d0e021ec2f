"""The documentation has every setting, command and exit code."""

import re

from agent import cli
from agent.config.settings import environment_names
from tests.paths import ROOT

DOCS = ROOT / "docs"


def test_every_setting_is_in_the_documentation_under_both_names():
    text = (DOCS / "configuration.md").read_text()

    for variable, key in environment_names().items():
        assert f"`{variable}`" in text, variable
        assert f"`{'.'.join(key)}`" in text, key


def test_every_command_and_exit_code_is_in_the_documentation_and_in_the_help(capsys):
    text = (DOCS / "agent.md").read_text()
    codes = {value for name, value in vars(cli).items() if name.startswith("EXIT_")}

    for name, *_ in cli.COMMANDS:
        assert f"`mallard-agent {name}`" in text
    assert {int(code) for code in re.findall(r"^\| (\d) \|", text, re.MULTILINE)} == codes
    assert {int(code) for code in re.findall(r"^  (\d)  ", cli.EPILOG, re.MULTILINE)} == codes
