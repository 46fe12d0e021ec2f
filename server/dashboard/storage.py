"""How static files are named and kept."""

from collections.abc import Iterable, Iterator
from typing import Any

from whitenoise.compress import Compressor
from whitenoise.storage import CompressedManifestStaticFilesStorage

# Django's own rules for `import … from "./x.js"`, which it applies to all scripts or to none.
_, IMPORTS = CompressedManifestStaticFilesStorage._js_module_import_aggregation_patterns  # noqa: SLF001
#: What our pages load. Brotli makes it a sixth smaller than gzip, and takes 20 times as long: for
#: the files of the admin and the API's description that is half a minute nobody would notice.
PAGES = ("dashboard/", "vendor/")


class StaticStorage(CompressedManifestStaticFilesStorage):  # type: ignore[misc]
    """Names with a hash, compressed; the imports between our own modules follow the names.

    Ours alone: bundles of others hold text that only looks like an import of a file.
    """

    patterns = (*CompressedManifestStaticFilesStorage.patterns, ("dashboard/js/*.js", IMPORTS))
    _with_brotli = False

    def compress_files(self, paths: Iterable[str]) -> Iterator[tuple[str, str]]:
        """Compress files; those that pages name, so under their hashed names, with Brotli too."""
        of_pages = {name for name in self.hashed_files.values() if name.startswith(PAGES)}
        for self._with_brotli, some in ((True, of_pages), (False, set(paths) - of_pages)):
            yield from super().compress_files(some)

    def create_compressor(self, **kwargs: Any) -> Compressor:
        """Return what compresses the files at hand."""
        return super().create_compressor(use_brotli=self._with_brotli, **kwargs)
