"""Deletes by age what nobody needs any more, and erases documents by age."""
