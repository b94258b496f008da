"""The built-in model: deterministic, no network, no cost. It reads any type's fields out of the type's own description."""
