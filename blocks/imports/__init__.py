"""How heavy libraries are imported: by one thread at a time, and without the parts that Winnow does not use."""
