"""`make bench`: the whole way under load, from the POST to the table and to a browser's socket."""
