"""Static files of the pages: found in their folders, named by their hash, compressed."""

from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from django.contrib.staticfiles.finders import FileSystemFinder
from django.core.checks import CheckMessage
from django.core.files.storage import FileSystemStorage
from whitenoise.compress import Compressor
from whitenoise.storage import CompressedManifestStaticFilesStorage

# Django's own rules for `import … from "./x.js"`, which it applies to all scripts or to none.
_, IMPORTS = CompressedManifestStaticFilesStorage._js_module_import_aggregation_patterns  # noqa: SLF001
#: What our pages load. Brotli makes it a sixth smaller than gzip, and takes 20 times as long: for
#: the files of the admin and the API's description that is half a minute nobody would notice.
PAGES = ("dashboard/", "vendor/")

SERVER = Path(__file__).parents[3]
#: Folders that hold, beside sources, templates and tests, what browsers load.
FOLDERS = ("dashboard/shell/", "dashboard/charts/", "dashboard/pages/")
PUBLIC_SUFFIXES = {".js", ".css", ".svg"}


class DashboardFinder(FileSystemFinder):
    """Finds scripts, style sheets and pictures beside the views and templates of the pages.

    Under their full names: Django applies a storage's patterns to names without their prefix.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.locations = [("", str(SERVER))]
        self.storages = {str(SERVER): FileSystemStorage(location=SERVER)}

    def check(self, **kwargs: Any) -> list[CheckMessage]:
        """Return no messages: no setting names these folders."""
        return []

    def find_location(self, root: str, path: str, prefix: str | None = None) -> str | None:
        """Return where a file lies; None for what no browser may load."""
        return super().find_location(root, path, prefix) if is_public(path) else None

    def list(self, ignore_patterns: Iterable[str] | None) -> Iterator[tuple[str, Any]]:
        for path, storage in super().list(ignore_patterns):
            if is_public(path):
                yield path, storage


def is_public(path: str) -> bool:
    """Return whether a browser may load this file of the server's sources. Pure."""
    file = PurePosixPath(path)
    return (
        path.startswith(FOLDERS)
        and file.suffix in PUBLIC_SUFFIXES
        and not {"tests", ".."} & set(file.parts)
    )


class StaticStorage(CompressedManifestStaticFilesStorage):  # type: ignore[misc]
    """Names with a hash, compressed; the imports between our own modules follow the names.

    Ours alone: bundles of others hold text that only looks like an import of a file.
    """

    patterns = (*CompressedManifestStaticFilesStorage.patterns, ("dashboard/*.js", IMPORTS))
    _with_brotli = False

    def compress_files(self, paths: Iterable[str]) -> Iterator[tuple[str, str]]:
        """Compress files; those that pages name, so under their hashed names, with Brotli too."""
        of_pages = {name for name in self.hashed_files.values() if name.startswith(PAGES)}
        for self._with_brotli, some in ((True, of_pages), (False, set(paths) - of_pages)):
            yield from super().compress_files(some)

    def create_compressor(self, **kwargs: Any) -> Compressor:
        return super().create_compressor(use_brotli=self._with_brotli, **kwargs)
