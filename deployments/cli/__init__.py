"""The winnow command, one module per group of subcommands."""
