"""From verdicts to results, review items and failures, in one transaction per chunk."""
