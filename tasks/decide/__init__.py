"""Applies the decisions that people wrote by SQL."""
