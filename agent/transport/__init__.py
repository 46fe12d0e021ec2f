"""The way to the server: one POST, what its answer means, and the threads that ship the spool."""
