"""Processes that may die: parsers and OCR, forked from preloaded fork servers, unprivileged and within limits."""
