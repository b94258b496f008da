"""The SQL of review: items and their order, claims, decisions, and the audit trail."""
