"""What a model is asked: prompts and their size in tokens."""
