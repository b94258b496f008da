"""From inboxes to runs: what has arrived is taken once, when it has stopped changing."""
