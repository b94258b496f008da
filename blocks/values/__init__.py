"""Typed values: what a text means as a field's value."""
