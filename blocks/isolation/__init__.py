"""Processes that may die: parsing of untrusted bytes under limits, one process per document."""
