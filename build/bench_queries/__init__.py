"""`make bench-queries`: what the pages and the read API ask, on a database of production's size."""
