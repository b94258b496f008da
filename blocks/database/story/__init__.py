"""What happened: the list of runs, the story of one run and of one document, for commands, pages and artifacts."""
