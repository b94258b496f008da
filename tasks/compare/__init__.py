"""Labelled documents by other settings than the one that read them, side by side."""
