"""Who is watched: nodes, and the keys with which their agents speak."""
