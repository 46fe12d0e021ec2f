"""Scripts of a page: its own, and all modules that it imports, to be preloaded at once."""

import re
from functools import cache
from pathlib import Path
from posixpath import dirname, join, normpath

from django.contrib.staticfiles import finders

#: Imports that are loaded before a module runs; `import("…")` comes after the first paint.
IMPORT = re.compile(r"""^(?:import|export)\s(?:[^"';]*?\sfrom\s)?"(\.[^"]+)";""", re.MULTILINE)
#: The script of pages that have none of their own.
SHELL = "dashboard/shell/shell.js"


@cache
def page_script(page: str) -> str:
    """Return the static path of a page's script; `page`: as in render_page."""
    script = f"dashboard/pages/{page}.js"
    return script if finders.find(script) else SHELL


@cache
def imported_modules(script: str) -> tuple[str, ...]:
    """Return the static paths of all that `script` imports, directly or not; itself left out."""
    modules: list[str] = []
    unread = [script]
    while unread:
        path = unread.pop()
        for target in IMPORT.findall(_read_source(path)):
            name = normpath(join(dirname(path), target))
            if name != script and name not in modules:
                modules.append(name)
                unread.append(name)
    return tuple(sorted(modules))


def _read_source(path: str) -> str:
    file = finders.find(path)
    return Path(file).read_text(encoding="utf-8") if isinstance(file, str) else ""
