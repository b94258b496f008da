"""The built-in model: deterministic, offline, free. It reads any type's fields out of the type's own description."""
