"""The models that are known: entries, their checks, their keys, the seed."""
