"""Pixels to text: a pool of OCR processes, the two engines that they run, and what puts a page upright first."""
