"""Style sheets and icons, and how static files are found, named and preloaded."""
