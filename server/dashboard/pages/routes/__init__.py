"""Routes of notifications: which alerts go to which channels, and who would be woken now."""
