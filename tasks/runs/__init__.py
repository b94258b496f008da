"""What all stages share: open and close a run, the pipeline, the chunk."""
