"""Backfills: from a selection to a plan, from a plan to shards, and rows that are computed beside the current ones."""
