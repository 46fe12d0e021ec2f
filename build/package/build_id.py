"""Build ids: the commit and the date of what is packed, such as 3f2a9c1d.2026-11-30.

They follow the version after a plus sign, as in semantic versions. The same sources have the same.
"""

from collections.abc import Sequence

from build.stack.command import run

#: Beside __init__.py of what is packed, which reads it.
FILE_NAME = "build-id"
#: Where there is no history, as in a copy of the sources.
UNKNOWN = "unknown"


def read_build_id(paths: Sequence[str], *, is_committed: bool = False) -> str:
    """Return the id of the last commit of `paths`.

    `is_committed`: what is packed is that commit, whatever has changed since.
    """
    last = run(["git", "log", "-1", "--abbrev=8", "--format=%h.%cs", "--", *paths], may_fail=True)
    if not last.strip():
        return UNKNOWN
    changes = run(["git", "status", "--porcelain", "--", *paths], may_fail=True)
    is_changed = bool(changes.strip()) and not is_committed
    return last.strip() + ".changed" * is_changed
