"""The built-in reader: fields out of labels, layout and patterns; no network, no cost."""
