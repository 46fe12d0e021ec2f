"""Lists and links of the pages: tables of things, links to the page of each, blocks."""
