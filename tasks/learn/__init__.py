"""From labels to what later runs read by: it is measured on labels that it did not see before it is used."""
