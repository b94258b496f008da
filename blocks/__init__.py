"""What stages speak and plug into: records, errors, settings, document types, the gateway and the database."""
