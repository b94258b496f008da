"""Document types: the schema of a type's folder, how it is read, checked and explained."""
