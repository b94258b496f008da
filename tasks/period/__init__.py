"""From what happened in a period to its report: sentences, figures, an artifact."""
