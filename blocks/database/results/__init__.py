"""Rows that users read: results, review items, views per document type."""
