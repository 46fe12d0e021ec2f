"""Settings, split by difference: base is safe for production, the others override a few lines."""
