"""`python -m build.screenshots`: the pictures of the pages in docs/images."""
