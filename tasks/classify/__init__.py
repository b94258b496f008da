"""From pages to a document type with a confidence."""
