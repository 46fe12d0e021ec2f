"""Rules of the tests' imports, and the picture of the layers in CONTRIBUTING.md."""

import ast
import re
import tomllib

from tests.paths import ROOT, TESTS


def imported_modules(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def test_no_test_module_imports_another():
    imports = [
        f"{path.relative_to(ROOT)}: {module}"
        for path in TESTS.rglob("*.py")
        for module in imported_modules(path)
        if module.startswith("tests.") and re.search(r"\.(test_\w+|conftest)\b", module)
    ]

    assert imports == []


def render_layers(contract):
    layers = [layer.replace(" | ", " ") for layer in contract["layers"]]
    (container,) = contract["containers"]
    return f"{container:<8} {' > '.join(layers)}"


def test_contributing_shows_the_layers_of_the_import_contracts():
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text())
    contracts = [c for c in pyproject["tool"]["importlinter"]["contracts"] if c["type"] == "layers"]

    assert [c["containers"] for c in contracts] == [["agent"], ["server"]]
    assert all(contract["exhaustive"] for contract in contracts)
    for contract in contracts:
        assert render_layers(contract) in (ROOT / "CONTRIBUTING.md").read_text().splitlines()
