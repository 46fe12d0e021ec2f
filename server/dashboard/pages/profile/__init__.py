"""The page of one provider, destination, sending IP, sending domain or account."""
