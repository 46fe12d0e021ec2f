"""Starts and stops real programs on one machine, for the demo and the tests.

Each service is a module with the same shape: `start(supervisor, directory, …)` starts it under a
supervisor and returns where it answers; `running(directory, …)` is the same as a context manager
with a supervisor of its own, for tests. Data lies in `directory`, logs in `directory/log`.
Nothing here is imported by the agent or the server.
"""
