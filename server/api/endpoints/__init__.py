"""Endpoints of the read API: each module has the query, the answer and the view of one.

`build_…` returns the values of the answer of that name.
"""
