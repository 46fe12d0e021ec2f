"""Classes of refusals: what a remote server's reply, or an error on the way to it, means."""
