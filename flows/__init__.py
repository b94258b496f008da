"""Only @flow functions, which read like a sentence. Their logic is in tasks/."""
