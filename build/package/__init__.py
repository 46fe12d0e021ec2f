"""The two files that are installed, and the assets that pages load."""
