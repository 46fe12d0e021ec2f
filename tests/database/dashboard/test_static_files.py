"""Static files as production serves them: hashed names, imports that follow."""

import gzip
import re

import brotli
import pytest
from django.contrib.staticfiles import finders

from server.dashboard.shell.assets.static_files import DashboardFinder, StaticStorage


@pytest.fixture(scope="module")
def static_files(tmp_path_factory):
    tmp_path = tmp_path_factory.mktemp("static")
    (tmp_path / "vendor").mkdir()
    for name in ("echarts.js", "inter-latin.woff2"):
        (tmp_path / "vendor" / name).write_text("export const init = 1;")
    storage = StaticStorage(location=tmp_path, base_url="/static/")
    paths = {}
    for name, source in sorted(DashboardFinder().list([])):
        with source.open(name) as file:
            storage._save(name, file)
        paths[name] = (source, name)
    for name in ("echarts.js", "inter-latin.woff2"):
        paths[f"vendor/{name}"] = (storage, f"vendor/{name}")
    for _, _, processed in storage.post_process(paths):
        if isinstance(processed, Exception):
            raise processed
    return tmp_path, storage


def test_every_import_of_our_modules_names_a_file_that_is_there(static_files):
    root, storage = static_files
    entry = root / storage.stored_name("dashboard/pages/mail_flow/outbound.js")

    seen, left = set(), [entry]
    while left:
        module = left.pop()
        if module in seen:
            continue
        seen.add(module)
        for target in re.findall(r"""(?:from |import\()"([^"]+)""", module.read_text()):
            assert re.search(r"\.[0-9a-f]{12}\.js$", target), target
            left.append((module.parent / target).resolve())

    assert all(module.is_file() for module in seen)
    assert len(seen) > 10


def test_the_font_of_the_style_sheet_is_served_under_its_hashed_name(static_files):
    root, storage = static_files

    css = (root / storage.stored_name("dashboard/shell/assets/mallard.css")).read_text()

    assert re.search(r"inter-latin\.[0-9a-f]{12}\.woff2", css)


def test_what_pages_load_is_there_for_browsers_that_know_brotli_and_those_that_do_not(static_files):
    root, storage = static_files

    named = root / storage.stored_name("dashboard/shell/assets/mallard.css")
    plain = named.read_bytes()

    assert brotli.decompress(named.with_name(f"{named.name}.br").read_bytes()) == plain
    assert gzip.decompress(named.with_name(f"{named.name}.gz").read_bytes()) == plain
    assert not (root / "dashboard/shell/assets/mallard.css.br").exists()  # no page names it so


@pytest.mark.parametrize(
    "name",
    [
        "dashboard/pages/queue/view.py",
        "dashboard/pages/queue/page.html",
        "dashboard/pages/queue/tests/queue.test.mjs",
        "dashboard/shell/tests/formats.json",
        "dashboard/urls.py",
        "dashboard/shell/../urls.py",
    ],
)
def test_sources_templates_and_tests_are_served_to_nobody(name):
    assert finders.find(name) is None


def test_only_what_browsers_load_is_collected():
    paths = [path for path, _ in DashboardFinder().list([])]

    assert {path.rpartition(".")[2] for path in paths} == {"js", "css", "svg"}
    assert not [path for path in paths if "tests/" in path]
