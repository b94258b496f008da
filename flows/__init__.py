"""Only @flow functions. Each reads as a sentence; logic lives in tasks/."""
