"""`make crash-agent`: kill the agent again and again under load, and look for losses."""
