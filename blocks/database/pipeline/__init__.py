"""Rows of runs, documents and stage outputs."""
