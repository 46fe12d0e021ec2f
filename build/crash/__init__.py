"""`make crash`: under load, kill, cut and fill up, then ask whether anything is lost or doubled."""
