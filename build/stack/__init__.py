"""Starts and stops real programs on one machine, for the demo and the tests.

Each service is a module with the same shape: `start(supervisor, directory, …)` starts it under a
supervisor, with its data in `directory`, and returns where it answers. Nothing here is imported by
the agent or the server.
"""
