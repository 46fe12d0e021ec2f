"""Overview: whether anything is wrong, since when and where."""
