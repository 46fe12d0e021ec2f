"""HTTP helpers that know nothing of mail: client addresses, JSON rendering, negotiation."""
