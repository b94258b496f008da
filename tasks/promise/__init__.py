"""What is promised of accepted rows: proven by labels, watched by audits."""
