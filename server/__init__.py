"""The server: takes what agents send, keeps it, shows it."""
