"""Backfills as plain records: which documents, what a plan says, and what differs between two versions of a type."""
