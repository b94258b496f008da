"""Tells people about review items that wait too long."""
