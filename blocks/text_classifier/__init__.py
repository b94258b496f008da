"""A small text classifier: its features, its training, its predictions."""
