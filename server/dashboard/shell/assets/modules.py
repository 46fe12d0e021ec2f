"""Which modules a page's script imports, so that a browser may fetch all of them at once."""

import re
from functools import cache
from pathlib import Path
from posixpath import dirname, join, normpath

from django.contrib.staticfiles import finders

#: Imports that are followed before a module runs; `import("…")` comes after the first paint.
IMPORT = re.compile(r"""^(?:import|export)\s(?:[^"';]*?\sfrom\s)?"(\.[^"]+)";""", re.MULTILINE)


@cache
def imported_modules(module: str) -> tuple[str, ...]:
    """Return the static paths of all that `module` imports, directly or not; itself left out."""
    found: list[str] = []
    left = [module]
    while left:
        path = left.pop()
        for target in IMPORT.findall(_source(path)):
            name = normpath(join(dirname(path), target))
            if name != module and name not in found:
                found.append(name)
                left.append(name)
    return tuple(sorted(found))


def _source(path: str) -> str:
    file = finders.find(path)
    return Path(file).read_text(encoding="utf-8") if isinstance(file, str) else ""
