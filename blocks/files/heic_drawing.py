"""Draws HEIC photos for models. Runs in an isolated process that may start threads: the decoder starts one."""

from blocks.files.page_drawing import draw, warm_up

__all__ = ["draw", "warm_up"]

STARTS_THREADS = True
