"""The review page, a door to the rules of review: server-rendered, with scripts and styles of its own."""
