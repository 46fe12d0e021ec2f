"""/routes: who is notified of what."""
