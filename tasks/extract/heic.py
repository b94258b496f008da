"""HEIC photos, as other images. Runs in a parser process that may start threads: the decoder starts some."""

from tasks.extract.image import read, render, warm_up

__all__ = ["read", "render", "warm_up"]

MEDIA_TYPES = {"image/heic": "HEIC"}
VERSION = 1
PACKAGES = ("pillow", "pi-heif")
SETTINGS = ("ocr",)
STARTS_THREADS = True
