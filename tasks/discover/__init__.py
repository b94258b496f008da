"""From a source to documents and chunks: list, hash, open containers, record."""
