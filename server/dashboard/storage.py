"""How static files are named and kept."""

from whitenoise.storage import CompressedManifestStaticFilesStorage

# Django's own rules for `import … from "./x.js"`, which it applies to all scripts or to none.
_, IMPORTS = CompressedManifestStaticFilesStorage._js_module_import_aggregation_patterns  # noqa: SLF001


class StaticStorage(CompressedManifestStaticFilesStorage):  # type: ignore[misc]
    """Names with a hash, compressed; the imports between our own modules follow the names.

    Ours alone: bundles of others hold text that only looks like an import of a file.
    """

    patterns = (*CompressedManifestStaticFilesStorage.patterns, ("dashboard/js/*.js", IMPORTS))
