"""Rows of the gateway: registry, ledger, budgets, replies, circuit states, leases."""
