"""Routes as people edit them, and the preview of who would be notified."""
