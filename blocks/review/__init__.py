"""The rules of review: what may be decided, by whom, on which version, and what follows. Plain, without SQL and web."""
