"""Files as they come in: media types, sources, encodings, mail parts, images of pages."""
