"""What a call costs: prices, reservations, the ledger."""
